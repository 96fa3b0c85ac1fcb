"""A rule as a table for a paper: groups of tensors by quantities, exponents as fractions."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from paramsearch.rules.gauge import QUANTITIES
from paramsearch.rules.group import Match
from paramsearch.rules.rule import Rule
from paramsearch.rules.site import SiteMatch

_HEADS = {
    "multiplier": "multiplier",
    "init": "initial std",
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "eps": "epsilon",
}

_ROLES = {
    "input": "input weights",
    "hidden": "hidden weights",
    "output": "output weights",
    "vector": "biases and gains",
    "scalar": "parameters that do not grow",
}

_LARGEST_DENOMINATOR = 24


def markdown_text(rule: Rule) -> str:
    """Write a rule as a table in Markdown with formulas in TeX.

    Args:
        rule: In the gauge in which it is to be shown.

    Returns:
        A caption and a table: a row per group, a column per quantity that the rule states.

    Example:
        >>> print(markdown_text(Rule.load("sp")).splitlines()[5])
        | hidden weights | $m^{-1/2}$ | 1 |
    """
    symbols = _symbols(rule.axes)
    known = [*rule.stated(), *["multiplier"] * bool(rule.sites)]
    stated = [quantity for quantity in QUANTITIES if quantity in known]
    where = " and ".join(f"${s}$ the {axis} ratio" for axis, s in symbols.items())
    lines = [
        f"**{rule.name}** for {rule.optimizer}: factors relative to the base model, {where}.",
        "",
        _row(["parameters", *(_HEADS[quantity] for quantity in stated)]),
        _row(["---"] * (1 + len(stated))),
    ]
    for group in rule.groups:
        factors = [_factor(group.exponents()[quantity], symbols) for quantity in stated]
        lines.append(_row([_words(group.match), *factors]))
    for site in rule.sites:
        empty = [""] * (len(stated) - 1)  # the multiplier comes first
        lines.append(_row([_place(site.match), _factor(site.multiplier, symbols), *empty]))
    if rule.source:
        lines += ["", f"Source: {' '.join(rule.source.split())}."]
    return "\n".join(lines) + "\n"


def fraction(value: float) -> str:
    """Write a number as a fraction with a small denominator where it is one.

    Example:
        >>> fraction(-0.5), fraction(2 / 3), fraction(-1.0), fraction(0.1234)
        ('-1/2', '2/3', '-1', '0.1234')
    """
    near = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
    return str(near) if abs(float(near) - value) < 1e-9 else f"{value:.4g}"


def _symbols(axes: Sequence[str]) -> dict[str, str]:
    """Give m for the ratio of one axis, and m with an index for several."""
    if len(axes) == 1:
        return {axes[0]: "m"}
    return {axis: rf"m_{{\text{{{axis}}}}}" for axis in axes}


def _factor(exponents: Mapping[str, float], symbols: Mapping[str, str]) -> str:
    """Write a factor as a product of powers; 1 where nothing changes."""
    powers = [_power(symbol, exponents[a]) for a, symbol in symbols.items() if exponents.get(a)]
    return f"${' '.join(powers)}$" if powers else "1"


def _power(symbol: str, exponent: float) -> str:
    return symbol if exponent == 1 else f"{symbol}^{{{fraction(exponent)}}}"


def _words(match: Match) -> str:
    """Say in words of the field which tensors a group is about."""
    words = [_ROLES.get(match.role or "", "parameters")]
    if match.op is not None:
        words.append(f"of {match.op} layers")
    if match.residual is not None:
        words.append("in residual branches" if match.residual else "outside residual branches")
    if match.name is not None:
        words.append(f"named `{match.name}`")
    return " ".join(words)


def _place(match: SiteMatch) -> str:
    """Say which sites a line is about; logits are counted from the usual ``q.k / sqrt(d)``."""
    kinds = {
        "branch": "residual branches",
        "logits": "attention logits, beside $1/\\sqrt{d}$",
        "readout": "readouts tied to the embedding",
    }
    return kinds[match.site] + (f" in `{match.name}`" if match.name is not None else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
