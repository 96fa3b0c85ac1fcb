"""Optimizers that torch does not have, written plainly from their papers: one tensor, one member.

``step(tensor, w, g, memory, t, lr, wd, eps)`` gives the new w; t counts from 1, memory is a dict.
"""

import torch
from torch import Tensor

from paramsearch.tracing.tensor import TensorInfo


def adamw(tensor, w, g, memory, t, lr, wd, eps, betas=(0.9, 0.999)):
    m, v = memory.get("m", 0 * g), memory.get("v", 0 * g)
    m = memory["m"] = betas[0] * m + (1 - betas[0]) * g
    v = memory["v"] = betas[1] * v + (1 - betas[1]) * g**2
    m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - lr * wd * w - lr * m / (v.sqrt() + eps)


def independent(tensor, w, g, memory, t, lr, wd, eps, schedule=1.0):
    """Wortsman et al. 2023: weights shrink by wd, whatever the learning rate."""
    return adamw(tensor, w, g, memory, t, lr, 0, eps) - schedule * wd * w


def lion(tensor, w, g, memory, t, lr, wd, eps):
    """Chen et al. 2023, algorithm 2."""
    m = memory.get("m", 0 * g)
    c = 0.9 * m + 0.1 * g
    memory["m"] = 0.99 * m + 0.01 * g
    return w - lr * (c.sign() + wd * w)


def gi_adam(tensor, w, g, memory, t, lr, wd, eps):
    """Kalra & Barkeshli 2024: v_0 = g_0^2, which makes v_1 = g_0^2 for g_1 = g_0."""
    memory.setdefault("v", g**2)
    return adamw(tensor, w, g, memory, t, lr, wd, eps)


# Mean over these dimensions of the tensors in optimizer_runs.TENSORS: the rules by layer type.
SLIM = {
    "tokens.weight": (1,),
    "first.weight": (1,),
    "q_proj.weight": (1,),
    "down.weight": (0,),
    "experts": (2,),  # (expert, in, out): fan-out stands last
    "readout.weight": (1,),
}


def slim_adam(tensor, w, g, memory, t, lr, wd, eps):
    m, v = memory.get("m", 0 * g), memory.get("v", 0 * g)
    square = g**2
    if tensor.name in SLIM:
        square = square.mean(SLIM[tensor.name], keepdim=True).expand_as(g)
    m = memory["m"] = 0.9 * m + 0.1 * g
    v = memory["v"] = 0.999 * v + 0.001 * square
    w = w * (1 - lr * wd) if w.ndim >= 2 else w
    return w - lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + eps)


def each_matrix(function, tensor: TensorInfo, *values: Tensor) -> Tensor:
    """Apply a function of matrices to the matrix, or the matrices, that a tensor is."""
    if tensor.op == "conv":
        flat = [v.reshape(len(v), -1) for v in values]
        return function(0, *flat).reshape(values[0].shape)
    if values[0].ndim == 3:
        return torch.stack([function(e, *(v[e] for v in values)) for e in range(len(values[0]))])
    return function(0, *values)


def newton_schulz(g: Tensor) -> Tensor:
    x = g / max(float(g.norm()), 1e-7)
    if g.shape[0] > g.shape[1]:
        x = x.T
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def muon(tensor, w, g, memory, t, lr, wd, eps):
    if tensor.role != "hidden":
        return adamw(tensor, w, g, memory, t, lr, wd, eps)
    b = memory["b"] = 0.95 * memory.get("b", 0 * g) + 0.05 * g
    nesterov = 0.05 * g + 0.95 * b
    step = each_matrix(lambda _, n: newton_schulz(n), tensor, nesterov)
    pace = max(1, tensor.fan_out / tensor.fan_in) ** 0.5
    return w - lr * wd * w - lr * pace * step


def soap(tensor, w, g, memory, t, lr, wd, eps):
    """Vyas et al. 2024, algorithm 3, with bias corrections; see the engine's form for the rest."""
    if w.ndim < 2:
        return adamw(tensor, w, g, memory, t, lr, wd, eps, betas=(0.95, 0.95))
    left = tensor.op != "embedding" and tensor.role != "output"

    def step(which, g):
        own = memory.setdefault(which, {})
        rows, columns = g.shape
        if not own:
            own.update(m=0 * g, v=0 * g, l=g.new_zeros(rows, rows), r=g.new_zeros(columns, columns))
            own.update(ql=torch.eye(rows).to(g), qr=torch.eye(columns).to(g))
        own["m"] = 0.95 * own["m"] + 0.05 * g
        seen = own["ql"].T @ g @ own["qr"]
        mean = own["ql"].T @ own["m"] @ own["qr"]
        own["v"] = 0.95 * own["v"] + 0.05 * seen**2
        bias = 1 - 0.95**t
        change = (mean / bias) / ((own["v"] / bias).sqrt() + eps)
        change = own["ql"] @ change @ own["qr"].T
        own["l"] = 0.95 * own["l"] + 0.05 * g @ g.T
        own["r"] = 0.95 * own["r"] + 0.05 * g.T @ g
        if t % 10 == 1:
            own["qr"] = turned(own["r"], own["qr"])
            own["ql"] = turned(own["l"], own["ql"]) if left else own["ql"]
        return change

    return w - lr * wd * w - lr * each_matrix(step, tensor, g)


def turned(factor: Tensor, basis: Tensor) -> Tensor:
    n = len(factor)
    ridge = 1e-3 * factor.trace() / n * torch.eye(n).to(factor)
    return torch.linalg.qr((factor + ridge) @ basis)[0]


PLAIN = {
    "adamw-independent": independent,
    "lion": lion,
    "gi-adam": gi_adam,
    "slim-adam": slim_adam,
    "muon": muon,
    "soap": soap,
}
