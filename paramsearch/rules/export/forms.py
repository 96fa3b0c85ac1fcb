"""The table of forms that a rule can be written in."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.rules.export.layout import Layout, lay
from paramsearch.rules.export.markdown import markdown_text
from paramsearch.rules.export.mup_shapes import mup_text
from paramsearch.rules.export.optax_file import optax_text
from paramsearch.rules.export.python_file import python_text
from paramsearch.rules.rule import Gauge, Rule
from paramsearch.tasks.task import Task
from paramsearch.tracing.arch import Arch

RULE_FORMS: dict[str, Callable[[Rule], str]] = {
    "yaml": Rule.text,
    "json": lambda rule: json.dumps(rule.plain()) + "\n",
    "markdown": markdown_text,
}
"""Form -> what writes a rule by itself."""

ARCH_FORMS: dict[str, Callable[[Layout], str]] = {
    "python": python_text,
    "mup": mup_text,
    "optax": optax_text,
}
"""Form -> what writes a rule on an architecture, in the gauge without multipliers."""

FORMS = (*RULE_FORMS, *ARCH_FORMS)


@dataclass(frozen=True, slots=True)
class On:
    """The architecture that a rule is written for.

    Attributes:
        arch: The architecture.
        axis: The one axis to speak of; all axes of the rule if left out.
        task: Gives the model's inputs and outputs; by default the architecture's own.
    """

    arch: Arch
    axis: str | None = None
    task: Task | None = None


def written(rule: Rule, to: str, gauge: Gauge | None = None, on: On | None = None) -> str:
    """Write a rule in one of the forms.

    Args:
        rule: The rule.
        to: One of ``FORMS``.
        gauge: In which gauge; as the rule is, by default. Forms for an architecture have no
            multipliers, whatever the rule's gauge.
        on: The architecture; needed by the forms that list its tensors, not looked at by others.

    Returns:
        The text of the file.

    Raises:
        ParamsearchError: No such form or gauge, no architecture where one is needed, or the rule
            cannot be written in this form.

    Example:
        >>> written(Rule.load("ntk"), "yaml", "no-multipliers").splitlines()[1]
        'name: ntk'
    """
    if to not in FORMS:
        raise unknown_name("form", to, FORMS)
    moved = rule if gauge is None else rule.regauge(gauge)
    if to in RULE_FORMS:
        return RULE_FORMS[to](moved)
    if gauge not in (None, "no-multipliers"):
        raise ParamsearchError(
            f"form '{to}' has no forward multipliers; received gauge '{gauge}', allowed: "
            "no-multipliers"
        )
    if on is None:
        raise ParamsearchError(
            f"form '{to}' lists the tensors of an architecture, and rule '{rule.name}' by itself "
            "does not say of which; add --arch"
        )
    return ARCH_FORMS[to](lay(rule, on.arch, on.axis, on.task))
