"""Groups of every shipped architecture: the same, and said in the same words, at every scale."""

from functools import cache

import pytest

from paramsearch.catalog import names
from paramsearch.rules.matching import separating_matches
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.names import without_numbers
from paramsearch.tracing.trace import Trace, trace

SHORT = {"bytes": "bytes:context=4,batch=2"}
SCALES = [(name, axis) for name in names("architecture") for axis in load_arch(name).axes]
BLOCK = {"query", "key", "value", "out"}


@cache
def traced(name: str, axis: str | None = None) -> Trace:
    arch = load_arch(name)
    task = load_task(SHORT.get(arch.task, arch.task))
    return trace(arch, task=task, scale={axis: 2 * arch.axes[axis]} if axis else None)


def said(found: Trace, by: str) -> dict[str, object]:
    """Group -> the wording of its tensors' names, and the matches that separate it."""
    groups = found.groups(by)
    matches = separating_matches(groups)
    return {
        group: ({without_numbers(t.name) for t in tensors}, matches[group])
        for group, tensors in groups.items()
    }


@pytest.mark.parametrize("by", ["role", "module"])
@pytest.mark.parametrize(("name", "axis"), SCALES)
def test_groups_are_the_same_at_every_scale(name, axis, by):
    assert said(traced(name, axis), by) == said(traced(name), by)


@pytest.mark.parametrize("name", ["gpt", "moe_gpt", "vit"])
def test_what_an_attention_block_holds_is_apart(name):
    found = traced(name).groups("module")
    assert {f"attention.{part}" for part in BLOCK} <= set(found)
    assert len(found["attention.query"]) == traced(name).scale["depth"]


@pytest.mark.parametrize("name", ["gpt", "moe_gpt", "resnet"])
def test_matches_speak_of_every_block(name):
    found = traced(name)
    for group, matches in separating_matches(found.groups("module")).items():
        series = [found.series[t.name] for t in found.groups("module")[group]]
        if series[0].block is not None:
            assert all(m.name is None or f"{series[0].stack}." in m.name for m in matches)


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
def test_language_models_of_transformers(kind):
    pytest.importorskip("transformers")
    arch, task = load_arch(f"hf:{kind}"), load_task(SHORT["bytes"])
    base, deep = (said(trace(arch, task=task, scale={"depth": d}), "module") for d in (2, 4))
    assert base == deep
    assert {"embed_tokens", "self_attn.q_proj", "self_attn.k_proj", "norm", "lm_head"} <= set(base)
