"""What all figures share: a canvas without global state, colours, and writing in one piece."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import math
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paramsearch.errors import ParamsearchError

Colour = tuple[float, float, float, float]

SUFFIXES = (".png", ".svg", ".pdf")
INK = "#3a3a3a"
GUIDE = "#c0392b"  # the one line that everything is compared with


def canvas(width: float, height: float) -> Figure:
    """Make an empty figure with constrained layout, outside pyplot's global state.

    Args:
        width: Inches.
        height: Inches.

    Returns:
        The figure.

    Example:
        >>> canvas(4, 3).axes
        []
    """
    figure = Figure(figsize=(width, height), dpi=130, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.12, wspace=0.02, hspace=0.02)
    return figure


def headline(figure: Figure, text: str, colour: str = "") -> None:
    """Write what the whole figure says above it, broken into lines that fit.

    Args:
        figure: The figure.
        text: A sentence.
        colour: Of the text.
    """
    width = round(10.2 * figure.get_figwidth())  # characters of this size per inch
    figure.suptitle(textwrap.fill(text.replace("+-", "±"), width), fontsize=12, color=colour or INK)


def colours(scales: Sequence[int]) -> dict[int, Colour]:
    """Give every scale a colour of viridis, by the log of the scale: dark is small.

    Args:
        scales: Positive, in any order.

    Returns:
        Scale -> RGBA; the pale end of the map is left out, it is unreadable on white.

    Example:
        >>> small, large = colours([32, 128]).values()
        >>> small[2] > small[1], large[1] > large[2]  # dark blue to green
        (True, True)
    """
    logs = {scale: math.log(scale) for scale in sorted(set(scales))}
    low, high = min(logs.values()), max(logs.values())
    viridis = matplotlib.colormaps["viridis"]
    place = {scale: (log - low) / ((high - low) or 1.0) for scale, log in logs.items()}
    return {scale: _rgba(viridis(0.05 + 0.8 * x)) for scale, x in place.items()}


def _rgba(colour: Sequence[float]) -> Colour:
    red, green, blue, alpha = map(float, colour)
    return red, green, blue, alpha


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Write title and labels, and take away what carries no information.

    Args:
        axes: The panel.
        title: What one should see.
        x: Label with its unit.
        y: Label with its unit.
    """
    axes.set_title(title, fontsize=10.5, color=INK, loc="left")
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    axes.tick_params(labelsize=8.5, colors=INK, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure so that the file is either the old one or the whole new one.

    Args:
        figure: The figure.
        path: Ends in .png, .svg or .pdf; the folder must exist.

    Raises:
        ParamsearchError: Another ending, or no such folder.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ParamsearchError(f"a figure ends in {', '.join(SUFFIXES)}; received '{path}'")
    if not path.parent.is_dir():
        raise ParamsearchError(f"the folder of figure '{path}' does not exist")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Without a date or version in the file: the same figure gives the same bytes.
        undated = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[path.suffix]
        with matplotlib.rc_context({"svg.hashsalt": "paramsearch"}):
            figure.savefig(part, format=path.suffix[1:], metadata={undated: None})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
