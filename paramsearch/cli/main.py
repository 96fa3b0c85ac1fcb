"""The command line: every command is a small file of its own."""

import typer

from paramsearch.cli import listing, report, search, trace, verify

app = typer.Typer(
    help="Discover the parameterization under which hyperparameters transfer across scales.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("search")(search.command)
app.command("verify")(verify.command)
app.command("trace")(trace.command)
app.command("list")(listing.command)
app.command("report")(report.command)


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 a verdict that fails, 2 bad input."""
    app()
