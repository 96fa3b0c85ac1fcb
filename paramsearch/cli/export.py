"""``paramsearch export``: a rule in another form or gauge."""

import json
from pathlib import Path
from typing import Annotated, cast

import typer

from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json
from paramsearch.discovery.files import write_text
from paramsearch.discovery.folder import check_file
from paramsearch.discovery.summary import rule_json
from paramsearch.discovery.target import find_target
from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.rules.rule import Gauge, Rule

FORMS = ("yaml", "json")


def command(
    target: Annotated[str, typer.Argument(help="Run folder, or rule by name or path.")],
    to: Annotated[str, typer.Option(help="Form: yaml, or json (one object).")] = "yaml",
    gauge: Annotated[
        str | None,
        typer.Option(help="no-multipliers or unit-init; default: as the rule is written."),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Form of a published rule: sgd, adam or adamw.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File; default: stdout.")] = None,
    as_json: Json = False,
) -> None:
    """Write a rule in another form, or in another gauge: the same training runs, other numbers."""
    with plain_failures():
        to = "json" if as_json else to
        if to not in FORMS:
            raise unknown_name("form", to, FORMS)
        rule = _rule(target, optimizer)
        if gauge is not None:
            rule = rule.regauge(cast(Gauge, gauge))
        text = rule.text() if to == "yaml" else json.dumps(rule_json(rule)) + "\n"
        if out is None:
            typer.echo(text, nl=False)
            return
        check_file("--out", out)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)
        typer.echo(f"wrote {out}", err=True)


def _rule(target: str, optimizer: str | None) -> Rule:
    if Path(target).is_dir() or optimizer is None:
        rule = find_target(target).rule
        if optimizer not in (None, rule.optimizer):
            raise ParamsearchError(
                f"{target}: its rule is for {rule.optimizer}; received --optimizer {optimizer}"
            )
        return rule
    return Rule.load(target, optimizer=optimizer)
