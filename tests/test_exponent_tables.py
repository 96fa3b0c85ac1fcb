"""What tables say of exponents: intervals, bounds that cut them off, and joint directions."""

import io

import pytest
from rich.console import Console

from paramsearch.cli.solve_table import open_lines, solve_table
from paramsearch.cli.tables import search_line, search_table
from paramsearch.discovery.summary import free_exponent
from paramsearch.rules.variable import Variable

BOUNDS = Variable("hidden", "lr", "width", -1.5, 0.5, 0.25, 0.0)


def told(low, value, high, axis="width"):
    """A group with one exponent."""
    entry = free_exponent(BOUNDS, value, low, high) | {"measured": value}
    return {"name": "hidden", "role": "hidden", "tensors": ["w"], "lr": {axis: entry}}


def printed(*tables):
    console = Console(width=80, record=True, file=io.StringIO())
    for table in tables:
        console.print(table)
    return " ".join(console.export_text().split())


def searched(*groups, axis="width", **more):
    rule = {"name": "mine"}
    return printed(search_table({"rule": rule, "axis": axis, "groups": groups, **more}))


@pytest.mark.parametrize(
    ("ends", "says", "bound"),
    [
        ((-1.0, -1.0, -1.0), "-1.00 none other", False),
        ((-1.25, -1.0, -0.75), "-1.00 -1.25 .. -0.75", False),
        ((-1.5, -1.0, -0.75), "-1.00 (-1.50 .. -0.75)", False),
        ((-1.5, 0.0, 0.5), "+0.00 (-1.50 .. +0.50)", False),
        ((-1.5, -1.5, -1.5), "-1.50 (-1.50 .. -1.50)", True),
    ],
)
def test_a_bound_that_cuts_an_interval_off_is_said(ends, says, bound):
    text = searched(told(*ends))
    assert f"hidden lr {says}" in text and ("undetermined" in text) == ("(-" in says)
    assert ("at a bound of the space, so widen it: hidden lr -1.50" in text) == bound


def test_solve_says_the_same():
    groups = [told(-1.5, -1.5, -0.75)]
    rest = {"rule": {"name": "mine"}, "axes": ["width"], "nearest": {}}
    content = {"groups": groups, "fitting": {}, "solutions": {}, **rest}
    assert "-1.50 -1.50 (-1.50 .. -0.75)" in printed(solve_table(content))
    undetermined, bound = open_lines(content)
    assert undetermined.startswith("(...): undetermined") and "hidden lr -1.50" in bound


OPEN = {"direction": {"hidden lr width": 1.0, "output lr width": -0.5, "input lr width": 0.01}}
SOLUTION = {"open": [OPEN | {"low": -0.2, "high": 0.4}]}
WAY = "leave open: +1.0 hidden lr, -0.5 output lr times -0.2 .. +0.4"


@pytest.mark.parametrize("several", [False, True])
def test_joint_directions_that_probes_leave_open_are_told(several):
    score = {"total": 1.0, "spread": 0.1}
    part = {
        "choice": None,
        "longer": None,
        "limit": None,
        "baselines": {},
        "start_score": score,
        "score": score,
    }
    part |= {"solution": SOLUTION, "axis": "width", "pattern": {"sentence": "muP"}, "failures": []}
    both = {**part, "axis": "width,depth", "runs": {"width": "width", "depth": "depth"}}
    both["along"] = {"width": part, "depth": {**part, "solution": None}}
    lines = search_line(both if several else part, "run").splitlines()
    assert lines.count("  " * several + f"update probes {WAY}") == 1


def test_solve_tells_them_too():
    content = {"groups": [], "fitting": {}, "solutions": {"width": SOLUTION}}
    assert open_lines(content) == [f"along width the data {WAY}"]
