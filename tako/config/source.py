"""YAML to plain data, with the place of everything in it.

PyYAML's C parser gives events; the data is built from them here and not by PyYAML's own constructors, because
that gives at once: no tag can make an object, duplicate keys and nesting are seen as they come (libyaml's
composer recurses in C), aliases are counted by what they expand to, and every place is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from tako.config.problems import MAX_PROBLEMS, Path, Placed, quoted, refused
from tako.config.reading import byte_position
from tako.config.scalars import meaning
from tako.config.yaml_reader import joined, reader, without_halves

MAX_DEPTH = 64
MAX_VALUES = 40_000
MAX_CHARACTERS = 4 * 1_048_576

_LINE_ENDS = "\r\n\x85\u2028\u2029"
_MERGE = object()
_UNUSABLE = object()
_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {
    _TAG + "int": (int,),
    _TAG + "float": (float, int),
    _TAG + "bool": (bool,),
    _TAG + "null": (type(None),),
}
_TAG_HINT = "; a text that starts with '!' must be in quotes"
_CONTAINER_TAGS = (None, "!", _TAG + "map", _TAG + "seq")
_HALF = "half of a surrogate pair is no character; write both halves, or the character itself"
_HINTS = (
    ("Unicode character escape", _HALF),
    ("mapping values are not allowed", "a text that holds ': ' must be in quotes"),
    ("scanning an alias", "a text that starts with '*' must be in quotes"),
    ("scanning an anchor", "a text that starts with '&' must be in quotes"),
    ("a tag", "a text that starts with '!' must be in quotes"),
    ("tag handle", "a text that starts with '!' must be in quotes"),
    ("cannot start any token", "a text that starts with this character must be in quotes"),
    ("control characters", "write it as an escape in a double-quoted text"),
)

_LEADING = re.compile(r" *(?:- +)*")

_Place = tuple[int, int, int, int, str | None]
"""Line and column of the key, then of the value, from 0; and a scalar's text, if its value is not that text."""


class Document:
    """One YAML document: its data, what is wrong with it so far, and where everything is."""

    def __init__(
        self, data: dict[str, Any], problems: list[Placed], places: dict[int, dict[str | int, _Place]], root: _Place
    ) -> None:
        self.data = data
        self.problems = problems
        self._places = places
        self._root = root

    def position(self, path: Path, *, on_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of a value or of its key; for what is missing, of what it is missing in."""
        key_line, key_column, line, column, _ = self._find(path)[0]
        return (key_line + 1, key_column + 1) if on_key else (line + 1, column + 1)

    def line(self, path: Path) -> int:
        """The line, from 1, on which a value's key is, or an item of a list starts."""
        return self._find(path)[0][0] + 1

    def text(self, path: Path) -> str | None:
        """A scalar as it was written, if it was read as a number, a boolean or null."""
        place, whole = self._find(path)
        return place[4] if whole else None

    def _find(self, path: Path) -> tuple[_Place, bool]:
        value: Any = self.data
        place = self._root
        for key in path:
            found = self._places.get(id(value), {}).get(key)
            if found is None:
                return place, False
            place, value = found, value[key]
        return place, True


def parse(text: str, path: str) -> Document:
    """Read one YAML document whose top is a mapping.

    What does not hinder reading on (a duplicate key, an unknown tag) is in the document's ``problems``. Raises
    ``ConfigError`` for the rest.
    """
    reader = _Reader()
    try:
        return reader.document(text)
    except _StopReading:
        problems = reader.problems
    except yaml.YAMLError as error:
        problems = [*reader.problems, _syntax_problem(error, text)]
    raise refused(path, problems) from None


class _StopReading(Exception):  # noqa: N818 - a way out, not an error
    """The last problem leaves nothing to read."""


class _Reader:
    """Builds data out of the events of one text."""

    _next: Callable[[], Any]

    def __init__(self) -> None:
        self.problems: list[Placed] = []
        self._text = ""
        self._places: dict[int, dict[str | int, _Place]] = {}
        self._anchors: dict[str, tuple[Any, str | None, int, int, int]] = {}
        self._values = 0
        self._characters = 0
        self._deepest = 0

    def document(self, text: str) -> Document:
        self._text = text
        self._next = reader(text).get_event
        self._next()
        event = self._next()
        if type(event) is yaml.StreamEndEvent:
            self._stop(event, "the file is empty; it needs at least 'version: 1'")
        event = self._next()
        data, written = self._value(event, 0)
        mark = event.start_mark
        self._next()
        after = self._next()
        if type(after) is not yaml.StreamEndEvent:
            self._stop(after, "a second YAML document starts here; a tako.yml is one document")
        if not isinstance(data, dict):
            what = "the file is empty; it needs at least 'version: 1'"
            self._stop(event, what if data is None else "the top of the file must be a mapping, like 'version: 1'")
        root = (mark.line, mark.column, mark.line, mark.column, written)
        return Document(data, self.problems, self._places, root)

    def _value(self, event: Any, depth: int) -> tuple[Any, str | None]:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        if event.anchor is not None:
            return self._anchored(event, depth)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        return self._container(event, depth), None

    def _container(self, event: Any, depth: int) -> Any:
        depth += 1
        if depth > self._deepest:
            self._deepest = depth
        if depth > MAX_DEPTH:
            self._stop(event, f"more than {MAX_DEPTH} levels of nesting")
        self._count(event, 1, 0)
        if event.tag not in _CONTAINER_TAGS:
            self._note(event, f"the tag {quoted(event.tag)} is not allowed{_TAG_HINT}")
        return self._mapping(depth) if type(event) is yaml.MappingStartEvent else self._sequence(depth)

    def _sequence(self, depth: int) -> list[Any]:
        data: list[Any] = []
        places: dict[str | int, _Place] = {}
        self._places[id(data)] = places
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            value, written = self._value(event, depth)
            mark = event.start_mark
            places[len(data)] = (mark.line, mark.column, mark.line, mark.column, written)
            data.append(value)
        return data

    def _mapping(self, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        places: dict[str | int, _Place] = {}
        self._places[id(data)] = places
        merged: list[dict[str, Any]] | None = None
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key = self._key(event, depth)
            value_event = self._next()
            value, written = self._value(value_event, depth)
            if key is _UNUSABLE:
                continue
            if key is _MERGE and merged is None:
                merged = self._merge_sources(value, value_event)
            elif key is _MERGE or key in places:
                self._note(event, f"duplicate key {quoted('<<' if key is _MERGE else key)}")
            else:
                mark, start = event.start_mark, value_event.start_mark
                data[key] = value
                places[key] = (mark.line, mark.column, start.line, start.column, written)
        for source in merged or ():
            for key in source:
                if key not in data:
                    data[key] = source[key]
                    places[key] = self._places[id(source)][key]
        return data

    def _key(self, event: Any, depth: int) -> Any:
        if type(event) is yaml.ScalarEvent and event.value == "<<" and event.implicit[0]:
            return _MERGE
        key, written = self._value(event, depth)
        if isinstance(key, str):
            return key
        if isinstance(key, dict | list):
            hint = "; a text that starts with '{' or '[' must be in quotes"
            self._note(event, "a mapping or a list cannot be a key" + hint)
        else:
            self._note(event, f'a key must be text; write it in quotes: "{(written or "")[:60]}"')
        return _UNUSABLE

    def _merge_sources(self, value: Any, event: Any) -> list[dict[str, Any]]:
        sources = value if isinstance(value, list) else [value]
        if all(isinstance(source, dict) for source in sources):
            return sources
        self._note(event, "'<<' takes a mapping, or a list of mappings")
        return []

    def _scalar(self, event: Any) -> tuple[Any, str | None]:
        text = joined(event.value)
        self._count(event, 1, len(text))
        if without_halves(text) != text:
            self._note(event, _HALF)
            text = without_halves(text)
        if "\0" in text:
            self._note(event, "a NUL character cannot be used")
        tag = event.tag
        if tag is None or tag in ("!", _TAG + "str"):
            value = meaning(text) if event.implicit[0] and tag is None else text
        elif tag in _TYPES:
            value = meaning(text)
            if type(value) not in _TYPES[tag]:
                self._note(event, f"{quoted(text)} is not what its tag says")
        else:
            value = text
            self._note(event, f"the tag {quoted(tag)} is not allowed{_TAG_HINT}")
        return value, None if isinstance(value, str) else text

    def _anchored(self, event: Any, depth: int) -> tuple[Any, str | None]:
        name, event.anchor = event.anchor, None
        values, characters, deepest = self._values, self._characters, self._deepest
        self._deepest = depth
        value, written = self._value(event, depth)
        height = self._deepest - depth
        self._deepest = max(self._deepest, deepest)
        size = self._values - values, self._characters - characters
        self._anchors[name] = (value, written, *size, height)
        return value, written

    def _alias(self, event: Any, depth: int) -> tuple[Any, str | None]:
        if event.anchor not in self._anchors:
            what = f"no anchor '&{event.anchor}' is complete before this alias"
            self._note(event, f"{what}; a text that starts with '*' must be in quotes")
            return None, ""
        value, written, values, characters, height = self._anchors[event.anchor]
        self._count(event, values, characters)
        self._deepest = max(self._deepest, depth + height)
        if depth + height > MAX_DEPTH:
            self._stop(event, f"more than {MAX_DEPTH} levels of nesting")
        return value, written

    def _count(self, event: Any, values: int, characters: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > MAX_VALUES or self._characters > MAX_CHARACTERS:
            self._stop(event, f"more than {MAX_VALUES:,} values, or {MAX_CHARACTERS:,} characters, counting aliases")

    def _note(self, event: Any, what: str) -> None:
        self.problems.append((*_position(event.start_mark, self._text), what))
        if len(self.problems) > MAX_PROBLEMS:
            raise _StopReading

    def _stop(self, event: Any, what: str) -> None:
        self._note(event, what)
        raise _StopReading


def _position(mark: yaml.Mark, text: str) -> tuple[int, int]:
    # libyaml takes the end of a text for the start of a line, even where the last line is not ended.
    if mark.index >= len(text) and mark.column == 0 and mark.line and text[-1] not in _LINE_ENDS:
        return mark.line, len(text.splitlines()[-1]) + 1
    return mark.line + 1, mark.column + 1


def _syntax_problem(error: yaml.YAMLError, text: str) -> Placed:
    told = " ".join(str(part) for part in (getattr(error, "problem", ""), getattr(error, "context", "")) if part)
    mark = getattr(error, "problem_mark", None)
    if mark is not None and mark.index >= len(text):
        # What is open at the end of a file is found where it began.
        mark = getattr(error, "context_mark", None) or mark
    if mark is not None:
        line, column = _position(mark, text)
    else:
        told = told or str(getattr(error, "reason", error))
        line, column = byte_position(text.encode(), getattr(error, "position", 0) or 0)
    if _starts_with_tab(text, line) or "\\t" in told:
        context = getattr(error, "context_mark", None)
        more = "" if context is None or "block scalar" not in told else _in_block(text, context.line + 1, line)
        return line, column, f"a tab cannot indent; use spaces{more}"
    hint = next((hint for sign, hint in _HINTS if sign in told), "")
    return line, column, f"this is not YAML: {told}" + (f"; {hint}" if hint else "")


def _in_block(text: str, opened: int, line: int) -> str:
    """What to do about a tab in front of a line of a text behind ``|`` or ``>``; the lines are from 1."""
    lines = text.split("\n")
    head, found = lines[opened - 1], lines[line - 1]
    spaces = len(found) - len(found.lstrip(" "))
    before = _LEADING.match(head)
    owner = before.end() if before is not None else 0
    if head[owner : owner + 1] in "|>":
        owner = head.rfind("-", 0, owner)
    if line == opened + 1 and 0 < spaces - owner < 10:
        sign = "|" if "|" in head else ">"
        return (
            f" before the first line of this text; or, if the text begins with that tab, write "
            f"'{sign}{spaces - owner}' for '{sign}': the text then begins behind {spaces} spaces"
        )
    return f" before each line of this text, {owner + 2} or more; tabs may follow them"


def _starts_with_tab(text: str, line: int) -> bool:
    lines = text.split("\n", line)
    found = lines[line - 1] if len(lines) >= line else ""
    return "\t" in found[: len(found) - len(found.lstrip())]
