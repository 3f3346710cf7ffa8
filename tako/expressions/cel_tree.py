"""The names and keys that a condition reads, out of the tree that the CEL library makes of it.

The library shows its tree only as bytes: ``google.protobuf.Any`` around ``cel.expr.CheckedExpr``. The few messages
that are needed are read here, by the numbers of their fields, from
https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto and ``checked.proto`` beside it. The wire
format is https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator

from tako.expressions import cel_runtime
from tako.expressions.names import ROOTS

_ANY_VALUE = 2
_CHECKED_EXPR = 4
_CONSTANT, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
_NAME, _OPERAND, _FIELD = 1, 1, 2
_TARGET, _FUNCTION, _ARGUMENT = 1, 2, 3
_ENTRY, _ENTRY_KEY, _ENTRY_VALUE = 2, 3, 4
_TEXT = 6
_VARIABLES = (1, 8)
_OUTSIDE = (2, 4)
_INSIDE = (5, 6, 7)
"""Of a comprehension: its variables, then the expressions that do not see them, and those that do."""

_INDEX = "_[_]"
_SPELLED = {spelling: root for root in ROOTS for spelling in (root, root.capitalize())}

_Message = dict[int, list[bytes]]
_Path = tuple[str, tuple[str | None, ...]]


def paths(text: str) -> Iterator[_Path]:
    """The roots that a condition reads and the keys behind each, None for a computed one; it must compile."""
    checked = _message(_message(cel_runtime.program(text).serialize())[_ANY_VALUE][0])
    for expression in checked.get(_CHECKED_EXPR, ()):
        yield from _paths(_message(expression), (), frozenset())


def _paths(expression: _Message, keys: tuple[str | None, ...], bound: frozenset[str]) -> Iterator[_Path]:
    """``keys`` are read of the expression itself; ``bound`` are the variables of comprehensions around it."""
    if _IDENT in expression:
        name = _text(_message(expression[_IDENT][0]), _NAME).removeprefix(".")
        if name in _SPELLED and name not in bound:
            yield _SPELLED[name], keys
    elif _SELECT in expression:
        select = _message(expression[_SELECT][0])
        for operand in select.get(_OPERAND, ()):
            yield from _paths(_message(operand), (_text(select, _FIELD), *keys), bound)
    elif _CALL in expression:
        yield from _in_call(_message(expression[_CALL][0]), keys, bound)
    elif _COMPREHENSION in expression:
        loop = _message(expression[_COMPREHENSION][0])
        within = bound | {_text(loop, number) for number in _VARIABLES}
        for numbers, seen in ((_OUTSIDE, bound), (_INSIDE, within)):
            for each in (part for number in numbers for part in loop.get(number, ())):
                yield from _paths(_message(each), (), seen)
    else:
        for each in _members(expression):
            yield from _paths(_message(each), (), bound)


def _in_call(call: _Message, keys: tuple[str | None, ...], bound: frozenset[str]) -> Iterator[_Path]:
    arguments = [_message(argument) for argument in call.get(_ARGUMENT, ())]
    if _text(call, _FUNCTION) == _INDEX and len(arguments) == 2:
        owner, index = arguments
        constant = _message(index[_CONSTANT][0]) if _CONSTANT in index else {}
        yield from _paths(owner, (_text(constant, _TEXT) if _TEXT in constant else None, *keys), bound)
        arguments = [index]
    for argument in (*(_message(target) for target in call.get(_TARGET, ())), *arguments):
        yield from _paths(argument, (), bound)


def _members(expression: _Message) -> Iterator[bytes]:
    """The items of a list, the keys and values of a map."""
    for made in expression.get(_LIST, ()):
        yield from _message(made).get(1, ())
    for made in expression.get(_STRUCT, ()):
        for entry in map(_message, _message(made).get(_ENTRY, ())):
            yield from (*entry.get(_ENTRY_KEY, ()), *entry.get(_ENTRY_VALUE, ()))


def _text(message: _Message, number: int) -> str:
    return message[number][0].decode() if number in message else ""


def _message(data: bytes) -> _Message:
    """The fields of a message that have a length, by their numbers; others (numbers and flags) are left out."""
    fields: _Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            fields.setdefault(tag >> 3, []).append(data[at : at + size])
            at += size
        else:
            at += 8 if kind == 1 else 4
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
