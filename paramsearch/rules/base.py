"""What plugging in needs of the base model: shapes and initial laws, measured or from a file."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import yaml
from pydantic import Field, model_validator
from torch import nn

from paramsearch.errors import ParamsearchError
from paramsearch.rules.draws import InitLaw, base_builds, base_init
from paramsearch.rules.group import Frozen
from paramsearch.rules.plug_checks import check_values
from paramsearch.rules.plug_sites import sites_of
from paramsearch.rules.rule_file import write_whole
from paramsearch.rules.yaml_file import read_yaml, validate
from paramsearch.tracing.assemble import shapes_of
from paramsearch.tracing.sites.find import Site

BaseSource = nn.Module | Callable[[], nn.Module] | str | Path
"""The base model, freshly built; a function that builds it; or the path of a base file."""

_SITE = ("kind", "module", "tensors", "size", "gain")
_COMMENT = "# Base model for paramsearch: the shape of every tensor, and how it starts.\n"


@dataclass(frozen=True, slots=True)
class Base:
    """The base model as far as plugging in looks at it.

    Attributes:
        shapes: Tensor name -> shape, in the order of ``named_parameters``.
        laws: Tensor name -> how it starts.
        wider: Tensor name -> shape in a wider model, where known: it shows the roles of tensors
            also where the model is as large as the base; else the same as ``shapes``.
        sites: What is no tensor and may be scaled, such as branches, where a base file keeps it.
    """

    shapes: Mapping[str, tuple[int, ...]]
    laws: Mapping[str, InitLaw]
    wider: Mapping[str, tuple[int, ...]]
    sites: tuple[Site, ...] = ()


_Shape = tuple[Annotated[int, Field(strict=True, ge=0)], ...]


class _Tensor(Frozen):
    """One line of a base file: ``std`` of a random tensor, or the value of a constant one."""

    shape: _Shape
    wider: _Shape | None = None
    std: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = None
    constant: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _states_one_law(self) -> Self:
        if (self.std is None) == (self.constant is None):
            both = "both" if self.std is not None else "neither"
            raise ValueError(f"received {both} of std and constant; allowed: one of them")
        return self

    def law(self) -> InitLaw:
        return InitLaw(self.constant or 0.0, self.std or 0.0)


class _Site(Frozen):
    """One line of a base file: a residual branch, attention logits, or a tied readout."""

    kind: Literal["branch", "logits", "readout"]
    module: str
    tensors: tuple[str, ...]
    size: Annotated[int, Field(strict=True, ge=0)]
    gain: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class _File(Frozen):
    """A base file."""

    paramsearch: Literal[1]
    tensors: dict[str, _Tensor] = Field(min_length=1)
    sites: tuple[_Site, ...] = ()


def load_base(source: BaseSource) -> Base:
    """Give shapes and initial laws of the base model.

    Args:
        source: The model, freshly built; a function that builds it, which is called several times
            and so measures the laws more sharply; or the path of a file by `save_base`.

    Returns:
        The base.

    Raises:
        ParamsearchError: A file that is missing or malformed, a function that does not build a
            module, or a model without values.

    Example:
        >>> load_base(nn.LayerNorm(4)).laws["weight"]
        InitLaw(mean=1.0, std=0.0)
    """
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        file = validate(_File, path, read_yaml(path))
        tensors = file.tensors
        return Base(
            {name: tensor.shape for name, tensor in tensors.items()},
            {name: tensor.law() for name, tensor in tensors.items()},
            {name: tensor.wider or tensor.shape for name, tensor in tensors.items()},
            tuple(Site(**site.model_dump()) for site in file.sites),
        )
    models: list[nn.Module] = [source] if isinstance(source, nn.Module) else _built(source)
    for model in models:
        check_values(model, "base model")
    laws = base_init(models)
    odd = [name for name, law in laws.items() if not math.isfinite(law.mean + law.std)]
    if odd:
        raise ParamsearchError(f"base model: tensor '{odd[0]}' holds values that are not finite")
    shapes = shapes_of(models[0])
    return Base(shapes, laws, shapes)


def save_base(
    base: nn.Module | Callable[[], nn.Module],
    path: str | Path,
    *,
    wider: nn.Module | None = None,
    inputs: Any = None,
) -> None:
    """Write shapes and initial laws of the base model, so that `apply` needs the model no more.

    Args:
        base: The base model, freshly built, or a function that builds it.
        path: Where; the file is there either whole or not at all.
        wider: The same model, wider, for which the meta device is enough. With it the groups that
            `apply` gives carry roles also for the base itself, as `muon_groups` needs them.
        inputs: Inputs of one batch, for rules that scale residual branches, attention logits
            or tied readouts: the model is run on them once.

    Raises:
        ParamsearchError: The model cannot be measured, the wider one has other tensors, or the
            file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "base.yaml")
        >>> save_base(nn.LayerNorm(4), path)
        >>> print(path.read_text(), end="")
        # Base model for paramsearch: the shape of every tensor, and how it starts.
        paramsearch: 1
        tensors:
          weight: {shape: [4], constant: 1.0}
          bias: {shape: [4], constant: 0.0}
    """
    measured = load_base(base)
    larger = {} if wider is None else shapes_of(wider)
    odd = [] if wider is None else sorted(larger.keys() ^ measured.shapes.keys())
    if odd:
        raise ParamsearchError(f"wider: tensor '{odd[0]}' is in one of base and wider model only")
    lines = [
        _line(name, {"shape": shape, "wider": larger.get(name, shape)}, measured.laws[name])
        for name, shape in measured.shapes.items()
    ]
    if inputs is not None:
        found = sites_of(base, inputs, "base model")
        lines += ["sites:\n"] if found else []
        lines += [f"  - {_flow({key: getattr(site, key) for key in _SITE})}\n" for site in found]
    write_whole(Path(path).expanduser(), f"{_COMMENT}paramsearch: 1\ntensors:\n{''.join(lines)}")


def _line(name: str, shapes: Mapping[str, tuple[int, ...]], law: InitLaw) -> str:
    """Write one line of a base file; ``wider`` is left out where it says nothing new."""
    same = shapes["wider"] == shapes["shape"]
    kept = {key: list(shape) for key, shape in shapes.items() if key == "shape" or not same}
    how = {"std": law.std} if law.std else {"constant": law.mean}
    return f"  {_flow({name: {**kept, **how}})[1:-1]}\n"


def _flow(entry: Mapping[str, Any]) -> str:
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in entry.items()}  # pyright: ignore
    return yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10**6).strip()


def _built(build: Callable[[], nn.Module]) -> list[nn.Module]:
    allowed = "allowed: a torch module, a function that builds one, or the path of a base file"
    if not callable(build):
        raise ParamsearchError(f"base: received {type(build).__name__}; {allowed}")
    models = base_builds(build)
    for model in cast(list[object], models):
        if not isinstance(model, nn.Module):
            given = type(model).__name__
            raise ParamsearchError(f"base: received a function that gives {given}; {allowed}")
    return models
