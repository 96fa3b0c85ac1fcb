"""Sites of small models: what is found, what folds, and that a fold does what it says."""

import pytest
import torch
from site_models import Attention, Block, Mixer, Stack
from torch import nn

from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.tracing.sites.find import Call, Site, find_sites

X = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
CALL = Call((X,))


def one(model: nn.Module, kind: str, inputs: tuple = (X,)) -> Site:
    (site,) = (site for site in find_sites(model, Call(inputs)) if site.kind == kind)
    return site


DOWN = ("down.weight", "down.bias")

# What the multiplier of the branch folds onto; () where it cannot.
BRANCHES = {
    "plain": DOWN,
    "relu": DOWN,  # relu(m x) = m relu(x)
    "tanh": (),
    "norm": ("norm.weight", "norm.bias"),
    "layer scale": ("gain",),
    "gated": DOWN,
    "sum": (*DOWN, "down2.weight", "down2.bias"),
    "shared": (),  # the same weight acts before a nonlinearity
    "plus one": (),
    "in place": DOWN,
    "subtracted": DOWN,
    "over root depth": DOWN,
}


@pytest.mark.parametrize("way", BRANCHES)
def test_branches(way):
    site = one(Block(way), "branch")
    assert (site.tensors if not site.reason else ()) == BRANCHES[way]


Q = ("q.weight", "q.bias")
LOGITS = {
    "plain": (Q, ""),
    "sdpa": (Q, ""),
    "norm": (("q_norm.weight", "q_norm.bias"), ""),
    "bare norm": (("q.bias",), "q is not proportional to a weight"),
    "fused": (("qkv.bias",), "q and k come from one tensor, qkv.weight"),
    "q again": (("q.bias",), "q is not proportional to a weight that makes nothing else"),
}


@pytest.mark.parametrize("way", LOGITS)
def test_logits(way):
    site = one(Attention(way), "logits")
    tensors, reason = LOGITS[way]
    assert (site.tensors, site.size) == (tensors, 4)
    assert site.reason.startswith(reason) and bool(site.reason) == bool(reason)


def test_torch_makes_q_k_and_v_at_once():
    site = one(nn.MultiheadAttention(8, 2, batch_first=True), "logits", (X, X, X))
    assert site.reason == "q and k come from one tensor, in_proj_weight"


GAINS = {"plain": 4**-0.5, "sdpa": 4**-0.5, "one over d": 1 / 4, "norm": 4**-0.5}


@pytest.mark.parametrize("way", GAINS)
def test_the_factor_in_the_code_of_logits_is_read_off(way):
    assert one(Attention(way), "logits").gain == pytest.approx(GAINS[way])


def test_the_factor_in_the_code_of_a_branch_is_read_off():
    assert one(Block("over root depth", depth=4), "branch").gain == pytest.approx(0.5)


def test_a_model_without_sites():
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
    assert find_sites(model, CALL) == ()


def test_a_fold_does_what_a_factor_in_the_code_does():
    """The slow way: the same network with 3 in front of its branches."""
    model, slow = Stack(8, 3), Stack(8, 3, factor=3.0)
    slow.load_state_dict(model.state_dict())
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    sites = find_sites(model, Call((x,)))
    assert [site.tensors[0] for site in sites] == [f"blocks.{i}.down.weight" for i in range(3)]
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in (name for site in sites for name in site.tensors):
            parameters[name] *= 3
    torch.testing.assert_close(model(x), slow(x))


def test_finding_leaves_the_model_as_it_is():
    model = nn.Sequential(nn.Linear(8, 8), Block("plain"), nn.BatchNorm1d(5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    find_sites(model, CALL)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_readout_that_starts_at_zero_proves_nothing_by_itself():
    """Without shaking, any fold would agree where the output is 0."""
    model = Mixer(8, "fused")
    nn.init.zeros_(model.leave.weight)
    call = Call((torch.randn(2, 5, 4),))
    reasons = {site.kind: bool(site.reason) for site in find_sites(model, call)}
    assert reasons == {"logits": True, "branch": False}


def ours(name: str, **options: object) -> list[Site]:
    arch = load_arch(name, options)
    task = load_task(arch.task)
    return list(find_sites(arch.model(task.dims), Call((task.batch(0)[0][:8],))))


# Architecture and option -> kind and tensors of each site of a block, without the block's number.
ARCHS = {
    "gpt": [
        "logits attention.query.weight",
        "branch attention.out.weight",
        "branch mlp.down.weight",
    ],
    "gpt qk_norm": [
        "logits attention.query_norm.weight",
        "branch attention.out.weight",
        "branch mlp.down.weight",
    ],
    "gpt:llama": [
        "logits attention.query.weight",
        "branch attention.out.weight",
        "branch mlp.down.weight",
    ],
    "moe_gpt": [
        "logits attention.query.weight",
        "branch attention.out.weight",
        "branch experts.down",
    ],
    "resmlp": ["branch down.weight down.bias"],
    "gnn": ["branch own.weight own.bias neighbours.weight"],
    "ssm": ["branch out.weight"],
    "rnn": [],  # gates, which weigh states against each other
    "mlp": [],
    "convnet": [],
}


@pytest.mark.parametrize("name", ARCHS)
def test_shipped_architectures(name):
    arch, _, option = name.partition(" ")
    sites = ours(arch, **{option: True} if option else {})
    assert not any(site.reason for site in sites)
    lines = [f"{site.kind} {' '.join(n.split('.', 2)[2] for n in site.tensors)}" for site in sites]
    assert list(dict.fromkeys(lines)) == ARCHS[name]
