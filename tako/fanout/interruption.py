"""What signals do to a tree: the first asks it to end, another forces it, and one lets it stand still for a while."""

from __future__ import annotations

from tako.interrupts import Insistence
from tako.patience import FORCE
from tako.steps.base import RunInterruptedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.fanout.observer import TreeObserver
    from tako.fanout.workforce import Workforce


class Interruption:
    """Heeds signals for one tree. ``interrupt`` and ``pause`` may be called from a signal handler."""

    def __init__(self, workforce: Workforce, observer: TreeObserver) -> None:
        self._workforce = workforce
        self._observer = observer
        self._insistence = Insistence()
        self._is_forced = False
        self.is_wanted = False
        """Whether a signal has come. The loop acts on it only when it has planned what it is planning: that can take
        seconds, and nothing is to be started any more meanwhile."""

    @property
    def signal_number(self) -> int | None:
        """The signal that asked the tree to end, if one did."""
        return self._insistence.first

    @property
    def is_forced(self) -> bool:
        """Whether somebody insists that all ends at once."""
        return self._is_forced

    def check(self) -> None:
        """Is called between pieces of long work. Raises ``RunInterruptedError`` once a signal has come."""
        if self.is_wanted:
            raise RunInterruptedError

    def interrupt(self, signal_number: int) -> None:
        """Ask all that is at work to end; asked a second time, force it."""
        self.is_wanted = True
        self._workforce.post(lambda: self._stop(signal_number))

    def pause(self, stop_and_wait: Callable[[], None]) -> None:
        """Let the tree and this process stand still for a while: ``stop_and_wait`` returns when they go on."""

        def stand_still() -> None:
            self._observer.paused()
            stop_and_wait()
            self._observer.unpaused()

        self._workforce.post(stand_still)

    def _stop(self, signal_number: int) -> None:
        wanted = self._insistence.hear(signal_number)
        if wanted is None:
            return
        again = wanted == FORCE
        self._observer.interrupted(signal_number, working=self._workforce.working, again=again)
        if again:
            self._is_forced = True
            self._workforce.force()
        else:
            self._workforce.stop(signal_number)
