"""Why nobody, or not everybody, runs because of an event, in words: reasons, grouped, and where was looked. Pure."""

from __future__ import annotations

from shlex import quote

from tako.fanout.remarks import MAX_NAMED, grouped, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.fanout.plan import PassedOver

MAX_REASONS = 20
"""How many reasons are given; the others are counted."""


def passed_over_lines(passed_over: Sequence[PassedOver], start: str) -> list[str]:
    """Who does not run and why, each line with ``start`` before it; many with the same reason are one line.

    Those of whom a warning says so are left to that.
    """
    left_over = (each for each in passed_over if not each.warned)
    groups = grouped((each.why, (f"{each.repo}:{each.workflow}", each.where)) for each in left_over)
    lines = []
    for why, whom in list(groups.items())[:MAX_REASONS]:
        if len(whom) > MAX_NAMED:
            lines.append(f"{start} {len(whom)} subscriptions: {why}: {named(whom)}")
        else:
            lines += [f"{start} {label} ({where}): {why}" for label, where in whom]
    left = list(groups.values())[MAX_REASONS:]
    if left:
        lines.append(f"{start} {sum(map(len, left))} more subscriptions, for {len(left)} other reasons")
    return lines


def looked(repositories: int, looked_in: str) -> str:
    """How many repositories were looked at, and where."""
    return f"{repositories} looked at in {looked_in}" if looked_in else f"{repositories} looked at"


def how_to_add(looked_in: str, passed_over: Sequence[PassedOver]) -> list[str]:
    """How a repository gets there, a line; nothing if some there do subscribe to the event's source."""
    if passed_over or not looked_in:
        return []
    return [f"put a repository there: git clone ADDRESS {quote(looked_in)}/OWNER/NAME/main"]
