"""A refusal: what ended a command without a result, in words for stderr, as data for ``--json``, as an exit code."""

from __future__ import annotations

import os

import click

from tako.errors import MAKE_ROOM, ConfigError, InterruptedCommandError, MachineError, TakoError, UsageError
from tako.interrupts import exit_code, told
from tako.records import record, to_data
from tako.shortage import is_shortage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

JSON = "--json"


@record
class Refusal:
    """Why there is no result."""

    text: str
    """For stderr."""
    data: dict[str, Any]
    """The document for ``--json``."""
    exit_code: int


def refusal_of(error: BaseException) -> Refusal:
    """What to print of an error that ended a command."""
    if isinstance(error, InterruptedCommandError):
        return Refusal(f"{error.what}\n", refusal_data(error), error.exit_code)
    if isinstance(error, TakoError):
        error.cure = _pasteable(error.cure)
        return Refusal(f"error: {error}\n", refusal_data(error), error.exit_code)
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return refusal_of(InterruptedCommandError(told(error), exit_code(error)))
    if isinstance(error, OSError):
        return _machine(error)
    if isinstance(error, UnicodeEncodeError) and any("\udc80" <= char <= "\udcff" for char in error.object):
        # Python holds the bytes of arguments, variables and file names that are not UTF-8 as surrogates.
        return refusal_of(UsageError(f"'{error.object[:200]}' is not text in UTF-8"))
    import traceback

    name = type(error).__name__
    text = "".join(traceback.format_exception(error))
    bug = f"this is a bug in Tako ({name}); please report it with the above"
    data = error_data("internal", f"this is a bug in Tako ({name})", why=str(error), fix="please report it")
    return Refusal(f"{text}error: {bug}\n", data, TakoError.exit_code)


def _pasteable(cure: str) -> str:
    """The commands of a cure that name a run, with the home that the run is in."""
    if "`tako " not in cure:
        return cure
    from tako.effective import home_from
    from tako.report.again import pasteable

    try:
        return pasteable(cure, home_from(os.environ))
    except UsageError:
        return cure


def refusal_data(error: TakoError) -> dict[str, Any]:
    """The document of an error; a configuration's has every problem with its ``file``, ``line`` and ``column``."""
    fix = "\n".join(line.strip() for line in error.cure.splitlines())
    data = error_data(error.code, error.what, where=error.where, why=error.why, fix=fix)
    if isinstance(error, ConfigError):
        data["error"]["problems"] = to_data(error.faults)
    return data


def error_data(code: str, message: str, *, where: str = "", why: str = "", fix: str = "") -> dict[str, Any]:
    """The document of a refusal; ``code`` is one of ``tako.errors.CODES``."""
    return {"error": {"code": code, "message": message, "where": where, "why": why, "fix": fix}}


def document(data: dict[str, Any]) -> str:
    """The data as it is printed."""
    import json

    return json.dumps(data, indent=2) + "\n"


def asks_for_json(group: click.Group, arguments: Sequence[str]) -> bool:
    """Whether a command line has ``--json`` as an option, also one that cannot be parsed.

    A word that is the value of another option, or that comes after ``--``, is none.
    """
    command: click.Command | None = group
    words = iter(arguments)
    for word in words:
        if word == JSON:
            return command is None or isinstance(command, click.Group) or JSON in _options(command)
        if word == "--":
            return False
        if word.startswith("-"):
            if command is not None and _awaits_value(command, word):
                next(words, None)
        elif isinstance(command, click.Group):
            command = command.get_command(click.Context(command), word)
    return False


def _options(command: click.Command) -> dict[str, bool]:
    """A command's options, and whether each takes a value."""
    options = (param for param in command.params if isinstance(param, click.Option))
    return {name: not (option.is_flag or option.count) for option in options for name in option.opts}


def _awaits_value(command: click.Command, word: str) -> bool:
    """Whether the next word is the value of this one."""
    from tako.cli.inputs import PREFIX

    if word.startswith(PREFIX):
        return "=" not in word
    options = _options(command)
    if word.startswith("--"):
        return options.get(word, False)
    for place, letter in enumerate(word[1:], 1):
        if options.get(f"-{letter}", False):
            return place == len(word) - 1
    return False


def _usage(error: click.ClickException) -> Refusal:
    """What click has to say, in the form of our own errors."""
    message = error.format_message()
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return Refusal(f"{message}\n", error_data("usage", "the command is missing"), error.exit_code)
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    fix = f"see `{ctx.command_path} --help`" if ctx is not None else ""
    text = f"error: {message}\n" + (f"  fix: {fix}\n" if fix else "")
    return Refusal(text, error_data("usage", message, fix=fix), 2)


def _machine(error: OSError) -> Refusal:
    """What the machine refused, where nobody could say more of it."""
    if is_shortage(error):
        cannot = MachineError(f"Tako cannot go on: {error.strerror}", where=error.filename or "", cure=MAKE_ROOM)
        return refusal_of(cannot)
    return refusal_of(MachineError(str(error)))
