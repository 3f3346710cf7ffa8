"""Changes to the text of a file that keep what stands around them, comments above all. All of them are pure."""

from __future__ import annotations

import sys
from bisect import bisect_right, insort
from collections.abc import Iterable

from tako.lint.syntax import Node, Sheet
from tako.records import record


@record
class Edit:
    """Put ``text`` where the old text is from ``start`` to ``end``."""

    start: int
    end: int
    text: str


Edits = tuple[Edit, ...]


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text after edits that do not overlap; of two at one place the first one comes first."""
    out = []
    at = 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        out += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*out, text[at:]])


class Room:
    """The places that changes have taken, to tell which further ones must wait since they reach into or touch these."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int]] = []

    def take(self, edits: Edits) -> bool:
        """Take the places of a change, if all of them are free."""
        if not all(self._is_free(edit) for edit in edits):
            return False
        for edit in edits:
            insort(self._taken, (edit.start, edit.end))
        return True

    def _is_free(self, edit: Edit) -> bool:
        index = bisect_right(self._taken, (edit.end, sys.maxsize))
        return index == 0 or self._taken[index - 1][1] < edit.start


def after(sheet: Sheet, node: Node) -> int:
    """Where the line after a node's last one starts."""
    return sheet.line_after(max(node.start, node.end - 1))


def whole_lines(sheet: Sheet, text: str) -> str:
    """Text that ends its last line; nothing stays nothing."""
    return text if not text or text.endswith(("\n", "\r")) else text + sheet.newline


def at_line(sheet: Sheet, index: int, text: str) -> Edit:
    """New lines where a line starts, or behind a last line that was not ended."""
    broken = index == len(sheet.text) and not sheet.text.endswith(("\n", "\r"))
    return Edit(index, index, (sheet.newline if broken else "") + text)


def remarks(sheet: Sheet, start: int, end: int, indent: str) -> str:
    """The comments of a part that goes, each as a line of its own."""
    return "".join(f"{indent}{sheet.text[a:b].rstrip()}{sheet.newline}" for a, b in sheet.comments_in(start, end))


def shifted(text: str, by: int) -> str | None:
    """Lines moved to the right, or to the left if ``by`` is negative; None if one has too few blanks for that."""
    out = []
    for line in text.splitlines(keepends=True):
        blanks = len(line) - len(line.lstrip(" "))
        if not line.strip():
            out.append(line)
        elif blanks + by >= 0:
            out.append(" " * (blanks + by) + line[blanks:])
        elif line.lstrip().startswith("#"):
            out.append(line[blanks:])
        else:
            return None
    return "".join(out)


def without_entry(sheet: Sheet, owner: Node, key: Node) -> Edits | None:
    """Take an entry out of a mapping that has others; None if that cannot be done."""
    index = next(place for place, (one, _) in enumerate(owner.pairs) if one is key)
    value = owner.pairs[index][1]
    following = owner.pairs[index + 1][0] if index + 1 < len(owner.pairs) else None
    if owner.is_flow:
        if sheet.comments_in(owner.start, owner.end):
            return None
        if following is not None:
            return (Edit(key.start, following.start, ""),)
        return (Edit(owner.pairs[index - 1][1].end if index else key.start, value.end, ""),)
    start, indent = sheet.line_start(key.start), sheet.indent(key.start)
    if sheet.column(key.start) == len(indent):
        end = after(sheet, value)
        return (Edit(start, end, remarks(sheet, start, end, indent)),)
    if following is None:
        return None
    kept = remarks(sheet, key.start, following.start, indent)
    return (Edit(start, start, kept), Edit(key.start, following.start, ""))


def renamed(key: Node, name: str) -> Edits:
    """Give an entry another key."""
    return (Edit(key.start, key.end, name),)


def as_list(sheet: Sheet, owner: Node, key: Node, value: Node, name: str) -> Edits | None:
    """``key: value`` to ``name: [value]``, as a block where it is one; None if that cannot be done."""
    if value.kind == "alias" or value.anchored:
        return None
    if owner.is_flow:
        return (*renamed(key, name), Edit(value.start, value.start, "["), Edit(value.end, value.end, "]"))
    if value.kind == "map" and not value.is_flow:
        start, end = sheet.line_start(value.start), after(sheet, value)
        if sheet.column(value.start) != len(sheet.indent(value.start)):
            return None
        moved = shifted(sheet.text[start:end], 2) or ""
        column = sheet.column(value.start)
        return (*renamed(key, name), Edit(start, end, f"{' ' * column}- {moved[column + 2 :]}"))
    if sheet.comments_in(key.end, value.start):
        return None
    # The lines after the first must stay deeper than the dash.
    deeper = 0 if "\n" in sheet.raw(value) else 2
    dash = " " * (sheet.column(key.start) + deeper) + "- "
    return (Edit(key.start, value.start, f"{name}:{sheet.newline}{dash}"),)
