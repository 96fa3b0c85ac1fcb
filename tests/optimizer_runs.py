"""What the tests of optimizers share: tensors of all kinds, members of unlike settings, a loop."""

import torch

from paramsearch.tracing.tensor import TensorInfo
from paramsearch.train.optimizers.interface import Hyper, Optimizer, Tensors

DOUBLE = torch.float64
STEPS = 24
MEMBERS = 3
LRS, DECAYS, EPS = (0.003, 0.1, 0.7), (0.1, 0.3, 0.02), (1e-8, 1e-3, 0.1)


def info(
    name: str, shape: tuple[int, ...], op: str, role: str, fans: tuple[int, int] = (1, 1)
) -> TensorInfo:
    return TensorInfo(name, shape, op, role, *fans, {}, False, role)


TENSORS = (
    info("tokens.weight", (5, 4), "embedding", "input", (5, 4)),
    info("first.weight", (4, 3), "linear", "input", (3, 4)),
    info("q_proj.weight", (6, 4), "linear", "hidden", (4, 6)),
    info("down.weight", (3, 5), "linear", "hidden", (5, 3)),
    info("conv.weight", (4, 2, 3, 3), "conv", "hidden", (18, 4)),
    info("experts", (2, 3, 5), "linear", "hidden", (3, 5)),
    info("readout.weight", (3, 4), "linear", "output", (4, 3)),
    info("norm.weight", (4,), "norm", "vector"),
    info("temperature", (), "mul", "scalar"),
)
BY_NAME = {tensor.name: tensor for tensor in TENSORS}


def normals(seed: int, tensors: tuple[TensorInfo, ...] = TENSORS) -> Tensors:
    """Standard normal values of every tensor and member."""
    generator = torch.Generator().manual_seed(seed)
    return {
        t.name: torch.randn(MEMBERS, *t.shape, generator=generator, dtype=DOUBLE) for t in tensors
    }


def gradients(steps: int = STEPS) -> list[Tensors]:
    return [normals(1 + step) for step in range(steps)]


def hyper(decays: bool, schedule: float = 1.0) -> Hyper:
    """Other settings for every member."""

    def columns(values: tuple[float, ...]) -> Tensors:
        column = torch.tensor(values, dtype=DOUBLE)
        return {t.name: column.view(-1, *(1 for _ in t.shape)) for t in TENSORS}

    decay = DECAYS if decays else (0.0,) * MEMBERS
    lrs = tuple(schedule * lr for lr in LRS)
    return Hyper(columns(lrs), columns(decay), columns(EPS), decays, schedule)


def run(optimizer: Optimizer, decays: bool, schedule: float = 1.0) -> list[Tensors]:
    """Parameters after every step of the engine's form."""
    params = normals(0)
    state = optimizer.init(params)
    path: list[Tensors] = []
    for grads in gradients():
        updates, state = optimizer.update(grads, state, params, hyper(decays, schedule))
        params = {name: p + updates[name] for name, p in params.items()}
        path.append(params)
    return path


def assert_same(path: list[Tensors], expected: list[Tensors], atol: float = 1e-12) -> None:
    assert len(path) == len(expected)
    for found, wanted in zip(path, expected, strict=True):
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-12, atol=atol)


def differs(path: list[Tensors], other: list[Tensors]) -> bool:
    """Whether two runs end apart in some tensor."""
    return any((path[-1][n] - other[-1][n]).abs().max() > 1e-3 for n in path[-1])
