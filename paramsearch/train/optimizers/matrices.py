"""How optimizers that work on whole matrices see a tensor as matrices."""

from torch import Tensor

from paramsearch.tracing.tensor import TensorInfo


def as_matrices(values: Tensor, tensor: TensorInfo) -> Tensor:
    """View stacked values as matrices in their last two dimensions.

    A convolution's weight (out, in, *kernel) becomes (out, in * kernel); whatever stands before
    the last two dimensions of other tensors (experts, heads) numbers matrices of their own.

    Args:
        values: Shape (members, *shape of the tensor), at least two dimensions beside members.
        tensor: What the tensor is.

    Returns:
        Shape (members, ..., rows, columns).

    Example:
        >>> import torch
        >>> kernel = TensorInfo("w", (8, 4, 3, 3), "conv", "hidden", 36, 8, {}, False, "hidden")
        >>> as_matrices(torch.ones(5, 8, 4, 3, 3), kernel).shape
        torch.Size([5, 8, 36])
    """
    return values.flatten(2) if tensor.op == "conv" else values


def is_matrix(tensor: TensorInfo) -> bool:
    """Say whether a tensor is a linear map, or several, whose sides both mean features."""
    return tensor.role == "hidden" and len(tensor.shape) > 1


def fan_dims(tensor: TensorInfo) -> tuple[int, int]:
    """Give the dimensions of fan-out and fan-in: torch's order unless the sizes tell otherwise.

    Example:
        >>> turned = TensorInfo("w", (4, 8), "linear", "hidden", 4, 8, {}, False, "hidden")
        >>> fan_dims(turned)
        (1, 0)
    """
    rows, columns = len(tensor.shape) - 2, len(tensor.shape) - 1
    turned = tensor.shape[rows:] == (tensor.fan_in, tensor.fan_out)
    return (columns, rows) if turned and tensor.fan_in != tensor.fan_out else (rows, columns)
