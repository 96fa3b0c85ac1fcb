"""Convolutional networks written as their users write them: ResNet, ConvNeXt, U-Net, DenseNet."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo import Case


def conv3x3(fan_in: int, fan_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inplanes: int, planes: int, stride: int, downsample: nn.Module | None):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inplanes, planes, stride), nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int, downsample: nn.Module | None):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inplanes, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes, stride), nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """As in torchvision, with fewer layers and classes (He et al. 2015, arXiv 1512.03385)."""

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: list[int], width: int):
        super().__init__()
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = self._make_layer(block, width, layers[0])
        self.layer2 = self._make_layer(block, 2 * width, layers[1], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2 * width * block.expansion, 10)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1
    ) -> nn.Sequential:
        out, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != out:
            shortcut = nn.Conv2d(self.inplanes, out, 1, stride, bias=False)
            downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out))
        layers = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = out
        layers += [block(out, planes, 1, None) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    def __init__(self, dim: int, layer_scale: float = 1e-6):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.act = nn.Linear(dim, 4 * dim), nn.GELU()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(self.act(self.pwconv1(y))).permute(0, 3, 1, 2)
        return x + self.layer_scale * y


class ConvNeXt(nn.Module):
    """Liu et al. 2022, arXiv 2201.03545."""

    def __init__(self, width: int):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 4, stride=4), LayerNorm2d(width, eps=1e-6))
        self.stage1 = nn.Sequential(CNBlock(width), CNBlock(width))
        self.down = nn.Sequential(LayerNorm2d(width), nn.Conv2d(width, 2 * width, 2, stride=2))
        self.stage2 = nn.Sequential(CNBlock(2 * width))
        self.head = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stage2(self.down(self.stage1(self.stem(x)))).mean((-2, -1)))


def double(fan_in: int, fan_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.BatchNorm2d(fan_out), nn.ReLU(inplace=True),
        nn.Conv2d(fan_out, fan_out, 3, padding=1), nn.GroupNorm(4, fan_out), nn.ReLU(inplace=True),
    )  # fmt: skip


class UNet(nn.Module):
    """Ronneberger et al. 2015, arXiv 1505.04597; a mask of two classes."""

    def __init__(self, width: int):
        super().__init__()
        self.enter, self.down1, self.down2 = (
            double(1, width), double(width, 2 * width), double(2 * width, 4 * width),
        )  # fmt: skip
        self.up2, self.merge2 = (
            nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2), double(4 * width, 2 * width),
        )  # fmt: skip
        self.up1, self.merge1 = (
            nn.ConvTranspose2d(2 * width, width, 2, stride=2), double(2 * width, width),
        )  # fmt: skip
        self.mask = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.enter(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x = self.up2(self.down2(F.max_pool2d(x2, 2)))
        x = self.up1(self.merge2(torch.cat([x, x2], dim=1)))
        return self.mask(self.merge1(torch.cat([x, x1], dim=1)))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), conv3x3(4 * growth, growth)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(F.relu(self.norm2(x)))


class DenseNet(nn.Module):
    """Huang et al. 2016, arXiv 1608.06993; the width is its growth rate."""

    def __init__(self, width: int, depth: int = 3):
        super().__init__()
        self.conv0 = conv3x3(3, 2 * width)
        self.layers = nn.ModuleList(DenseLayer((2 + i) * width, width) for i in range(depth))
        self.norm5 = nn.BatchNorm2d((2 + depth) * width)
        self.classifier = nn.Linear((2 + depth) * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.conv0(x)]
        for layer in self.layers:
            features.append(layer(features))
        x = F.relu(self.norm5(torch.cat(features, 1)))
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))


class StandardConv(nn.Conv2d):
    """Standardizes its weight as batch norm does; Qiao et al. 2019, arXiv 1903.10520."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        flat = self.weight.reshape(1, self.out_channels, -1)
        weight = F.batch_norm(flat, None, None, weight=self.gain.view(-1), training=True)
        return F.conv2d(x, weight.reshape_as(self.weight), self.bias, padding=1)


def images(channels: int = 3, side: int = 32) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))


RESNET = """
conv1.weight                       conv    input
layer#.#.conv#.weight              conv    hidden
layer#.#.downsample.0.weight       conv    hidden
bn1.(weight|bias)                  norm    vector
layer#.#.bn#.(weight|bias)         norm    vector
layer#.#.downsample.1.(weight|bias) norm   vector
fc.weight                          linear  output
fc.bias                            linear  scalar
"""
CONVNEXT = """
stem.0.weight                      conv    input
down.1.weight                      conv    hidden
(stem.0|down.1).bias               conv    vector
stage#.#.dwconv.weight             conv    input
stage#.#.dwconv.bias               conv    vector
stage#.#.pwconv#.weight            linear  hidden
stage#.#.pwconv#.bias              linear  vector
stage#.#.layer_scale               mul     vector
stage#.#.norm.(weight|bias)        norm    vector
(stem.1|down.0|head.0).(weight|bias) norm  vector
head.1.weight                      linear  output
head.1.bias                        linear  scalar
"""
UNET = """
enter.0.weight                          conv  input
enter.3.weight                          conv  hidden
(down#|merge#).(0|3).weight             conv  hidden
up#.weight                              conv  hidden
up#.bias                                conv  vector
(enter|down#|merge#).(0|3).bias         conv  vector
(enter|down#|merge#).(1|4).(weight|bias) norm vector
mask.weight                             conv  output
mask.bias                               conv  scalar
"""
DENSENET = """
conv0.weight                       conv    input
layers.#.conv#.weight              conv    hidden
layers.#.conv1.bias                conv    vector
layers.#.norm#.(weight|bias)       norm    vector
norm5.(weight|bias)                norm    vector
classifier.weight                  linear  output
classifier.bias                    linear  scalar
"""
STANDARDIZED = """
0.weight                           conv    input
2.weight                           conv    hidden
4.weight                           conv    output
(0|2).bias                         conv    vector
4.bias                             conv    scalar
(0|2).gain                         mul     vector
4.gain                             mul     scalar
"""

CASES = {
    "resnet-basic": Case(lambda w: ResNet(BasicBlock, [2, 1], w), images, RESNET),
    "resnet-bottleneck": Case(lambda w: ResNet(Bottleneck, [1, 2], w), images, RESNET),
    "convnext": Case(ConvNeXt, images, CONVNEXT),
    "unet": Case(UNet, lambda: images(1, 16), UNET),
    "densenet": Case(DenseNet, lambda: images(side=8), DENSENET),
    "standardized": Case(
        lambda w: nn.Sequential(
            StandardConv(3, w), nn.ReLU(), StandardConv(w, w), nn.ReLU(), StandardConv(w, 7)
        ),
        lambda: images(side=8),
        STANDARDIZED,
    ),
}
