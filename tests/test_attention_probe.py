"""The probe of attention logits against what hooks see of q and k, one member at a time."""

import pytest
import torch
from plain_run import rules
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.functional import scaled_dot_product_attention, softmax

from paramsearch.probes.attention import AttentionLogits, LogitsCapture, attends
from paramsearch.probes.quantities import update_probes
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train.engine import train
from paramsearch.train.population import Member
from paramsearch.train.probe import Probe
from paramsearch.train.recipe import Engine, Recipe
from paramsearch.train.workload import prepare

DOUBLE, WIDTH = torch.float64, 64
MEMBERS = [Member(0, 2e-3, 0), Member(1, 1e-2, 3)]
RECIPE = Recipe("adam", 3)
DRAWS = torch.Generator().manual_seed(0)
X, W = (torch.randn(*shape, generator=DRAWS) for shape in ((5, 4), (4, 4)))


class Snapshots(Probe):
    """What every member's model sees as its parameters, before and after training."""

    def start(self, moment):
        return {n: p.clone() for n, p in moment.stack.effective(moment.params).items()}

    def result(self, memory, moment):
        after = moment.stack.effective(moment.params)
        return {f"{at}/{n}": p for at, ps in (("0", memory), ("1", after)) for n, p in ps.items()}


def trained(arch, probes, backend="auto", width=WIDTH):
    engine = Engine(backend, "float32", None)
    workload = prepare(arch, load_task(arch.task), {"width": width}, dtype=DOUBLE, engine=engine)
    return workload, train(workload, rules("adam"), MEMBERS, RECIPE, probes).probes


def plain_logits(workload, params):
    """Logits of every block of a gpt or vit, from what the layers query and key give."""
    seen, found = {}, []
    blocks = [m for m in workload.model.modules() if hasattr(m, "query")]
    layers = [layer for block in blocks for layer in (block.query, block.key)]
    for layer in layers:
        layer.register_forward_hook(lambda layer, _, y: seen.update({layer: y}))
    with torch.no_grad():
        functional_call(workload.model, params, (workload.evaluation()[0],))
    for block in blocks:
        q, k = (_split(seen[layer], block) for layer in (block.query, block.key))
        logits = q @ k.mT * block.scale
        mask = getattr(block, "mask", torch.zeros(1))
        found.append(logits[(mask > -1).expand_as(logits)])
    return found


def _split(tokens, layer):
    heads = layer.heads if hasattr(layer, "heads") else tokens.shape[-1] // layer.shape[-1]
    return tokens.unflatten(-1, (heads, -1)).transpose(-3, -2)


def names(workload):
    return [tensor.name for tensor in workload.tensors]


def rms(entries):
    return torch.stack([entry.square().mean() for entry in entries]).mean().sqrt()


@pytest.mark.parametrize("name", ["gpt", "vit"])
def test_logits_are_what_query_and_key_make_before_and_after_training(name):
    workload, found = trained(load_arch(name), [AttentionLogits(), Snapshots()])
    for index in range(len(MEMBERS)):
        before, after = (
            plain_logits(workload, {n: found[f"{at}/{n}"][index] for n in names(workload)})
            for at in "01"
        )
        change = [one - start for one, start in zip(after, before, strict=True)]
        for probe, entries in (("signal", before), ("feature_change", change)):
            value = found[f"{probe}/logits"][index]
            torch.testing.assert_close(value, rms(entries), rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", ["gpt", "moe_gpt", "looped_gpt"])
def test_members_side_by_side_and_one_after_the_other_read_the_same(name):
    arch = load_arch(name)
    stacked, looped = (
        trained(arch, [AttentionLogits()], way, 32)[1] for way in ("stacked", "loop")
    )
    assert sorted(stacked) == sorted(looped) == ["feature_change/logits", "signal/logits"]
    for key, value in stacked.items():
        torch.testing.assert_close(value, looped[key], rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", ["mlp", "resmlp"])
def test_a_model_without_attention_has_no_logits(name):
    assert not any("logits" in key for key in trained(load_arch(name), update_probes())[1])


def test_the_softmax_of_a_router_is_none_of_attention():
    workload = prepare(load_arch("moe_gpt"), load_task("bytes"), {})
    blocks = sum("query" in tensor.name for tensor in workload.tensors)
    params = {n: p.detach() for n, p in workload.model.named_parameters()}
    assert attends(workload.tensors)
    with torch.no_grad(), LogitsCapture(params) as capture:
        workload.output(params, workload.batch(0)[0])
    assert len(capture.logits) == blocks


HIDDEN = torch.ones(5, 5).triu(1).bool()
# how attention may be written, from q and k: what enters its softmax, or the whole of it
WAYS = {
    "method": lambda q, k: (q @ k.mT / 2).softmax(-1),
    "function": lambda q, k: softmax(torch.matmul(q, k.transpose(-1, -2)) * 0.5, dim=-1),
    "einsum": lambda q, k: (torch.einsum("id,jd->ij", q, k) / 2).softmax(-1),
    "masked": lambda q, k: (q @ k.mT / 2).masked_fill(HIDDEN, -torch.inf).softmax(-1),
    "added mask": lambda q, k: (q @ k.mT / 2 + HIDDEN * -1e9).softmax(-1),
    "batched": lambda q, k: (torch.bmm(q[None], k[None].mT) / 2)[0].softmax(-1),
    "module": lambda q, k: nn.Softmax(dim=-1)(q @ k.mT / 2),
    "fused": lambda q, k: scaled_dot_product_attention(q[None], k[None], q[None]),
    "fused, scaled": lambda q, k: scaled_dot_product_attention(
        q[None], k[None], q[None], scale=0.5
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_logits_are_met_however_attention_is_written(way):
    def logits(w):
        with LogitsCapture({"w": w}) as capture:
            WAYS[way](X @ w, X @ w.T)
        return tuple(capture.logits)

    (found,) = vmap(logits)(torch.stack([W, 2 * W]))
    for member, w in zip(found, (W, 2 * W), strict=True):
        kept = member.view(5, 5) > -100
        expected = (X @ w) @ (X @ w.T).T / 2
        torch.testing.assert_close(member.view(5, 5)[kept], expected[kept])
        assert kept.sum() == (15 if "mask" in way else 25)


def test_queries_that_share_a_key_each_have_logits():
    q, k = torch.randn(4, 5, 4, generator=DRAWS), torch.randn(2, 5, 4, generator=DRAWS)
    with LogitsCapture({}) as capture:
        scaled_dot_product_attention(q, k, k, enable_gqa=True)
    expected = q @ k.repeat_interleave(2, dim=0).mT / 2
    torch.testing.assert_close(capture.logits[0], expected)


def test_products_that_no_softmax_follows_are_no_logits():
    with LogitsCapture({"w": W}) as capture:
        scores = X @ W @ X.T
        (scores @ X).softmax(dim=-1)  # of a product with the scores, not of the scores
        (X @ W).softmax(dim=-1)
        (X @ W.T.exp()).sigmoid()
    assert [entry.shape for entry in capture.logits] == [(5, 4)]
