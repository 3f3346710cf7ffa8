"""From a path to the text of a file, without ever waiting for a pipe or a device."""

from __future__ import annotations

import codecs
import os
import stat

from tako.config.problems import refused

MAX_BYTES = 1_048_576

_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read(path: str) -> bytes:
    """The content of a regular file, or of what a link to one leads to.

    Raises ``ConfigError`` if it is anything else, too large, or cannot be read.
    """
    try:
        _require_regular(path, os.stat(path))
        # What was a file a moment ago may be a pipe now: opened without waiting, then looked at again.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            _require_regular(path, os.fstat(handle))
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refused(path, [(1, 1, f"the file cannot be read: {reason}")]) from error
    return data


def decode(data: bytes, path: str) -> str:
    """UTF-8 text, without a byte order mark; raises ``ConfigError`` for anything else or too much of it."""
    if len(data) > MAX_BYTES:
        raise refused(path, [(1, 1, f"the file is larger than {MAX_BYTES // 1024} KiB")])
    if data.startswith(_WIDE):
        raise refused(path, [(1, 1, "the file is UTF-16 or UTF-32; save it as UTF-8")])
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line, column = byte_position(data, error.start)
        what = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise refused(path, [(line, column, what)]) from None


def byte_position(data: bytes, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a byte; all before it on its line must be UTF-8."""
    start = data.rfind(b"\n", 0, offset) + 1
    return data.count(b"\n", 0, offset) + 1, len(data[start:offset].decode(errors="replace")) + 1


def _require_regular(path: str, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kind = next((name for test, name in _KINDS if test(status.st_mode)), "no regular file")
    raise refused(path, [(1, 1, f"this is {kind}; a tako.yml is a file")])
