"""Models that do unusual things with their tensors, and what their tensors are."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo import Case

POSITIONS, FEATURES, CLASSES = 5, 6, 10


class Net(nn.Module):
    """A first layer and a readout; what is between them is unusual."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.readout = nn.Linear(FEATURES, width), nn.Linear(width, CLASSES)

    def between(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.between(self.first(x)).mean(1))


class Latents(Net):
    """Learned queries, normed and projected before they meet any data (Perceiver, DETR)."""

    def __init__(self, width: int):
        super().__init__(width)
        self.latents, self.norm = nn.Parameter(torch.randn(4, width)), nn.LayerNorm(width)
        self.q, self.k = nn.Linear(width, width), nn.Linear(width, width)

    def between(self, x: Tensor) -> Tensor:
        queries = self.norm(self.latents.expand(x.shape[0], -1, -1))
        return queries + (self.q(queries) @ self.k(x).mT).softmax(-1) @ x


class Unexpanded(Latents):
    """The same queries for the whole batch."""

    def between(self, x: Tensor) -> Tensor:
        queries = self.norm(self.latents)
        return queries + (self.q(queries) @ self.k(x).mT).softmax(-1) @ x


class Functional(Latents):
    """No module that would tell what is data."""

    def between(self, x: Tensor) -> Tensor:
        queries = F.layer_norm(
            self.latents.repeat(x.shape[0], 1, 1), x.shape[2:], self.norm.weight, self.norm.bias
        )
        queries = queries @ self.q.weight.T + self.q.bias
        return queries + (queries @ self.k(x).mT).softmax(-1) @ x


class Probe(Net):
    """A pooling head of attention (SigLIP)."""

    def __init__(self, width: int):
        super().__init__(width)
        self.probe = nn.Parameter(torch.randn(1, 1, width))
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def between(self, x: Tensor) -> Tensor:
        return self.attention(self.probe.repeat(x.shape[0], 1, 1), x, x)[0]


class FirstState(Net):
    """A learned first state of a recurrent layer, and of one written out."""

    def __init__(self, width: int):
        super().__init__(width)
        self.start, self.hidden = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        self.gru, self.step = nn.GRU(width, width, batch_first=True), nn.Linear(width, width)

    def between(self, x: Tensor) -> Tensor:
        x, _ = self.gru(x, self.start.expand(1, x.shape[0], -1).contiguous())
        state = self.hidden.expand(x.shape[0], -1)
        for position in x.unbind(1):
            state = torch.tanh(position + self.step(state))
        return state[:, None]


class Fourier(Net):
    """Complex weights, as such and as pairs of real numbers (Li et al. 2020, arXiv 2010.08895)."""

    def __init__(self, width: int):
        super().__init__(width)
        self.spectral = nn.Parameter(torch.randn(width, width, 2, dtype=torch.cfloat))
        self.pairs = nn.Parameter(torch.randn(width, width, 2, 2))

    def between(self, x: Tensor) -> Tensor:
        modes = torch.fft.rfft(x.mT)[..., :2]
        modes = torch.einsum("bix,iox->box", modes, self.spectral)
        modes = torch.einsum("bix,iox->box", modes, torch.view_as_complex(self.pairs))
        return torch.fft.irfft(modes, n=POSITIONS).mT


class LowRank(Net):
    """Adapters beside a matrix, and merged into it (Hu et al. 2021, arXiv 2106.09685)."""

    def __init__(self, width: int):
        super().__init__(width)
        self.weight = nn.Parameter(torch.randn(width, width))
        self.a, self.b = nn.Parameter(torch.randn(2, width)), nn.Parameter(torch.zeros(width, 2))

    def between(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight) + F.linear(F.linear(x, self.a), self.b)
        return F.linear(x, self.weight + self.b @ self.a)


class Generated(Net):
    """A network makes the weights of another from a learned code (Ha et al. 2016)."""

    def __init__(self, width: int):
        super().__init__(width)
        self.code, self.make = nn.Parameter(torch.randn(3)), nn.Linear(3, 4 * width)
        self.back = nn.Linear(4, width)

    def between(self, x: Tensor) -> Tensor:
        return self.back(F.linear(x, self.make(self.code).view(4, -1)))


class Chosen(Net):
    """Experts: stacked matrices chosen per token, and modules to which no token may be sent."""

    def __init__(self, width: int):
        super().__init__(width)
        self.stack = nn.Parameter(torch.randn(3, width, 2 * width))
        self.experts = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(3))

    def between(self, x: Tensor) -> Tensor:
        x = torch.einsum("bti,btio->bto", x, self.stack[x.argmax(-1) % 3])
        return self.experts[1](x)


@torch.library.custom_op("paramsearch_tests::matmul", mutates_args=())
def matmul(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight.T


def matmul_backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    return grad @ weight, grad.flatten(0, -2).T @ x.flatten(0, -2)


matmul.register_autograd(
    matmul_backward,
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)


class Kernel(Net):
    """An op of the user's own."""

    def __init__(self, width: int):
        super().__init__(width)
        self.up = nn.Parameter(torch.randn(4 * width, width))
        self.square = nn.Parameter(torch.randn(4 * width, 4 * width))
        self.down = nn.Linear(4 * width, width)

    def between(self, x: Tensor) -> Tensor:
        return self.down(matmul(matmul(x, self.up).relu(), self.square))


class Compiled(Net):
    """A part that is compiled."""

    def __init__(self, width: int):
        super().__init__(width)
        self.compiled = torch.compile(nn.Linear(width, width), backend="eager")

    def between(self, x: Tensor) -> Tensor:
        return self.compiled(x)


class Hidden(Net):
    """Ops that no recorder sees: the types of the modules tell what they do."""

    def __init__(self, width: int):
        super().__init__(width)
        self.inner = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def between(self, x: Tensor) -> Tensor:
        with torch._C._DisableTorchDispatch():
            return self.inner(x)


def numbers() -> Tensor:
    shape = 2, POSITIONS, FEATURES
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


ENDS = """
first.weight        linear  input
first.bias          linear  vector
readout.weight      linear  output
readout.bias        linear  scalar
"""
LATENTS = (
    ENDS
    + """
latents                 add     vector
norm.(weight|bias)      norm    vector
(q|k).weight            linear  hidden
(q|k).bias              linear  vector
"""
)
PROBE = (
    ENDS
    + """
probe                      add     vector
attention.in_proj_weight   linear  hidden
attention.in_proj_bias     linear  vector
attention.out_proj.weight  linear  hidden
attention.out_proj.bias    linear  vector
"""
)
FIRST_STATE = (
    ENDS
    + """
start             add     vector
hidden            add     vector
gru.weight_*      linear  hidden
gru.bias_*        linear  vector
step.weight       linear  hidden
step.bias         linear  vector
"""
)
FOURIER = ENDS + "(spectral|pairs) linear hidden"
LOW_RANK = (
    ENDS
    + """
weight  linear  hidden
a       linear  output
b       linear  input
"""
)
GENERATED = (
    ENDS
    + """
code            add     scalar
make.weight     linear  input
make.bias       linear  vector
back.weight     linear  input
back.bias       linear  vector
"""
)
CHOSEN = (
    ENDS
    + """
stack             linear  hidden
experts.#.weight  linear  hidden
experts.#.bias    linear  vector
"""
)
KERNEL = (
    ENDS
    + """
(up|square|down.weight) linear  hidden
down.bias               linear  vector
"""
)
COMPILED = (
    ENDS
    + """
compiled.*weight        linear  hidden
compiled.*bias          linear  vector
"""
)
HIDDEN = (
    ENDS
    + """
inner.0.weight          linear  hidden
inner.0.bias            linear  vector
inner.1.(weight|bias)   norm    vector
"""
)

CASES = {
    "latents": Case(Latents, numbers, LATENTS),
    "latents-unexpanded": Case(Unexpanded, numbers, LATENTS),
    "latents-functional": Case(Functional, numbers, LATENTS),
    "probe": Case(Probe, numbers, PROBE),
    "first-state": Case(FirstState, numbers, FIRST_STATE),
    "fourier": Case(Fourier, numbers, FOURIER),
    "low-rank": Case(LowRank, numbers, LOW_RANK),
    "generated": Case(Generated, numbers, GENERATED),
    "chosen": Case(Chosen, numbers, CHOSEN),
    "kernel": Case(Kernel, numbers, KERNEL),
    "compiled": Case(Compiled, numbers, COMPILED),
    "hidden": Case(Hidden, numbers, HIDDEN),
}
