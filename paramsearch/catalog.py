"""The one file that knows where content lies: architectures, spaces, objectives, published rules.

A bare name means shipped content; anything that ends in the kind's suffix or has a folder in it
is a path. There is no search path, no shadowing and no registry.
"""

import importlib
import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from zlib import crc32

from paramsearch.errors import FAILURES, ParamsearchError, said, unknown_name

_HERE = Path(__file__).parent
_IN_WHEEL = _HERE / "_catalog"
# A checkout, also one installed as editable, has no _catalog: there the content is beside us.
ROOT = _IN_WHEEL if _IN_WHEEL.is_dir() else _HERE.parent

_FOLDERS = {
    "architecture": ("archs", ".py"),
    "space": ("spaces", ".yaml"),
    "objective": ("objectives", ".yaml"),
    "rule": ("results/published", ".yaml"),
}


def names(kind: str) -> list[str]:
    """List the shipped content of one kind.

    Args:
        kind: "architecture", "space", "objective" or "rule".

    Returns:
        The names, sorted.

    Example:
        >>> "mlp" in names("architecture")
        True
    """
    folder, suffix = _FOLDERS[kind]
    return sorted(path.stem for path in (ROOT / folder).glob(f"*{suffix}"))


def find(kind: str, name: str) -> Path:
    """Find shipped content by name, or a user's own file by path.

    Args:
        kind: "architecture", "space", "objective" or "rule".
        name: A shipped name, or a path (it ends in the kind's suffix, or has a folder in it).

    Returns:
        The path of an existing file.

    Raises:
        ParamsearchError: No such name, or no such file.

    Example:
        >>> find("architecture", "mlp").name
        'mlp.py'
    """
    folder, suffix = _FOLDERS[kind]
    if name.endswith(suffix) or "/" in name:
        path = Path(name).expanduser()
        if not path.is_file():
            raise ParamsearchError(f"{kind} file '{name}' does not exist")
        return path
    path = ROOT / folder / f"{name}{suffix}"
    if not path.is_file():
        raise unknown_name(kind, name, names(kind))
    return path


def load_module(path: Path) -> ModuleType:
    """Run a Python content file and return its module.

    Args:
        path: The file; shipped and users' files are loaded alike.

    Returns:
        The module, registered under a name made from its path.

    Raises:
        ParamsearchError: The file cannot be run; names the file and the error.
    """
    # The same in every process, so that what the file defines can be pickled to a worker.
    name = f"paramsearch_content_{path.stem}_{crc32(str(path.resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ParamsearchError(f"{path} cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before running it: dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except FAILURES as error:
        del sys.modules[name]
        raise ParamsearchError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return module


def load_attribute(kind: str, name: str, attribute: str) -> object:
    """Import what a user names as ``module:attribute``.

    Args:
        kind: What the name stands for, for errors ("architecture", "optimizer").
        name: ``module:attribute``; the working directory is on the path.
        attribute: What is wanted of the module, for errors ("function", "Class").

    Returns:
        What the module has under that name.

    Raises:
        ParamsearchError: The module cannot be imported, or has no such attribute.

    Example:
        >>> load_attribute("optimizer", "math:pi", "Class")
        3.141592653589793
    """
    module_name, _, wanted = name.partition(":")
    try:
        with working_directory():
            importlib.invalidate_caches()
            module = importlib.import_module(module_name)
    except FAILURES as error:  # a module may fail in any way when it runs
        raise ParamsearchError(
            f"{kind} '{name}': module '{module_name}' cannot be imported ({said(error)}); allowed: "
            f"module:{attribute} with a module in the working directory or on Python's path"
        ) from error
    found: object = getattr(module, wanted, None)
    if found is None:
        raise ParamsearchError(
            f"{kind} '{name}': module '{module_name}' has no {attribute.lower()} '{wanted}'"
        )
    return found


@contextmanager
def working_directory() -> Generator[None]:
    """Look for modules in the working directory first; it stays at the end of the path."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)  # for what the module imports later
