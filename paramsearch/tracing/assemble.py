"""Put uses and growth together: one `TensorInfo` per parameter tensor."""

from collections.abc import Collection, Mapping, Sequence

from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.tracing.flow import residual_names
from paramsearch.tracing.groups import UNUSED, Kind, role_groups
from paramsearch.tracing.modules import module_op, module_use, named_by_torch, use_of
from paramsearch.tracing.recording import Recording, Use, main_use
from paramsearch.tracing.roles import role
from paramsearch.tracing.tensor import TensorInfo
from paramsearch.tracing.unseen import with_unseen


def shapes_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Give the shape of every parameter tensor, by name."""
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def owners(model: nn.Module) -> dict[str, nn.Module]:
    """Give the module that holds each parameter tensor, by the tensor's every name."""
    return {
        name: model.get_submodule(name.rpartition(".")[0])
        for name, _ in model.named_parameters(remove_duplicate=False)
    }


def tied_names(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Give the other names of each parameter tensor."""
    first = {id(p): name for name, p in model.named_parameters()}
    others: dict[str, tuple[str, ...]] = {name: () for name in first.values()}
    for name, p in model.named_parameters(remove_duplicate=False):
        if name != first[id(p)]:
            others[first[id(p)]] += (name,)
    return others


def assemble(
    model: nn.Module,
    uses: Mapping[str, Sequence[Use]],
    growth: Mapping[str, Mapping[str, tuple[float, ...]]],
    recording: Recording | None = None,
    unused: Collection[str] = (),
) -> tuple[TensorInfo, ...]:
    """Describe every parameter tensor of a model.

    Args:
        model: The model.
        uses: Tensor name -> its uses; a tensor that lacks them is taken to do what its module's
            type tells, or a tensor like it in another block.
        growth: Tensor name -> axis -> power of each dimension.
        recording: Tells which tensors sit in residual branches; none do without it.
        unused: Tensors that receive no gradient; they may lack uses.

    Returns:
        One entry per tensor, in the order of ``named_parameters()``.

    Raises:
        ParamsearchError: A tensor that receives a gradient was never seen at work, and nothing
            else tells what it does.
    """
    owner, tied = owners(model), tied_names(model)
    uses = with_unseen(model, uses, owner)
    lost = [name for name, _ in model.named_parameters() if name not in {*uses, *unused}]
    if lost:
        raise ParamsearchError(
            f"no op was seen to consume {', '.join(lost)}, though the loss depends on it; let a "
            "module of torch hold it, such as torch.nn.Linear, or use it where torch sees its ops"
        )
    residual = residual_names(recording) if recording else frozenset[str]()
    found: dict[str, tuple[str, str, Use]] = {}
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        seen = uses.get(name) or [use_of(UNUSED, shape, frozenset(range(1, len(shape))))]
        op, use = main_use(seen)
        # torch's own modules may do their work in ops we have no row for
        if not use.summed and named_by_torch(name):
            use = module_use(owner[name], shape) or use
            op = module_op(owner[name]) or op
        found[name] = (UNUSED if name in unused else op, role(op, use, growth[name]), use)
    kinds = {name: Kind(r, op, name in residual) for name, (op, r, _) in found.items()}
    groups = role_groups(kinds)
    return tuple(
        TensorInfo(
            name=name,
            shape=tuple(parameter.shape),
            op=kinds[name].op,
            role=kinds[name].role,
            fan_in=found[name][2].fan_in,
            fan_out=found[name][2].fan_out,
            growth=growth[name],
            residual=kinds[name].residual,
            group=groups[name],
            tied=tied[name],
        )
        for name, parameter in model.named_parameters()
    )
