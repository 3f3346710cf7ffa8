"""The secrets file: ``NAME=value`` lines as dotenv files have them, which nobody but its owner can read."""

from __future__ import annotations

import os
import stat

from tako.errors import SecretError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIZE = 1 << 20
"""Bytes."""

_FORM = "write NAME=value, NAME='a value' or NAME=\"lines\", one after another; # begins a comment"


def read_secrets_file(path: str) -> Mapping[str, str]:
    """What the file says, by name; of a name that is there twice the last.

    Values may be quoted, then also over several lines; ``export`` before a name is fine, and ``$`` means nothing.
    Raises ``SecretError`` if the file cannot be read or understood, or if others can read it.
    """
    # Its import takes 40 ms.
    from io import StringIO

    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(_text(path))):
        line = binding.original.line + _blank_lines(binding.original.string)
        if binding.error or (binding.key is not None and binding.value is None):
            raise SecretError("this line is not NAME=value", where=f"{path}:{line}", cure=_FORM)
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _blank_lines(text: str) -> int:
    """The lines before the first that says something, which the parser takes for a part of it."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _text(path: str) -> str:
    # One that waits for its writer is fine: a shell's `<(command)` is a pipe.
    try:
        with open(path, "rb") as file:
            _require_private(os.fstat(file.fileno()), path)
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise SecretError(f"the secrets file cannot be read: {error.strerror}", where=path) from error
    if len(data) > MAX_SIZE:
        raise SecretError(f"the secrets file has more than {MAX_SIZE} bytes", where=path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SecretError("the secrets file is not text in UTF-8", where=path) from error


def _require_private(found: os.stat_result, path: str) -> None:
    if found.st_uid != os.geteuid():
        raise SecretError(
            "the secrets file belongs to another user", where=path, why="who owns it can read and change it",
            cure="make a copy of your own that only you can read",
        )  # fmt: skip
    if found.st_mode & 0o077:
        from shlex import quote

        mode = stat.S_IMODE(found.st_mode)
        raise SecretError(
            f"others can get at the secrets file: its mode is {mode:04o}", where=path, cure=f"chmod 600 {quote(path)}"
        )
