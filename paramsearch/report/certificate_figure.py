"""The picture of a certificate: LR curves per rule, then how far the optimum and the loss drift."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves the types of its keyword arguments open)

import os
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from paramsearch.report.canvas import GUIDE, INK, canvas, colours, dress, headline, save
from paramsearch.report.curves import Curve, frame, lr_panel, plain_log
from paramsearch.report.schema import Certificate, RuleEvidence

# The first rule of a certificate is the one it is about; baselines follow. Okabe and Ito's colours.
_COLOURS = ("#0072b2", "#999999", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def certificate_figure(certificate: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Draw a panel of LR curves per rule, the drift of the optimum, and the transferred loss.

    Args:
        certificate: A ``Certificate``, as ``certificate.json`` holds it; more keys do no harm.
        path: Where to; ends in .png, .svg or .pdf.

    Raises:
        ParamsearchError: The path has another ending, or its folder does not exist.
    """
    data = cast(Certificate, certificate)
    rules = data["rules"]
    width = max(2, len(rules))
    figure = canvas(4.6 * width, 8.2)
    grid = figure.add_gridspec(2, 2 * width)
    upper: list[Axes] = []
    for i in range(len(rules)):
        first = upper[0] if upper else None
        cell = grid[0, 2 * i : 2 * i + 2]
        upper.append(figure.add_subplot(cell, sharex=first, sharey=first))
    _rules(upper, data)
    _drift(figure.add_subplot(grid[1, :width]), data)
    _transfer(figure.add_subplot(grid[1, width:]), data)
    headline(figure, data["verdict"]["sentence"], INK if data["verdict"]["passed"] else GUIDE)
    save(figure, path)


def _rules(panels: list[Axes], data: Certificate) -> None:
    palette = colours([int(scale) for rule in data["rules"].values() for scale in rule["scales"]])
    everything: list[Curve] = []
    for axes, (name, rule) in zip(panels, data["rules"].items(), strict=True):
        cells = {int(scale): cell for scale, cell in rule["scales"].items()}
        curves = {scale: Curve.of(c["lrs"], c["losses"]) for scale, c in cells.items()}
        optima = {scale: cell["optimum"] for scale, cell in cells.items()}
        lr_panel(axes, curves, optima, data["base_lr"], palette)
        drift = rule["drift_octaves"]
        moved = "" if drift is None else f": the best LR drifts {drift:.2f} octaves"
        dress(axes, f"{name}{moved}", "base learning rate", "loss at the end")
        everything += curves.values()
    frame(panels[0], everything)
    for axes in panels:
        plain_log(axes)
    panels[0].legend(title=data["axis"], fontsize=8.5, title_fontsize=9, frameon=False)


def _drift(axes: Axes, data: Certificate) -> None:
    axes.axhline(0, color=GUIDE, linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
    for i, (name, rule) in enumerate(data["rules"].items()):
        scales, optima = _column(rule, "optimum")
        octaves = np.log2(optima / data["base_lr"])
        axes.plot(scales, octaves, **_line(i), label=name)
    _scale_axis(axes, data)
    title = "Best LR against the transferred one: 0 is perfect"
    dress(axes, title, data["axis"], r"$\log_2$(best LR / base LR), octaves")
    axes.legend(fontsize=8.5, frameon=False)


def _transfer(axes: Axes, data: Certificate) -> None:
    axes.set_yscale("log")
    for i, (name, rule) in enumerate(data["rules"].items()):
        scales, losses = _column(rule, "transferred_loss")
        axes.plot(scales, losses, **_line(i), label=name)
        colour = _COLOURS[i % len(_COLOURS)]
        above = axes.get_xaxis_transform()  # y in parts of the panel, whatever the limits
        for scale in scales[np.isnan(losses)]:
            text, y = f"{name} diverges", 0.99 - 0.05 * i
            axes.text(scale, y, text, color=colour, ha="center", fontsize=8.5, transform=above)
        scales, losses = _column(rule, "best_loss")
        axes.plot(scales, losses, color=colour, linestyle=":", linewidth=1.3)
    axes.plot([], [], color=INK, linestyle=":", linewidth=1.3, label="best LR at that scale")
    _scale_axis(axes, data)
    title = f"Loss with the LR tuned at {data['axis']} {data['base_scale']}: lower is better"
    dress(axes, title, data["axis"], "loss at the end")
    plain_log(axes)
    axes.legend(fontsize=8.5, frameon=False, loc="center right")


def _column(rule: RuleEvidence, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Scales (sorted) and one value of each; nan where the certificate has None."""
    scales = sorted(rule["scales"], key=int)
    values = [cast(dict[str, Any], rule["scales"][scale])[key] for scale in scales]
    numbers = [np.nan if value is None else float(value) for value in values]
    return np.array([int(scale) for scale in scales]), np.array(numbers)


def _line(i: int) -> dict[str, Any]:
    colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
    return {"color": colour, "marker": marker, "ms": 6, "linewidth": 2.4 if i == 0 else 1.6}


def _scale_axis(axes: Axes, data: Certificate) -> None:
    scales = sorted({int(scale) for rule in data["rules"].values() for scale in rule["scales"]})
    axes.set_xscale("log", base=2)
    axes.set_xticks(scales, [str(scale) for scale in scales])
    room = (scales[-1] / scales[0]) ** 0.08 * 1.1
    axes.set_xlim(scales[0] / room, scales[-1] * room)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(data["base_scale"], color="#cccccc", linewidth=1.1, zorder=0)
