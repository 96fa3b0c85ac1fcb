"""One training run of a plugged model, in one process or as DDP and FSDP2 over several."""

from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from paramsearch.rules.multiplied import multipliers_of
from paramsearch.rules.plug import apply
from paramsearch.rules.rule import Rule

STEPS, BATCH = 6, 8
KINDS = ("ddp", "ddp, applied inside", "fsdp", "fsdp, sharded after")


def build(width: int) -> nn.Module:
    layers = [nn.Linear(6, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.LayerNorm(width), nn.Linear(width, 3)).double()


def shard(model: nn.Module) -> nn.Module:
    for layer in (model[0], model[2], model[5]):
        fully_shard(layer)
    return fully_shard(model)


def plug(model: nn.Module) -> list[dict]:
    """Apply a rule with multipliers; every process draws the same initial values."""
    draws = torch.Generator().manual_seed(3)
    rule = Rule.load("ntk", "adamw")
    return apply(
        rule,
        model,
        lambda: build(9),
        lr=0.01,
        weight_decay=0.1,
        ratios={"width": 4},
        generator=draws,
    )


def groups_of(model: nn.Module, kind: str) -> tuple[nn.Module, list[dict]]:
    """Wrap the model and plug the rule in, in either order."""
    if kind == "ddp, applied inside":
        wrapped = DistributedDataParallel(model)
        return wrapped, plug(wrapped)
    if kind == "fsdp, sharded after":  # whose parameters are new ones
        groups = plug(model)
        found = dict(shard(model).named_parameters())
        return model, [{**g, "params": [found[name] for name in g["tensors"]]} for g in groups]
    if kind == "fsdp":
        shard(model)
    groups = plug(model)
    return DistributedDataParallel(model) if kind == "ddp" else model, groups


def losses(kind: str, rank: int = 0, world: int = 1) -> list[float]:
    """Train on this process's share of every batch, and give the loss over all of it."""
    model, groups = groups_of(build(36), kind)
    carried = multipliers_of(model.module if kind.startswith("ddp") else model)
    assert carried == {"2.weight": 0.5, "5.weight": 0.5}
    optimizer = torch.optim.AdamW(groups)
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, BATCH, 6, generator=draws, dtype=torch.float64)
    found: list[float] = []
    for whole in x:
        share = whole.chunk(world)[rank]
        loss = (model(share) - share[:, :3].sin()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        if world > 1:
            dist.all_reduce(mean)
        found.append(mean.item() / world)
    return found


def worker(rank: int, world: int, folder: Path) -> None:
    """Run all kinds as one of several processes; the first writes what it found."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world
    )
    found = {kind: losses(kind, rank, world) for kind in KINDS}
    if rank == 0:
        torch.save(found, folder / "losses")
    dist.destroy_process_group()
