"""What a rule says in one line: its proportionalities, and the published rule it equals.

Spoken of are multipliers, initial scale, learning rate, weight decay and eps where they differ from
the standard parameterization, which has initial scales as 1/√fan_in and one learning rate for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paramsearch.rules.encoding import Encoding
from paramsearch.rules.rule import Rule
from paramsearch.tracing.tensor import TensorInfo

Groups = Mapping[str, Sequence[TensorInfo]]

SAME = 1e-6
"""By how much exponents may differ in rules that are the same."""

_NAMES = {
    "mup": "muP",
    "sp": "SP (the standard parameterization)",
    "ntk": "NTK",
    "ntk-lazy": "NTK in its lazy form",
    "mean-field": "mean-field",
    "depth-mup": "Depth-muP",
    "completep": "CompleteP",
    "u-mup": "u-muP",
    "muon-spectral": "the spectral rule for Muon",
}
_ROLES = {"output": "readout", "vector": "bias and gain", "scalar": "output bias"}
_SITES = {"branch": "branch multiplier", "readout": "tied readout multiplier"}
_QUANTITIES = {"lr": "LR", "init": "init", "multiplier": "multiplier"}
_STANDARD = {("hidden", "init"): -0.5, ("output", "init"): -0.5}  # over what fan_in grows with


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule in a line.

    Attributes:
        statements: Such as ``hidden LR ∝ 1/fan_in``, what departs from the standard alone.
        published: Name of the published rule that it equals up to gauge, if any.
        within: Names of published rules inside the intervals of its exponents.
    """

    statements: tuple[str, ...]
    published: str | None
    within: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Give the line.

        Example:
            >>> Pattern(("hidden LR ∝ 1/fan_in", "readout init ∝ 1/fan_in"), "mup", ()).sentence
            'hidden LR ∝ 1/fan_in, readout init ∝ 1/fan_in: muP up to gauge'
        """
        said = ", ".join(self.statements) or "init ∝ 1/√fan_in, one LR for all"
        if self.published:
            aside = ", weight decay aside" if any(map(_decays, self.statements)) else ""
            return f"{said}: {_name(self.published)} up to gauge{aside}"
        if self.within:
            return f"{said}: equal to {' or '.join(map(_name, self.within))} within the intervals"
        return f"{said}: no published rule matches"

    def to_json(self) -> dict[str, Any]:
        """Give plain data."""
        return {
            "statements": list(self.statements),
            "published": self.published,
            "within": list(self.within),
            "sentence": self.sentence,
        }


def _decays(statement: str) -> bool:
    """Say whether a statement is about weight decay, of which published rules say nothing."""
    return "weight decay" in statement


def pattern(
    rule: Rule, groups: Groups, near: Mapping[str, Any] | None, within: Sequence[str] = ()
) -> Pattern:
    """Explain a rule in a line.

    Args:
        rule: The rule found.
        groups: The model's groups of tensors.
        near: The closest published rule, as ``nearest`` gives it.
        within: Published rules inside the intervals, as ``inside`` gives them.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name, tensors in groups.items():
        tensor = tensors[0]
        group = rule.regauge("no-multipliers").exponents(tensor)
        for quantity, by_axis in group.stated().items() if group else ():
            for axis, value in by_axis.items():
                if abs(value - _standard(tensor, quantity, axis)) > SAME:
                    key = f"{_QUANTITIES.get(quantity, quantity.replace('_', ' '))}"
                    what = f"{key} ∝ {_power(tensor, axis, value)}"
                    found.setdefault((tensor.role, what), []).append(name)
    statements = [
        f"{_subject(role, names, groups)} {what}" for (role, what), names in found.items()
    ]
    same = near is not None and near["distance"] <= SAME
    name = near["name"] if near is not None and same else None
    return Pattern((*statements, *_at_sites(rule, groups)), name, tuple(within))


def inside(
    encoding: Encoding, low: Sequence[int], high: Sequence[int], published: Mapping[str, Rule]
) -> list[str]:
    """List the published rules whose exponents all lie inside the intervals of a rule found.

    Args:
        encoding: The free exponents.
        low: For each exponent the lowest grid index that is tied.
        high: The highest.
        published: Name -> rule.
    """
    found: list[str] = []
    for name, rule in published.items():
        values = encoding.values(rule)
        if values is None:
            continue
        ends = zip(encoding.variables, low, high, strict=True)
        bounds = [(v.values[a] - SAME, v.values[b] + SAME) for v, a, b in ends]
        if all(a <= value <= b for value, (a, b) in zip(values, bounds, strict=True)):
            found.append(name)
    known = list(_NAMES)
    return sorted(found, key=lambda n: known.index(n) if n in known else len(known))


def _name(published: str) -> str:
    return _NAMES.get(published, published)


def _subject(role: str, names: Sequence[str], groups: Groups) -> str:
    """Name whose exponent it is: the role where all groups of that role share it."""
    alike = [name for name, tensors in groups.items() if tensors[0].role == role]
    return _ROLES.get(role, role) if len(names) == len(alike) else " and ".join(names)


def _standard(tensor: TensorInfo, quantity: str, axis: str) -> float:
    """Give the exponent under the standard parameterization."""
    return _STANDARD.get((tensor.role, quantity), 0.0) * _fan_in(tensor, axis)


def _fan_in(tensor: TensorInfo, axis: str) -> float:
    """Give the power of the axis with which the fan-in grows, 0 where it does not or is unclear."""
    powers = {power for power in tensor.growth.get(axis, ()) if power}
    grows = tensor.role in ("hidden", "output") and len(powers) == 1
    return powers.pop() if grows else 0.0


def _power(tensor: TensorInfo, axis: str, value: float) -> str:
    """Give a power of an axis in the words of the field."""
    growth = _fan_in(tensor, axis)
    return _written("fan_in", value / growth) if growth else _written(axis, value)


def _written(base: str, power: float) -> str:
    """Write a power.

    Example:
        >>> [_written("width", power) for power in (-1, -0.5, 0, 0.5, 1, -0.75)]
        ['1/width', '1/√width', '1', '√width', 'width', 'width^-0.75']
    """
    words = {-1.0: f"1/{base}", -0.5: f"1/√{base}", 0.0: "1", 0.5: f"√{base}", 1.0: base}
    return words.get(round(power, 6), f"{base}^{power:.3g}")


def _at_sites(rule: Rule, groups: Groups) -> list[str]:
    """Say what a rule states of sites that the model has, beyond the usual 1/√d of logits."""
    kinds = {fold.kind for tensors in groups.values() for t in tensors for fold in t.sites}
    said: list[str] = []
    for site in rule.sites:
        kind, where = site.match.site, f" ({site.match.name})" if site.match.name else ""
        for axis, value in site.multiplier.items() if kind in kinds else ():
            if kind == "logits":
                said.append(f"attention logits{where} ∝ {_written('d_head', value - 0.5)}")
            elif value:
                said.append(f"{_SITES[kind]}{where} ∝ {_written(axis, value)}")
    return list(dict.fromkeys(said))
