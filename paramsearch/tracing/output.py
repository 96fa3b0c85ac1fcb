"""What a model may return: a prediction, or a prediction and an auxiliary loss."""

from typing import cast

from torch import Tensor

from paramsearch.errors import ParamsearchError
from paramsearch.tasks.task import Task


def parted(output: object) -> tuple[Tensor, Tensor | None]:
    """Split what a model returns into its prediction and its auxiliary loss.

    Args:
        output: A tensor, or a tuple of a tensor and a scalar, such as the loss that balances the
            load of experts.

    Returns:
        The prediction; the auxiliary loss, or None.

    Raises:
        ParamsearchError: It is neither.

    Example:
        >>> import torch
        >>> parted((torch.zeros(2, 3), torch.tensor(0.5)))[1]
        tensor(0.5000)
    """
    match output:
        case Tensor():
            return output, None
        case (Tensor() as prediction, Tensor() as auxiliary) if auxiliary.dim() == 0:
            return prediction, auxiliary
        case _:
            raise ParamsearchError(
                "the model's forward must return a tensor, or a tuple of a tensor and a scalar "
                f"that is added to the loss; received {_named(output)}"
            )


def total_loss(task: Task, output: object, target: Tensor) -> Tensor:
    """Give the loss of what a model returns: the task's on the prediction, plus the auxiliary.

    Args:
        task: Gives the loss.
        output: What the model returned, see `parted`.
        target: Targets of the batch.

    Returns:
        A scalar.

    Raises:
        ParamsearchError: The model returned something else.
    """
    prediction, auxiliary = parted(output)
    loss = task.loss(prediction, target)
    return loss if auxiliary is None else loss + auxiliary


def _named(output: object) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, tuple):
        parts = cast(tuple[object, ...], output)
        return f"a tuple of {', '.join(_named(part) for part in parts) or 'nothing'}"
    return type(output).__name__
