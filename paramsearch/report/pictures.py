"""All pictures of a finished search."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paramsearch.report.front_figure import front_figure
from paramsearch.report.schema import by_axis
from paramsearch.report.search_figure import search_figure
from paramsearch.report.sensitivity_figure import sensitivity_figure


def search_pictures(summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what a summary holds the data of.

    Args:
        summary: As in ``summary.json``.
        folder: Where to.

    Returns:
        ``report.png`` with the curves, ``front.png`` where rules were compared by loss and limit
        behaviour, ``exponents.png`` with what each exponent matters; of several axes the last.
    """
    figures = {"report.png": search_figure} if "runs" not in summary else {}
    if summary.get("choice"):
        figures["front.png"] = front_figure
    if any(part.get("sensitivity") for part in by_axis(summary).values()):
        figures["exponents.png"] = sensitivity_figure
    for name, draw in figures.items():
        draw(summary, folder / name)
    return [folder / name for name in figures]
