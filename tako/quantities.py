"""Durations and sizes as people write them: ``1h30m``, ``512Mi``.

The messages of the errors go on after the name of what was given: ``'timeout' must be a duration like 30m``. The child
imports it, so it imports nothing.
"""

from __future__ import annotations

_DIGITS = "0123456789."
# What a number of them is in seconds: times the first, divided by the second, which keeps 9ms exactly 0.009.
_SECONDS = {"d": (86_400, 1), "h": (3_600, 1), "m": (60, 1), "s": (1, 1), "ms": (1, 1_000)}
_MAX_SECONDS = 10 * 365 * 86_400
_LETTERS = "KMGTPE"
_BYTES = {
    "": 1,
    **{letter: 1000 ** (power + 1) for power, letter in enumerate(_LETTERS)},
    **{f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate(_LETTERS)},
}
# The largest limit that a kernel takes; and more digits than any size below it needs.
_MAX_BYTES = 2**63 - 1
_MAX_DIGITS = 40

_NO_DURATION = "must be a duration like 30m, 1h30m or 500ms"
_NO_SIZE = "must be a size like 512Mi, 1.5Gi or 64K"


def parse_duration(text: str) -> float:
    """Seconds out of ``2d``, ``1h30m``, ``1.5h``, ``10s``, ``500ms``, or of a bare number of seconds.

    The units are d, h, m, s and ms, each at most once and the larger first. Raises ``ValueError`` for anything else,
    for 0, and for more than ten years.
    """
    rest = text.strip()
    if _is_number(rest):
        rest += "s"
    units = list(_SECONDS)
    total = 0.0
    while True:
        number, rest = _split(rest)
        unit = "ms" if rest.startswith("ms") else rest[:1]
        if unit not in units or not _is_number(number):
            raise ValueError(_NO_DURATION)
        rest = rest[len(unit) :]
        del units[: units.index(unit) + 1]
        times, parts = _SECONDS[unit]
        total += float(number) * times / parts
        if not rest:
            break
    if total <= 0:
        raise ValueError("must be more than 0, like 30m")
    if total > _MAX_SECONDS:
        raise ValueError("must be at most ten years, like 30m or 3650d")
    return total


def parse_size(text: str) -> int:
    """Bytes out of ``512Mi``, ``1.5Gi``, ``64K``, ``10MB`` or a bare number of bytes, as Kubernetes reads them.

    K, M, G, T, P and E are powers of 1000, with an ``i`` of 1024; k is K, and a ``B`` may follow. A part of a byte is a
    whole one. Raises ``ValueError`` for anything else, for 0, and for 8Ei and more.
    """
    number, unit = _split(text.strip())
    unit = unit.removesuffix("B")
    if unit.startswith("k"):
        unit = "K" + unit[1:]
    if unit not in _BYTES or not _is_number(number) or len(number) > _MAX_DIGITS:
        raise ValueError(_NO_SIZE)
    whole, _, fraction = number.partition(".")
    size: int = -(-int(whole + fraction) * _BYTES[unit] // 10 ** len(fraction))
    if size <= 0:
        raise ValueError("must be more than 0, like 512Mi")
    if size > _MAX_BYTES:
        raise ValueError("must be less than 8Ei, like 512Mi")
    return size


def shown_size(size: int) -> str:
    """A number of bytes for a message: ``512 MiB``, ``1.5 GiB``, ``100 B``; to one decimal."""
    shown, unit = float(size), "B"
    for letter in _LETTERS:
        # What would be shown as 1024 is 1 of the next.
        if round(shown, 1) < 1024:
            break
        shown, unit = shown / 1024, f"{letter}iB"
    return f"{shown:.1f}".removesuffix(".0") + f" {unit}"


def _split(text: str) -> tuple[str, str]:
    """The digits and points that a text starts with, and what follows."""
    rest = text.lstrip(_DIGITS)
    return text[: len(text) - len(rest)], rest


def _is_number(text: str) -> bool:
    return not text.strip(_DIGITS) and text.strip(".") != "" and text.count(".") <= 1
