"""Population training against a loop of plain runs, against JAX, and against the hardware.

In one process and in turns, on the same members and batches of ``archs/mlp.py`` (digits, batch 64)
or of ``archs/gpt.py`` (2 layers, context 32, vocabulary 128, batch 16), with Adam in float32:

- loop: apply the rule, make ``torch.optim.Adam``, zero_grad, backward, step, one run at a time;
- eager and compiled: ``paramsearch.train.engine.train``, without and with ``torch.compile``;
- jax: ``jit(vmap(...))`` of the same model and optimizer (``benchmarks/jax_models.py``).

Prints microseconds per member-step (the best round), ratios (median over rounds of the ratio within
a round), the share of the matrix-product rate measured in the same round (the median over rounds,
for the rate itself goes up and down with what else the host does), and seconds to compile, cold
(nothing in torch's cache) and warm (the cache filled by the cold run). First losses are compared.

Run: ``python benchmarks/population.py [--models mlp,gpt] [--widths 32,64,128,256] [--device cuda]``
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import torch

CACHE = tempfile.mkdtemp(prefix="population-cache-")
os.environ["TORCHINDUCTOR_CACHE_DIR"] = CACHE  # before torch's compiler looks for it

import paramsearch  # noqa: E402
from paramsearch.rules.rule import Rule  # noqa: E402
from paramsearch.tasks.task import Task  # noqa: E402
from paramsearch.tracing.arch import Arch  # noqa: E402
from paramsearch.train.cost import chunk_size  # noqa: E402
from paramsearch.train.engine import cost_of, train  # noqa: E402
from paramsearch.train.population import Member, Stacker  # noqa: E402
from paramsearch.train.recipe import Engine, Execution, Recipe  # noqa: E402
from paramsearch.train.workload import Workload, prepare  # noqa: E402

TASKS = {"mlp": "digits", "gpt": "random_walk:er,nodes=128,context=32,batch=16"}
RULE = Rule.load("sp")
PATHS = ("loop", "eager", "compiled", "jax")
HEADINGS = ["model", "/ chunk", *PATHS, *PATHS[1:3], *PATHS[1:3], "share e", "share c", "GFLOP/s"]
HEADINGS += ["cold", "warm", "jax"]
WIDTH = 10
Losses = Callable[[int], torch.Tensor]


def members_of(count: int) -> list[Member]:
    """List members over eight learning rates."""
    return [Member(0, 2.0 ** (-12 + index % 8 / 2), index // 8) for index in range(count)]


def loop(
    arch: Arch, task: Task, width: int, members: list[Member], steps: int, device: str
) -> None:
    """Train members one after the other, as without this package's engine."""
    for member in members:
        model = arch.model(task.dims, {"width": width}).to(device)
        groups = paramsearch.apply(
            RULE,
            model,
            base=arch.model(task.dims),
            lr=member.lr,
            ratios={"width": width / arch.axes["width"]},
            generator=torch.Generator().manual_seed(member.seed),
        )
        optimizer = torch.optim.Adam(groups)
        for step in range(steps):
            inputs, targets = task.batch(step)
            loss = task.loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def bmm_rate(width: int, rows: int, device: str) -> float:
    """Give the best FLOP/s of products (members, rows, width) x (members, width, width)."""
    best = 0.0
    for members in (8, 64, 256):
        left = torch.randn(members, rows, width, device=device)
        right = torch.randn(members, width, width, device=device)
        out = torch.bmm(left, right)
        for _ in range(12):
            began = clock(device)
            for _ in range(4):
                torch.bmm(left, right, out=out)
            seconds = (clock(device) - began) / 4
            best = max(best, 2 * members * rows * width**2 / seconds)
    return best


def clock(device: str) -> float:
    """Give the time, after all that was asked of the device."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(run: Callable[[], object], device: str) -> float:
    """Give the seconds that a call takes."""
    began = clock(device)
    run()
    return clock(device) - began


def jax_run(model: str, workload: Workload, members: list[Member]):
    """Give the same members in JAX; None where JAX is missing."""
    try:
        import numpy as np
        from jax_models import Run
    except ImportError:
        return None
    stack = Stacker(workload, [RULE], 0.0, 1e-8).stack(members)
    params = {name: value.numpy() for name, value in stack.params.items()}
    return Run(model, params, np.asarray([member.lr for member in members], dtype=np.float32))


def measure(model: str, width: int, asked: argparse.Namespace) -> None:
    """Measure one model at one width and print its line."""
    device = asked.device
    task = paramsearch.load_task(TASKS[model], device)
    arch = paramsearch.load_arch(model)
    workload = prepare(
        arch, task, {"width": width}, device=device, engine=Engine(precision=asked.precision)
    )
    recipe, steps = Recipe("adam", asked.steps), asked.steps
    cost = cost_of(workload, recipe)
    count = min(asked.members, chunk_size(cost, workload.device))
    members, few = members_of(count), members_of(2)
    program = Execution(compile=True, chunk=min(count, chunk_size(cost, workload.device, True)))

    def population(execution: Execution, some: list[Member] = members) -> torch.Tensor:
        return train(workload, [RULE], some, recipe, execution=execution).losses

    found = population(Execution(compile=False))
    shutil.rmtree(CACHE, ignore_errors=True)
    torch._dynamo.reset()
    cold = warm = float("nan")
    torch.compile(torch.neg)(torch.ones(16))  # what torch does once per machine is not counted
    if not asked.no_compile:
        cold = compile_seconds(workload, recipe, members, program)
        torch._dynamo.reset()
        warm = compile_seconds(workload, recipe, members, program)
    theirs = jax_run(model, workload, members) if device == "cpu" else None
    batches = [tuple(part.cpu().numpy() for part in task.batch(step)) for step in range(steps)]
    jax_seconds = float("nan")
    if theirs is not None:
        jax_seconds = theirs.compile_seconds(batches[0])
        first = torch.from_numpy(theirs.train(batches)[0])
        torch.testing.assert_close(first, found[:, 0], rtol=1e-4, atol=1e-4)
    loop(arch, task, width, few[:1], 2, device)
    rounds: list[dict[str, float]] = []
    peaks: list[float] = []
    rows = task.batch(0)[0].shape[0] * task.dims.get("positions", 1)
    for _ in range(asked.rounds):
        seconds = {
            "loop": timed(lambda: loop(arch, task, width, few, steps, device), device) / len(few),
            "eager": timed(lambda: population(Execution(compile=False)), device) / count,
        }
        if not asked.no_compile:
            seconds["compiled"] = timed(lambda: population(program), device) / count
        if theirs is not None:
            seconds["jax"] = timed(lambda: theirs.train(batches), device) / count
        rounds.append({name: 1e6 * value / steps for name, value in seconds.items()})
        peaks.append(bmm_rate(width, rows, device))
    names = list(rounds[0])
    ours = "eager" if asked.no_compile else "compiled"
    best = {name: min(r[name] for r in rounds) for name in names}

    def ratio(slow: str, fast: str) -> float:
        if slow not in best or fast not in best:
            return float("nan")
        return statistics.median(r[slow] / r[fast] for r in rounds)

    def share(name: str) -> float:
        each = zip(rounds, peaks, strict=True)
        return statistics.median(cost.flops / (1e-6 * r[name] * peak) for r, peak in each)

    cells = [f"{model} {width}", f"{count}/{program.chunk}"]
    cells += [f"{best[name]:.1f}" if name in best else "-" for name in PATHS]
    cells += [f"{ratio('loop', name):.1f}x" for name in ("eager", "compiled")]
    cells += [f"{ratio('jax', name):.2f}x" for name in ("eager", "compiled")]
    cells += [f"{share('eager'):.0%}", f"{share(ours):.0%}", f"{max(peaks) / 1e9:.0f}"]
    show([*cells, *(f"{each:.2f}" for each in (cold, warm, jax_seconds))])


def show(cells: list[str]) -> None:
    """Print a line of the table."""
    first, *rest = cells
    print(f"{first:<8}" + "".join(f"{cell:>{WIDTH}}" for cell in rest), flush=True)


def compile_seconds(
    workload: Workload, recipe: Recipe, members: list[Member], execution: Execution
) -> float:
    """Give the seconds that the first chunk takes longer than the second: those of compiling."""
    for key in [key for key in workload.kept if key[0] == "program"]:
        del workload.kept[key]
    some, short = members[: execution.chunk], Recipe(recipe.optimizer, 1)

    def once() -> float:
        return timed(lambda: train(workload, [RULE], some, short, execution=execution), "cpu")

    first = once()
    return first - min(once() for _ in range(3))


def main() -> None:
    """Measure every model and width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="mlp,gpt")
    parser.add_argument("--widths", default="32,64,128,256")
    parser.add_argument("--members", type=int, default=256, help="at most, less where memory ends")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--no-compile", action="store_true")
    asked = parser.parse_args()
    print(f"torch {torch.__version__}, {asked.device}, {torch.get_num_threads()} threads, Adam")
    over = [*["loop /"] * 2, *["jax /"] * 2]
    show(["", "members", *["us of"] * 4, *over, *["bmm"] * 3, *["compile s"] * 3])
    show(HEADINGS)
    for model in asked.models.split(","):
        for width in map(int, asked.widths.split(",")):
            measure(model, width, asked)
    shutil.rmtree(CACHE, ignore_errors=True)


if __name__ == "__main__":
    main()
