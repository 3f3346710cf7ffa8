"""What evaluating a condition can take at most: the runtime counts the turns of its macros, but not how much they make.

``replace`` upon ``replace`` or ``[…].map(x, x + x)`` over and over would fill the memory of the process that plans for
all repositories. So before such a condition is evaluated, its syntax is walked with the sizes of the values that it is
given, for a bound of what it makes and looks at. Never too low; close, where a condition reads values of the scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tako.expressions.cel_syntax import Expr
from tako.records import record

MAX_MADE = 50_000_000
"""Characters and items that a condition may make."""
MAX_READ = 1_000_000_000
"""Those that it may look at."""
_MAX_TURNS = 10_000
"""Of all macros together, by the runtime."""

_ITEM = 8
_TELLS = frozenset(
    [
        "_==_",
        "_!=_",
        "_<_",
        "_<=_",
        "_>_",
        "_>=_",
        "_&&_",
        "_||_",
        "!_",
        "-_",
        "@in",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "size",
        "indexOf",
        "lastIndexOf",
        "type",
        "int",
        "double",
        "uint",
        "bool",
        "@not_strictly_false",
        "semver.major",
        "semver.minor",
        "semver.patch",
        "semver.matches",
        "charAt",
    ]
)
"""Functions that make nothing large."""


@record
class _Size:
    """A bound of how large a value is."""

    total: float
    item: float
    """The largest item of a list or a mapping."""
    count: float
    """Of items."""
    value: Any = None
    """The value itself, if it is one of the scope."""


_NOTHING = _Size(0.0, 0.0, 0.0)


def work(expr: Expr, scope: Mapping[str, Any]) -> tuple[float, float]:
    """Bounds of the characters and items that evaluating it with these values makes, and looks at."""
    walk = _Walk(scope)
    walk.size(expr, {})
    return walk.made, walk.read


class _Walk:
    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self.made = self.read = 0.0
        self._turns = 1.0

    def size(self, expr: Expr, names: Mapping[str, _Size]) -> _Size:
        sized = self._size(expr, names)
        if sized.value is None:
            self.made += (sized.total + 1) * self._turns
        return sized

    def _size(self, expr: Expr, names: Mapping[str, _Size]) -> _Size:
        if expr.kind == "const":
            return _text(expr.size)
        if expr.kind == "ident":
            name = expr.name.removeprefix(".")
            return names[name] if name in names else _size_of(self._scope.get(name))
        if expr.kind == "select":
            return self._selected(self.size(expr.parts[0], names), expr.name)
        if expr.kind == "comprehension":
            return self._comprehension(expr, names)
        parts = [self.size(part, names) for part in expr.parts]
        if expr.kind == "call":
            return self._call(expr, parts)
        total = sum(part.total + _ITEM for part in parts)
        return _Size(total, max((part.total for part in parts), default=0.0), float(len(parts)))

    def _selected(self, owner: _Size, name: str) -> _Size:
        if isinstance(owner.value, Mapping):
            return _size_of(owner.value[name]) if name in owner.value else _NOTHING
        return _inside(owner)

    def _call(self, expr: Expr, parts: list[_Size]) -> _Size:
        total = sum(part.total for part in parts)
        self.read += (total + 1) * self._turns
        if expr.name in _TELLS:
            return _text(_ITEM)
        if expr.name == "_[_]":
            key = expr.parts[1]
            by_name = isinstance(parts[0].value, Mapping) and key.kind == "const" and isinstance(key.name, str)
            return self._selected(parts[0], key.name) if by_name else _inside(parts[0])
        if expr.name == "_?_:_":
            return _larger(parts[1], parts[2])
        if expr.name == "replace":
            text, old, new = (part.total for part in parts[:3])
            # A text of the file is as long as it is; any other may be empty, and is then found everywhere.
            constant = expr.parts[1].kind == "const" and old > 0
            return _text(text + (text / old if constant else text + 1) * new)
        if expr.name == "join":
            between = parts[1].total if len(parts) > 1 else 0.0
            return _text(parts[0].total + parts[0].count * between)
        if expr.name == "format":
            # Digits behind the point, and what is written in other notations.
            return _text(parts[0].total * 1000 + total * 10)
        if expr.name == "split":
            return _Size(total * (1 + _ITEM) + _ITEM, parts[0].total, parts[0].total + 1)
        if expr.name in ("strings.quote", "string", "bytes"):
            return _text(total * 10 + 100)
        return _Size(total, max((part.item for part in parts), default=0.0), sum(part.count for part in parts))

    def _comprehension(self, expr: Expr, names: Mapping[str, _Size]) -> _Size:
        ranged, start, condition, step, result = expr.parts
        over = self.size(ranged, names)
        turns = min(over.count, _MAX_TURNS)
        turn, built = expr.variables
        first = self.size(start, names)
        inner = {**names, turn: _inside(over), built: _NOTHING}
        outer, self._turns = self._turns, self._turns * max(1.0, turns)
        self._turns = min(self._turns, _MAX_TURNS)
        self.size(condition, inner)
        # A step of a macro adds to what is built: the same again in each turn.
        added = self.size(step, inner)
        self._turns = outer
        end = _Size(first.total + turns * added.total, max(first.item, added.item, added.total), turns * added.count)
        return self.size(result, {**inner, built: end})


def _text(total: float) -> _Size:
    return _Size(total, total, total)


def _inside(owner: _Size) -> _Size:
    if isinstance(owner.value, list | Mapping):
        inner = [*owner.value, *owner.value.values()] if isinstance(owner.value, Mapping) else owner.value
        sizes = [_size_of(value) for value in inner[:_MAX_TURNS]]
        return _Size(
            max((size.total for size in sizes), default=0.0),
            max((size.item for size in sizes), default=0.0),
            max((size.count for size in sizes), default=0.0),
        )
    return _Size(owner.item, owner.item, owner.item)


def _larger(one: _Size, other: _Size) -> _Size:
    return _Size(max(one.total, other.total), max(one.item, other.item), max(one.count, other.count))


def _size_of(value: Any) -> _Size:
    """The size of plain data."""
    if isinstance(value, str):
        return _Size(float(len(value)), float(len(value)), float(len(value)), value)
    if isinstance(value, Mapping | list | tuple):
        items = [_weight(item) for item in (value.values() if isinstance(value, Mapping) else value)]
        keys = sum(map(len, value)) if isinstance(value, Mapping) else 0
        return _Size(keys + sum(items) + _ITEM, max(items, default=0.0), float(len(items)), value)
    return _Size(float(_ITEM), 0.0, 0.0, value)


def _weight(value: Any) -> float:
    total, rest = 0.0, [value]
    while rest:
        one = rest.pop()
        total += _ITEM + (len(one) if isinstance(one, str) else 0)
        if isinstance(one, Mapping):
            rest += [*one, *one.values()]
        elif isinstance(one, list | tuple):
            rest += one
    return total
