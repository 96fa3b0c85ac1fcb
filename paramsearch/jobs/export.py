"""A rule written in another form, as a Python call."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from paramsearch.errors import unknown_name
from paramsearch.jobs.checks import from_file
from paramsearch.jobs.rules import rule_target
from paramsearch.rules.export.forms import ARCH_FORMS, FORMS, On, written
from paramsearch.rules.rule import Gauge, Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import Arch, load_arch


def export(
    target: str | Path | Rule,
    to: str = "yaml",
    *,
    gauge: str | None = None,
    optimizer: str | None = None,
    arch: Arch | str | None = None,
    options: Mapping[str, object] | None = None,
    axis: str | None = None,
    task: str | None = None,
) -> str:
    """Write a rule in another form, or in another gauge: the same training runs, other numbers.

    - ``yaml``, ``json``: the rule itself;
    - ``markdown``: the table for a paper;
    - ``python``: initial values and parameter groups as plain torch code, without this package;
    - ``mup``: base shapes for microsoft/mup, of a rule that is muP;
    - ``optax``: initial values, labels and an ``optax.multi_transform`` for jax.

    Args:
        target: A run folder, or a rule or its path or name.
        to: The form.
        gauge: ``no-multipliers`` or ``unit-init``; by default as the rule is written.
        optimizer: Which form of a published rule.
        arch: The architecture whose tensors ``python``, ``mup`` and ``optax`` list; by default
            that of the run.
        options: What to set of the architecture: option or axis -> value.
        axis: The one axis to speak of; by default all of the rule.
        task: Gives the model's inputs and outputs; by default that of the run, or the
            architecture's own.

    Returns:
        The text of the file.

    Raises:
        ParamsearchError: No such rule, form or gauge, no architecture where one is needed, or the
            rule cannot be written in this form.

    Example:
        >>> export("mup", "json")[:35]
        '{"paramsearch": 1, "name": "mup", "'
    """
    if to not in FORMS:
        raise unknown_name("form", to, FORMS)
    found = rule_target(target, optimizer)
    on = None
    name = arch or found.asked.get("arch")
    if to in ARCH_FORMS and name is not None:
        if arch is None and options is None:
            options = found.options
        model = load_arch(name, options) if isinstance(name, str) else name.having(options or {})
        dims = task or (found.asked.get("task") if arch is None else None) or model.task
        on = On(model, axis, load_task(dims))
    with from_file(name), from_file(target):
        return written(found.rule, to, cast(Gauge | None, gauge), on)
