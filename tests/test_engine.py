"""The population engine against plain ``torch.optim`` runs of the plugged-in model."""

import gc
import weakref

import pytest
import torch

import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch
from paramsearch.train import chunk
from paramsearch.train import compiled as compiled_step
from paramsearch.train.cost import chunk_size
from paramsearch.train.engine import cost_of, train
from paramsearch.train.optimizers.table import optimizer_entry
from paramsearch.train.outcome import Outcome
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import Workload, prepare

MEMBERS = [Member(0, 2e-3, 0), Member(1, 2e-3, 0), Member(1, 3e-2, 5), Member(0, 1e-2, 5)]


def workload(arch: str, width: int, dtype: torch.dtype = torch.float64) -> Workload:
    return prepare(load_arch(arch), load_task("digits"), {"width": width}, dtype=dtype)


def plain_losses(arch: str, width: int, rule: Rule, member: Member, recipe: Recipe) -> list[float]:
    """What a user would run: apply the rule, make a torch optimizer, loop."""
    found, task = load_arch(arch), load_task("digits")
    model = found.model(task.dims, {"width": width}).double()
    groups = paramsearch.apply(
        rule,
        model,
        base=lambda: found.model(task.dims),
        lr=member.lr,
        weight_decay=recipe.weight_decay,
        eps=recipe.eps,
        ratios={"width": width / found.axes["width"]},
        generator=torch.Generator().manual_seed(member.seed),
    )
    optimizer = optimizer_entry(recipe.optimizer).reference(groups)
    losses: list[float] = []
    for step in range(recipe.steps):
        inputs, targets = task.batch(step)
        loss = task.loss(model(inputs.double()), targets)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize("arch", ["mlp", "resmlp"])
@pytest.mark.parametrize(("optimizer", "decay"), [("sgd", 0.0), ("adam", 0.02), ("adamw", 0.02)])
def test_members_equal_plain_torch_runs_over_50_steps(
    arch: str, optimizer: str, decay: float
) -> None:
    rules = [Rule.load("mup", optimizer), Rule.load("ntk", optimizer)]
    recipe = Recipe(optimizer, steps=50, weight_decay=decay)
    outcome = train(workload(arch, 48), rules, MEMBERS, recipe)
    for losses, member in zip(outcome.losses, MEMBERS, strict=True):
        expected = plain_losses(arch, 48, rules[member.rule], member, recipe)
        torch.testing.assert_close(
            losses, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-9
        )


def test_a_diverged_member_is_inf_and_does_not_disturb_the_others() -> None:
    rules, recipe = [Rule.load("sp", "sgd")], Recipe("sgd", steps=12)
    good = [Member(0, 1e-2, 0), Member(0, 2e-2, 1)]
    alone = train(workload("mlp", 32), rules, good, recipe)
    beside = train(workload("mlp", 32), rules, [good[0], Member(0, 1e30, 0), good[1]], recipe)
    assert beside.final[1] == torch.inf
    assert beside.losses[1, -1] == torch.inf
    assert 0 < beside.survived[1] < 1
    torch.testing.assert_close(beside.losses[[0, 2]], alone.losses, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(beside.final[[0, 2]], alone.final, rtol=1e-12, atol=1e-12)


def outcome_of(chunk: int | None) -> Outcome:
    rules = [Rule.load("mup"), Rule.load("sp")]
    return train(
        workload("mlp", 32), rules, MEMBERS, Recipe("adam", 6), execution=Execution(chunk=chunk)
    )


def test_results_do_not_depend_on_the_chunk() -> None:
    whole, single = outcome_of(None), outcome_of(1)
    torch.testing.assert_close(whole.losses, single.losses, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(whole.final, single.final, rtol=1e-10, atol=1e-12)


def test_wide_models_are_trained_in_smaller_chunks() -> None:
    recipe, cpu = Recipe("adam", 6), torch.device("cpu")
    sizes = [chunk_size(cost_of(workload("mlp", w), recipe), cpu) for w in (32, 256)]
    assert sizes[0] > sizes[1] >= 1


def test_rules_share_their_draws_and_agree_at_the_base() -> None:
    rules = [Rule.load("mup"), Rule.load("sp"), Rule.load("mean-field")]
    members = [Member(r, 1e-2, 3) for r in range(3)]
    losses = train(workload("mlp", 32), rules, members, Recipe("adam", steps=5)).losses
    torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=0)
    torch.testing.assert_close(losses[0], losses[2], rtol=0, atol=0)


def test_progress_counts_every_member_step() -> None:
    counts: list[int] = []
    train(
        workload("mlp", 32),
        [Rule.load("sp")],
        [Member(0, 1e-3, s) for s in range(3)],
        Recipe("adam", steps=4),
        on_steps=counts.append,
        execution=Execution(chunk=2),
    )
    assert sum(counts) == 3 * 4


@pytest.mark.parametrize("compiled", [False, True])
def test_a_chunk_is_gone_when_it_is_trained(compiled: bool, monkeypatch) -> None:
    """Not kept by what refers to itself, until garbage is collected."""
    monkeypatch.setattr(compiled_step, "_compile", lambda graph, *_: graph)
    kept: list[weakref.ref[object]] = []

    class Watched(chunk._Chunk):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            kept.append(weakref.ref(self))

    monkeypatch.setattr(chunk, "_Chunk", Watched)
    execution = Execution(compiled, chunk=4)
    gc.disable()
    try:
        rules = [Rule.load("sp"), Rule.load("mup")]
        train(workload("mlp", 8), rules, MEMBERS, Recipe("adam", 3), execution=execution)
        assert kept and not any(each() for each in kept)
    finally:
        gc.enable()
