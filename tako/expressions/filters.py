"""The filters of the language, and how a value is written as text.

Filters raise ``ValueError`` or ``TypeError`` with a sentence for the author of the template.
"""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined

from tako.expressions import versions

_TRUE = frozenset(["true", "t", "yes", "y", "on", "1"])
_FALSE = frozenset(["false", "f", "no", "n", "off", "0", ""])


def to_text(value: Any) -> str:
    """A value as a template prints it: YAML's ``true`` and ``false``, null as nothing, compact JSON."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_refuse)
    return _refuse(value)


def _refuse(value: Any) -> str:
    if isinstance(value, Undefined):
        # Raises and says which name it is; only `x if y` without an `else` is allowed to be nothing.
        return str(value)
    if callable(value) and hasattr(value, "__name__"):
        raise TypeError(f"`{value.__name__}` is a function here, and not the name of a value")
    hint = "; end with `| list`" if hasattr(value, "__next__") or isinstance(value, range) else ""
    raise TypeError(f"a {type(value).__name__} cannot be written as text{hint}")


def shell_quote(value: Any) -> str:
    """The value as one word of a POSIX shell."""
    text = to_text(value)
    if "\0" in text:
        raise ValueError("a NUL character cannot be part of a command")
    return shlex.quote(text)


def json_escape(value: Any) -> str:
    """The value as the inside of a JSON string, without the quotes around it."""
    return json.dumps(to_text(value), ensure_ascii=False)[1:-1]


def url_encode(value: Any) -> str:
    """The value percent-encoded for any part of a URL; a space is ``%20``."""
    return quote(to_text(value), safe="")


def html_escape(value: Any) -> str:
    """The value with ``& < > " '`` as HTML entities."""
    return html.escape(to_text(value))


def to_int(value: Any) -> int:
    """A whole number from a number, which is cut off towards zero, a boolean, or text that is a whole number."""
    if isinstance(value, bool | int | float):
        return int(value)
    text = to_text(value).strip()
    try:
        return int(text)
    except ValueError:
        number = to_float(text)
        if not number.is_integer():
            raise ValueError(f"`{text}` is not a whole number") from None
        return int(number)


def to_float(value: Any) -> float:
    """A number from a number, a boolean or text."""
    if isinstance(value, bool | int | float):
        return float(value)
    text = to_text(value)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"`{text}` is not a number") from None


def to_bool(value: Any) -> bool:
    """A boolean from a boolean, a number, null, or text such as ``true``, ``yes``, ``on``, ``1``."""
    if isinstance(value, bool | int | float):
        return bool(value)
    text = to_text(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(f"`{text}` is neither true nor false")
    return text in _TRUE


def has_prefix(value: Any, prefix: Any) -> bool:
    """Whether the value starts with the prefix."""
    return to_text(value).startswith(to_text(prefix))


def has_suffix(value: Any, suffix: Any) -> bool:
    """Whether the value ends with the suffix."""
    return to_text(value).endswith(to_text(suffix))


def contains(value: Any, item: Any) -> bool:
    """Whether a list has the item, an object the key, or text the text."""
    if isinstance(value, Mapping | list | tuple):
        return item in value
    return to_text(item) in to_text(value)


def split(value: Any, separator: Any) -> list[str]:
    """The pieces of the text between the separators; an empty separator gives single characters."""
    text, between = to_text(value), to_text(separator)
    return text.split(between) if between else list(text)


def _semver(index: int) -> Callable[[Any], int]:
    return lambda value: versions.part(to_text(value), index)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "shell_quote": shell_quote,
    "json_escape": json_escape,
    "url_encode": url_encode,
    "html_escape": html_escape,
    "to_int": to_int,
    "to_float": to_float,
    "to_bool": to_bool,
    "has_prefix": has_prefix,
    "has_suffix": has_suffix,
    "contains": contains,
    "split": split,
    "semver_major": _semver(0),
    "semver_minor": _semver(1),
    "semver_patch": _semver(2),
    # Jinja2's own, but with the spelling of values above.
    "string": to_text,
}
