"""Read a YAML file and check it; whatever is wrong becomes one sentence that names file and key."""

import difflib
import types
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from paramsearch.errors import ParamsearchError

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key given twice."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key: object = self.construct_object(key_node, deep=True)  # pyright: ignore
            if not isinstance(key, Hashable):
                continue  # the safe loader itself refuses it
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key '{key}' is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """Read a YAML file with plain data only.

    Args:
        path: The file, UTF-8.

    Returns:
        Mappings, lists, strings, numbers, booleans, None.

    Raises:
        ParamsearchError: Unreadable, malformed, or a key given twice; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsearchError(f"{path}: cannot be read: {error}") from error
    try:
        return cast(object, yaml.load(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ParamsearchError(f"{path}: {line}{error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ParamsearchError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error


def validate(model: type[Model], path: Path, data: object) -> Model:
    """Check data from a file against a pydantic model.

    Args:
        model: The model; its keys are what the file may state.
        path: Where the data came from, for the message.
        data: As ``read_yaml`` gives it.

    Returns:
        The model's instance.

    Raises:
        ParamsearchError: The first thing wrong: file, key, value received, what is allowed.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # a misspelt key is both unknown and missing: the first is what the user did
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise ParamsearchError(f"{path}: {_sentence(model, first)}") from error


def _sentence(model: type[BaseModel], error: ErrorDetails) -> str:
    loc = error["loc"]
    where = "".join(f"{part}." for part in loc)[:-1]
    label = f"{where}: " if where else ""
    received = f"received {_short(error['input'])}"
    match error["type"]:
        case "extra_forbidden":
            keys = _keys(model, loc[:-1])
            near = difflib.get_close_matches(str(loc[-1]), keys, n=1, cutoff=0.5)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            return f"{label}received an unknown key{hint}; allowed: {', '.join(keys)}"
        case "missing":
            return f"{label}received nothing; allowed: it must be stated"
        case "model_type":
            return f"{label}{received}; allowed: a mapping of {', '.join(_keys(model, loc))}"
        case "value_error":  # raised by a validator of ours: it states what was received
            return f"{label}{error.get('ctx', {})['error']}"
        case _:
            allowed = error["msg"].removeprefix("Input should be ")
            return f"{label}{received}; allowed: {allowed[:1].lower()}{allowed[1:]}"


def _short(value: object, limit: int = 60) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _keys(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """List the keys allowed at a place of the file, as the file spells them."""
    kind: Any = model
    for part in loc:
        kind = _inside(kind, part)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return []


def _inside(kind: Any, part: int | str) -> Any:
    """Give the type found under one key or index of a type; None where it is not known."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        return _plain(fields[part].annotation) if part in fields else None
    if get_origin(kind) in (dict, list, tuple):
        inner = [arg for arg in get_args(kind) if arg is not Ellipsis]
        return _plain(inner[-1])
    return cast(Any, kind)  # the name of a branch of a union: stay


def _plain(kind: Any) -> Any:
    """Strip ``X | None`` and ``X | float`` down to the model or container among its branches."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    branches: list[Any] = [branch for branch in get_args(kind) if branch is not type(None)]
    for branch in branches:
        if isinstance(branch, type) and issubclass(branch, BaseModel):
            return cast(Any, branch)
    return branches[0]
