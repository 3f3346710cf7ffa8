"""Runs a script from a file, by what its first line names."""

from __future__ import annotations

import contextlib
import os

from tako.errors import StepError
from tako.expressions.shebang import interpreter
from tako.files import machine_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_THERE = 'cd -- "$1" && shift && exec "$@"'
"""Goes to a directory and becomes the command: the shell says of one that is not there what it always says."""


def command_of(script: str, path: str, directory: str) -> list[str]:
    """The command that runs the file at ``path``, which holds the script, in a directory."""
    return ["/bin/sh", "-c", _THERE, "sh", directory, *interpreter(script), path]


def write_script(path: str, script: str) -> None:
    """Write a script to a file that its owner may execute, instead of what is there.

    Raises ``MachineError``, or ``StepError`` for a script that is not Unicode.
    """
    try:
        data = script.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise StepError("the script holds characters that are not valid Unicode") from None
    with machine_errors("write", path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
        with open(handle, "wb") as file:
            file.write(data)


@contextlib.contextmanager
def script_file(path: str, script: str) -> Iterator[None]:
    """Have the script in a file as long as it runs."""
    write_script(path, script)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
