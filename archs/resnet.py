"""Residual convolutional network with pre-activation blocks (He et al. 2016, arXiv:1603.05027).

All blocks have one resolution and one width, so that every shortcut is the identity.
"""

from math import isqrt

from torch import Tensor, nn

import paramsearch


def conv(fan_in: int, fan_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Give a convolution without bias that keeps the size of the image, up to its stride."""
    return nn.Conv2d(fan_in, fan_out, kernel, stride, padding=kernel // 2, bias=False)


class Block(nn.Module):
    """``x + branch(x)``: norm, ReLU, convolution 3x3, twice."""

    def __init__(self, width: int, groups: int):
        """Build the branch."""
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, width), conv(width, width, 3)
        self.norm2, self.conv2 = nn.GroupNorm(groups, width), conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, width, side, side) to the stream."""
        h = self.conv1(self.norm1(x).relu())
        return x + self.conv2(self.norm2(h).relu())


class Bottleneck(nn.Module):
    """``x + branch(x)``: norm, ReLU, convolution, three times; the middle one on width / 4."""

    def __init__(self, width: int, groups: int):
        """Build the branch; its convolutions are 1x1, 3x3 and 1x1."""
        super().__init__()
        inner = width // 4
        self.norm1, self.conv1 = nn.GroupNorm(groups, width), conv(width, inner, 1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, inner), conv(inner, inner, 3)
        self.norm3, self.conv3 = nn.GroupNorm(groups, inner), conv(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map the stream (batch, width, side, side) to the stream."""
        h = self.conv1(self.norm1(x).relu())
        h = self.conv2(self.norm2(h).relu())
        return x + self.conv3(self.norm3(h).relu())


class ResNet(nn.Module):
    """Convolution channels -> width; ``depth`` blocks; norm, ReLU, mean over pixels; -> outputs."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        depth: int,
        channels: int = 1,
        bottleneck: bool = False,
        groups: int = 4,
        stride: int = 1,
    ):
        """Build the layers; ``groups`` is that of every norm, ``stride`` of the first layer."""
        super().__init__()
        side = isqrt(inputs // channels)
        if channels * side**2 != inputs:
            raise ValueError(f"{inputs} inputs are no square image of {channels} channel(s)")
        block = Bottleneck if bottleneck else Block
        self.image = channels, side, side
        self.input = conv(channels, width, 3, stride)
        self.blocks = nn.ModuleList(block(width, groups) for _ in range(depth))
        self.norm = nn.GroupNorm(groups, width)
        self.readout = nn.Linear(width, outputs)
        nn.init.normal_(self.readout.weight, std=0.02)  # so that the first guess is even

    def forward(self, x: Tensor) -> Tensor:
        """Map flat images (batch, inputs) to logits (batch, outputs)."""
        h = self.input(x.unflatten(-1, self.image))
        for block in self.blocks:
            h = block(h)
        return self.readout(self.norm(h).relu().mean(dim=(-2, -1)))


arch = paramsearch.Arch(
    build=ResNet,
    axes={"width": 16, "depth": 3},
    task="digits",
    options={"bottleneck": False, "groups": 4, "stride": 1},
)
