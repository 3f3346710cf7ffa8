"""The syntax of a condition: what the CEL library serialises, cel.expr.CheckedExpr, as records.

See https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto for the messages and their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tako.expressions.protobuf import message, text
from tako.records import record

_ITEM = 8.0


@record
class Expr:
    """A node of the syntax: ``kind`` is one of ``_KINDS``."""

    kind: str
    name: str = ""
    parts: tuple[Any, ...] = ()
    """Of a call: target first, if it has one. Of a comprehension: range, start, condition, step, result."""
    variables: tuple[str, str] = ("", "")
    """Of a comprehension: of the turn, and what it builds."""
    size: float = 0.0
    """Of a constant."""


def parse(serialized: bytes) -> Expr:
    """The syntax out of ``Expression.serialize()``, which is a ``google.protobuf.Any`` of it."""
    checked = message(serialized)[2][0]
    return _expr(message(checked)[4][0])


def _expr(data: bytes) -> Expr:
    fields = message(data)
    for number, read in _KINDS.items():
        if number in fields:
            return read(fields[number][0])
    return Expr("const")


def _exprs(data: bytes, *numbers: int) -> Iterator[Expr]:
    """Those in some fields of a message, in that order."""
    fields = message(data)
    for number in numbers:
        yield from map(_expr, fields.get(number, ()))


def _const(data: bytes) -> Expr:
    fields = message(data)
    # 6 is text, 7 bytes; all others are small.
    for number in (6, 7):
        if number in fields:
            value = fields[number][0]
            return Expr("const", name=value.decode("utf-8", "replace"), size=float(len(value)))
    return Expr("const", size=_ITEM)


def _select(data: bytes) -> Expr:
    return Expr("select", text(message(data), 2), tuple(_exprs(data, 1)))


def _call(data: bytes) -> Expr:
    return Expr("call", text(message(data), 2), tuple(_exprs(data, 1, 3)))


def _list(data: bytes) -> Expr:
    return Expr("list", parts=tuple(_exprs(data, 1)))


def _struct(data: bytes) -> Expr:
    parts = (part for entry in message(data).get(2, ()) for part in _exprs(entry, 3, 4))
    return Expr("list", parts=tuple(parts))


def _comprehension(data: bytes) -> Expr:
    fields = message(data)
    parts = tuple(next(_exprs(data, number), Expr("const")) for number in (2, 4, 5, 6, 7))
    return Expr("comprehension", parts=parts, variables=(text(fields, 1), text(fields, 3)))


_KINDS = {
    3: _const,
    4: lambda data: Expr("ident", text(message(data), 1)),
    5: _select,
    6: _call,
    7: _list,
    8: _struct,
    9: _comprehension,
}
