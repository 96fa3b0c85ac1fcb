"""The table that exported Python files carry: what every tensor starts at and scales by."""

from collections.abc import Mapping

from paramsearch.rules.export.layout import Layout, Row


def table(layout: Layout) -> str:
    """Write the rows of a layout as Python, one tensor pattern after the other.

    Args:
        layout: The layout.

    Returns:
        The entries of a dictionary, indented by four: pattern of names -> ``label``; ``mean``, of
        a tensor that starts constant, or ``std``; ``shape`` at the base; ``grows``, axis -> power
        of each dimension; and per quantity its exponents.

    Example:
        >>> from paramsearch.rules.draws import InitLaw
        >>> from paramsearch.rules.rule import Rule
        >>> grows, scales = {"width": (0.0, 1.0)}, {"lr": {"width": -1.0}}
        >>> row = Row("head.weight", "output", InitLaw(0, 0.02), (10, 32), grows, scales)
        >>> print(table(Layout(Rule.load("mup"), "mlp", {"width": 32}, (row,), ())))
            "head.weight": {
                "label": "output",
                "std": 0.02,
                "shape": (10, 32),
                "grows": {"width": (0, 1)},
                "lr": {"width": -1},
            },
    """
    return "\n".join(_entry(row) for row in layout.rows)


def mapping(values: Mapping[str, float]) -> str:
    """Write names and numbers as Python, whole numbers without a point.

    Example:
        >>> mapping({"width": -1.0, "depth": 0.5})
        '{"width": -1, "depth": 0.5}'
    """
    return "{" + ", ".join(f'"{name}": {_number(value)}' for name, value in values.items()) + "}"


def filled(text: str, words: dict[str, str]) -> str:
    """Put words into the places of a text that are marked ``@NAME@``.

    Example:
        >>> filled("lr of @RULE@", {"RULE": "mup"})
        'lr of mup'
    """
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text


def quiet(name: str) -> str:
    r"""Give a name without what would end the string or the line that it stands in.

    Example:
        >>> quiet('my "best"\n rule')
        "my 'best' rule"
    """
    return " ".join(name.replace('"', "'").replace("\\", "/").split())


def _entry(row: Row) -> str:
    start = ("std", row.law.std) if row.law.std else ("mean", row.law.mean)
    shape = ", ".join(map(str, row.shape)) + ("," if len(row.shape) == 1 else "")
    powers = {axis: ", ".join(map(_number, dims)) for axis, dims in row.growth.items()}
    tail = "," if len(row.shape) == 1 else ""
    grows = ", ".join(f'"{axis}": ({dims}{tail})' for axis, dims in powers.items())
    lines = [
        f'    "{quiet(row.pattern)}": {{',
        f'        "label": "{quiet(row.label)}",',
        f'        "{start[0]}": {start[1]:.6g},',
        f'        "shape": ({shape}),',
        f'        "grows": {{{grows}}},',
        *(f'        "{q}": {mapping(by_axis)},' for q, by_axis in row.exponents.items()),
        "    },",
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    return repr(int(value) if float(value).is_integer() else value)
