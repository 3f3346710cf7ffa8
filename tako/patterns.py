"""Regular expressions of a ``tako.yml``, in RE2 (https://github.com/google/re2/wiki/Syntax), as in the Go tool.

Python's own ``re`` takes exponential time for some patterns (``(a+)+$``), and values come from other repositories.
RE2's takes time and memory in proportion to the text, whatever the pattern; look-around and back-references, which
make that impossible, are not in it. ``$`` is the very end of the text, where Python's is also before a last newline.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fault(pattern: str, *, groups: int | None = None) -> str:
    """Of a regular expression: what is wrong with it, or nothing; ``groups`` is how many groups it must have."""
    try:
        compiled = _compile(pattern)
    except ValueError as error:
        return f"is not a regular expression: {error}"
    if groups is not None and compiled.groups != groups:
        return f"must have {groups} group in parentheses, not {compiled.groups}"
    return ""


def is_found(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text. Raises ``ValueError`` if it is no regular expression."""
    return _compile(pattern).search(_bytes(text)) is not None


def first_group(pattern: str, text: str) -> str | None:
    """What the first group, or the whole pattern without one, matches first in the text; ``^`` and ``$`` are the ends
    of lines. None if nothing matches, or not that group. Raises ``ValueError`` if it is no regular expression."""
    compiled = _compile(f"(?m){pattern}")
    match = compiled.search(_bytes(text))
    value: bytes | None = match.group(min(compiled.groups, 1)) if match is not None else None
    return None if value is None else value.decode("utf-8", "replace")


def _compile(pattern: str) -> Any:
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    try:
        # The library keeps the last ones that it has compiled.
        return re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise ValueError("it holds characters that are not valid Unicode") from None
    except re2.error as error:
        raise ValueError(_told(error.args[0])) from None


def _told(message: object) -> str:
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    beyond = text.startswith(("invalid perl operator: (?", "invalid escape sequence: \\"))
    return f"{text}; the syntax is RE2's, without look-around and back-references" if beyond else text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
