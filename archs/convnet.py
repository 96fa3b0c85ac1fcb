"""Plain convolutional network: convolution, GroupNorm, ReLU, repeated; then the mean image."""

from math import isqrt

from torch import Tensor, nn

import paramsearch


class Layer(nn.Module):
    """Convolution 3x3, GroupNorm, ReLU."""

    def __init__(self, fan_in: int, fan_out: int, groups: int, stride: int = 1):
        """Build the layer; the norm has the bias."""
        super().__init__()
        self.conv = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=False)
        self.norm = nn.GroupNorm(groups, fan_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, fan_in, side, side) to (batch, fan_out, side, side)."""
        return self.norm(self.conv(x)).relu()


class ConvNet(nn.Module):
    """``depth`` convolutions: channels -> width -> ... -> width; mean over pixels; -> outputs."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        depth: int,
        channels: int = 1,
        groups: int = 4,
        stride: int = 1,
    ):
        """Build the layers; ``groups`` is that of every norm, ``stride`` of the first layer."""
        super().__init__()
        side = isqrt(inputs // channels)
        if channels * side**2 != inputs:
            raise ValueError(f"{inputs} inputs are no square image of {channels} channel(s)")
        self.image = channels, side, side
        self.input = Layer(channels, width, groups, stride)
        self.hidden = nn.ModuleList(Layer(width, width, groups) for _ in range(depth - 1))
        self.readout = nn.Linear(width, outputs)
        nn.init.normal_(self.readout.weight, std=0.02)  # so that the first guess is even

    def forward(self, x: Tensor) -> Tensor:
        """Map flat images (batch, inputs) to logits (batch, outputs)."""
        h = self.input(x.unflatten(-1, self.image))
        for layer in self.hidden:
            h = layer(h)
        return self.readout(h.mean(dim=(-2, -1)))


arch = paramsearch.Arch(
    build=ConvNet,
    axes={"width": 16, "depth": 3},
    task="digits",
    options={"groups": 4, "stride": 1},
)
