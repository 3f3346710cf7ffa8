"""Colors and the width of a terminal, for reports that are printed once.

A report is made of lines whose text is complete without either: what is not a terminal gets just that.
"""

from __future__ import annotations

import os

from tako.records import record, replace
from tako.report.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

COLORS = {
    "success": "green",
    "failed": "bold red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "retrying": "yellow",
    "running": "cyan",
    "waiting": "dim",
    "pending": "dim",
    "not started": "dim",
    "skipped": "dim",
}
"""How each status looks, in the words of rich, which the live tree uses."""

_CODES = {"green": "32", "bold red": "1;31", "yellow": "33", "cyan": "36", "dim": "2"}
_RESET = "\x1b[0m"


@record
class Line:
    """One line of a report."""

    text: str
    status: str = ""
    """What its head is colored by; none where it is not colored."""
    head: int = 0
    """How many characters the head has; what follows is dim."""
    may_be_cut: bool = False
    """Whether it is cut to the width of the terminal. What people copy is not."""
    tail: int = 0
    """How many characters at its end are kept when it is cut."""


@record
class Screen:
    """What a report is printed on."""

    has_color: bool = False
    width: int | None = None
    """In cells; None where lines may have any length."""


PAPER = Screen()
"""A file or a pipe."""


def screen_of(stream: TextIO, environment: Mapping[str, str]) -> Screen:
    """What a stream shows: ``NO_COLOR`` and ``FORCE_COLOR`` decide on colors, or else whether it is a terminal."""
    is_terminal = stream.isatty()
    forced = environment.get("FORCE_COLOR", "") not in ("", "0")
    fit = forced or (is_terminal and environment.get("TERM") != "dumb")
    return Screen(
        has_color=fit and not environment.get("NO_COLOR"), width=_width(stream, environment) if is_terminal else None
    )


def painted(lines: Iterable[Line], screen: Screen) -> str:
    """The lines as text, each with its end and without what would move the reader's cursor."""
    return "".join(f"{_painted(line, screen)}\n" for line in lines)


def plain(lines: Iterable[str]) -> list[Line]:
    """Lines without color that are never cut."""
    return [Line(line) for line in lines]


def indented(lines: Iterable[Line], by: str) -> list[Line]:
    """The lines with something before each, which has the color of its head."""
    return [replace(line, text=f"{by}{line.text}", head=line.head + len(by)) for line in lines]


def cells(text: str) -> int:
    """How wide a text is on a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def cut(text: str, width: int) -> str:
    """A text of at most so many cells; what is cut off is an ellipsis."""
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _painted(line: Line, screen: Screen) -> str:
    text = shown(line.text)
    if line.may_be_cut and screen.width is not None:
        tail = text[len(text) - line.tail :]
        text = cut(text[: len(text) - line.tail], max(screen.width - cells(tail), 1)) + tail
    code = _CODES.get(COLORS.get(line.status, ""))
    if not screen.has_color or code is None:
        return text
    end = min(line.head, len(text) - line.tail)
    head, rest = text[:end], text[end:]
    return f"\x1b[{code}m{head}{_RESET}" + (f"\x1b[2m{rest}{_RESET}" if rest else "")


def _width(stream: TextIO, environment: Mapping[str, str]) -> int | None:
    said = environment.get("COLUMNS", "")
    if said.isascii() and said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None
