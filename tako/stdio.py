"""Standard output and standard error: fit for any text, and for a reader who goes away.

It comes before everything else, so it imports nothing that Python has not.
"""

from __future__ import annotations

import codecs
import os
import sys


def prepare() -> None:
    """Make the process's streams and its encoding what the rest of the program takes them for. Call it first.

    Descriptors 0 to 2 that were closed are opened on ``/dev/null``, else the next file would get their number. Where
    the locale's encoding is not UTF-8, Python is started again in its UTF-8 mode (PEP 540): workflows and file names
    are UTF-8, whatever the locale is. A character that a stream's encoding lacks is written as ``\\u2713``, a byte of
    an argument or a file name that is not UTF-8 as ``\\xff``.
    """
    opened = [descriptor for descriptor in (0, 1, 2) if _open_if_closed(descriptor)]
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    if 1 in opened:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (lives as long as the process)
    if 2 in opened:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors=_ESCAPE)  # type: ignore[union-attr]


_ESCAPE = "tako.escape"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What is written for characters that an encoding lacks; Python holds bytes that are not UTF-8 as surrogates."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = ""
    for char in error.object[error.start : error.end]:
        byte = ord(char) - 0xDC00
        written += f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else char.encode("ascii", "backslashreplace").decode()
    return written, error.end


codecs.register_error(_ESCAPE, _escape)
_shown = 0


def shown() -> int:
    """Return how many characters of results this process has written to stdout so far."""
    return _shown


def show(text: str) -> None:
    """Write a result to stdout; a reader who has gone does not want it.

    Raises ``MachineError`` if it cannot be written for another reason, such as a full disk.
    """
    global _shown
    _shown += len(text)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence(1)
    except OSError as error:
        from tako.errors import MachineError

        silence(1)
        raise MachineError(f"cannot write to stdout: {error.strerror}") from error


def say(text: str) -> None:
    """Write a message to stderr. Never raises: a run goes on, whether or not somebody still listens."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        silence(2)


def say_line(text: str) -> None:
    """``say`` a line, which is given without its end."""
    say(f"{text}\n")


def silence(descriptor: int) -> None:
    """Send the rest to ``/dev/null``: Python writes out what it has kept once more when it ends, and would complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _open_if_closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        # The lowest free number is this one, as those below it are open by now.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        return True
    return False
