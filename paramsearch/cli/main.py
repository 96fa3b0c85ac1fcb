"""The command line: every command is a small file of its own."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from paramsearch.cli import export, listing, probe, report, search, solve, trace, verify
from paramsearch.cli.usage import OneSentence

app = typer.Typer(
    cls=OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("search")(search.command)
app.command("solve")(solve.command)
app.command("verify")(verify.command)
app.command("trace")(trace.command)
app.command("export")(export.command)
app.add_typer(probe.app, name="probe")
app.command("report")(report.command)
app.command("list")(listing.command)


def _version(asked: bool) -> None:
    if not asked:
        return
    try:
        typer.echo(f"paramsearch {version('paramsearch')}")
    except PackageNotFoundError:
        typer.echo("paramsearch, not installed: run from a checkout")
    raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Discover the parameterization under which hyperparameters transfer across scales.

    Exit codes: 0 done, 1 a verdict that fails, 2 bad input, 130 or 143 stopped.
    """


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 a verdict that fails, 2 bad input."""
    app()
