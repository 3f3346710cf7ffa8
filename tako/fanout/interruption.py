"""What signals do to a tree: the first asks it to end, another forces it, and one lets it stand still for a while."""

from __future__ import annotations

import signal

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
        self._is_wanted = False
        self.signal_number: int | None = None
        """The signal that asked the tree to end, if one did."""

    def interrupt(self, signal_number: int) -> None:
        """Ask all that is at work to end; asked a second time, force it."""
        self._workforce.post(lambda: self._stop(signal_number))

    def pause(self, stop_and_wait: Callable[[], None]) -> None:
        """Let the tree and this process stand still for a while: ``stop_and_wait`` returns when they go on."""

        def stand_still() -> None:
            self._observer.paused()
            stop_and_wait()
            self._observer.unpaused()

        self._workforce.post(stand_still)

    def _stop(self, signal_number: int) -> None:
        """Ask for an end; the second time that somebody wants it, force it.

        A hangup is nobody's wish: where a terminal goes away, the kernel sends one, the shell another, and whoever
        ends the session perhaps SIGTERM besides.
        """
        again = self._is_wanted and signal_number != signal.SIGHUP
        self._is_wanted = self._is_wanted or signal_number != signal.SIGHUP
        if self.signal_number is not None and not again:
            return
        self._observer.interrupted(signal_number, working=self._workforce.working, again=again)
        if again:
            self._workforce.force()
        else:
            self.signal_number = signal_number
            self._workforce.stop()
