"""The threads that wait for children, and the one queue through which the loop hears of everything.

Each run that is at work has a thread that does nothing but wait for it. What is heard, what is due at a moment, and
what somebody asks for from outside comes to the loop as messages, one after another: so only one thread decides.
"""

from __future__ import annotations

import threading
from functools import partial
from queue import Empty, SimpleQueue

from tako.children.base import ChildRequest, ChildResult
from tako.errors import SpawnError
from tako.execution.failure import failure_of_machine
from tako.fanout.timers import Timers
from tako.patience import Awake
from tako.records import record
from tako.shortage import PAUSES, TRIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.children.base import ChildListener, WorkflowRunner
    from tako.clock import Clock

LOOK_UP_SECONDS = 0.5

CATCH_UP_SECONDS = 5.0
"""A loop that takes longer than that has ended, or has better things to do."""


@record
class Ended:
    """A run's process has ended, or could not be started."""

    run_id: str
    result: ChildResult


@record
class Broken:
    """A thread of ours failed: Tako's own error, or the machine's."""

    run_id: str
    error: BaseException


@record
class ToDo:
    """Something to do in the loop's thread."""

    act: Callable[[], None]


Message = Ended | Broken | ToDo


class Workforce:
    """Starts runs in threads and gives out messages. All but ``post`` is for the loop's thread."""

    def __init__(self, *, root_runner: WorkflowRunner, child_runner: WorkflowRunner, clock: Clock) -> None:
        self._root_runner = root_runner
        self._child_runner = child_runner
        self._awake = Awake(clock)
        self._timers = Timers()
        self._look_up_at = 0.0
        self._queue: SimpleQueue[Message] = SimpleQueue()
        self._working: set[str] = set()
        self._without_thread: set[str] = set()

    @property
    def working(self) -> int:
        """How many runs are at work, the root included."""
        return len(self._working)

    def start(self, child: ChildRequest, listener: ChildListener) -> None:
        """Let a run be worked on; its end comes as a message, also if no thread can be started for it."""
        run_id = child.run.run_id
        self._working.add(run_id)
        runner = self._child_runner if child.run.parent_id else self._root_runner
        self._start_thread(run_id, partial(self._work, runner, child, listener), PAUSES)

    def _start_thread(self, run_id: str, work: Callable[[], None], pauses: tuple[float, ...]) -> None:
        """Start the thread of a run, if not now then after some pauses: the loop must not wait for that."""
        self._without_thread.discard(run_id)
        try:
            threading.Thread(target=work, name=run_id, daemon=True).start()
        except RuntimeError as error:
            if pauses:
                self._without_thread.add(run_id)
                self.after(pauses[0], lambda: self._start_thread(run_id, work, pauses[1:]))
                return
            lacking = SpawnError(f"cannot start a thread to watch it: {error} ({TRIED})", passing=True)
            failure = failure_of_machine(lacking)
            self._queue.put(Ended(run_id, ChildResult("failed", seconds=sum(PAUSES), failure=failure)))

    def _work(self, runner: WorkflowRunner, child: ChildRequest, listener: ChildListener) -> None:
        try:
            result = runner.run_workflow(child, listener)
        except BaseException as error:  # noqa: BLE001  (it is raised again in the loop's thread)
            self._queue.put(Broken(child.run.run_id, error))
        else:
            self._queue.put(Ended(child.run.run_id, result))

    def post(self, act: Callable[[], None]) -> None:
        """Let something be done in the loop's thread; from any thread or signal handler (``put`` is reentrant)."""
        self._queue.put(ToDo(act))

    def catch_up(self) -> None:
        """Return when all that was posted so far is done; from any thread but the loop's."""
        done = threading.Event()
        self.post(done.set)
        done.wait(CATCH_UP_SECONDS)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something be done later; time in which this process stands still does not count."""
        self._timers.add(self._awake.now() + seconds, act)

    def next_message(self, look_up: Callable[[], Callable[[], None] | None]) -> Message:
        """Wait for a message, for something to be due, or for ``look_up``, called now and then, to find something.

        Python runs a signal's handler, which may be what posts a message, only between two steps of the main thread.
        A signal that comes in the instant before the wait begins would otherwise be seen when the next child speaks.
        """
        while True:
            now = self._awake.now()
            if self._timers.is_due(now):
                return ToDo(self._timers.take())
            if now >= self._look_up_at:
                self._look_up_at = now + LOOK_UP_SECONDS
                found = look_up()
                if found is not None:
                    return ToDo(found)
            due = self._timers.wait(now)
            message = self._wait(LOOK_UP_SECONDS if due is None else min(due, LOOK_UP_SECONDS))
            if message is not None:
                return message

    def _wait(self, seconds: float) -> Message | None:
        try:
            message = self._queue.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(message, Ended | Broken):
            self._working.discard(message.run_id)
        return message

    def cancel(self, run_id: str) -> None:
        """Ask one child to end."""
        self._child_runner.cancel(run_id)

    def stop(self, by: int | None = None) -> None:
        """Ask all that is at work to end, ``by`` the signal that somebody wanted it by."""
        self._child_runner.stop(by)
        self._root_runner.stop(by)

    def force(self) -> None:
        """End all that is at work at once."""
        self._child_runner.force()
        self._root_runner.force()

    def stop_and_wait(self) -> None:
        """After an error of our own: let the threads see their runs end, whatever they have to say."""
        self.stop()
        while self._working - self._without_thread:
            self._wait(LOOK_UP_SECONDS)
