"""Forward multipliers on parameters of any module, without changing its ``state_dict`` keys.

The module that owns a parameter gets a subclass of its own class with one property per multiplied
parameter. Whoever reads ``module.weight`` receives ``multiplier * weight``; the registered
parameter, which the optimizer and ``state_dict`` see, stays as it is.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from paramsearch.errors import ParamsearchError

_STORE = "_paramsearch_multipliers"


def set_multipliers(model: nn.Module, multipliers: Mapping[str, float]) -> None:
    """Let the model compute with ``multiplier * w`` wherever it reads the parameter w.

    Setting again replaces; 1 takes the multiplier away. A tied parameter is multiplied in every
    module that has it. Afterwards initialize through ``model.named_parameters()``:
    ``nn.init.normal_(module.weight)`` would fill the product, which is thrown away.

    Args:
        model: Changed in place.
        multipliers: Parameter name -> multiplier; parameters left out keep theirs.

    Raises:
        ParamsearchError: No such parameter, or one of an RNN module, which reads its weights
            past any property.

    Example:
        >>> import torch
        >>> layer = nn.Linear(2, 2, bias=False)
        >>> before = layer(torch.ones(2))
        >>> set_multipliers(layer, {"weight": 3.0})
        >>> torch.allclose(layer(torch.ones(2)), 3 * before), list(layer.state_dict())
        (True, ['weight'])
    """
    parameters = dict(model.named_parameters())
    unknown = [name for name in multipliers if name not in parameters]
    if unknown:
        raise ParamsearchError(
            f"the model has no parameter {', '.join(unknown)}; it has {', '.join(parameters)}"
        )
    by_identity = {id(parameters[name]): (name, value) for name, value in multipliers.items()}
    changes: dict[nn.Module, dict[str, float]] = {}
    for module, attribute, parameter in _owners(model):
        if id(parameter) in by_identity:
            name, value = by_identity[id(parameter)]
            if isinstance(module, nn.RNNBase) and value != 1:
                raise ParamsearchError(
                    f"{name} belongs to {_base_class(module).__name__}, which cannot carry the "
                    f"multiplier {value:g}; use rule.regauge('no-multipliers')"
                )
            changes.setdefault(module, {})[attribute] = value
    for module, change in changes.items():
        _install(module, {**_carried(module), **change})


def multipliers_of(model: nn.Module) -> dict[str, float]:
    """Give the multipliers that a model carries, by parameter name; those left out are 1.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> set_multipliers(layer, {"weight": 0.5, "bias": 1.0})
        >>> multipliers_of(layer)
        {'weight': 0.5}
    """
    carried = {
        id(parameter): _carried(module)[attribute]
        for module, attribute, parameter in _owners(model)
        if attribute in _carried(module)
    }
    return {name: carried[id(p)] for name, p in model.named_parameters() if id(p) in carried}


def _carried(module: nn.Module) -> dict[str, float]:
    return module.__dict__.get(_STORE, {})


def _owners(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    for module in model.modules():
        yield from (
            (module, attribute, parameter)
            for attribute, parameter in module._parameters.items()  # pyright: ignore[reportPrivateUsage]
            if parameter is not None
        )


def _base_class(module: nn.Module) -> type[nn.Module]:
    """Give the class that the module had before it carried multipliers.

    ``fully_shard`` and others may since have made a subclass of ours, which is then the base.
    """
    return type(module).__dict__.get("_paramsearch_base", type(module))


def _install(module: nn.Module, multipliers: Mapping[str, float]) -> None:
    kept = {name: value for name, value in multipliers.items() if value != 1}
    base = _base_class(module)
    module.__dict__.pop(_STORE, None)
    if kept:
        module.__dict__[_STORE] = kept
        module.__class__ = _multiplied_class(base, tuple(sorted(kept)))
    elif base is not type(module):
        module.__class__ = base


@cache
def _multiplied_class(base: type[nn.Module], names: tuple[str, ...]) -> type[nn.Module]:
    """Make the subclass; one per class and set of names, so that modules alike share a type."""
    body: dict[str, Any] = {name: property(_product(name)) for name in names}
    body |= {
        "_paramsearch_base": base,
        "__reduce_ex__": _reduce_ex,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
    }
    return type(base.__name__, (base,), body)


def _product(name: str) -> Callable[[nn.Module], Tensor | None]:
    def read(module: nn.Module) -> Tensor | None:
        parameter = module._parameters[name]  # pyright: ignore[reportPrivateUsage]
        factor = _carried(module).get(name, 1)
        if parameter is None or factor == 1:
            return parameter
        if hasattr(parameter, "placements") and _fsdp_looks_up():
            return parameter
        return parameter * factor

    return read


def _fsdp_looks_up() -> bool:
    """Say whether FSDP2 reads a parameter that it has sharded.

    It does so before the first step and after a state was loaded, by attribute, and takes what it
    gets for the parameter itself. Nothing else tells it from a layer that reads its weight.
    """
    if torch.compiler.is_compiling():
        return False
    return sys._getframe(2).f_code.co_name == "reset_sharded_param"  # pyright: ignore


def _reduce_ex(module: nn.Module, protocol: Any) -> tuple[Any, ...]:
    """Copy and pickle by way of the base class: the subclass cannot be found by its name."""
    made = type(module)
    base = _base_class(module)
    reduced = base.__reduce_ex__(module, protocol)
    assert isinstance(reduced, tuple)
    make, arguments, *state = reduced
    plain = tuple(base if argument is made else argument for argument in arguments)
    return (_remake, (make, plain, base, tuple(sorted(_carried(module)))), *state)


def _remake(
    make: Callable[..., nn.Module],
    arguments: Sequence[Any],
    base: type[nn.Module],
    names: tuple[str, ...],
) -> nn.Module:
    module = make(*arguments)
    module.__class__ = _multiplied_class(base, names)
    return module
