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
    """Draw the pictures of a search and, where there is one, of its certificate again."""
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
    from paramsearch.report.pictures import search_pictures

    written: list[Path] = []
    found = {CERTIFICATE} if (run / CERTIFICATE).exists() else {SUMMARY}
    if (run / SUMMARY).exists():
        found.add(SUMMARY)
    for source in sorted(found, reverse=True):
        content = read_json(run, source)
        try:
            if source == SUMMARY:
                parts: list[str] = list(content.get("runs", {}).values())
                written += [path for name in parts for path in redraw(run / name)]
                written += search_pictures(content, run)
            else:
                certificate_figure(content, run / "certificate.png")
                written.append(run / "certificate.png")
        except (KeyError, TypeError, IndexError) as error:
            raise ParamsearchError(f"{run / source} lacks what is drawn: {error!r}") from error
    return written
