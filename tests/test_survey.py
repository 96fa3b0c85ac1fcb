"""What members take at scales that nobody builds to know it."""

import dataclasses

import pytest
from test_evaluate import tiny

from paramsearch.discovery import survey as surveying
from paramsearch.discovery.curves import recipe, workload_at
from paramsearch.discovery.survey import foretold, survey
from paramsearch.errors import ParamsearchError
from paramsearch.train.engine import cost_of


def built(monkeypatch, refused=()):
    """Hear of every scale at which a model is built."""
    seen = []

    def at(setting, scale):
        if scale in refused:
            raise ParamsearchError("not here")
        seen.append(scale)
        return workload_at(setting, scale)

    monkeypatch.setattr(surveying, "workload_at", at)
    return seen


def test_a_large_model_is_not_built(monkeypatch):
    about, seen = tiny(), built(monkeypatch)
    base = about.base_scale
    found = survey(about, [1, 2, 65536], ["plain"])
    assert seen == [base, 2 * base, 4 * base, 8 * base]
    assert found.nearest(65536, dear=1.0) == 8 and found.nearest(2, dear=1.0) == 2
    kept = {key[2][1] for key in about.places if key[0] != "trace"}
    assert kept == {base, 2 * base}  # not what was built on the way


def test_operations_of_a_large_model_are_exact():
    about = tiny()
    found, width = survey(about, [1, 65536], ["plain"]).needs(65536), 65536 * about.base_scale
    (inputs, targets), outputs = about.task.batch(0), about.task.dims["outputs"]
    examples, features = inputs.shape
    assert len(targets) == examples
    # The gradient of the inputs is not worked out.
    wanted = examples * (4 * features * width + 6 * width * width + 6 * width * outputs)
    assert found.costs["plain"].flops == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("axis", "at"), [("width", 64), ("depth", 16)])
def test_what_is_foretold_is_what_is_counted(axis, at):
    about = tiny()
    about = dataclasses.replace(about, arch=about.arch.along(axis), axis=axis)
    known = survey(about, [1, 2, 4, 8], ["plain", "probed"])
    small = {m: known.needs(m) for m in (1, 2, 4, 8)}
    told = foretold(small, at).costs
    place = workload_at(about, at * about.base_scale)
    counted = cost_of(place, recipe(about))
    assert told["plain"].flops == pytest.approx(counted.flops, rel=1e-6)
    assert told["plain"].seconds == pytest.approx(counted.seconds, rel=0.1)
    assert told["plain"].member_bytes == pytest.approx(counted.member_bytes, rel=0.25)
    assert told["plain"].operations == pytest.approx(counted.operations, rel=0.1)


def test_where_an_axis_does_not_take_every_number_fewer_are_counted(monkeypatch):
    about = tiny()
    seen = built(monkeypatch, refused=[2 * about.base_scale])
    found = survey(about, [1, 65536], ["plain"])
    assert seen == [about.base_scale]
    times = found.needs(65536).costs["plain"].flops / found.needs(1).costs["plain"].flops
    assert times == pytest.approx(65536**2)
    with pytest.raises(ParamsearchError, match="not here"):
        survey(about, [1, 2], ["plain"])
