"""The house rules that a tool can check: one-way imports, small files, everything documented."""

import ast
import sys
import tomllib
from pathlib import Path

import networkx as nx
import pytest
from readme_tree import tree

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "paramsearch"
FLOORS = [
    {"errors", "catalog", "scale"},
    {"tasks"},
    {"tracing"},
    {"retrofit"},
    {"rules"},
    {"train"},
    {"probes"},
    {"score"},
    {"discovery"},
    {"report"},
    {"jobs"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
INNER = sorted(set(MODULES) - {"paramsearch"})  # all but the public face
CONTENT = sorted((ROOT / "archs").glob("*.py"))
FILES = [*MODULES.values(), *CONTENT, *sorted((ROOT / "tests").rglob("*.py"))]


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Every module that a file imports; ``from a import b`` gives a.b where that is a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{label(path)}:{node.lineno} imports relatively"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    return found


def floor(module: str) -> int:
    part = module.split(".")[1]
    assert part in FLOOR, f"{module} stands on no floor; add '{part}' to FLOORS"
    return FLOOR[part]


@pytest.mark.parametrize("module", INNER)
def test_imports_run_downwards(module):
    mine = [name for name in imports(MODULES[module]) if name.split(".")[0] == "paramsearch"]
    assert "paramsearch" not in mine, f"{module} imports the public face, which stands above it"
    upwards = [name for name in mine if floor(name) > floor(module)]
    assert not upwards, f"{module} on floor {floor(module)} imports {upwards}"


def test_no_import_circle():
    arrows = [(m, name) for m in MODULES for name in imports(MODULES[m]) if name in MODULES]
    circle = next(nx.simple_cycles(nx.DiGraph(arrows)), None)
    assert circle is None


@pytest.mark.parametrize("path", CONTENT, ids=label)
def test_content_uses_the_public_face_alone(path):
    for name in imports(path):
        top = name.split(".")[0]
        assert name == "paramsearch" or top == "torch" or top in sys.stdlib_module_names, name


def test_content_folders_are_not_packages():
    for folder in ("archs", "spaces", "objectives", "results", "results/published"):
        assert not (ROOT / folder / "__init__.py").exists(), folder


@pytest.mark.parametrize("path", FILES, ids=label)
def test_no_file_is_over_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", [*MODULES.values(), *CONTENT], ids=label)
def test_what_is_public_is_documented(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module"
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not bare


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in pins if "==" in line}
    assert {text.split(">=")[0] for text in wanted} <= pinned


def test_the_readme_holds_the_file_tree():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join(tree()) in readme, "put the output of tests/readme_tree.py into README.md"
