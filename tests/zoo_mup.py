"""The models of microsoft/mup's own tests and examples, made shorter.

From https://github.com/microsoft/mup: ``mup/test/models.py`` (MLP, CNN), ``examples/MLP/main.py``,
``examples/Transformer/model.py`` and ``examples/ResNet/resnet.py``. Initialization is left out, and
sizes are smaller.

MIT License. Copyright (c) Microsoft Corporation. Permission is hereby granted, free of charge, to
any person obtaining a copy of this software and associated documentation files (the "Software"), to
deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above
copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

mup: Any = pytest.importorskip("mup")

TOKENS, CLASSES, CONTEXT = 13, 10, 5


def mlp_of_tests(width: int, bias: bool = True, batchnorm: bool = False) -> nn.Sequential:
    mods: list[nn.Module] = [
        nn.Linear(3072, width, bias=bias), nn.ReLU(),
        nn.Linear(width, width, bias=bias), nn.ReLU(),
        mup.MuReadout(width, CLASSES, bias=bias),
    ]  # fmt: skip
    if batchnorm:
        mods.insert(1, nn.BatchNorm1d(width))
        mods.insert(4, nn.BatchNorm1d(width))
    return nn.Sequential(*mods)


def cnn_of_tests(width: int, bias: bool = True, batchnorm: bool = False) -> nn.Sequential:
    mods: list[nn.Module] = [
        nn.Conv2d(3, width, 5, bias=bias), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2),
        nn.Conv2d(width, 2 * width, 5, bias=bias), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(2 * width * 25, width * 16, bias=bias), nn.ReLU(inplace=True),
        nn.Linear(width * 16, width * 10, bias=bias), nn.ReLU(inplace=True),
        mup.MuReadout(width * 10, CLASSES, bias=bias),
    ]  # fmt: skip
    if batchnorm:
        mods.insert(1, nn.BatchNorm2d(width))
        mods.insert(5, nn.BatchNorm2d(2 * width))
        mods.insert(10, nn.BatchNorm1d(16 * width))
        mods.insert(13, nn.BatchNorm1d(10 * width))
    return nn.Sequential(*mods)


class MLP(nn.Module):
    def __init__(self, width: int, nonlin: Callable[[Tensor], Tensor] = torch.tanh):
        super().__init__()
        self.nonlin, self.input_mult = nonlin, 0.125
        self.fc_1 = nn.Linear(3072, width, bias=False)
        self.fc_2 = nn.Linear(width, width, bias=False)
        self.fc_3 = mup.MuReadout(width, CLASSES, bias=False, output_mult=32)

    def forward(self, x: Tensor) -> Tensor:
        out = self.nonlin(self.fc_1(x.flatten(1)) * self.input_mult**0.5)
        return self.fc_3(self.nonlin(self.fc_2(out)))


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int):
        super().__init__()
        position = torch.arange(CONTEXT).float().unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(1e4) / d_model))
        pe = torch.zeros(CONTEXT, d_model)
        pe[:, 0::2], pe[:, 1::2] = torch.sin(position * div_term), torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[: x.size(0), :]


class MultiheadAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, bias: bool):
        super().__init__()
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim)) if bias else None
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.bias_k = nn.Parameter(torch.zeros(1, 1, embed_dim)) if bias else None
        self.bias_v = nn.Parameter(torch.zeros(1, 1, embed_dim)) if bias else None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor) -> Tensor:
        length, bsz, embed_dim = query.size()
        if torch.equal(query, key) and torch.equal(key, value):
            q, k, v = F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            raise NotImplementedError("attention of an encoder alone")
        q = q * float(self.head_dim) ** -1
        attn_mask = attn_mask.unsqueeze(0)
        if self.bias_k is not None and self.bias_v is not None:
            k = torch.cat([k, self.bias_k.repeat(1, bsz, 1)])
            v = torch.cat([v, self.bias_v.repeat(1, bsz, 1)])
            attn_mask = F.pad(attn_mask, (0, 1))
        q = q.contiguous().view(length, bsz * self.num_heads, self.head_dim).transpose(0, 1)
        k = k.contiguous().view(-1, bsz * self.num_heads, self.head_dim).transpose(0, 1)
        v = v.contiguous().view(-1, bsz * self.num_heads, self.head_dim).transpose(0, 1)
        weights = torch.bmm(q, k.transpose(1, 2))
        weights += attn_mask
        out = torch.bmm(F.softmax(weights, dim=-1), v)
        out = out.transpose(0, 1).contiguous().view(length, bsz, embed_dim)
        return F.linear(out, self.out_proj.weight, self.out_proj.bias)


class TransformerEncoderLayer(nn.Module):
    def __init__(self, d_model: int, nhead: int, dim_feedforward: int, bias: bool):
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, bias)
        self.linear1 = nn.Linear(d_model, dim_feedforward, bias=bias)
        self.linear2 = nn.Linear(dim_feedforward, d_model, bias=bias)
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)

    def forward(self, src: Tensor, src_mask: Tensor) -> Tensor:
        src = self.norm1(src + self.self_attn(src, src, src, src_mask))
        return self.norm2(src + self.linear2(F.relu(self.linear1(src))))


class TransformerModel(nn.Module):
    def __init__(self, ninp: int, nhead: int = 2, bias: bool = True, tied: bool = False):
        super().__init__()
        self.src_mask: Tensor | None = None
        self.pos_encoder = PositionalEncoding(ninp)
        layers = [TransformerEncoderLayer(ninp, nhead, ninp, bias) for _ in range(2)]
        self.transformer_encoder = nn.ModuleList(layers)
        self.encoder = nn.Embedding(TOKENS, ninp)
        if tied:
            self.decoder = mup.MuSharedReadout(self.encoder.weight, bias=bias)
        else:
            self.decoder = mup.MuReadout(ninp, TOKENS, bias=bias)

    def forward(self, src: Tensor) -> Tensor:
        if self.src_mask is None or self.src_mask.size(0) != len(src):
            self.src_mask = torch.full((len(src), len(src)), float("-inf")).triu(1)
        output = self.pos_encoder(self.encoder(src))
        for layer in self.transformer_encoder:
            output = layer(output, self.src_mask)
        return F.log_softmax(self.decoder(output), dim=-1)


class Block(nn.Module):
    """Of 3x3 convolutions, or a bottleneck."""

    def __init__(self, in_planes: int, planes: int, stride: int, expansion: int):
        super().__init__()
        shapes = [(in_planes, planes, 3, stride), (planes, planes, 3, 1)]
        if expansion > 1:
            shapes = [
                (in_planes, planes, 1, 1), (planes, planes, 3, stride),
                (planes, expansion * planes, 1, 1),
            ]  # fmt: skip
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, k, s, padding=k // 2, bias=False) for i, o, k, s in shapes
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _, _ in shapes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, expansion * planes, 1, stride, bias=False),
                nn.BatchNorm2d(expansion * planes),
            )

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for conv, bn in zip(self.convs, self.bns, strict=True):
            out = bn(conv(F.relu(out) if out is not x else out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, width: int, num_blocks: tuple[int, ...] = (2, 2, 2, 2), expansion: int = 1):
        super().__init__()
        self.in_planes = width
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.layers = nn.Sequential()
        for stage, blocks in enumerate(num_blocks):
            for index in range(blocks):
                stride = 2 if stage and not index else 1
                planes = width * 2**stage
                self.layers.append(Block(self.in_planes, planes, stride, expansion))
                self.in_planes = planes * expansion
        self.linear = mup.MuReadout(self.in_planes, CLASSES, readout_zero_init=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(F.relu(self.bn1(self.conv1(x))))
        out = F.avg_pool2d(out, 4)
        return self.linear(out.view(out.size(0), -1))


def images(flat: bool = False) -> Tensor:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return x.flatten(1) if flat else x


def tokens() -> Tensor:
    return torch.randint(TOKENS, (CONTEXT, 2), generator=torch.Generator().manual_seed(0))


MODELS: dict[str, tuple[Callable[[int], nn.Module], Callable[[], Tensor]]] = {
    **{
        f"test {name}{' bias' * bias}{' batchnorm' * norm}": (
            lambda width, make=make, bias=bias, norm=norm: make(width, bias, norm),
            (lambda: images(flat=True)) if name == "mlp" else images,
        )
        for name, make in (("mlp", mlp_of_tests), ("cnn", cnn_of_tests))
        for bias in (True, False)
        for norm in (True, False)
    },
    "example mlp": (MLP, images),
    **{
        f"example transformer{' bias' * bias}{' tied' * tied}": (
            lambda width, bias=bias, tied=tied: TransformerModel(width, bias=bias, tied=tied),
            tokens,
        )
        for bias, tied in ((True, False), (False, False), (False, True))
    },  # the bias of a MuSharedReadout has the wrong size: tied only without
    "example resnet18": (ResNet, images),
    "example resnet50": (lambda width: ResNet(width, (1, 2, 1, 1), 4), images),
}
