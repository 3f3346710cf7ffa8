"""The contract of a launcher."""

from __future__ import annotations

from tako.records import record
from tako.signals import Stops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from tako.process import Outcome

    class Launcher(Protocol):
        """Runs ``python -m runner_child DIR`` somewhere, from its start to its end."""

        def launch(self, launch: Launch) -> Outcome:
            """Run a child and return how its process ended, with nothing of it left running.

            The child is ended, in a way that lets it end its steps first, when ``on_output`` returns False, at the
            moment that ``due`` tells, and when ``stops`` say so. Raises ``SpawnError`` if it cannot be started.
            """


@record
class Launch:
    """One child to start: what it is given, who hears it, and what ends it before it does so itself."""

    directory: str
    on_output: Callable[[bytes], bool]
    """Gets the bytes of its stdout as they come; False if the child is to be ended."""
    env: Mapping[str, str] = {}
    """Is added to the environment that all children have."""
    secrets: Mapping[str, str] = {}
    """The values that it is to know, by name, on a way that nobody else sees (``tako.secrets.handover``)."""
    on_words: Callable[[bytes], object] = lambda _data: None
    """Gets the bytes of its stderr as they come."""
    on_closed: Callable[[], object] = lambda: None
    """Is called if its stdout ends before it."""
    due: Callable[[], float | None] = lambda: None
    """The moment at which it is to be ended, on the clock's ``monotonic``; asked anew each time."""
    stops: Stops = Stops()
    more_grace: float = 0.0
    """Seconds to end in that it has beyond what every child has."""
