"""Inputs of a workflow on the command line: their names are not known to click beforehand."""

from __future__ import annotations

import click

from tako.errors import InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PREFIX = "--inputs."
AWAITS_VALUE = "tako.input-awaits-value"


class InputCommand(click.Command):
    """A command that also takes ``--inputs.NAME=VALUE`` and ``--inputs.NAME VALUE``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            plain = plain_inputs(args)
        except UsageError:
            # While a shell completes the line, its last word may be the value that is still missing.
            if not ctx.resilient_parsing:
                raise
            ctx.meta[AWAITS_VALUE] = True
            plain = plain_inputs(args[:-1])
        return super().parse_args(ctx, plain)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith(PREFIX):
            from tako.cli.completers import complete_input_options

            return complete_input_options(ctx, None, incomplete)
        return super().shell_complete(ctx, incomplete)


def plain_inputs(args: list[str]) -> list[str]:
    """The arguments with every ``--inputs.NAME`` spelled as ``-i NAME=VALUE``; after ``--`` nothing is touched.

    Raises ``UsageError`` if a name has no value.
    """
    plain: list[str] = []
    rest = iter(args)
    for argument in rest:
        if argument == "--":
            plain += [argument, *rest]
        elif not argument.startswith(PREFIX):
            plain.append(argument)
        elif "=" in argument:
            plain += ["-i", argument.removeprefix(PREFIX)]
        else:
            value = next(rest, None)
            if value is None:
                raise UsageError(f"{argument} has no value", cure=f"write it as {argument}=VALUE")
            plain += ["-i", f"{argument.removeprefix(PREFIX)}={value}"]
    return plain


def parse_inputs(given: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping; a name given twice keeps its last value.

    Raises ``UsageError``, ``InputError`` for what is not text in UTF-8.
    """
    inputs: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{text!r} is not an input", cure="write it as -i NAME=VALUE")
        if not is_text(text):
            raise InputError(
                f"input {name!r} is not text in UTF-8",
                why="templates, conditions, events and JSON hold text only",
                cure="give the path of a file that holds the bytes, or their base64",
            )
        inputs[name] = value
    return inputs


def is_text(argument: str) -> bool:
    """Whether an argument is text in UTF-8; Python keeps other bytes as lone surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
