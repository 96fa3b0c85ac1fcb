"""Figures show what the data say, leave out what diverged, and are written in one piece."""

import copy
import sys

import numpy as np
import pytest
from figures import certificate, summary
from matplotlib.figure import Figure

from paramsearch.errors import ParamsearchError
from paramsearch.report import canvas, certificate_figure, search_figure
from paramsearch.report.curves import Curve, loss_limits

DRAWN = [
    (search_figure.search_figure, summary, 5),
    (certificate_figure.certificate_figure, certificate, 5),
]
KEPT: list[Figure] = []


@pytest.fixture
def kept(monkeypatch):
    """The figure that is drawn next, kept in place of being written."""
    KEPT.clear()
    for module in (search_figure, certificate_figure):
        monkeypatch.setattr(module, "save", lambda figure, path: KEPT.append(figure))
    return KEPT


def lines(axes):
    return {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}


@pytest.mark.parametrize(("figure", "data", "panels"), DRAWN)
def test_a_picture_is_written_and_nothing_else(figure, data, panels, tmp_path):
    path = tmp_path / "a.png"
    figure(data(), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


@pytest.mark.parametrize("suffix", canvas.SUFFIXES)
def test_the_same_figure_gives_the_same_bytes(suffix, tmp_path):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        figure = canvas.canvas(3, 2)
        figure.add_subplot().fill_between([1, 2], [2, 1], [3, 3])
        canvas.save(figure, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("figure", "data", "panels"), DRAWN)
def test_every_panel_has_title_and_labels(figure, data, panels, kept):
    figure(data(), "")
    assert len(kept[0].axes) == panels
    for axes in kept[0].axes:
        assert axes.get_title(loc="left") and axes.get_xlabel() and axes.get_ylabel()


def test_search_figure_shows_mean_optimum_and_base(kept):
    data = summary()
    search_figure.search_figure(data, "")
    shown = lines(kept[0].axes[0])
    assert list(shown) == ["32", "64", "128", "base LR"]
    cell = data["curves"]["start"][0]
    drawn = shown["32"].get_ydata()
    assert drawn[0] == pytest.approx(np.mean(cell["losses"][0]))
    diverged = [None in seeds for seeds in cell["losses"]]
    assert any(diverged) or None in data["curves"]["start"][2]["losses"][-1]
    assert np.isnan(drawn).tolist() == diverged
    assert shown["base LR"].get_xdata()[0] == data["base"]["optimum"]


def test_search_figure_has_no_panels_for_sharpness_that_was_not_measured(kept):
    data = summary()
    for cell in (*data["curves"]["start"], *data["curves"]["found"]):
        cell["sharpness_steps"], cell["sharpness"] = [], []
    search_figure.search_figure(data, "")
    assert len(kept[0].axes) == 3


@pytest.mark.parametrize("drift", [0.0, 0.9])
def test_search_figure_says_how_far_the_optimum_drifts(drift, kept):
    search_figure.search_figure(summary(drift), "")
    words = kept[0].axes[0].get_title(loc="left").split()
    assert words[-1] == "octaves" and float(words[-2]) == pytest.approx(2 * drift, abs=0.2)


@pytest.mark.parametrize("scores", [[], [0.3], [1.0, -0.5], [2.0, 1.0, 0.1]])
def test_search_figure_takes_any_scores(scores, kept):
    rows = [{"stage": "whole", "score": score} for score in scores]
    bounds = [row | {"stage": "probes"} for row in rows]
    for parts in ((rows, rows), (rows, []), ([], rows), (bounds, rows), (bounds, bounds)):
        named = dict(zip(("candidates", "polished"), parts, strict=True))
        search_figure.search_figure(summary() | named, "")
        assert "score" in [axes.get_ylabel() for axes in kept[-1].axes]


@pytest.mark.parametrize("solution", [None, {"confirmed": True}])
def test_search_figure_begins_anew_with_other_seeds(solution, kept):
    """Scores on other seeds do not compare; behind the solver the climb comes before proposals."""
    tried, polished = ([{"stage": "whole", "score": s} for s in some] for some in ([1, 2], [9, 4]))
    parts = {"candidates": tried, "polished": polished, "solution": solution}
    search_figure.search_figure(summary() | parts, "")
    (panel,) = [axes for axes in kept[0].axes if axes.get_ylabel() == "score"]
    steps = [line for line in panel.lines if line.get_drawstyle() == "steps-post"]
    drawn = [list(line.get_ydata()) for line in steps]
    assert drawn == ([[9, 4, 4], [1, 1, 1]] if solution else [[1, 1, 1], [9, 4, 4]])


def test_certificate_figure_says_where_a_rule_diverges(kept):
    certificate_figure.certificate_figure(certificate(), "")
    transfer = kept[0].axes[-1]
    assert [text.get_text() for text in transfer.texts] == ["sp diverges"] * 2
    assert list(lines(transfer)) == ["found", "sp", "mup", "best LR at that scale"]


def test_certificate_figure_shows_octaves_from_the_base_lr(kept):
    data = certificate()
    certificate_figure.certificate_figure(data, "")
    octaves = lines(kept[0].axes[-2])["sp"].get_ydata()
    assert octaves == pytest.approx([0, -1.5, -3, -4.5])


def test_a_certificate_in_which_all_diverged_is_drawn(tmp_path):
    data = certificate()
    for rule in data["rules"].values():
        rule["drift_octaves"] = None
        for cell in rule["scales"].values():
            cell["losses"] = [[None] * 3 for _ in cell["lrs"]]
            cell |= dict.fromkeys(("optimum", "best_loss", "transferred_loss", "regret"))
    certificate_figure.certificate_figure(data, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 0


def test_a_search_in_which_all_diverged_is_drawn(tmp_path):
    data = copy.deepcopy(summary())
    for cell in data["curves"]["start"] + data["curves"]["found"]:
        cell["losses"] = [[None] * 3 for _ in cell["lrs"]]
        cell["sharpness_steps"], cell["sharpness"] = [], []
    search_figure.search_figure(data, tmp_path / "s.png")
    assert (tmp_path / "s.png").stat().st_size > 0


def test_limits_leave_out_the_edge_of_divergence():
    curve = Curve.of([1, 2, 3, 4], [[2.0], [0.5], [900.0], [None]])
    low, high = loss_limits([curve])
    assert low < 0.5 and 2 < high < 3
    assert loss_limits([Curve.of([1], [[None]])]) is None


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("a.gif", r"ends in .png, .svg, .pdf; received 'a.gif'"), ("no/a.png", "does not exist")],
)
def test_a_path_that_cannot_be_written(path, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsearchError, match=sentence):
        search_figure.search_figure(summary(), path)
    assert not list(tmp_path.iterdir())


def test_a_failed_drawing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("old")

    def half(self, part, **_):
        part.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="disk full"):
        canvas.save(canvas.canvas(2, 2), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_no_global_state_of_pyplot():
    pyplot = sys.modules.get("matplotlib.pyplot")  # others may have imported it
    assert pyplot is None or not pyplot.get_fignums()


def test_one_learning_rate_says_nothing_of_how_its_best_drifts(kept):
    data = summary()
    for cell in (*data["curves"]["start"], *data["curves"]["found"]):
        cell["lrs"], cell["losses"] = cell["lrs"][:1], cell["losses"][:1]
    search_figure.search_figure(data, "")
    titles = [axes.get_title(loc="left") for axes in kept[0].axes]
    assert sum("loss at the base's best LR" in title for title in titles) == 2
    assert not any("drifts" in title for title in titles)
