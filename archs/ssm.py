"""Selective state-space model: blocks of Mamba (Gu & Dao, 2023, arXiv 2312.00752)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

import paramsearch


class Mixer(nn.Module):
    """Gated recurrence over positions whose step, input and output depend on the token.

    For each of the 2 * width channels u, with a state h of ``state`` numbers,

        h_t = exp(dt_t A) h_(t-1) + dt_t B_t u_t,   y_t = C_t . h_t + D u_t,

    where dt (positive), B and C are linear in the token and A = -(1, 2, ..., state) exp(a). Fixed
    numbers lay out the initial decays and steps, so that all that is learned starts at zero,
    at one, or at random around zero, at every width.
    """

    def __init__(self, width: int, state: int, kernel: int = 4):
        """Build the layers; steps start log-spaced from 0.001 to 0.1 over the channels."""
        super().__init__()
        inner, rank = 2 * width, math.ceil(width / 16)
        self.value = nn.Linear(width, inner, bias=False)
        self.gate = nn.Linear(width, inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, kernel, groups=inner, padding=kernel - 1)
        self.step_in = nn.Linear(inner, rank, bias=False)
        self.step_out = nn.Linear(rank, inner, bias=False)
        self.step_bias = nn.Parameter(torch.zeros(inner))
        self.enter = nn.Linear(inner, state, bias=False)  # B
        self.leave = nn.Linear(inner, state, bias=False)  # C
        self.decay = nn.Parameter(torch.zeros(inner, state))  # a
        self.skip = nn.Parameter(torch.ones(inner))  # D
        self.out = nn.Linear(inner, width, bias=False)
        steps = torch.logspace(-3, -1, inner)
        self.register_buffer("step_start", steps.expm1().log(), persistent=False)  # of softplus
        self.register_buffer("decay_start", torch.arange(1.0, state + 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, context, width) to the same."""
        u = self.conv(self.value(x).mT)[..., : x.shape[-2]].mT  # sees the past alone
        u = functional.silu(u)  # (batch, context, inner)
        dt = self.step_out(self.step_in(u)) + self.step_bias + self.step_start
        dt = functional.softplus(dt)[..., None]  # (batch, context, inner, 1)
        keep = (-dt * self.decay_start * self.decay.exp()).exp()
        add = dt * self.enter(u)[..., None, :] * u[..., None]  # (batch, context, inner, state)
        y = (scan(keep, add) * self.leave(u)[..., None, :]).sum(dim=-1) + self.skip * u
        return self.out(y * functional.silu(self.gate(x)))


def scan(keep: Tensor, add: Tensor) -> Tensor:
    """Run h_t = keep_t h_(t-1) + add_t over dimension 1 from h = 0, and give all h."""
    h = torch.zeros_like(add[:, 0])
    states = []
    for k, a in zip(keep.unbind(1), add.unbind(1), strict=True):
        h = k * h + a
        states.append(h)
    return torch.stack(states, dim=1)


class SSM(nn.Module):
    """Embedding, ``depth`` residual mixers with pre-norm, norm, readout."""

    def __init__(
        self, inputs: int, outputs: int, vocabulary: int, width: int, depth: int, state: int,
        positions: int | None = None,
    ):  # fmt: skip
        """Build the layers; without ``positions`` only the last position is predicted."""
        super().__init__()
        self.last_only = positions is None
        self.embed = nn.Embedding(vocabulary, width)
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-5) for _ in range(depth))
        self.mixers = nn.ModuleList(Mixer(width, state) for _ in range(depth))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.readout = nn.Linear(width, outputs, bias=False)
        nn.init.normal_(self.readout.weight, std=0.02)  # starts near log(outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, context) to logits (batch, context, outputs), or (batch, outputs)."""
        x = self.embed(tokens)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            x = x + mixer(norm(x))
        return self.readout(self.norm(x[:, -1] if self.last_only else x))


arch = paramsearch.Arch(
    build=SSM, axes={"width": 32, "depth": 2, "state": 8}, task="bytes", vocabulary=64
)
