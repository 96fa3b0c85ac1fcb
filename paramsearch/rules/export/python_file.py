"""A rule as a Python file that needs torch alone: initial values and parameter groups."""

from paramsearch.rules.export.layout import Layout
from paramsearch.rules.export.literal import filled, mapping, quiet, table

TORCH = {
    "sgd": "SGD(groups, momentum=0.9)",
    "sgd-nesterov": "SGD(groups, momentum=0.9, nesterov=True)",
    "gd": "SGD(groups)",
    "adam": "Adam(groups)",
    "adamw": "AdamW(groups)",
    "adafactor": "Adafactor(groups)",
}
"""Optimizer -> the call of ``torch.optim`` that makes it."""

_FILE = '''"""Rule '@RULE@' for @ARCH@ with @OPTIMIZER@: initial values and parameter groups.

Plain torch code, written by paramsearch. For a model built at any scale:

    ratio = {@EXAMPLE@}  # size of the model / size of the base
    init_(model, ratio)
    groups = param_groups(model, ratio, lr=0.003)  # the learning rate tuned on the base
    optimizer = @CALL@

Every quantity is what it is at the base, times ratio ** exponent along every axis. There are no
forward multipliers, so the model itself stays as it is.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

BASE = @BASE@  # axis: size of the base
SETTINGS = (@SETTINGS@)  # what a group of parameters is told

# Names, "*" being the number of a block: how the tensors start at the base (a constant "mean", or
# normal numbers of standard deviation "std"), their shape there, the power with which each
# dimension grows, and the exponents of "init" and of SETTINGS; one that is left out is 0.
TENSORS: dict[str, dict[str, Any]] = {
@TABLE@
}


def init_(
    model: nn.Module, ratio: Mapping[str, float], generator: torch.Generator | None = None
) -> None:
    """Fill the trainable tensors of a model in place.

    Args:
        model: Built at any scale.
        ratio: Axis -> size of the model / size of the base.
        generator: On the CPU; torch's default one if left out.
    """
    rows = {name: _row(name, tensor, ratio) for name, tensor in _trainable(model)}
    with torch.no_grad():
        for name, tensor in _trainable(model):
            unit = torch.randn(tensor.shape, generator=generator, dtype=torch.float32)
            factor = _factor(rows[name], "init", ratio)
            if "std" in rows[name]:
                tensor.copy_(unit.to(tensor.dtype) * (rows[name]["std"] * factor))
            else:
                tensor.fill_(rows[name]["mean"] * factor)


def param_groups(
    model: nn.Module,
    ratio: Mapping[str, float],
    lr: float,
    @ARGUMENTS@,
) -> list[dict[str, Any]]:
    """Give the parameter groups of a model, for an optimizer of torch.

    Args:
        model: Built at any scale.
        ratio: Axis -> size of the model / size of the base.
        lr: Learning rate tuned on the base.
        @DESCRIBED@
    """
    base = @SETTINGS_OF_BASE@
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, tensor in _trainable(model):
        row = _row(name, tensor, ratio)
        scaled = {key: base[key] * _factor(row, key, ratio) for key in SETTINGS}
        empty: dict[str, Any] = {"params": [], "name": row["label"], **scaled}
        groups.setdefault((row["label"], *scaled.values()), empty)["params"].append(tensor)
    return list(groups.values())


def _trainable(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _factor(row: Mapping[str, Any], quantity: str, ratio: Mapping[str, float]) -> float:
    exponents = row.get(quantity, {})
    return math.prod(ratio[axis] ** exponent for axis, exponent in exponents.items())


def _row(name: str, tensor: Tensor, ratio: Mapping[str, float]) -> dict[str, Any]:
    """Find the row of a tensor; a tensor that no row fits is an error."""
    if set(ratio) != set(BASE) or not all(value > 0 for value in ratio.values()):
        raise ValueError(f"ratio must give a positive number for {', '.join(BASE)}; got {ratio}")
    patterns = {re.escape(pattern).replace(r"\\*", r"\\d+"): pattern for pattern in TENSORS}
    found = next((p for regex, p in patterns.items() if re.fullmatch(regex, name)), None)
    if found is None:
        raise ValueError(f"{name} is not a tensor of the architecture that this was written for")
    row = TENSORS[found]
    for dim, (size, base) in enumerate(zip(tensor.shape, row["shape"], strict=True)):
        powers = {axis: by_dim[dim] for axis, by_dim in row["grows"].items() if by_dim[dim]}
        expected = base * math.prod(ratio[axis] ** power for axis, power in powers.items())
        if powers and abs(math.log(size / expected)) > 0.2:  # sizes may be rounded, not doubled
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; at ratio {dict(ratio)} its dimension "
                f"{dim} should be about {expected:g}"
            )
    return row
'''


def python_text(layout: Layout) -> str:
    """Write a rule on an architecture as a Python file.

    The file holds ``init_(model, ratio, generator)`` and ``param_groups(model, ratio, lr, ...)``,
    which do what plugging the rule in by ``regauge("no-multipliers")`` does: the same draws from
    the same generator, the same groups.

    Args:
        layout: The rule on the architecture.

    Returns:
        The text of the file.

    Example:
        >>> from paramsearch.rules.export.layout import lay
        >>> from paramsearch.rules.rule import Rule
        >>> from paramsearch.tracing.arch import load_arch
        >>> text = python_text(lay(Rule.load("mup"), load_arch("mlp")))
        >>> [line for line in text.splitlines() if line.startswith("def ")][1]
        'def param_groups('
    """
    settings = layout.settings
    has_eps = "eps" in settings
    arguments = ["weight_decay: float = 0.0", *["eps: float = 1e-8"] * has_eps]
    described = ["weight_decay: Of the base.", *["eps: Of the base."] * has_eps]
    words = {
        "RULE": quiet(layout.rule.name),
        "ARCH": quiet(layout.arch),
        "OPTIMIZER": layout.rule.optimizer,
        "EXAMPLE": ", ".join(f'"{axis}": {axis} / {size}' for axis, size in layout.base.items()),
        "CALL": call(layout.rule.optimizer),
        "BASE": mapping(layout.base),
        "SETTINGS_OF_BASE": "{" + ", ".join(f'"{key}": {key}' for key in settings) + "}",
        "SETTINGS": ", ".join(f'"{key}"' for key in settings),
        "ARGUMENTS": ",\n    ".join(arguments),
        "DESCRIBED": "\n        ".join(described),
        "TABLE": table(layout),
    }
    return filled(_FILE, words)


def call(optimizer: str) -> str:
    """Give the line that makes an optimizer from groups.

    Example:
        >>> call("adamw"), call("mine.opt:Fast"), call("lion")
        ('torch.optim.AdamW(groups)', 'mine.opt.Fast(groups)', 'Lion(groups)')
    """
    if ":" in optimizer:
        return f"{optimizer.replace(':', '.')}(groups)"
    if optimizer in TORCH:
        return f"torch.optim.{TORCH[optimizer]}"
    return f"{optimizer.title().replace('-', '')}(groups)"
