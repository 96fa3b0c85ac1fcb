"""The losses of the shipped tasks; when a model's output does not fit, they say which one would."""

from torch import Tensor
from torch.nn import functional

from paramsearch.errors import ParamsearchError

IGNORED = -100
"""A target that does not count."""


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    r"""Give the mean cross-entropy in nats over all targets that count.

    .. math:: -\frac1{|C|} \sum_{i \in C} \log \mathrm{softmax}(o_i)_{y_i},
        \qquad C = \{i : y_i \ne -100\}

    Args:
        output: Logits (batch, classes), or (batch, positions, classes).
        target: Classes in int64, (batch,) or (batch, positions).

    Returns:
        A scalar.

    Raises:
        ParamsearchError: The shapes do not belong together.

    Example:
        >>> import torch
        >>> logits, target = torch.zeros(2, 3, 4), torch.tensor([[0, 1, 2], [-100, 3, 0]])
        >>> round(cross_entropy(logits, target).exp().item(), 4)
        4.0
    """
    if output.shape[:-1] != target.shape:
        raise ParamsearchError(
            f"logits of shape {(*target.shape, 'classes')} are needed for targets of shape "
            f"{tuple(target.shape)}; received shape {tuple(output.shape)}"
        )
    return functional.cross_entropy(
        output.flatten(end_dim=-2), target.flatten(), ignore_index=IGNORED
    )


def square_error(output: Tensor, target: Tensor) -> Tensor:
    """Give the mean square error, averaged over examples and outputs.

    Args:
        output: Predictions (batch, outputs).
        target: Values of the same shape.

    Returns:
        A scalar.

    Raises:
        ParamsearchError: The shapes differ.

    Example:
        >>> import torch
        >>> square_error(torch.zeros(2, 3), torch.ones(2, 3)).item()
        1.0
    """
    if output.shape != target.shape:
        raise ParamsearchError(
            f"an output of shape {tuple(target.shape)} is needed; received {tuple(output.shape)}"
        )
    return functional.mse_loss(output, target)
