"""The pictures of the front and of which exponents matter."""

import pytest
from fake_limits import front_of
from matplotlib.text import Text

from paramsearch.discovery.answers.choice import choose
from paramsearch.errors import ParamsearchError
from paramsearch.report import front_figure as front_module
from paramsearch.report import sensitivity_figure as sensitivity_module
from paramsearch.report.front_figure import front_figure
from paramsearch.report.sensitivity_figure import sensitivity_figure

NAMES = {"arch": "mlp", "task": "teacher", "optimizer": "adam", "axis": "width"}
PLACES = {"mup": (0.0, 0.0), "": (-0.1, -0.2), "lazy": (-0.2, -0.5), "sp": (1.5, 0.6)}


def answers(places=PLACES, prefer=None):
    found = front_of(**places)
    return {**NAMES, "front": found.to_json(), "choice": choose(found, prefer).to_json()}


def row(group, below, above, matters=True, estimated=False):
    size = {"error": 0.02, "estimated": estimated}
    sides = [None if mean is None else {"mean": mean, **size} for mean in (below, above)]
    shown = {"group": group, "quantity": "lr", "axis": "width", "value": -1.0, "offset": 0.25}
    return {**shown, "below": sides[0], "above": sides[1], "matters": matters}


ROWS = [row("hidden", 0.8, 0.3), row("output", None, 0.05), row("input", -0.001, 0.0, False)]
SENSITIVITY = {**NAMES, "sensitivity": ROWS}
BOTH = [(front_figure, answers()), (sensitivity_figure, SENSITIVITY)]


@pytest.fixture
def kept(monkeypatch):
    """Keep the figures that are saved."""
    figures = []
    for module in (front_module, sensitivity_module):
        monkeypatch.setattr(module, "save", lambda figure, path: figures.append(figure))
    return figures


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure):
    """Where the texts stand once the figure is drawn."""
    figure.draw_without_rendering()
    return [Text.get_window_extent(text) for text in figure.axes[0].texts]


@pytest.mark.parametrize(("figure", "data"), BOTH)
def test_pictures_are_written(figure, data, tmp_path):
    figure(data, tmp_path / "picture.png")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    with pytest.raises(ParamsearchError, match=r"a figure ends in \.png"):
        figure(data, tmp_path / "picture.bmp")


def test_ends_recommended_rule_and_baselines_are_named(kept):
    front_figure(answers(), "x")
    said = texts(kept[0])
    assert {"mup: limit end", "lazy: loss end", "recommended"} <= set(said)
    assert any(text.startswith("sp (above, at 4.4") for text in said)
    assert "recommended is a rule between the ends" in kept[0].get_suptitle()


def test_rules_that_do_not_hold_are_hollow(kept):
    places = {"mup": (0.0, 0.0), "": (-0.1, -0.2), "lazy": (-0.2, -0.5)}
    front_figure(answers(places), "x")
    axes = kept[0].axes[0]
    hollow = {
        float(x)
        for line in axes.lines
        if line.get_markerfacecolor() == "white" and line.get_marker() == "o"
        for x in line.get_xdata()
    }
    assert sorted(hollow) == [pytest.approx(-0.5, abs=0.01)]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["holds up to ratio 256", "freezes, grows or overshoots before"]
    front_figure(answers({"mup": (0.0, 0.0), "": (-0.1, -0.1)}), "x")
    assert kept[1].axes[0].get_legend() is None


def test_one_rule_carries_all_its_titles(kept):
    front_figure(answers({"mup": (0.0, 0.0), "sp": (0.1, 0.3)}), "x")
    assert "mup: limit end, loss end, recommended" in texts(kept[0])


def test_names_do_not_overlap(kept):
    crowd = {f"rule {k}": (-0.001 * k, -0.07 * k) for k in range(8)}
    front_figure(answers({**crowd, "sp": (2.0, 0.5), "ntk": (2.0, 0.4)}), "x")
    drawn = boxes(kept[0])
    pairs = [(a, b) for i, a in enumerate(drawn) for b in drawn[:i]]
    assert not [pair for pair in pairs if pair[0].overlaps(pair[1])]


def test_the_highest_names_stay_beside_the_panel(kept):
    crowd = {f"rule {k}": (0.2, 0.3 + 0.01 * k) for k in range(6)}
    front_figure(answers({"mup": (0.0, 0.0), **crowd}), "x")
    assert max(text.xyann[1] for text in kept[0].axes[0].texts if hasattr(text, "xyann")) <= 1.0


def test_bars_stand_for_what_is_lost(kept):
    sensitivity_figure(SENSITIVITY, "x")
    axes = kept[0].axes[0]
    widths = [bar.get_width() for bars in axes.containers for bar in getattr(bars, "patches", [])]
    assert {0.8, 0.3, 0.05, -0.001} <= set(widths)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"{name} LR ∝ width^-1" for name in ("hidden", "output", "input")]
    assert texts(kept[0]) == ["not within the bounds"]
    assert "2 of 3 exponents matter" in kept[0].get_suptitle()


def test_what_no_bar_stands_for_is_said_within_the_panel(kept):
    free = [row("hidden", 0.0, None, False), row("output", None, 0.0, False)]
    for each in free:  # nothing is lost at all, so that the axis is short
        (each["below"] or each["above"])["error"] = 0.0
    sensitivity_figure({**NAMES, "sensitivity": free}, "x")
    drawn, panel = boxes(kept[0]), kept[0].axes[0].get_window_extent()
    assert len(drawn) == 2 and all(panel.x0 < b.x0 and b.x1 < panel.x1 for b in drawn)


def test_every_axis_has_a_panel(kept):
    deep = {"sensitivity": [{**ROWS[0], "axis": "depth"}], "sensitivity_in": "loss"}
    sensitivity_figure({**NAMES, "along": {"width": SENSITIVITY, "depth": deep}}, "x")
    (wide, depth), labels = kept[0].axes, ["hidden LR ∝ depth^-1"]
    assert len(wide.get_yticklabels()) == 3 and "score" in wide.get_xlabel()
    assert [label.get_text() for label in depth.get_yticklabels()] == labels
    assert "log loss" in depth.get_xlabel() and "3 of 4 exponents" in kept[0].get_suptitle()


def test_the_axis_says_that_losses_are_estimated(kept):
    rows = [row("hidden", 0.8, 0.3, estimated=True), row("input", 0.1, 0.0)]
    for some in (rows, rows[1:]):
        sensitivity_figure({**NAMES, "sensitivity": some}, "x")
    labels = [figure.axes[0].get_xlabel() for figure in kept]
    assert ["estimated" in label for label in labels] == [True, False]


def test_the_most_important_exponent_is_on_top(kept):
    sensitivity_figure(SENSITIVITY, "x")
    bottom, top = kept[0].axes[0].get_ylim()
    assert bottom > top


def test_nothing_free_is_drawn_too(tmp_path):
    sensitivity_figure({**NAMES, "sensitivity": []}, tmp_path / "x.svg")
    assert (tmp_path / "x.svg").exists()
