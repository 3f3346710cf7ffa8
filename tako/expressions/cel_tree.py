"""The names and keys that a condition reads, out of the tree that the CEL library makes of it.

The library shows its tree only as bytes: ``google.protobuf.Any`` around ``cel.expr.CheckedExpr``. The few messages
that are needed are read here, by the numbers of their fields, from
https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto and ``checked.proto`` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tako.expressions import cel_runtime
from tako.expressions.names import ROOTS
from tako.expressions.protobuf import Message, message, text

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

_Path = tuple[str, tuple[str | None, ...]]


def paths(condition: str) -> Iterator[_Path]:
    """The roots that a condition reads and the keys behind each, None for a computed one; it must compile."""
    checked = message(message(cel_runtime.program(condition).serialize())[_ANY_VALUE][0])
    for expression in checked.get(_CHECKED_EXPR, ()):
        yield from _paths(message(expression), (), frozenset())


def _paths(expression: Message, keys: tuple[str | None, ...], bound: frozenset[str]) -> Iterator[_Path]:
    """``keys`` are read of the expression itself; ``bound`` are the variables of comprehensions around it."""
    if _IDENT in expression:
        name = text(message(expression[_IDENT][0]), _NAME).removeprefix(".")
        if name in _SPELLED and name not in bound:
            yield _SPELLED[name], keys
    elif _SELECT in expression:
        select = message(expression[_SELECT][0])
        for operand in select.get(_OPERAND, ()):
            yield from _paths(message(operand), (text(select, _FIELD), *keys), bound)
    elif _CALL in expression:
        yield from _in_call(message(expression[_CALL][0]), keys, bound)
    elif _COMPREHENSION in expression:
        loop = message(expression[_COMPREHENSION][0])
        within = bound | {text(loop, number) for number in _VARIABLES}
        for numbers, seen in ((_OUTSIDE, bound), (_INSIDE, within)):
            for each in (part for number in numbers for part in loop.get(number, ())):
                yield from _paths(message(each), (), seen)
    else:
        for each in _members(expression):
            yield from _paths(message(each), (), bound)


def _in_call(call: Message, keys: tuple[str | None, ...], bound: frozenset[str]) -> Iterator[_Path]:
    arguments = [message(argument) for argument in call.get(_ARGUMENT, ())]
    if text(call, _FUNCTION) == _INDEX and len(arguments) == 2:
        owner, index = arguments
        constant = message(index[_CONSTANT][0]) if _CONSTANT in index else {}
        yield from _paths(owner, (text(constant, _TEXT) if _TEXT in constant else None, *keys), bound)
        arguments = [index]
    for argument in (*(message(target) for target in call.get(_TARGET, ())), *arguments):
        yield from _paths(argument, (), bound)


def _members(expression: Message) -> Iterator[bytes]:
    """The items of a list, the keys and values of a map."""
    for made in expression.get(_LIST, ()):
        yield from message(made).get(1, ())
    for made in expression.get(_STRUCT, ()):
        for entry in map(message, message(made).get(_ENTRY, ())):
            yield from (*entry.get(_ENTRY_KEY, ()), *entry.get(_ENTRY_VALUE, ()))
