"""Which entries of the step cache go, and why. Pure: what is known of them comes in."""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_LIMIT = 5 << 30
"""Bytes that `tako cache prune` leaves."""

DAMAGED = "it is damaged"
OVER_LIMIT = "it was used least recently, and the cache is over its limit"


@record
class Known:
    """One entry."""

    key: str
    size: int
    """Bytes on the disk."""
    used_at: float
    """When it was last of use, or was made; seconds since 1970."""
    damaged: bool = False


def to_prune(entries: Iterable[Known], limit: int) -> dict[str, str]:
    """The keys of what goes, each with the reason: what is damaged, then what was used longest ago, to the limit."""
    entries = tuple(entries)
    going = {entry.key: DAMAGED for entry in entries if entry.damaged}
    whole = [entry for entry in entries if not entry.damaged]
    left = sum(entry.size for entry in whole)
    for entry in sorted(whole, key=lambda each: (each.used_at, each.key)):
        if left <= limit:
            break
        going[entry.key] = OVER_LIMIT
        left -= entry.size
    return going


def to_clean(entries: Iterable[Known], *, now: float, older_than: float) -> tuple[str, ...]:
    """The keys of what was of no use for so many seconds; 0 is all."""
    return tuple(entry.key for entry in entries if older_than <= 0 or now - entry.used_at >= older_than)
