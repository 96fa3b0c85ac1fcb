"""Engine optimizers against ``torch.optim``, step by step in float64."""

import pytest
import torch

from paramsearch.errors import ParamsearchError
from paramsearch.train.optimizer import Hyper
from paramsearch.train.optimizers import optimizer_entry

LRS = (0.003, 0.1, 1.0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_every_member_equals_torch_optim_step_by_step(name: str, weight_decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(len(LRS), 3, 2, generator=generator, dtype=torch.float64)
    grads = torch.randn(20, len(LRS), 3, 2, generator=generator, dtype=torch.float64)
    entry = optimizer_entry(name)

    column = torch.tensor(LRS, dtype=torch.float64).view(-1, 1, 1)
    constant = torch.ones_like(column)
    hyper = Hyper(
        {"w": column},
        {"w": weight_decay * constant},
        {"w": 1e-8 * constant},
        decays=weight_decay != 0,
    )
    optimizer = entry.make()
    params = {"w": start.clone()}
    state = optimizer.init(params)

    plain = [torch.nn.Parameter(value.clone()) for value in start]
    references = [
        entry.reference([{"params": [p], "lr": lr, "weight_decay": weight_decay}])
        for p, lr in zip(plain, LRS, strict=True)
    ]
    for grad in grads:
        updates, state = optimizer.update({"w": grad}, state, params, hyper)
        params["w"] += updates["w"]
        for member, reference in enumerate(references):
            plain[member].grad = grad[member].clone()
            reference.step()
            torch.testing.assert_close(params["w"][member], plain[member].data, rtol=0, atol=1e-12)


def test_an_unknown_optimizer_names_the_known_ones() -> None:
    with pytest.raises(ParamsearchError, match=r"unknown optimizer 'adm'.*'adam'.*sgd"):
        optimizer_entry("adm")
