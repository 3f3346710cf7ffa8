"""The ``events`` of a subscription: names of event types, and globs. Pure.

``*`` is any part of a name and ``?`` one character, neither of them a ``/``; ``**`` between slashes is any number of
names, also none. A ``*`` alone is every type.
"""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

EVERY_TYPE = ("*", "**")
_ANY_DEPTH = "**"


def is_glob(pattern: str) -> bool:
    """Whether an entry of ``events`` is more than a name."""
    return "*" in pattern or "?" in pattern


def names_any(patterns: Iterable[str], event_type: str) -> bool:
    """Whether one of some names and globs is, or matches, a type of event."""
    return any(pattern == event_type or (is_glob(pattern) and _matches(pattern, event_type)) for pattern in patterns)


def _matches(pattern: str, event_type: str) -> bool:
    if pattern in EVERY_TYPE:
        return True
    reached = {0}
    """How many parts of the type the parts of the pattern so far can stand for."""
    names = event_type.split("/")
    for part in pattern.split("/"):
        if part == _ANY_DEPTH:
            reached = set(range(min(reached), len(names) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and _is_like(part, names[at])}
        if not reached:
            return False
    return len(names) in reached


def _is_like(part: str, name: str) -> bool:
    """Whether a part of a glob matches a name; takes time in proportion to the product of their lengths."""
    at = _Place(0, 0)
    star: _Place | None = None
    while at.name < len(name):
        char = part[at.part] if at.part < len(part) else ""
        if char == "*":
            star, at = at, _Place(at.part + 1, at.name)
        elif char in ("?", name[at.name]) and char:
            at = _Place(at.part + 1, at.name + 1)
        elif star is not None:
            # The last star takes one character more.
            star = _Place(star.part, star.name + 1)
            at = _Place(star.part + 1, star.name)
        else:
            return False
    return not part[at.part :].strip("*")


@record
class _Place:
    """A place in a part of a glob, and one in the name that is compared with it."""

    part: int
    name: int
