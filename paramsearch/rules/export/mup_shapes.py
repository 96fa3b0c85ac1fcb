"""A rule as the base shapes of microsoft/mup, where it is muP."""

from paramsearch.errors import ParamsearchError
from paramsearch.rules.export.layout import Layout, bare_exponents
from paramsearch.rules.gauge import Exponents
from paramsearch.rules.rule import Rule
from paramsearch.rules.site import same_sites

_SAME = 1e-9  # exponents that differ by less are the same

OPTIMIZERS = {"adam": "MuAdam", "adamw": "MuAdamW", "sgd": "MuSGD"}
"""Optimizer -> that of the library."""

_HEAD = """\
# Base shapes of {arch} at width {base}, for microsoft/mup; rule '{rule}'.
# A number is the base size of a dimension that grows with width; null is one that does not.
#
#     mup.set_base_shapes(model, "this file")
#     optimizer = mup.optim.{optimizer}(model.parameters(), lr=...)
#
# The library scales the readout in its forward pass: mup.MuReadout must hold
# {readouts}
"""

_TIED = """\
# A readout tied to the embedding must be mup.MuSharedReadout.
"""

_LOGITS = """\
# It leaves attention to the model, which must multiply q.k with 1 / d, not with 1 / sqrt(d).
"""


def mup_text(layout: Layout) -> str:
    """Write the base shapes of an architecture, which microsoft/mup turns into muP.

    Such a file holds shapes alone; the rule is in the library's code. So only a rule that is muP
    on this architecture can be written.

    Args:
        layout: The rule on the architecture.

    Returns:
        The text of the file: tensor name -> base size of each dimension that grows, else null.

    Raises:
        ParamsearchError: The rule differs from muP, which names the first tensor where it does; or
            its optimizer is none that the library scales.

    Example:
        >>> from paramsearch.rules.export.layout import lay
        >>> from paramsearch.tracing.arch import load_arch
        >>> print(mup_text(lay(Rule.load("mup"), load_arch("mlp"))).splitlines()[-2])
        readout.weight: [null, 32]
    """
    _check(layout)
    readouts = [t.name.rpartition(".")[0] for t in layout.tensors if t.role == "output"]
    head = _HEAD.format(
        arch=layout.arch,
        base=layout.base["width"],
        rule=" ".join(layout.rule.name.split()),
        optimizer=OPTIMIZERS[layout.rule.optimizer],
        readouts=", ".join(readouts) or "nothing here",
    )
    kinds = {fold.kind for tensor in layout.tensors for fold in tensor.sites}
    head += _TIED * ("readout" in kinds) + _LOGITS * ("logits" in kinds)
    lines: list[str] = []
    for tensor in layout.tensors:
        powers = tensor.growth.get("width", (0.0,) * len(tensor.shape))
        if any(power not in (0, 1) for power in powers):
            raise ParamsearchError(
                f"form 'mup' takes dimensions that grow like the width or not at all; "
                f"{tensor.name} grows with the powers {', '.join(f'{p:g}' for p in powers)}"
            )
        sizes = zip(tensor.shape, powers, strict=True)
        cells = ", ".join(str(size) if power else "null" for size, power in sizes)
        lines.append(f"{tensor.name}: [{cells}]\n")
    return head + "".join(lines)


def _check(layout: Layout) -> None:
    rule = layout.rule
    if rule.optimizer not in OPTIMIZERS:
        raise ParamsearchError(
            f"form 'mup' takes a rule for an optimizer that microsoft/mup scales: "
            f"{', '.join(OPTIMIZERS)}; received a rule for {rule.optimizer}"
        )
    if tuple(layout.base) != ("width",):
        raise ParamsearchError(
            f"form 'mup' takes a rule for width alone, as microsoft/mup does; received one for "
            f"{', '.join(layout.base)}"
        )
    known = Rule.load("mup", rule.optimizer)
    theirs, mine = (_of_groups(each, layout) for each in (known, rule))
    compared = ({"init", "lr"} | rule.stated()) - {"multiplier"}
    for name in mine:
        for quantity in sorted(compared):
            a, b = (each[name].get(quantity, {}).get("width", 0.0) for each in (mine, theirs))
            if abs(a - b) > _SAME:
                raise ParamsearchError(
                    f"form 'mup' takes a rule that is muP, since the file holds shapes alone; rule "
                    f"'{rule.name}' has {quantity} exponent {a:g} at {name}, muP has {b:g}"
                )
    if not same_sites(rule.sites, known.sites, ["width"], _SAME):
        raise ParamsearchError(
            f"form 'mup' takes a rule that is muP; rule '{rule.name}' differs from it at sites"
        )


def _of_groups(rule: Rule, layout: Layout) -> dict[str, Exponents]:
    """Give what a rule says of tensors themselves; the library leaves sites to the model."""
    return bare_exponents(rule.model_copy(update={"sites": ()}), layout.tensors, ["width"])
