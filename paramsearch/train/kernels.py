"""The kernels of a compiled step, built a few libraries at a time instead of one by one.

Torch's compiler writes a C++ file for every kernel and builds each by itself. Of the 0.7 s that
this takes, 0.4 are spent on loading torch's header and 0.1 on linking. Here as many files are built
as there are threads to build them, each with its share of the kernels. It rests on how torch binds
kernels to Python; a kernel or a binding in another form is built by torch, as always.
"""

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from torch._inductor import async_compile
from torch._inductor.async_compile import AsyncCompile
from torch._inductor.codecache import CppPythonBindingsCodeCache

_KERNEL = re.compile(r'\s*((?:#include [^\n]*\n)+)(extern "C"\s+void\s+)kernel(\(.*)', re.DOTALL)
_TEMPLATE = re.compile(
    r"(?P<arguments>.*)(?P<wrapper>static PyObject\* \{entry_func\}_py\(.*)"
    r"static PyMethodDef py_methods.*(?P<module>static struct PyModuleDef.*)",
    re.DOTALL,
)
_METHODS = """
static PyMethodDef py_methods[] = {{
    {rows},
    {{NULL, NULL, 0, NULL}}}};

"""


@dataclass(slots=True)
class Kernel:
    """A kernel to be built.

    Attributes:
        types: Of its arguments, in C++.
        source: What torch's compiler wrote.
        function: Calls it, once it is built.
    """

    types: Sequence[str]
    source: str
    function: Callable[..., None] | None = None


class Library(CppPythonBindingsCodeCache):
    """Kernels in one file, with their bindings to Python; kept on disk as torch keeps one."""

    cache = cast(Any, {})
    entry_function = "kernels"

    @classmethod
    def begin(cls, kernels: Sequence[Kernel], submit: Any) -> Callable[[], Any]:
        """Start to build kernels, or build them without ``submit``; gives what waits for them."""
        return cast(Any, cls).load_async(source_of(kernels), "cpu", submit_fn=submit)


def source_of(kernels: Sequence[Kernel]) -> str:
    """Write the file that holds kernels: ``kernel_0``, ``kernel_1`` and so on.

    Raises:
        ValueError: This torch writes kernels or their bindings in another way.
    """
    template = _template()
    found = [_KERNEL.fullmatch(kernel.source) for kernel in kernels]
    if template is None or not all(found):
        raise ValueError("unknown form of kernels")
    parts = [match.groups() for match in found if match]
    includes = dict.fromkeys(line for head, *_ in parts for line in head.splitlines())
    names = [f"kernel_{index}" for index in range(len(kernels))]
    bodies = [f"{front}{n}{rest}" for n, (_, front, rest) in zip(names, parts, strict=True)]
    wrappers = [_wrapper(template["wrapper"], *each) for each in zip(names, kernels, strict=True)]
    rows = ",\n    ".join(f'{{"{name}", {name}_py, METH_VARARGS, ""}}' for name in names)
    return "\n".join(
        [
            *includes,
            *bodies,
            template["arguments"].format(entry_func=Library.entry_function, extra_parse_arg=""),
            *wrappers,
            _METHODS.format(rows=rows),
            template["module"].format(entry_func=Library.entry_function),
        ]
    )


def _template() -> re.Match[str] | None:
    """Take torch's bindings of a kernel apart; None where they have another form."""
    return _TEMPLATE.fullmatch(CppPythonBindingsCodeCache.suffix_template)


def _wrapper(template: str, name: str, kernel: Kernel) -> str:
    parsed = (
        f"parse_arg<{type_.replace('const ', '')}>(args, {index})"
        for index, type_ in enumerate(kernel.types)
    )
    call = f"{name}({', '.join(parsed)}); Py_RETURN_NONE;"
    return template.format(entry_func=name, arg_len=len(kernel.types), call_entry_func=call)


@contextmanager
def built_together() -> Generator[None, None, None]:
    """Build all kernels of what torch's compiler compiles meanwhile in a few files."""
    alone, wait = AsyncCompile.cpp_pybinding, AsyncCompile.wait
    waiting: list[Kernel] = []

    def later(self: AsyncCompile, argtypes: list[str], source_code: str) -> Any:
        if _template() is None or not _KERNEL.fullmatch(source_code):
            return alone(self, argtypes, source_code)
        waiting.append(kernel := Kernel(argtypes, source_code))
        return kernel

    def build(self: AsyncCompile, scope: dict[str, Any]) -> None:
        threads = async_compile.get_compile_threads()
        shares = _shares(waiting, threads)
        submit = self.submit if threads > 1 else None  # which would wait for its own lock
        modules = [Library.begin(share, submit) for share in shares]
        for share, module in zip(shares, modules, strict=True):
            for index, kernel in enumerate(share):
                kernel.function = getattr(module(), f"kernel_{index}")
        waiting.clear()
        scope |= {name: k.function for name, k in scope.items() if isinstance(k, Kernel)}
        wait(self, scope)

    AsyncCompile.cpp_pybinding, AsyncCompile.wait = later, build
    try:
        yield
    finally:
        AsyncCompile.cpp_pybinding, AsyncCompile.wait = alone, wait


def _shares(kernels: Sequence[Kernel], files: int) -> list[list[Kernel]]:
    """Deal kernels out so that files are about as long, the same ones always together."""
    shares: list[list[Kernel]] = [[] for _ in range(min(files, len(kernels)))]
    for kernel in sorted(kernels, key=lambda kernel: (-len(kernel.source), kernel.source)):
        min(shares, key=lambda share: sum(len(k.source) for k in share)).append(kernel)
    return shares
