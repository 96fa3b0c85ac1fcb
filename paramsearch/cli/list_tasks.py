"""What ``paramsearch list tasks`` says of every task."""

from collections.abc import Mapping
from typing import Any

from paramsearch.cli.list_text import extra, extra_line, named, plain_value
from paramsearch.tasks.facts import task_facts

LIBRARIES = {"hf:DATASET": ("hf", "datasets")}
"""Task -> the extra that it needs, and what that installs."""


def task_details() -> dict[str, dict[str, Any]]:
    """Give the details of every task.

    Returns:
        Name, with what must follow its colon, -> ``dims`` and ``loss_floor``, None where not known,
        and ``options`` (option: default); ``error`` too of one that cannot be made, ``extra`` and
        ``installed`` of one that needs an extra.

    Example:
        >>> task_details()["digits"]["dims"]
        {'inputs': 64, 'outputs': 10}
    """
    return {
        name: {
            "dims": None if facts.dims is None else dict(facts.dims),
            "loss_floor": facts.loss_floor,
            "options": dict(facts.options),
            **({"error": facts.error} if facts.error else {}),
            **(extra(*LIBRARIES[name]) if name in LIBRARIES else {}),
        }
        for name, facts in task_facts().items()
    }


def task_lines(details: Mapping[str, Any]) -> dict[str, str]:
    """Lay out the details of one task: label -> line."""
    floor = details["loss_floor"]
    return {
        "error": details.get("error", ""),
        "extra": extra_line(details) if "extra" in details else "",
        "shapes": "" if details["dims"] is None else shapes(details["dims"]),
        "floor": "" if floor is None else f"{floor:.4g}",
        "options": named(
            {key: value and plain_value(value) for key, value in details["options"].items()}
        ),
    }


def shapes(dims: Mapping[str, int]) -> str:
    """Say what goes in and what comes out.

    Args:
        dims: As in `Task`.

    Example:
        >>> shapes({"inputs": 64, "outputs": 10})
        '64 numbers → 10'
        >>> shapes({"inputs": 32, "outputs": 256, "vocabulary": 256, "positions": 32})
        '32 tokens of 256 → 256 at each position'
    """
    inputs = f"{dims['inputs']} numbers"
    if "vocabulary" in dims:
        inputs = f"{dims['inputs']} tokens of {dims['vocabulary']}"
    if "channels" in dims:
        inputs += f" in {dims['channels']} channels"
    if "nodes" in dims:
        inputs += f" for {dims['nodes']} nodes"
    return f"{inputs} → {dims['outputs']}" + (" at each position" if "positions" in dims else "")
