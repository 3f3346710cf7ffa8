"""What may be the value of a secret."""

from __future__ import annotations

from tako.secrets.forms import MIN_LENGTH

MAX_LENGTH = 64 << 10
"""Bytes: half of what Linux takes as one variable (``MAX_ARG_STRLEN``), so that its name fits, too."""


def value_fault(value: str) -> str:
    """What is wrong with a value, or nothing; never the value itself."""
    if not value.strip():
        return "is empty"
    if len(value.strip()) < MIN_LENGTH:
        return f"has fewer than {MIN_LENGTH} characters: what is so short turns up by chance, and cannot be masked"
    if "\0" in value:
        return "holds a NUL character, which no variable can"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "is not text in UTF-8"
    return f"has {size} bytes, more than {MAX_LENGTH}" if size > MAX_LENGTH else ""
