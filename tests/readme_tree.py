"""Print the file tree of the README, a line per file from its first docstring line."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def first_line(path: Path) -> str:
    """First line of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".")


def tree() -> list[str]:
    """Lines of the tree for the package and the content written in Python."""
    lines: list[str] = []
    folders = [ROOT / "archs", *sorted(p.parent for p in ROOT.glob("paramsearch/**/__init__.py"))]
    for folder in folders:
        about = folder / "__init__.py"
        title = f"  {first_line(about)}" if about.exists() else ""
        lines.append(f"{folder.relative_to(ROOT)}/{title}")
        for path in sorted(folder.glob("*.py")):
            if path.name != "__init__.py":
                lines.append(f"    {path.name:22s} {first_line(path)}")
    return lines


if __name__ == "__main__":
    print("\n".join(tree()))
