"""What torch's own modules do with their parameters, known without running them."""

import re

from torch import nn

from paramsearch.tracing.dims import size_of
from paramsearch.tracing.recording import Use

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORM = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._BatchNorm,  # pyright: ignore[reportPrivateUsage]
    nn.modules.instancenorm._InstanceNorm,  # pyright: ignore[reportPrivateUsage]
)
_LINEAR = (nn.Linear, nn.Bilinear, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_NAMES = re.compile(r"((in|[qkv])_proj_)?(weight|bias)(_([kv]|[ih]h|[ihr]{2}_l\d+(_reverse)?))?")


def named_by_torch(name: str) -> bool:
    """Say whether torch gives its own modules' parameters such names; subclasses may add others.

    Example:
        >>> named_by_torch("rnn.weight_hh_l0"), named_by_torch("conv.gain")
        (True, False)
    """
    return _NAMES.fullmatch(name.rpartition(".")[2]) is not None


def module_op(owner: nn.Module) -> str | None:
    """Name the op of a module's parameters; None if torch does not define the module.

    Example:
        >>> module_op(nn.RMSNorm(4)), module_op(nn.Conv2d(1, 4, 3)), module_op(nn.Sequential())
        ('norm', 'conv', None)
    """
    for kinds, op in (
        (_LINEAR, "linear"),
        ((nn.Embedding, nn.EmbeddingBag), "embedding"),
        ((*_CONV, *_TRANSPOSED), "conv"),
        (_NORM, "norm"),
        ((nn.PReLU,), "prelu"),
    ):
        if isinstance(owner, kinds):
            return op
    return None


def module_use(owner: nn.Module, shape: tuple[int, ...]) -> Use | None:
    """Describe how a module uses one of its parameters; None if torch does not define it.

    Args:
        owner: The module that holds the parameter itself, not in a child.
        shape: Shape of the parameter.

    Returns:
        The use; it sums over nothing for a bias or gain.

    Example:
        >>> module_use(nn.Linear(64, 32), (32, 64)).fan_in
        64
    """
    op = module_op(owner)
    if op is None:
        return None
    rank = len(shape)
    summed: frozenset[int] = frozenset()
    if rank > 1 and op != "norm":
        if isinstance(owner, (nn.Embedding, nn.EmbeddingBag)):
            summed = frozenset({0})
        elif isinstance(owner, _TRANSPOSED):
            summed = frozenset({0, *range(2, rank)})
        else:
            summed = frozenset(range(1, rank))
    return use_of(op, shape, summed)


def use_of(op: str, shape: tuple[int, ...], summed: frozenset[int]) -> Use:
    """Make the use of a parameter from the dimensions that its op sums over.

    Example:
        >>> use_of("linear", (32, 64), frozenset({1})).fan_out
        32
    """
    kept = frozenset(range(len(shape))) - summed
    if summed:
        fan_in, fan_out = size_of(shape, summed), size_of(shape, kept)
    else:
        long = [size for size in shape if size > 1]
        fan_in, fan_out = 1, long[-1] if long else 1
    return Use(op, summed, kept, frozenset(), fan_in, fan_out)
