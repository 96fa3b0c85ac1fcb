"""An architecture: a model factory, its axes and options, and what a user makes of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from torch import nn

from paramsearch.errors import ParamsearchError, unknown_name
from paramsearch.scale import Scale
from paramsearch.tasks.rebatched import with_batch
from paramsearch.tasks.task import Task
from paramsearch.tracing.axes import (
    BATCH,
    TRAINING,
    VOCABULARY,
    declaration,
    in_proportion,
    split,
)
from paramsearch.tracing.options import Free, choose, default_of, whole


def _nothing() -> dict[str, object]:
    return {}


def _no_presets() -> dict[str, Mapping[str, object]]:
    return {}


def _no_arguments() -> dict[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True)
class Arch:
    """A model factory with its axes and defaults; an architecture file defines one as ``arch``.

    Attributes:
        build: Makes the model: ``build(**task.dims, **scale, **options)``.
        axes: Axis name -> base size; each is a keyword argument of ``build``.
        task: The task that the model is trained on by default.
        ratios: Ratios of the search, smallest first; the first is 1, the base.
        options: Option name -> default value, or a tuple of the allowed values with the default
            first; each is a keyword argument of ``build``. None stands for a number left open.
        presets: Preset name -> what it sets: options, base sizes of axes, and ``task``.
        vocabulary: Base size of the axis ``vocabulary``, a size of the task that the model follows;
            None where it takes no tokens. The axis is there when it is named, see `along`.
        arguments: Declared axis -> the options that it sets, in proportion to their values.
        training: Those of ``axes`` that are of training, of which ``build`` hears nothing: see
            `along`.
        name: Set when the architecture is loaded.

    Example:
        >>> arch = Arch(nn.Linear, axes={"in_features": 3}, options={"bias": True})
        >>> arch.model({"out_features": 2}, {"in_features": 6})
        Linear(in_features=6, out_features=2, bias=True)
    """

    build: Callable[..., nn.Module]
    axes: Mapping[str, int]
    task: str = "digits"
    ratios: tuple[int, ...] = (1, 2, 4)
    options: Mapping[str, object] = field(default_factory=_nothing, kw_only=True)
    presets: Mapping[str, Mapping[str, object]] = field(default_factory=_no_presets, kw_only=True)
    vocabulary: int | None = field(default=None, kw_only=True)
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=_no_arguments, kw_only=True)
    training: tuple[str, ...] = field(default=(), kw_only=True)
    name: str = field(default="model", kw_only=True)

    def model(self, dims: Mapping[str, int], scale: Scale | None = None) -> nn.Module:
        """Build the model at one scale; axes that the scale leaves out stand at their base.

        ``dims`` are those of the task at that scale, see `task_at`.
        """
        given: dict[str, object] = {**self._defaults(), **dims}
        for axis, size in {**self.axes, **(scale or {})}.items():
            given |= self._arguments(axis, size)
        return self.build(**given)

    def task_at(self, task: Task, scale: Scale | None = None) -> Task:
        """Give the task at one scale: with axis ``vocabulary`` or ``batch``, of that size.

        Raises:
            ParamsearchError: The task has one vocabulary.
        """
        sizes = {**self.axes, **(scale or {})}
        if self.vocabulary is not None and VOCABULARY in self.axes:
            task = task.with_vocabulary(sizes[VOCABULARY])
        return with_batch(task, sizes[BATCH]) if BATCH in self.training else task

    def _defaults(self) -> dict[str, object]:
        return {name: default_of(option) for name, option in self.options.items()}

    def _arguments(self, axis: str, size: int) -> dict[str, int]:
        """Give the arguments of ``build`` that an axis sets; those of the task come with it."""
        if axis in self.training or (axis == VOCABULARY and self.vocabulary is not None):
            return {}
        if axis not in self.arguments:
            return {axis: size}
        sizes = cast(dict[str, int], self._defaults())
        base = {name: sizes[name] for name in self.arguments[axis]}
        return in_proportion(f"architecture '{self.name}'", axis, size, self.axes[axis], base)

    def having(self, settings: Mapping[str, object]) -> "Arch":
        """Give the architecture with options and base sizes of axes set.

        Args:
            settings: Option or axis -> value, or the text of one (``"2"``, ``"true"``, ``"none"``).

        Returns:
            The architecture; whatever is not set stays.

        Raises:
            ParamsearchError: No such option or axis, or a value that does not fit.

        Example:
            >>> Arch(nn.Linear, axes={"in_features": 3}).having({"in_features": "4"}).axes
            {'in_features': 4}
        """
        where = f"architecture '{self.name}'"
        plain, declared = split(settings)
        own = {} if self.vocabulary is None else {VOCABULARY: self.vocabulary}
        chosen = choose(where, {**self.options, **own, **self.axes}, plain)
        sizes = {
            axis: whole(f"{where}: {axis}", chosen.pop(axis))
            for axis in {**own, **self.axes}
            if axis in chosen
        }
        for axis in self.arguments:
            chosen |= self._arguments(axis, sizes.pop(axis)) if axis in sizes else {}
        arch = replace(
            self,
            axes={
                a: sizes.get(a, size) for a, size in self.axes.items() if a not in self.arguments
            },
            options={name: chosen.get(name, option) for name, option in self.options.items()},
            vocabulary=sizes.get(VOCABULARY, self.vocabulary) if own else None,
            arguments={},
        )
        words = {axis: "+".join(names) for axis, names in self.arguments.items()}
        for axis, text in {**words, **declared}.items():
            arch = arch.along(f"{axis}={text}")
        return arch

    @property
    def sizes(self) -> dict[str, int]:
        """Everything that can be an axis: axes, options that are whole numbers, the vocabulary."""
        named = {
            name: size
            for name, size in self._defaults().items()
            if type(size) is int and size > 0 and not isinstance(self.options[name], tuple)
        }
        own = {} if self.vocabulary is None else {VOCABULARY: self.vocabulary}
        return {**named, **own, **self.axes}

    def along(self, axis: str, base: int | None = None) -> "Arch":
        """Give the architecture with an axis.

        Args:
            axis: An axis, an option that is a whole number, ``vocabulary`` where the model takes
                tokens; or an axis to declare with the arguments of ``build`` that it sets, such as
                ``"width=hidden_size+ffn_size"``: they grow in proportion. ``batch`` and ``steps``,
                where the model has no such size, are axes of training: examples in a batch of the
                task, and updates of a run.
            base: Base size along an axis of training; other axes have their own.

        Raises:
            ParamsearchError: There is no such size, an axis of training lacks its base, an argument
                has no whole number to start from, or another axis sets it.

        Example:
            >>> square = Arch(nn.Linear, axes={"in_features": 3, "out_features": 6})
            >>> square = square.along("width=in_features+out_features")
            >>> square.axes, square.model({}, {"width": 5})
            ({'width': 3}, Linear(in_features=5, out_features=10, bias=True))
        """
        if "=" in axis:
            return self._declaring(*declaration(axis))
        if axis in self.axes:
            return self
        if axis not in self.sizes and axis in TRAINING:
            return self._trained_along(axis, base)
        if axis not in self.sizes:
            raise unknown_name(f"axis of '{self.name}'", axis, [*self.sizes, *TRAINING])
        self._check_free(axis, axis)
        options = {name: option for name, option in self.options.items() if name != axis}
        return replace(self, axes={**self.axes, axis: self.sizes[axis]}, options=options)

    def _trained_along(self, axis: str, base: int | None) -> "Arch":
        if base is None or base < 1:
            raise ParamsearchError(
                f"axis '{axis}' of architecture '{self.name}' is one of training: base: received "
                f"{base}; allowed: a whole number of at least 1"
            )
        return replace(self, axes={**self.axes, axis: base}, training=(*self.training, axis))

    def _declaring(self, axis: str, names: tuple[str, ...]) -> "Arch":
        """Give the architecture with a declared axis; axes of its own that it sets are options."""
        own = {name: size for name, size in self.axes.items() if name not in self.arguments}
        moved = {name: size for name, size in own.items() if name in (*names, axis)}
        options = {**self.options, **moved}
        for name in names:
            self._check_argument(axis, name, options)
        axes = {name: size for name, size in self.axes.items() if name not in (*moved, axis)}
        base = cast(int, default_of(options[names[0]]))
        return replace(
            self,
            axes={**axes, axis: base},
            options=options,
            arguments={**self.arguments, axis: names},
        )

    def _check_argument(self, axis: str, name: str, options: Mapping[str, object]) -> None:
        if name not in options:
            raise unknown_name(f"argument of '{self.name}'", name, options)
        self._check_free(axis, name)
        base = default_of(options[name])
        if type(base) is not int or base < 1:
            open_ = options[name] is None or isinstance(options[name], Free)
            raise ParamsearchError(
                f"axis '{axis}' of architecture '{self.name}': argument '{name}' is {base!r}; "
                "allowed: a whole number of at least 1 to start from"
                + (f", which --set {name}=64 would give" if open_ else "")
            )

    def _check_free(self, axis: str, name: str) -> None:
        """Check that no other declared axis sets an argument."""
        for other, names in self.arguments.items():
            if other != axis and name in names:
                raise ParamsearchError(
                    f"axes '{other}' and '{axis}' of architecture '{self.name}' both set argument "
                    f"'{name}'; allowed: each argument by one axis"
                )

    def preset(self, name: str) -> "Arch":
        """Give the architecture as one of its presets sets it.

        Raises:
            ParamsearchError: No such preset.
        """
        if name not in self.presets:
            raise unknown_name(f"preset of architecture '{self.name}'", name, self.presets)
        settings = dict(self.presets[name])
        named = replace(self, task=str(settings.pop("task", self.task)), name=f"{self.name}:{name}")
        return named.having(settings)
