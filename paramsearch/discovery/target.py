"""What is to be verified: a run folder, or a rule by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramsearch.discovery.folder import RULE, SUMMARY, read_json
from paramsearch.errors import ParamsearchError
from paramsearch.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Target:
    """A rule and what is known about where it comes from.

    Attributes:
        rule: The rule.
        folder: The run folder; None for a rule by itself.
        asked: ``arch``, ``task``, ``axis`` and ``objective`` of its search; empty for a rule by
            itself, and without ``axis`` for a search over several.
        options: What was set of its architecture, name -> value.
        searched: Axis -> sizes that its search trained at.
        program: The command by which its search trained members; None for the engine.
        timeout: Seconds that one run of it may take; None for the default.
    """

    rule: Rule
    folder: Path | None
    asked: dict[str, str]
    options: dict[str, object]
    searched: Mapping[str, tuple[int, ...]]
    program: str | None = None
    timeout: float | None = None


def find_target(target: str | Path | Rule) -> Target:
    """Find what is to be verified.

    Args:
        target: A run folder, the path or name of a rule, or a rule.

    Returns:
        The rule with its origin.

    Raises:
        ParamsearchError: There is no such thing, or the folder's run is not finished.

    Example:
        >>> find_target("mup").rule.name
        'mup'
    """
    if isinstance(target, Rule):
        return Target(target, None, {}, {}, {})
    folder = Path(target)
    if not folder.is_dir():
        looks_like_folder = "/" in str(target) and folder.suffix != ".yaml"
        if looks_like_folder and not folder.exists():
            raise ParamsearchError(f"run folder {folder} does not exist")
        return Target(Rule.load(target), None, {}, {}, {})
    summary = read_json(folder, SUMMARY)
    if not (folder / RULE).exists():
        raise ParamsearchError(f"run folder {folder} has no {RULE}")
    try:
        asked = {name: str(summary[name]) for name in ("arch", "task", "objective")}
        options = dict(str(word).split("=", 1) for word in summary["options"])
        if "runs" in summary:  # a search over several axes
            runs: dict[str, str] = summary["runs"]
            parts = {a: read_json(folder / name, SUMMARY) for a, name in runs.items()}
        else:
            asked["axis"] = str(summary["axis"])
            parts = {asked["axis"]: summary}
        searched = {axis: _sizes(part) for axis, part in parts.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise ParamsearchError(
            f"{folder / SUMMARY} is not the summary of a search: {error!r}"
        ) from error
    rule, settings = Rule.load(folder / RULE), dict[str, object](options)
    program, timeout = summary.get("program"), summary.get("timeout")
    return Target(rule, folder, asked, settings, searched, program, timeout)


def _sizes(summary: dict[str, Any]) -> tuple[int, ...]:
    """List the sizes at which the rule of a search was trained."""
    curves: list[dict[str, Any]] = summary["curves"]["found"]
    return tuple(int(curve["scale"]) for curve in curves)
