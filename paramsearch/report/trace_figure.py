"""Picture of a traced model: its tensors from input to loss, coloured by role."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import os
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from paramsearch.report.canvas import INK, canvas, save
from paramsearch.report.collapsed import Frame, Sketch, collapsed
from paramsearch.report.layered import Edge, Layout, Point, layered
from paramsearch.report.palette import ROLE_COLOURS
from paramsearch.tracing.trace import Trace

_STEP, _HEIGHT, _DOT = 0.72, 0.44, 0.27  # inches: of a layer, of a box, across a merge
_LETTER = 0.073  # width of a letter, inches
_EDGE, _STREAM, _BACK = "#9a9a9a", "#3a3a3a", "#b0653a"
_TIMES = "\N{MULTIPLICATION SIGN}"
_SIGNS = {"add": "+", "mul": _TIMES}


@dataclass(frozen=True, slots=True)
class _Box:
    """What a node looks like.

    Attributes:
        title: Its name; the sign of a merge.
        shape: Below the name; empty for what is no tensor.
        colour: Of the box; empty where there is none.
        width: In inches.
        height: In inches.
    """

    title: str
    shape: str
    colour: str
    width: float
    height: float


def trace_figure(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Draw the graph of a trace.

    The residual stream runs down the left, branches stand to its right. Repeated blocks are drawn
    once, in a frame that says how many they are. Dashed lines lead back to weights that are used
    again.

    Args:
        trace: The trace.
        path: Ends in .png, .svg or .pdf; the folder must exist.

    Raises:
        ParamsearchError: Another ending, or no such folder.
    """
    sketch = collapsed(trace)
    boxes = _boxes(trace, sketch)
    spine = {n for n, names in sketch.members.items() if not trace.graph.nodes[names[0]]["branch"]}
    layout = layered({n: box.width for n, box in boxes.items()}, sketch.edges, spine, _STEP)
    left = min(x - boxes[n].width / 2 for n, (x, _) in layout.at.items()) - 0.5
    right = max(x + boxes[n].width / 2 for n, (x, _) in layout.at.items()) + 0.6
    spare = max(5.0 - (right - left), 0.0)
    left, right = left - spare / 2, right + spare / 2
    heading = _heading(trace, right - left)
    top = -0.55 - 0.22 * (1 + len(heading))
    bottom = max(y for _, y in layout.at.values()) + 0.4
    figure = canvas(right - left, bottom - top)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    for frame in sketch.frames:
        _draw_frame(axes, frame, layout, boxes)
    _draw_edges(axes, sketch, layout, boxes, spine)
    for node, box in boxes.items():
        _draw_box(axes, box, layout.at[node])
    _draw_heading(axes, trace, heading, (left + 0.2, top + 0.26))
    save(figure, path)


def _boxes(trace: Trace, sketch: Sketch) -> dict[int, _Box]:
    tensors = {t.name: t for group in trace.groups("module").values() for t in group}
    boxes: dict[int, _Box] = {}
    for node, names in sketch.members.items():
        kind: str = trace.graph.nodes[names[0]]["kind"]
        if names[0] not in tensors:
            sign = _SIGNS.get(kind, "")
            size = _DOT if sign else _LETTER * len(names[0]) + 0.2
            boxes[node] = _Box(sign or names[0], "", "", size, _DOT)
            continue
        tensor, *others = (tensors[name] for name in names)
        shape = f" {_TIMES} ".join(map(str, tensor.shape)) or "1"
        shape += "".join(f" + {other.name.rpartition('.')[2]}" for other in others)
        width = max(_LETTER * max(len(tensor.group), 0.85 * len(shape)) + 0.24, 0.8)
        boxes[node] = _Box(tensor.group, shape, ROLE_COLOURS[tensor.role], width, _HEIGHT)
    return boxes


def _draw_box(axes: Axes, box: _Box, at: Point) -> None:
    x, y = at
    if box.colour:
        corner = (x - box.width / 2, y - box.height / 2)
        style = "round,pad=0,rounding_size=0.07"
        axes.add_patch(
            FancyBboxPatch(
                corner, box.width, box.height, style, fc=box.colour, ec="#7d7d7d", lw=0.8, zorder=3
            )
        )
        axes.text(x, y - 0.085, box.title, size=8.5, color=INK, ha="center", va="center", zorder=4)
        axes.text(x, y + 0.1, box.shape, size=7, color="#666", ha="center", va="center", zorder=4)
        return
    if box.title in _SIGNS.values():
        axes.add_patch(Circle(at, _DOT / 2, fc="white", ec=_STREAM, lw=1.1, zorder=3))
    size = 10 if box.title in _SIGNS.values() else 8.5
    axes.text(x, y, box.title, size=size, color=INK, ha="center", va="center", zorder=4)


def _draw_frame(axes: Axes, frame: Frame, layout: Layout, boxes: Mapping[int, _Box]) -> None:
    """Draw the frame of repeated blocks, with their number."""
    inside = [(*layout.at[node], boxes[node]) for node in frame.nodes]
    passing = [
        x
        for edge, points in layout.lanes.items()
        for x, _ in points
        if frame.nodes.issuperset(edge)
    ]
    left = min([*(x - box.width / 2 for x, _, box in inside), *passing]) - 0.14
    right = max([*(x + box.width / 2 for x, _, box in inside), *passing]) + 0.14
    top = min(y - box.height / 2 for _, y, box in inside) - 0.1
    bottom = max(y + box.height / 2 for _, y, box in inside) + 0.1
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch(
            (left, top), right - left, bottom - top, style, fc="#f7f7f7", ec="#c9c9c9", zorder=0
        )
    )
    words = frame.name + (f"  {_TIMES} {frame.count}" if frame.count > 1 else "")
    axes.text(
        right + 0.12, (top + bottom) / 2, words, size=8.5, color="#777", rotation=270,
        ha="center", va="center", zorder=4,
    )  # fmt: skip


def _draw_edges(
    axes: Axes,
    sketch: Sketch,
    layout: Layout,
    boxes: Mapping[int, _Box],
    spine: Collection[int],
) -> None:
    for start, end in sketch.edges:
        stream = start in spine and end in spine
        points = _route((start, end), layout, boxes, spine)
        _arrow(axes, points, color=_STREAM if stream else _EDGE, lw=1.5 if stream else 1.0)
    for start, end in sketch.back:
        (x0, y0), (x1, y1) = layout.at[start], layout.at[end]
        x0, x1 = x0 - boxes[start].width / 2, x1 - boxes[end].width / 2
        out = min(x0, x1) - 0.3
        _arrow(axes, [(x0, y0), (out, y0), (out, y1), (x1, y1)], color=_BACK, lw=0.9, ls="--")


def _route(
    edge: Edge, layout: Layout, boxes: Mapping[int, _Box], spine: Collection[int]
) -> list[Point]:
    """Give the control points of an edge: ends, and a vertical tangent at each point between."""
    start, end = edge
    (x0, y0), (x1, y1) = layout.at[start], layout.at[end]
    y0 += boxes[start].height / 2
    points: list[Point] = [(x0, y0)]
    last = (x0, y0)
    for x, y in (*layout.lanes.get(edge, ()), (x1, y1 - boxes[end].height / 2)):
        half = (y - last[1]) / 2
        points += [(last[0], last[1] + half), (x, y - half), (x, y)]
        last = (x, y)
    if start not in spine and end in spine:  # a branch joins its stream from the right
        points[-2:] = [(x1 + boxes[end].width / 2 + 0.3, y1), (x1 + boxes[end].width / 2, y1)]
    return points


def _arrow(axes: Axes, points: list[Point], color: str, lw: float, ls: str = "-") -> None:
    codes = [Path.MOVETO, *[Path.CURVE4] * (len(points) - 1)]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(points, codes), arrowstyle="-|>", mutation_scale=8, color=color, lw=lw,
            ls=ls, shrinkA=0, shrinkB=0, zorder=2,
        )
    )  # fmt: skip


def _heading(trace: Trace, width: float) -> list[str]:
    scale = ", ".join(f"{axis} {size}" for axis, size in trace.scale.items())
    text = f"{trace.arch} on {trace.task}" + (f" at {scale}" if scale else "")
    return textwrap.wrap(text, max(int((width - 0.4) / 0.088), 20))


def _draw_heading(axes: Axes, trace: Trace, lines: list[str], at: Point) -> None:
    """Write what is drawn, and what the colours mean."""
    x, y = at
    for line in lines:
        axes.text(x, y, line, size=10.5, color=INK, va="center")
        y += 0.22
    present = {tensor.role for tensor in trace.tensors if tensor.name in trace.graph}
    for role, colour in ROLE_COLOURS.items():
        if role not in present:
            continue
        style = "round,pad=0,rounding_size=0.03"
        axes.add_patch(FancyBboxPatch((x, y - 0.06), 0.16, 0.12, style, fc=colour, ec="#7d7d7d"))
        axes.text(x + 0.23, y, role, size=8, color=INK, va="center")
        x += 0.23 + _LETTER * len(role) + 0.22
