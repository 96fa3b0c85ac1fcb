"""The gauge: what stays when a rule is rewritten, proved by training it."""

import pytest
import torch
from torch import Tensor, nn

from paramsearch.rules.degrees import DEGREES, degrees
from paramsearch.rules.gauge import shift
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Group, Match, Rule
from paramsearch.tracing.static import describe
from paramsearch.train.optimizers.interface import Hyper
from paramsearch.train.optimizers.table import optimizer_entry

RATIO, STEPS = 4, 40


class Net(nn.Module):
    """Embedding, biased layers, a norm with gain, and a readout."""

    def __init__(self, width: int):
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.hidden = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.norm(self.hidden(self.embed(x)).tanh()))


def group(role: str, **exponents: float) -> Group:
    by_axis = {quantity: {"width": value} for quantity, value in exponents.items()}
    return Group.model_validate({"match": {"role": role}, **by_axis})


def odd_rule(optimizer: str) -> Rule:
    """Exponents without any symmetry among them, so that no error cancels."""
    eps = {"eps": 0.3} if degrees(optimizer).eps else {}
    groups = (
        group("input", multiplier=0.5, init=-0.4, lr=-0.2),
        group("hidden", multiplier=-0.3, init=-0.25, lr=-0.6, weight_decay=0.7, **eps),
        group("output", multiplier=-0.75, init=0.1, lr=0.3, weight_decay=-0.2),
        group("vector", multiplier=0.25, lr=-0.1, **eps),
        group("scalar", multiplier=-0.5, lr=0.2),
    )
    return Rule(name="odd", optimizer=optimizer, axes=("width",), groups=groups)


class Engine:
    """An engine optimizer at work on one plain model, with the face of ``torch.optim``."""

    def __init__(self, name: str, model: Net, base: Net, groups: list):
        self.params = dict(model.named_parameters())
        self.optimizer = optimizer_entry(name).make(describe(model, base))
        self.state = self.optimizer.init({n: p.detach()[None] for n, p in self.params.items()})
        names = {p: n for n, p in self.params.items()}
        columns = [
            {
                names[p]: p.new_full((1,) * (p.ndim + 1), g.get(k, 0))
                for g in groups
                for p in g["params"]
            }
            for k in ("lr", "weight_decay", "eps")
        ]
        self.hyper = Hyper(*columns, decays=True)

    @torch.no_grad()
    def step(self) -> None:
        grads = {n: p.grad[None].clone() for n, p in self.params.items()}
        values = {n: p.detach()[None] for n, p in self.params.items()}
        updates, self.state = self.optimizer.update(grads, self.state, values, self.hyper)
        for n, p in self.params.items():
            p.add_(updates[n][0])


# lr, weight decay, eps and torch's class with options; eps and decay large enough to matter.
# Without a class the engine's optimizer of that name.
OPTIMIZERS = {
    "sgd": (0.05, 0.0, torch.optim.SGD, {"momentum": 0.9}),
    "sgd coupled decay": (0.05, 0.01, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (0.01, 0.0, torch.optim.Adam, {"betas": (0.8, 0.9)}),
    "adam coupled decay": (0.01, 0.03, torch.optim.Adam, {}),
    "adamw": (0.01, 0.3, torch.optim.AdamW, {}),
    "torch.optim:RMSprop coupled decay": (0.01, 0.03, torch.optim.RMSprop, {}),
    "sgd engine": (0.05, 0.01, None, {}),
    "sgd-nesterov engine": (0.05, 0.01, None, {}),
    "gd engine": (0.5, 0.01, None, {}),
    "adam engine": (0.01, 0.03, None, {}),
    "adamw engine": (0.01, 0.3, None, {}),
    "adamw-independent engine": (0.01, 0.01, None, {}),
    "gi-adam engine": (0.1, 0.3, None, {}),
    "slim-adam engine": (0.01, 0.3, None, {}),
    "lion engine": (0.003, 0.3, None, {}),
    "muon engine": (0.02, 0.3, None, {}),
    "soap engine": (0.02, 0.3, None, {}),
    "adafactor engine": (0.05, 0.3, None, {}),
}


def losses(rule: Rule, case: str) -> Tensor:
    """Loss at each step of a run at ratio 4, float64."""
    torch.manual_seed(0)
    base = Net(4).double()
    torch.nn.init.normal_(base.hidden.bias, std=0.3)
    torch.nn.init.normal_(base.norm.bias, std=0.3)
    model = Net(4 * RATIO).double()
    lr, weight_decay, make, options = OPTIMIZERS[case]
    generator = torch.Generator().manual_seed(1)
    settings = {"lr": lr, "weight_decay": weight_decay, "eps": 1e-3, "generator": generator}
    groups = apply(rule, model, base, **settings)
    optimizer = make(groups, **options) if make else Engine(case.split()[0], model, base, groups)
    data = torch.randint(11, (STEPS, 32), generator=torch.Generator().manual_seed(2))
    curve: list[Tensor] = []
    for x in data:
        loss = nn.functional.cross_entropy(model(x), x % 5)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.detach())
    return torch.stack(curve)


def test_every_shipped_optimizer_is_regauged():
    assert {case.split()[0] for case in OPTIMIZERS} >= set(DEGREES)


@pytest.mark.parametrize("gauge", ["no-multipliers", "unit-init"])
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_a_regauged_rule_trains_the_same(case, gauge):
    rule = odd_rule(case.split()[0])
    curve = losses(rule, case)
    torch.testing.assert_close(losses(rule.regauge(gauge), case), curve, rtol=0, atol=1e-10)
    assert curve[-5:].mean() < 0.9 * curve[0], "the runs must train for the comparison to count"


# Each exponent that a run depends on.
CHANGES = [
    (case, quantity)
    for case, (_, weight_decay, _, _) in OPTIMIZERS.items()
    for quantity in degrees(case.split()[0]).shifts
    if weight_decay or quantity != "weight_decay"
]


@pytest.mark.parametrize("case, quantity", CHANGES)
def test_every_exponent_matters_to_the_run(case, quantity):
    """The comparison above would notice a quantity that was not shifted."""
    rule = odd_rule(case.split()[0])
    changed = rule.regauge("no-multipliers")
    place = 3 if (case, quantity) == ("muon engine", "eps") else 1  # Muon's eps is for vectors
    groups = list(changed.groups)
    stated = {**groups[place].stated()}
    stated[quantity] = {"width": groups[place].exponent(quantity, "width") + 0.5}
    groups[place] = groups[place].with_exponents(stated)
    changed = changed.model_copy(update={"groups": tuple(groups)})
    assert (losses(changed, case) - losses(rule, case)).abs().max() > 1e-6


# Shift of (init, lr, weight decay, eps) for a multiplier that grows by 1: from the update's form.
SHIFTS = {
    "sgd": (-1, -2, 2, None),
    "adam": (-1, -1, 2, 1),
    "adamw": (-1, -1, 1, 1),
    "adamw-independent": (-1, -1, 0, 1),
    "gd": (-1, -2, 2, None),
    "lion": (-1, -1, 1, None),
    "adafactor": (-1, 0, 0, None),
    "torch.optim:RMSprop": (-1, -1, 2, 1),
    "torch.optim:Adafactor": (-1, 0, 0, None),
    "torch.optim:Rprop": (-1, -1, None, None),
}


@pytest.mark.parametrize("optimizer", SHIFTS)
def test_shift_per_optimizer(optimizer):
    shifts = degrees(optimizer).shifts
    found = tuple(shifts.get(q) for q in ("init", "lr", "weight_decay", "eps"))
    assert found == SHIFTS[optimizer]


def test_shift_there_and_back():
    start = {"multiplier": {"width": 0.1}, "lr": {"width": -0.7}}
    there = shift(start, {"width": 0.3}, DEGREES["adam"])
    back = shift(there, {"width": -0.3}, DEGREES["adam"])
    nothing = {"init": {"width": 0.0}, "weight_decay": {"width": 0.0}, "eps": {"width": 0.0}}
    assert back == {**start, **nothing}


def test_shift_by_nothing_states_nothing():
    assert not any(shift({}, {"width": 0.0}, DEGREES["adam"]).values())


def test_axes_shift_independently():
    start = odd_rule("adam")
    depth = Group(match=Match(role="hidden"), multiplier={"width": -0.5, "depth": -1})
    rule = start.model_copy(update={"axes": ("width", "depth"), "groups": (depth,)})
    plain = rule.regauge("no-multipliers").groups[0]
    assert plain.init == {"width": -0.5, "depth": -1.0}
    assert plain.lr == {"width": -0.5, "depth": -1.0}
