"""What older files have within ``events``: ``subscriptions``, and ``produces`` as a list."""

from __future__ import annotations

from collections.abc import Iterator

from tako.lint.edits import Edit, Edits, after, at_line, remarks, shifted, whole_lines, without_entry
from tako.lint.syntax import Node, Sheet
from tako.lint.walk import Spelling


def older_events(sheet: Sheet) -> Iterator[Spelling]:
    """The older parts of ``events``. An event may be called ``produces``, but then it is no list."""
    found = sheet.pair("events")
    if found is None or found[1].kind != "map":
        return
    for key, value in found[1].pairs:
        if value.kind != "list" and not value.is_empty:
            continue
        if key.value == "subscriptions":
            what = "'subscriptions' within 'events' is the older place; it is a field of its own at the top level"
            yield Spelling(key.start, what, _moved(sheet, found, key, value))
        elif key.value == "produces":
            what = "'produces' within 'events' is the older form; each event is a field of 'events' by its name"
            yield Spelling(key.start, what, _declared(sheet, found, key, value))


def _moved(sheet: Sheet, events: tuple[Node, Node], key: Node, value: Node) -> Edits | None:
    """The subscriptions to the top level, behind those that are there."""
    if sheet.root.is_flow or events[1].anchored or value.anchored:
        return None
    if value.is_empty:
        return _gone(sheet, events, key, value)
    present = sheet.pair("subscriptions")
    if present is None:
        return _on_their_own(sheet, events, key, value)
    if present[1].is_empty:
        # First away with the empty list, then there is room.
        return without_entry(sheet, sheet.root, present[0])
    if present[1].kind != "list" or present[1].anchored:
        return None
    gone = _gone(sheet, events, key, value, None if value.is_flow else key.start)
    new = _appended(sheet, present[1], key, value)
    return None if gone is None or new is None else (*gone, new)


def _gone(sheet: Sheet, events: tuple[Node, Node], key: Node, value: Node, moved: int | None = None) -> Edits | None:
    """An entry of ``events`` away, and ``events`` with its last one; comments stay, up to where they move too."""
    alone = len(events[1].pairs) == 1
    if not alone and (events[1].is_flow or sheet.column(key.start) != len(sheet.indent(key.start))):
        return without_entry(sheet, events[1], key)
    if alone and len(sheet.root.pairs) == 1:
        return None
    first, last = (events[0], events[1]) if alone else (key, value)
    start, end = sheet.line_start(first.start), after(sheet, last)
    kept = remarks(sheet, start, end if moved is None else moved, sheet.indent(first.start))
    return (Edit(start, end, kept),)


def _on_their_own(sheet: Sheet, events: tuple[Node, Node], key: Node, value: Node) -> Edits | None:
    if value.is_flow or events[1].is_flow:
        gone = _gone(sheet, events, key, value)
        new = at_line(sheet, after(sheet, events[1]), f"subscriptions: {sheet.raw(value)}{sheet.newline}")
        return None if gone is None or sheet.comments_in(value.start, value.end) else (*gone, new)
    start, end = _with_remarks_above(sheet, key), after(sheet, value)
    text = shifted(sheet.text[start:end], -sheet.column(key.start))
    if text is None:
        return None
    text = whole_lines(sheet, text)
    if len(events[1].pairs) == 1:
        first = sheet.line_start(events[0].start)
        return (Edit(first, end, remarks(sheet, first, start, "") + text),)
    return (Edit(start, end, ""), at_line(sheet, after(sheet, events[1]), text))


def _appended(sheet: Sheet, present: Node, key: Node, value: Node) -> Edit | None:
    """The items of one list behind those of another."""
    if present.is_flow:
        if not value.is_flow or sheet.comments_in(value.start, value.end):
            return None
        last = present.items[-1].end
        return Edit(last, last, "".join(f", {sheet.raw(item)}" for item in value.items))
    column = sheet.column(present.start)
    if value.is_flow:
        lines = [f"{' ' * column}- {sheet.raw(item)}{sheet.newline}" for item in value.items]
        text: str | None = "".join(lines)
        if sheet.comments_in(value.start, value.end):
            return None
    else:
        start = sheet.line_after(key.start)
        if sheet.column(value.start) != len(sheet.indent(value.start)):
            return None
        text = shifted(sheet.text[start : after(sheet, value)], column - sheet.column(value.start))
        text = None if text is None else remarks(sheet, key.start, start, " " * column) + text
    return None if text is None else at_line(sheet, after(sheet, present), whole_lines(sheet, text))


def _declared(sheet: Sheet, events: tuple[Node, Node], key: Node, value: Node) -> Edits | None:
    """The produced events as entries of ``events``, in the same place."""
    if value.is_empty:
        return _gone(sheet, events, key, value)
    names = [_entry(sheet, item) for item in value.items]
    entries = [name for name in names if name is not None]
    if value.anchored or len(entries) < len(names):
        return None
    if events[1].is_flow or sheet.column(key.start) != len(sheet.indent(key.start)):
        quiet = not sheet.comments_in(key.start, value.end)
        return (Edit(key.start, value.end, ", ".join(entries)),) if quiet else None
    indent = sheet.indent(key.start)
    start, end = sheet.line_start(key.start), after(sheet, value)
    if value.is_flow:
        lines = "".join(f"{indent}{entry}{sheet.newline}" for entry in entries)
        return (Edit(start, end, remarks(sheet, start, end, indent) + lines),)
    bounds = [value.items[0].start, *(item.start for item in value.items[1:]), end]
    out = [remarks(sheet, start, bounds[0], indent)]
    for entry, item, following in zip(entries, value.items, bounds[1:], strict=True):
        inside = after(sheet, item)
        first = min(sheet.line_after(item.start), inside)
        own = "".join(f"  {remark.lstrip()}" for remark in remarks(sheet, item.start, first, "").splitlines())
        out.append(remarks(sheet, first, inside, indent))
        out.append(f"{indent}{entry}{own}{sheet.newline}")
        out.append(remarks(sheet, inside, following, indent))
    return (Edit(start, end, "".join(out)),)


def _with_remarks_above(sheet: Sheet, key: Node) -> int:
    """Where the line of a key starts, or the first of the comments that stand directly above it."""
    start = sheet.line_start(key.start)
    while start:
        above = sheet.line_start(start - 1)
        line = sheet.text[above:start]
        if not line.lstrip().startswith("#") or len(line) - len(line.lstrip()) != sheet.column(key.start):
            break
        start = above
    return start


def _entry(sheet: Sheet, item: Node) -> str | None:
    name, version = item.get("type"), item.get("schema_version")
    if item.anchored or name is None or name.kind != "scalar" or "\n" in sheet.raw(name):
        return None
    fields = "" if version is None or version.is_empty else f"schema_version: {sheet.raw(version)}"
    return None if "\n" in fields else f"{sheet.raw(name)}: {{{fields}}}"
