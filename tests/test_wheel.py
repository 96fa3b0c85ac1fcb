"""What is built works where the checkout is not: wheel, sdist and editable install, offline."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

MISSING = [name for name in ("build", "hatchling", "pip") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"building the wheel needs {', '.join(MISSING)}"),
]
ROOT = Path(__file__).parent.parent
CONTENT = ["archs", "objectives", "spaces", "results/published"]
CHECK = """
import json, sys
import paramsearch
from paramsearch.catalog import ROOT, find, names
from paramsearch.tasks.catalog import load_task
from paramsearch.tracing.arch import load_arch

kinds = ["architecture", "space", "objective", "rule"]
files = [str(find(kind, name).relative_to(ROOT)) for kind in kinds for name in names(kind)]
arch = load_arch("mlp")
task = load_task(arch.task)
output = arch.model(task.dims)(task.batch(0)[0])
json.dump({"package": paramsearch.__file__, "files": files, "shape": output.shape}, sys.stdout)
"""


def content() -> list[str]:
    """The content of the checkout, relative to it; bytecode is nobody's content."""
    paths = [path for folder in CONTENT for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(ROOT)) for path in paths if path.suffix != ".pyc")


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout, without the variables that would point back to it."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=outside, capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


def install(folder: Path, *what: str | Path) -> Path:
    """Install into a fresh environment that sees our dependencies, but no package of this name.

    A ``.pth`` file appends the folder of the dependencies to the path, behind the environment's
    own; the ``.pth`` of an editable paramsearch in that folder is not read.
    """
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    libraries = call(
        folder / "bin/python",
        "-c",
        "import sysconfig as s; print(s.get_path('purelib'))",
        cwd=folder,
    )
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(libraries.strip(), "dependencies.pth").write_text("\n".join(sorted(dependencies)) + "\n")
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    call(*pip, "install", *offline, *what, cwd=folder)
    return folder


def check(environment: Path) -> dict[str, object]:
    """Use the installed package from an empty folder, by Python and by the command."""
    elsewhere = environment / "elsewhere"
    elsewhere.mkdir()
    listing = call(environment / "bin/paramsearch", "list", "archs", cwd=elsewhere)
    assert "mlp" in listing
    return json.loads(call(environment / "bin/python", "-c", CHECK, cwd=elsewhere))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


def test_the_wheel_holds_the_content_of_the_checkout_and_nothing_else(built: Path):
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    inside = "paramsearch/_catalog/"
    assert sorted(n.removeprefix(inside) for n in names if n.startswith(inside)) == content()
    assert len(names) == len(set(names)), "the same file twice"
    assert {Path(name).suffix for name in content()} <= {".py", ".yaml"}
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"paramsearch"}, "nothing of ours litters site-packages"
    assert "paramsearch/py.typed" in names


def test_the_sdist_leaves_runs_and_results_out(built: Path):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        paths = [name.split("/", 1)[1] for name in archive.getnames()]
    assert {"LICENSE", "pyproject.toml", "constraints.txt"} <= set(paths)
    assert not [path for path in paths if path.startswith(("runs", "results/discovered", ".venv"))]


def test_the_wheel_works_away_from_the_checkout(built: Path, tmp_path: Path):
    [wheel] = built.glob("*.whl")
    found = check(install(tmp_path / "venv", wheel))
    assert str(found["package"]).startswith(str(tmp_path))
    assert sorted(found["files"]) == content()
    assert found["shape"] == [64, 10]


def test_the_editable_install_reads_the_checkout(tmp_path: Path):
    found = check(install(tmp_path / "venv", "-e", ROOT))
    assert found["package"] == str(ROOT / "paramsearch/__init__.py")
    assert sorted(found["files"]) == content()
