"""Values against what is said of them: types, limits, allowed values.

Used for the inputs of a workflow and the payload of an event. The child imports it, so it imports nothing
before it must.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""The words for true and false where one of both is meant; elsewhere all but `true` and `false` are text."""

_WORDS = {**FLAGS, "1": True, "0": False}
_EXACT = 2**53


def shown(value: Any) -> str:
    """A value for a message, text as it is and the rest as JSON, on one line and cut."""
    if not isinstance(value, str):
        import json

        value = json.dumps(value, default=str)
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in value[:200])
    return text if len(text) <= 60 else text[:59] + "…"


def as_boolean(value: Any) -> bool:
    """True or false, out of one of these, of 1 or 0, or of a text like ``yes``; else raises ``ValueError``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        found = _WORDS.get(str(value).strip().lower())
        if found is not None:
            return found
    raise ValueError(f"value '{shown(value)}' is not true or false")


def as_number(value: Any) -> int | float:
    """A finite number out of a number or its text, an int where it is whole; else raises ``ValueError``."""
    number = _number(value)
    if isinstance(number, float) and number.is_integer() and abs(number) <= _EXACT:
        return int(number)
    return number


def as_integer(value: Any) -> int:
    """A whole number out of a number or its text; else raises ``ValueError``."""
    try:
        number = as_number(value)
    except ValueError:
        number = 0.5
    if isinstance(number, int):
        return number
    raise ValueError(f"value '{shown(value)}' is not a whole number")


def as_text(value: Any) -> str:
    """Text out of a scalar; else raises ``ValueError``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    raise ValueError(f"value '{shown(value)}' is not text")


def is_allowed(value: Any, allowed: Iterable[Any]) -> bool:
    """Whether a value is among the allowed; true is not 1 here, though it is in Python."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed)


def broken_rules(
    value: Any, *, enum: tuple[Any, ...] | None, low: float | None, high: float | None, pattern: str | None
) -> list[str]:
    """What of an input's or a field's rules a value of the right type breaks, each as a part of a sentence."""
    broken = []
    if enum is not None and not is_allowed(value, enum):
        allowed = ", ".join(shown(one) for one in enum)
        broken.append(f"value '{shown(value)}' is not in allowed values: {allowed}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if low is not None and value < low:
            broken.append(f"value '{shown(value)}' is less than {shown(as_number(low))}")
        if high is not None and value > high:
            broken.append(f"value '{shown(value)}' is more than {shown(as_number(high))}")
    if pattern is not None and isinstance(value, str):
        broken += _mismatch(pattern, value)
    return broken


def _mismatch(pattern: str, text: str) -> list[str]:
    from tako import patterns

    try:
        found = patterns.is_found(pattern, text)
    except ValueError as error:  # A request of a Tako that still took other patterns.
        return [f"the pattern {pattern} cannot be used: {error}"]
    return [] if found else [f"value '{shown(text)}' does not match the pattern {pattern}"]


def _number(value: Any) -> int | float:
    # Python reads 1_000 and other scripts' digits as numbers; YAML and shells do not.
    if isinstance(value, str) and value.isascii() and "_" not in value:
        value = _parsed(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0:
        return value
    raise ValueError(f"value '{shown(value)}' is not a number")


def _parsed(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
