"""What the signals that ask Tako to end do: they end a command by an exception, and a run in good order.

An exception lets a command end what it has started, and give back what it holds, on its way out. A run has more to do
than that: it is handed the signals, from before there is anything of it on the disk until its report is out; and so is
the one of Ctrl-Z, since a run has children to stop and the cursor to give back.
"""

from __future__ import annotations

import contextlib
import signal

from tako.patience import ASK, FORCE
from tako.signals import is_ignored, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalInterrupt(KeyboardInterrupt):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal_name(number)}")
        self.number = number


def raise_on_signals() -> None:
    """Let signals raise ``SignalInterrupt`` in the main thread, from now on; those that are ignored stay so (nohup(1)).

    Only the first does: what it ends is killed, so a second would only come in between. A third ends the process.
    """
    heard = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise SignalInterrupt(number)
        for each in _heeded():
            signal.signal(each, signal.SIG_DFL)

    for number in _heeded():
        signal.signal(number, on_signal)


def heed_no_more() -> None:
    """Let signals do nothing any more: for a process whose exit code is settled, and that is about to end with it."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def told(error: BaseException) -> str:
    """What is said of a command that an interrupt ended."""
    return str(error) or "interrupted"


def exit_code(error: BaseException) -> int:
    """The exit code of a command that an interrupt ended, 128 and the signal's number as shells have it."""
    return 128 + (error.number if isinstance(error, SignalInterrupt) else signal.SIGINT)


class Insistence:
    """What each signal means for something that is being ended: it is to be asked, to be forced, or nothing new.

    Whoever asks a second time insists. A hangup is nobody's wish: where a terminal goes away, the kernel sends one, the
    shell another, and whoever ends the session perhaps SIGTERM besides.
    """

    def __init__(self) -> None:
        self._is_wanted = False
        self.first: int | None = None
        """The signal that asked for the end, if one did."""

    def hear(self, number: int) -> str | None:
        """``ASK``, ``FORCE`` or None, for the next signal."""
        again = self._is_wanted and number != signal.SIGHUP
        self._is_wanted = self._is_wanted or number != signal.SIGHUP
        if again:
            return FORCE
        if self.first is not None:
            return None
        self.first = number
        return ASK


class RunSignals:
    """Hands signals to a run, those that ask for its end and SIGTSTP. One that comes before it can hear is kept.

    What has ended cannot be asked to: the first signal that comes then is passed by, and the report comes out whole.
    Whoever sends another one does not want to wait for that either. For the main thread only.
    """

    def __init__(self) -> None:
        self._hear: Callable[[int], object] = self._keep
        self._kept: list[int] = []
        self._restore: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Keep the signals for a run that is about to begin, and pass them by when it has ended."""
        with handlers(lambda number: self._hear(number), (*STOP_SIGNALS, signal.SIGTSTP)) as self._restore:
            yield

    @contextlib.contextmanager
    def handed_to(self, hear: Callable[[int], object]) -> Iterator[None]:
        """Call a function with each signal, also with those that were kept."""
        before, self._hear = self._hear, hear
        while self._kept:
            hear(self._kept.pop(0))
        try:
            yield
        finally:
            self._hear = before if before != self._keep else self._pass_by

    def check(self) -> None:
        """Is called between pieces of long work before a run can hear. Raises ``SignalInterrupt`` if it is to end."""
        for number in self._kept:
            if number in STOP_SIGNALS:
                raise SignalInterrupt(number)

    def _keep(self, number: int) -> None:
        # Whoever presses Ctrl-Z again since nothing has happened yet wants it to stop once.
        if number != signal.SIGTSTP or number not in self._kept:
            self._kept.append(number)

    def _pass_by(self, _number: int) -> None:
        self._restore()


@contextlib.contextmanager
def handlers(handle: Callable[[int], object], signals: Iterable[int] = STOP_SIGNALS) -> Iterator[Callable[[], None]]:
    """Let a function be called with each of some signals that are not ignored; gives what ends that earlier."""
    previous = {number: signal.signal(number, lambda got, _frame: handle(got)) for number in _heeded(signals)}

    def restore() -> None:
        while previous:
            signal.signal(*previous.popitem())

    try:
        yield restore
    finally:
        restore()


def _heeded(signals: Iterable[int] = STOP_SIGNALS) -> list[int]:
    return [number for number in signals if not is_ignored(number)]
