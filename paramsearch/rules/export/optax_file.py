"""A rule as a Python file for optax: labels of parameters, and one optimizer per label."""

from paramsearch.errors import ParamsearchError
from paramsearch.rules.export.layout import Layout
from paramsearch.rules.export.literal import filled, mapping, quiet, table

_COUPLED = """optax.chain(
        optax.add_decayed_weights(weight_decay),
        {},
    )"""

OPTAX = {
    "sgd": _COUPLED.format("optax.sgd(learning_rate, momentum=0.9)"),
    "sgd-nesterov": _COUPLED.format("optax.sgd(learning_rate, momentum=0.9, nesterov=True)"),
    "gd": _COUPLED.format("optax.sgd(learning_rate)"),
    "adam": _COUPLED.format("optax.adam(learning_rate, eps=eps)"),
    "adamw": "optax.adamw(learning_rate, eps=eps, weight_decay=weight_decay)",
    "lion": "optax.lion(learning_rate, b1=0.9, b2=0.99, weight_decay=weight_decay)",
}
"""Optimizer -> the same in optax."""

_FILE = '''"""Rule '@RULE@' for @ARCH@ with @OPTIMIZER@: initial values and an optimizer of optax.

Written by paramsearch; needs jax and optax. For a model of flax or haiku at any scale:

    ratio = {@EXAMPLE@}  # size of the model / size of the base
    params = init(params, ratio, jax.random.key(0))
    optimizer = transform(ratio, learning_rate=0.003)  # the learning rate tuned on the base

Every quantity is what it is at the base, times ratio ** exponent along every axis. There are no
forward multipliers, so the model itself stays as it is. Where your model names its modules in
another way, change the names in TENSORS.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

BASE = @BASE@  # axis: size of the base

# Names, "*" being the number of a block: how the tensors start at the base (a constant "mean", or
# normal numbers of standard deviation "std"), their shape there as torch has it, the power with
# which each dimension grows, and exponents of "init" and of the optimizer's settings.
TENSORS: dict[str, dict[str, Any]] = {
@TABLE@
}

# How flax and haiku call what torch calls weight and bias.
LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "w": "weight", "b": "bias"}


def labels(params: Any) -> Any:
    """Give the label of every leaf: leaves of one label share their exponents."""
    return jax.tree_util.tree_map_with_path(lambda path, _: _row(path)["label"], params)


def transform(
    ratio: Mapping[str, float],
    learning_rate: float | Callable[[Any], Any],
    @ARGUMENTS@,
) -> optax.GradientTransformationExtraArgs:
    """Give the optimizer of a model.

    Args:
        ratio: Axis -> size of the model / size of the base.
        learning_rate: Tuned on the base; a number or a schedule.
        @DESCRIBED@
    """
    _check(ratio)
    by_label: dict[str, Any] = {}
    for row in TENSORS.values():
        by_label[row["label"]] = _optimizer(
            _times(learning_rate, _factor(row, "lr", ratio)),
            @SCALED@,
        )
    return optax.multi_transform(by_label, labels)


def init(params: Any, ratio: Mapping[str, float], key: jax.Array) -> Any:
    """Give initial values in the shapes of a model's parameters."""
    _check(ratio)
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    keyed = zip(jax.random.split(key, len(leaves)), leaves, strict=True)
    started = [_start(_row(path), leaf, ratio, each) for each, (path, leaf) in keyed]
    return jax.tree_util.tree_unflatten(tree, started)


def _optimizer(@PARAMETERS@) -> Any:
    return @OPTAX@


def _times(rate: float | Callable[[Any], Any], factor: float) -> Any:
    return (lambda step: factor * rate(step)) if callable(rate) else factor * rate


def _start(row: Mapping[str, Any], leaf: Any, ratio: Mapping[str, float], key: jax.Array) -> Any:
    factor = _factor(row, "init", ratio)
    if "std" in row:
        return row["std"] * factor * jax.random.normal(key, leaf.shape, leaf.dtype)
    return jax.numpy.full(leaf.shape, row["mean"] * factor, leaf.dtype)


def _factor(row: Mapping[str, Any], quantity: str, ratio: Mapping[str, float]) -> float:
    exponents = row.get(quantity, {})
    return math.prod(ratio[axis] ** exponent for axis, exponent in exponents.items())


def _check(ratio: Mapping[str, float]) -> None:
    if set(ratio) != set(BASE) or not all(value > 0 for value in ratio.values()):
        raise ValueError(f"ratio must give a positive number for {', '.join(BASE)}; got {ratio}")


def _row(path: Any) -> dict[str, Any]:
    """Find the row of a leaf; a leaf that no row fits is an error."""
    name = _plain(jax.tree_util.keystr(path, simple=True, separator="."))
    for pattern, row in TENSORS.items():
        if re.fullmatch(re.escape(_plain(pattern)).replace(r"\\*", r"\\d+"), name):
            return row
    raise ValueError(f"no name in TENSORS fits {name}; it has {', '.join(TENSORS)}")


def _plain(name: str) -> str:
    """Write names of torch, flax and haiku alike: ``mlp/~/linear_0/w`` as mlp.linear.0.weight."""
    name = name.replace("/", ".").replace("~.", "").removeprefix("params.")
    head, dot, leaf = re.sub(r"_(\\d+)(?=\\.)", r".\\1", name).rpartition(".")
    return head + dot + LEAVES.get(leaf, leaf)
'''


def optax_text(layout: Layout) -> str:
    """Write a rule on an architecture as a Python file for optax.

    The file holds ``labels(params)``, ``transform(ratio, learning_rate, ...)``, which is an
    ``optax.multi_transform`` over them, and ``init(params, ratio, key)``, for nested dictionaries
    of parameters whose paths are the names of the torch model.

    Args:
        layout: The rule on the architecture.

    Returns:
        The text of the file.

    Raises:
        ParamsearchError: optax lacks the rule's optimizer.

    Example:
        >>> from paramsearch.rules.rule import Rule
        >>> optax_text(Layout(Rule.load("sp", "soap"), "mlp", {"width": 32}, (), ()))
        Traceback (most recent call last):
        paramsearch.errors.ParamsearchError: form 'optax' takes a rule for an optimizer that optax \
has as well: sgd, sgd-nesterov, gd, adam, adamw, lion; received a rule for soap
    """
    optimizer = layout.rule.optimizer
    if optimizer not in OPTAX:
        raise ParamsearchError(
            f"form 'optax' takes a rule for an optimizer that optax has as well: "
            f"{', '.join(OPTAX)}; received a rule for {optimizer}"
        )
    settings = layout.settings[1:]  # beside the learning rate
    defaults = {"weight_decay": "0.0", "eps": "1e-8"}
    parameters = ", ".join(f"{key}: float" for key in settings)
    words = {
        "RULE": quiet(layout.rule.name),
        "ARCH": quiet(layout.arch),
        "OPTIMIZER": optimizer,
        "EXAMPLE": ", ".join(f'"{axis}": {axis} / {size}' for axis, size in layout.base.items()),
        "BASE": mapping(layout.base),
        "ARGUMENTS": ",\n    ".join(f"{key}: float = {defaults[key]}" for key in settings),
        "DESCRIBED": "\n        ".join(f"{key}: Of the base." for key in settings),
        "SCALED": ",\n            ".join(
            f'{key} * _factor(row, "{key}", ratio)' for key in settings
        ),
        "PARAMETERS": f"learning_rate: Any, {parameters}",
        "OPTAX": OPTAX[optimizer],
        "TABLE": table(layout),
    }
    return filled(_FILE, words)
