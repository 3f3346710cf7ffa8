"""Operations that can make much out of little in one step, and how much that would be: measured before they are done.

What is here is all that has such an effect among what ``calls`` allows and Jinja2's filters; each function gets the
arguments of what it measures and raises ``BudgetError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from typing import Any

from tako.expressions.budget import MAX_OUTPUT, BudgetError, fits, weight

Given = Mapping[str, Any]

_MAX_BITS = 4096
"""Of a whole number."""
_MAX_DIGITS = 1000
"""That a number is rounded to."""
_PERCENT = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\*|\d+)?(?:\.(\*|\d+))?")
_NUMBERS = re.compile(r"\d+")


def binary(operator: str, left: Any, right: Any) -> None:
    """Measure an operator: ``+ * ** %``."""
    if operator == "%" and isinstance(left, str):
        percent(left)
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        _bits(operator, left.bit_length() * right)
    elif operator == "*" and isinstance(left, int) and isinstance(right, int):
        _bits(operator, left.bit_length() + right.bit_length())
    elif operator in "*+":
        repeated = ((left, right), (right, left)) if operator == "*" else ((left, 1), (right, 1))
        for sequence, count in repeated:
            if isinstance(sequence, str | list | tuple) and isinstance(count, int) and count > 0:
                size = len(sequence) if isinstance(sequence, str) else weight(sequence, MAX_OUTPUT)
                fits(size * count, f"`{operator}`")


def _bits(operator: str, bits: int) -> None:
    if bits > _MAX_BITS:
        raise BudgetError(f"the result of `{operator}` would be too large")


def percent(text: str) -> None:
    """Measure ``'%20d' % value``."""
    for match in _PERCENT.finditer(text):
        for number in match.groups():
            if number == "*":
                raise BudgetError("a format takes its widths as numbers, not as `*`")
            if number is not None:
                _digits(number)


def spec(text: str) -> None:
    """Measure what stands behind the colon of ``'{:20}'.format(value)``."""
    for number in _NUMBERS.findall(text):
        _digits(number)


def _digits(number: str) -> None:
    fits(int(number) if len(number) < 10 else MAX_OUTPUT + 1, "a format")


def padding(_text: Any, width: Any, *_: Any) -> None:
    """Measure a method such as ``center``."""
    fits(width, "padding")


def replacing(text: Any, old: Any, new: Any, count: Any = None) -> None:
    """Measure ``replace``."""
    text, old, new = str(text), str(old), str(new)
    found = text.count(old)
    if count is not None and count >= 0:
        found = min(found, count)
    fits(len(text) + found * max(0, len(new) - len(old)), "`replace`")


def joining(between: str, values: Any) -> None:
    """Measure ``join``."""
    count = len(values) if isinstance(values, Sized) else 0
    fits(len(between) * count + (weight(values, MAX_OUTPUT) if count else 0), "`join`")


def _indent(given: Given) -> None:
    width = given.get("width", 4)
    each = len(width) if isinstance(width, str) else width
    fits(each * (1 + len(str(given["s"]).splitlines())), "`indent`")


def _wordwrap(given: Given) -> None:
    text = str(given["s"])
    lines = len(text) / max(1, given.get("width", 79)) * 2 + text.count("\n") + 2
    fits(lines * (1 + len(given.get("wrapstring") or "")), "`wordwrap`")


def _round(given: Given) -> None:
    if abs(given.get("precision", 0)) > _MAX_DIGITS:
        raise BudgetError(f"`round` takes at most {_MAX_DIGITS} digits")


def _sum(given: Given) -> None:
    if not isinstance(given.get("start", 0), int | float):
        raise BudgetError("`sum` adds numbers; to put lists together, use `+`")


def _indented(value: Any, indent: int) -> None:
    fits(weight(value, MAX_OUTPUT) + _depth(value) * _items(value) * indent, "writing it indented")


def _urlize(given: Given) -> None:
    added = sum(weight(value, MAX_OUTPUT) for name, value in given.items() if name != "value")
    fits(len(str(given["value"]).split()) * (100 + added), "`urlize`")


def _striptags(given: Given) -> None:
    # Every comment that is taken out copies the rest.
    text = str(given["value"])
    fits(len(text) * text.count("<!--") / 100, "`striptags`")


def _depth(value: Any) -> int:
    """How deep a value is nested."""
    depth, level = 0, [value]
    while level and depth < _MAX_DIGITS:
        depth += 1
        level = [inner for one in level for inner in _inside(one)]
    return depth


def _items(value: Any) -> int:
    count, rest = 0, [value]
    while rest and count <= MAX_OUTPUT:
        count += 1
        rest += _inside(rest.pop())
    return count


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


FILTERS: Mapping[str, Callable[[Given], None]] = {
    "batch": lambda given: fits(given["linecount"], "`batch`"),
    "center": lambda given: fits(given.get("width", 80), "padding"),
    "format": lambda given: percent(str(given["value"])),
    "indent": _indent,
    "pprint": lambda given: _indented(given["value"], 1),
    "replace": lambda given: replacing(given["s"], given["old"], given["new"], given.get("count")),
    "round": _round,
    "slice": lambda given: fits(given["slices"], "`slice`"),
    "striptags": _striptags,
    "sum": _sum,
    "tojson": lambda given: _indented(given["value"], given.get("indent") or 0),
    "urlize": _urlize,
    "wordwrap": _wordwrap,
}
"""By the names of their arguments."""

METHODS: Mapping[str, Callable[..., None]] = {
    "center": padding,
    "join": joining,
    "ljust": padding,
    "replace": replacing,
    "rjust": padding,
    "zfill": padding,
}
"""Of text; each gets the text first."""
