"""Options that several commands share: what to set of an architecture, and how to train it."""

from typing import Annotated

import typer

from paramsearch.errors import ParamsearchError

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set an option or the base size of an axis of the architecture; may be repeated.",
    ),
]
By = Annotated[
    str, typer.Option(help="Tensors that share exponents: of one role, module or tensor.")
]
Backend = Annotated[
    str, typer.Option(help="Members side by side (stacked), one by one (loop), or auto.")
]
Precision = Annotated[str, typer.Option(help="Of matrix products: float32, tf32 or bf16.")]
Compile = Annotated[
    bool | None,
    typer.Option("--compile/--no-compile", help="Compile training steps; default: where it pays."),
]
Command = Annotated[
    str | None,
    typer.Option(
        "--command",
        help="Your own program trains: 'python train.py --rule {rule} --lr {lr} --width {width}'.",
    ),
]
CommandTimeout = Annotated[
    float | None, typer.Option(help="Seconds that one run of --command may take; default: 3600.")
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Go on though it takes long, or more memory than there is.")
]
Jobs = Annotated[int, typer.Option(help="Runs of --command at the same time.")]


def settings(words: list[str] | None) -> dict[str, object] | None:
    """Read ``--set name=value`` options.

    Args:
        words: As given; None where there are none.

    Returns:
        Name -> text of the value, None where none is set.

    Raises:
        ParamsearchError: A word without ``=``, or a name given twice.

    Example:
        >>> settings(["depth=4", "norm=rms"])
        {'depth': '4', 'norm': 'rms'}
    """
    found: dict[str, object] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise ParamsearchError(f"--set takes name=value, as in depth=4; received '{word}'")
        if name.strip() in found:
            raise ParamsearchError(f"--set names '{name.strip()}' twice; received '{word}'")
        found[name.strip()] = value.strip()
    return found or None
