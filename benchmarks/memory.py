"""Memory of one chunk of members: predicted, measured, and needed whatever the engine does.

Each case runs in a process of its own, which trains a chunk in float32 with Adam, after two members
of a model of width 8. Prints, per member:

- needed: parameters, their gradients, two moments, and the activations that autograd saves;
- plain: what a plain run of one model holds at its peak, by the same meter: forward, backward,
  ``torch.optim.Adam`` tensor by tensor;
- predicted: what the engine's meter counts, by which it chooses the size of a chunk;
- measured: growth of the process's resident memory at its peak (``VmHWM``, Linux);
- heap: the same in another process, in which the C library places all tensors.

"beyond" is what is measured or predicted beyond what is needed.

Run: ``python benchmarks/memory.py``
"""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

import paramsearch
from paramsearch.rules.rule import Rule
from paramsearch.train import arena, engine
from paramsearch.train.cost import chunk_size
from paramsearch.train.engine import cost_of, train
from paramsearch.train.heap import keep_heap
from paramsearch.train.meter import Meter
from paramsearch.train.population import Member
from paramsearch.train.recipe import Execution, Recipe
from paramsearch.train.workload import Workload, prepare

CASES = [("mlp", 64), ("mlp", 256), ("resmlp", 128), ("gpt", 64), ("convnet", 32)]
RECIPE = Recipe("adam", 3)
ENOUGH = 2**30  # bytes of a chunk, for which the engine's memory is set up as for the case itself
KINDS = ("plain", "predicted", "measured", "heap")


@contextmanager
def heap_alone(*_: object, **__: object):
    """Train without an arena, as where there is no C++ compiler."""
    keep_heap()
    yield


def status(key: str) -> int:
    """Give a size from the kernel's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])


def needed(workload: Workload) -> int:
    """Give the bytes that a member needs: parameters four times, and saved activations."""
    parameters = sum(p.numel() * p.element_size() for p in workload.model.parameters())
    own = {p.untyped_storage().data_ptr() for p in workload.model.parameters()}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = workload.batch(0)
    shared = {part.untyped_storage().data_ptr() for part in batch}
    params = {name: nn.Parameter(p.clone()) for name, p in workload.model.named_parameters()}
    own |= {p.untyped_storage().data_ptr() for p in params.values()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = workload.loss(params, batch)
    del loss
    return 4 * parameters + sum(size for place, size in saved.items() if place not in shared)


def plain(workload: Workload) -> int:
    """Give the bytes that a plain run of one model holds at its peak."""
    with Meter() as meter:
        params = {name: nn.Parameter(p.clone()) for name, p in workload.model.named_parameters()}
        optimizer = torch.optim.Adam(params.values(), foreach=False)
        for step in range(2):
            batch = workload.batch(step)
            loss = workload.loss(params, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return meter.peak


def child(arch: str, width: int, placed: bool) -> None:
    """Measure one case and print it as JSON; large tensors are placed by us or as all others."""
    if not placed:
        arena.kept_memory = engine.kept_memory = heap_alone
    found = paramsearch.load_arch(arch)
    task = paramsearch.load_task(found.task)
    workload = prepare(found, task, {"width": width})
    rules = [Rule.load("sp")]
    cost = cost_of(workload, RECIPE)
    count = chunk_size(cost, workload.device)
    members = [Member(0, 1e-3, index % 4) for index in range(count)]
    how = Execution(compile=False, chunk=count)
    with arena.kept_memory(workload.device, ENOUGH):
        train(prepare(found, task, {"width": 8}), rules, members[:2], RECIPE, execution=how)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    train(workload, rules, members, RECIPE, execution=how)
    figures = {
        "members": count,
        "needed": needed(workload),
        "plain": plain(workload),
        "predicted": cost.member_bytes,
        "measured": (status("VmHWM") - before) / count,
    }
    print(json.dumps(figures))


def main() -> None:
    """Run every case in a process of its own and print a table."""
    if len(sys.argv) > 1:
        child(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "placed")
        return
    print(
        "model        members   KiB per member: needed  plain  predicted  measured     heap"
        "   beyond: plain  pred.  meas.   heap"
    )
    for arch, width in CASES:
        case, other = (measured(arch, width, how) for how in ("placed", "heap"))
        case["heap"] = other["measured"]
        beyond = [case[name] / case["needed"] - 1 for name in KINDS]
        sizes = [case[name] / 1024 for name in ("needed", *KINDS)]
        print(
            f"{arch:8}{width:5}{case['members']:8}{sizes[0]:23.0f}{sizes[1]:7.0f}{sizes[2]:11.0f}"
            f"{sizes[3]:10.0f}{sizes[4]:9.0f}"
            f"{beyond[0]:16.0%}{beyond[1]:7.0%}{beyond[2]:7.0%}{beyond[3]:7.0%}",
            flush=True,
        )


def measured(arch: str, width: int, how: str) -> dict[str, float]:
    """Give what a process of its own finds."""
    command = [sys.executable, __file__, arch, str(width), how]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


if __name__ == "__main__":
    main()
