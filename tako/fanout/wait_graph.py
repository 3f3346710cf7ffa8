"""Whether waiting for another run's outcome would never end, since that run waits for this one in turn. Pure.

A run that has not ended waits for the outcome of the one that has its idempotency key, and for everything below the
events that it waits for: all the runs there, with all that they triggered, whoever waited for that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from tako.fanout.claims import RunKey

    class Waits(Protocol):
        """What is known of runs, in all trees."""

        def is_open(self, run: RunKey) -> bool:
            """Whether a run has not ended."""

        def waits_for(self, run: RunKey) -> RunKey | None:
            """The run whose outcome it waits for."""

        def triggered(self, run: RunKey, *, waited_for: bool) -> Iterable[RunKey]:
            """The runs that its events started; with ``waited_for`` only those of the events that it waits for."""


def find_way(start: RunKey, goal: RunKey, waits: Waits) -> tuple[RunKey, ...]:
    """The runs from one to another, each waiting for the next, both ends included; empty if there is no such way.

    Costs time in proportion to what is below ``start``, and below the runs that it waits for.
    """
    # A run with its whole tree below it, or only its own end: the former takes the latter in.
    first = (start, False)
    came_from: dict[tuple[RunKey, bool], tuple[RunKey, bool] | None] = {first: None}
    pending = [first]
    while pending:
        node = pending.pop()
        run, whole = node
        if run == goal:
            return _way_to(node, came_from)
        following: list[tuple[RunKey, bool]] = []
        if waits.is_open(run):
            other = waits.waits_for(run)
            if other is not None:
                following.append((other, False))
            following += [(each, True) for each in waits.triggered(run, waited_for=not whole)]
        elif whole:
            following += [(each, True) for each in waits.triggered(run, waited_for=False)]
        for each in following:
            if each not in came_from and (each[0], True) not in came_from:
                came_from[each] = node
                pending.append(each)
    return ()


def _way_to(
    node: tuple[RunKey, bool], came_from: dict[tuple[RunKey, bool], tuple[RunKey, bool] | None]
) -> tuple[RunKey, ...]:
    way = []
    step: tuple[RunKey, bool] | None = node
    while step is not None:
        way.append(step[0])
        step = came_from[step]
    return tuple(reversed(way))
