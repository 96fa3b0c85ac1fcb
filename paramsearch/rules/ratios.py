"""The ratio of a model to its base along every axis of a rule: given, or shown by shapes."""

from collections.abc import Mapping, Sequence

from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule

_SEEN_IN_SHAPES = ("width", "heads", "ffn", "experts")


def complete_ratios(
    rule: Rule,
    model: nn.Module,
    base: Mapping[str, Sequence[int]],
    given: Mapping[str, float],
) -> dict[str, float]:
    """Complete the ratios given by the one that shapes show.

    Args:
        rule: Its axes need a ratio each.
        model: The model.
        base: Tensor name -> shape in the base model.
        given: Axis -> scale / base; what is left out must show, and can do so for one axis only.

    Returns:
        Axis -> ratio, for every axis of the rule.

    Raises:
        ParamsearchError: An axis that the rule has not, or ratios that the shapes do not tell.

    Example:
        >>> complete_ratios(Rule.load("mup"), nn.Linear(3, 32), {"weight": (8, 3)}, {})
        {'width': 4.0}
    """
    unknown = sorted(set(given) - set(rule.axes))
    if unknown:
        raise ParamsearchError(
            f"ratios: received axis '{unknown[0]}'; allowed: the axes of rule '{rule.name}', "
            f"{', '.join(rule.axes)}"
        )
    open_axes = [axis for axis in rule.axes if axis not in given]
    if not open_axes:
        return dict(given)
    example = ", ".join(f"'{axis}': 4" for axis in open_axes)
    ask = f"give the ratios of rule '{rule.name}' as ratios={{{example}}}"
    if len(open_axes) > 1 or open_axes[0] not in _SEEN_IN_SHAPES:
        raise ParamsearchError(
            f"the shapes of a model do not tell its ratio along {' and '.join(open_axes)}; {ask}"
        )
    grown = _grown(model, base)
    if len(grown) > 1:
        seen = "; ".join(f"{ratio:g} in {name}" for ratio, name in sorted(grown.items()))
        raise ParamsearchError(f"the model's dimensions grow by different ratios ({seen}); {ask}")
    return {**given, open_axes[0]: next(iter(grown), 1.0)}


def _grown(model: nn.Module, base: Mapping[str, Sequence[int]]) -> dict[float, str]:
    """Give every ratio other than 1 between dimensions of model and base, with a tensor's name."""
    grown: dict[float, str] = {}
    for name, parameter in model.named_parameters():
        for size, base_size in zip(parameter.shape, base.get(name, ()), strict=False):
            if size != base_size and base_size:
                grown.setdefault(size / base_size, name)
    return grown
