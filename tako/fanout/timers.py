"""What is to be done at a later moment: a heap of moments and acts."""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """Acts with the moments at which they are due, on a clock of the caller's. For one thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._added = 0

    def add(self, moment: float, act: Callable[[], None]) -> None:
        """Let something be done at a moment."""
        self._added += 1
        heappush(self._heap, (moment, self._added, act))

    def wait(self, now: float) -> float | None:
        """How many seconds until the next act is due; None if there is none."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def is_due(self, now: float) -> bool:
        """Whether the time of an act has come."""
        return bool(self._heap) and self._heap[0][0] <= now

    def take(self) -> Callable[[], None]:
        """The act whose moment is the earliest; it is forgotten."""
        return heappop(self._heap)[2]
