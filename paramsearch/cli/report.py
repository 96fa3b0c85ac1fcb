"""``paramsearch report``: draw the pictures of a run again."""

from pathlib import Path
from typing import Annotated

import typer

from paramsearch.cli.failures import plain_failures
from paramsearch.cli.output import Json, show
from paramsearch.discovery.folder import CERTIFICATE, SUMMARY, read_json
from paramsearch.errors import ParamsearchError


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    as_json: Json = False,
) -> None:
    """Draw ``report.png`` and, where there is a certificate, ``certificate.png`` again."""
    with plain_failures():
        written = [str(path) for path in redraw(run)]
        show({"written": written}, as_json, *written)


def redraw(run: Path) -> list[Path]:
    """Draw the pictures that the JSON files of a run folder hold the data of.

    Args:
        run: The run folder.

    Returns:
        The pictures.

    Raises:
        ParamsearchError: The folder has neither file, or one is damaged.
    """
    from paramsearch.report.certificate_figure import certificate_figure
    from paramsearch.report.search_figure import search_figure

    written: list[Path] = []
    jobs = (
        (SUMMARY, search_figure, "report.png"),
        (CERTIFICATE, certificate_figure, "certificate.png"),
    )
    if not (run / CERTIFICATE).exists():
        jobs = jobs[:1]
    elif not (run / SUMMARY).exists():
        jobs = jobs[1:]
    for source, draw, picture in jobs:
        content = read_json(run, source)
        try:
            draw(content, run / picture)
        except (KeyError, TypeError, IndexError) as error:
            raise ParamsearchError(f"{run / source} lacks what is drawn: {error!r}") from error
        written.append(run / picture)
    return written
