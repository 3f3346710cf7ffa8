"""The text of a YAML file beside the nodes in it, for whoever has to point into it or to change it.

``tako.config.source`` has read the file before, so it is one document, not deep, and its aliases are known.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import yaml

from tako.config.problems import Path
from tako.config.yaml_reader import joined, reader
from tako.records import record

_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\r\n]*")


@record
class Node:
    """A value or a key. ``start`` and ``end`` are places in the text; a block ends where its last value does."""

    kind: str
    """``scalar``, ``map``, ``list`` or ``alias``."""
    start: int
    end: int
    style: str = ""
    """Of a scalar: nothing, a quote, ``|`` or ``>``; of a map or a list ``flow`` or nothing."""
    value: str = ""
    pairs: tuple[tuple[Node, Node], ...] = ()
    items: tuple[Node, ...] = ()
    target: Node | None = None
    """What an alias stands for."""
    anchored: bool = False

    @property
    def is_flow(self) -> bool:
        """Whether it is a map or a list in brackets."""
        return self.style == "flow"

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written, or an empty list or mapping."""
        return self.start == self.end or (self.kind in ("map", "list") and not self.pairs and not self.items)

    def get(self, name: str) -> Node | None:
        """The value that a mapping has for a key, by itself, not through ``<<``."""
        return next((value for key, value in self.pairs if key.value == name), None)


class Sheet:
    """A file's text and its nodes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = _Builder(text).root()
        self._places: dict[tuple[int, str], dict[int, int]] = {}
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    @staticmethod
    def field(node: Node, name: str) -> tuple[Node, Node] | None:
        """The key and the value that a mapping has under a name, by itself or through ``<<``; no alias."""
        found = _below(node, name)
        if found is None or found[0] is None:
            return None
        return found[0], found[1].target or found[1]

    @cached_property
    def newline(self) -> str:
        """How the file ends its lines."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def position(self, index: int) -> tuple[int, int]:
        """Line and column, from 1, of a place in the text."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def raw(self, node: Node) -> str:
        """A node as it was written."""
        return self.text[node.start : node.end]

    def find(self, path: Path) -> tuple[Node | None, Node]:
        """The key, where it has one, and the value at a path; of what is not there, of what it is missing in."""
        key: Node | None = None
        node = self.root
        for step in path:
            found = _below(node, step)
            if found is None:
                break
            key, node = found
        return key, node

    def pair(self, *path: str | int) -> tuple[Node, Node] | None:
        """The key and the value at a path of a mapping's own entry, or None."""
        key, value = self.find(path)
        return None if key is None or key.value != path[-1] else (key, value)

    def place(self, node: Node, sign: str, offset: int) -> int:
        """Where in the text the ``sign`` is that is at an offset of a scalar's value; its start if that cannot be told.

        An escape or a folded line can hide a sign: then there are not as many in the text as in the value.
        """
        known = self._places.get((node.start, sign))
        if known is None:
            here = [match.start() for match in re.finditer(re.escape(sign), self.raw(node))]
            there = [match.start() for match in re.finditer(re.escape(sign), node.value)]
            known = dict(zip(there, here, strict=True)) if len(here) == len(there) else {}
            self._places[(node.start, sign)] = known
        return node.start + known.get(offset, 0)

    def line_start(self, index: int) -> int:
        """Where the line of a place starts."""
        return self._starts[bisect_right(self._starts, index) - 1]

    def line_after(self, index: int) -> int:
        """Where the line after that of a place starts; the end of the text after the last one."""
        line = bisect_right(self._starts, index)
        return self._starts[line] if line < len(self._starts) else len(self.text)

    def column(self, index: int) -> int:
        """How far from the start of its line a place is."""
        return index - self.line_start(index)

    def indent(self, index: int) -> str:
        """The blanks at the start of the line of a place."""
        line = self.text[self.line_start(index) : self.line_after(index)]
        return line[: len(line) - len(line.lstrip(" "))]

    @cached_property
    def comments(self) -> list[tuple[int, int]]:
        """Where the comments are."""
        found: list[tuple[int, int]] = []
        last = 0
        for token in _tokens(self.text):
            start = token.start_mark.index
            found += [match.span() for match in _COMMENT.finditer(self.text, last, max(last, start))]
            if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
                # The first line of a block scalar may end with one.
                found += [match.span() for match in _COMMENT.finditer(self.text, start, self.line_after(start))]
            last = max(last, token.end_mark.index)
        return sorted({*found, *(match.span() for match in _COMMENT.finditer(self.text, last))})

    def comments_in(self, start: int, end: int) -> list[tuple[int, int]]:
        """The comments that start within a part of the text."""
        first, last = (bisect_left(self.comments, (place,)) for place in (start, end))
        return self.comments[first:last]


def _tokens(text: str) -> Iterator[Any]:
    tokens = reader(text)
    while tokens.check_token():
        yield tokens.get_token()


def _below(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    node = node.target or node
    if isinstance(step, int):
        return (None, node.items[step]) if step < len(node.items) else None
    for key, value in node.pairs:
        if key.value == step:
            return key, value
    for source in _merged(node):
        found = _below(source, step)
        if found is not None:
            return found
    return None


def _merged(node: Node) -> Iterator[Node]:
    merged = node.get("<<")
    if merged is not None:
        whole = merged.target or merged
        yield from whole.items if whole.kind == "list" else (whole,)


class _Builder:
    """Makes nodes out of the events of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: Callable[[], Any] = reader(text).get_event
        self._anchors: dict[str, Node] = {}

    def root(self) -> Node:
        self._next()
        self._next()
        return self._node(self._next())

    def _node(self, event: Any) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        if type(event) is yaml.AliasEvent:
            return Node("alias", start, end, target=self._anchors.get(str(event.anchor)))
        anchored = event.anchor is not None
        if type(event) is yaml.ScalarEvent:
            style = event.style or ""
            node = Node("scalar", start, self._scalar_end(event), style, joined(event.value), anchored=anchored)
        elif type(event) is yaml.MappingStartEvent:
            node = self._map(event, anchored)
        else:
            node = self._list(event, anchored)
        if anchored:
            self._anchors[event.anchor] = node
        return node

    def _map(self, start: Any, anchored: bool) -> Node:
        pairs = []
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key = self._node(event)
            pairs.append((key, self._node(self._next())))
        end = _end_of(event) if start.flow_style else pairs[-1][1].end
        style = "flow" if start.flow_style else ""
        return Node("map", start.start_mark.index, end, style, pairs=tuple(pairs), anchored=anchored)

    def _list(self, start: Any, anchored: bool) -> Node:
        items = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            items.append(self._node(event))
        end = _end_of(event) if start.flow_style else items[-1].end
        style = "flow" if start.flow_style else ""
        return Node("list", start.start_mark.index, end, style, items=tuple(items), anchored=anchored)

    def _scalar_end(self, event: Any) -> int:
        """A block scalar's end without the empty lines behind it, unless they belong to it (``|+``)."""
        start, end = event.start_mark.index, event.end_mark.index
        raw = self._text[start:end]
        if event.style not in ("|", ">") or "+" in raw.split("\n", 1)[0].split("#")[0]:
            return int(end)
        return int(start + len(raw.rstrip()))


def _end_of(event: Any) -> int:
    return int(event.end_mark.index)
