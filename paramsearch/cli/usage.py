"""Wrong words on the command line, in one sentence."""

import re
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from paramsearch.cli.failures import BAD_INPUT

NAME = "paramsearch"


class OneSentence(TyperGroup):
    """The command line, which says in one sentence what is wrong with its words."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; ends the process unless ``standalone_mode`` is off."""
        words = list(sys.argv[1:] if args is None else args)
        rest: dict[str, Any] = {"complete_var": complete_var, **extra}
        if not standalone_mode:
            return super().main(words, prog_name or NAME, standalone_mode=False, **rest)
        try:
            code = super().main(words, NAME, standalone_mode=False, **rest)
        except Exception as error:
            # typer wraps click, or carries its own: what they raise has no name common to both
            if not hasattr(error, "format_message"):
                raise
            _show(error, words)
            sys.exit(BAD_INPUT)
        sys.exit(code if isinstance(code, int) else 0)


def _show(error: Any, words: Sequence[str]) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context else NAME
    sentence = " ".join(_sentence(error, words).split())
    typer.echo(f"error: {sentence} (see {command} --help)", err=True)


def _sentence(error: Any, words: Sequence[str]) -> str:
    """Give key, value received and what is allowed, where the error is about a value."""
    message = str(error.format_message()).strip().rstrip(".")
    param = getattr(error, "param", None)
    if type(error).__name__ == "BadParameter" and param is not None:
        option = max(param.opts, key=len)
        value = _value(option, words)
        received = "" if value is None else f"received '{value}'; "
        kind = re.search(r"\bvalid \w+", str(error.message))
        return f"{option}: {received}allowed: {f'a {kind[0]}' if kind else message}"
    message = message.replace(". Did you", "; did you")
    return message[:1].lower() + message[1:]


def _value(option: str, words: Sequence[str]) -> str | None:
    """Find the value given last for an option: ``--seed x`` or ``--seed=x``."""
    value = None
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word == option:
            value = following
        elif word.startswith(f"{option}="):
            value = word.partition("=")[2]
    return value
