"""Runs one workflow without anything that its fan-outs would trigger."""

from __future__ import annotations

from tako.children.base import ChildRequest
from tako.execution.failure import NOT_STARTED
from tako.execution.state import SUCCESS, SUSPENDED
from tako.fanout.interruption import Interruption
from tako.fanout.workforce import Broken, Ended, ToDo, Workforce
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.children.base import ChildResult, StepUpdate, WorkflowRunner
    from tako.clock import Clock
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.journal import Journal
    from tako.fanout.observer import TreeObserver


@record
class AloneResult:
    """How a run ended, or came to a fan-out that it waits for."""

    result: ChildResult
    emitted: tuple[Event, ...]
    """What it would have triggered runs by, the events that it waits for last."""
    interrupted_by: int | None

    @property
    def ok(self) -> bool:
        """Whether it came to its end, or to where it waits, without a failure."""
        return self.interrupted_by is None and self.result.status in (SUCCESS, SUSPENDED)

    @property
    def is_the_machines_fault(self) -> bool:
        """Whether it failed since the machine could not start a process."""
        return self.result.failure is not None and self.result.failure.kind == NOT_STARTED


class AloneExecutor:
    """Runs one run in the foreground, and lets signals end or stop it. Use once."""

    def __init__(self, *, runner: WorkflowRunner, journal: Journal, clock: Clock, observer: TreeObserver) -> None:
        self._workforce = Workforce(root_runner=runner, child_runner=runner, clock=clock)
        self._journal = journal
        self._observer = observer
        self._interruption = Interruption(self._workforce, observer)
        self._request: RunRequest | None = None
        self._emitted: list[Event] = []

    def interrupt(self, signal_number: int) -> None:
        """Ask the run to stop; see ``Interruption``."""
        self._interruption.interrupt(signal_number)

    def pause(self, stop_and_wait: Callable[[], None]) -> None:
        """Let the run stand still for a while; see ``Interruption``."""
        self._interruption.pause(stop_and_wait)

    def run(self, request: RunRequest, workspace: Workspace) -> AloneResult:
        """Run it until it has ended or waits. Raises ``MachineError`` or ``StateError`` if Tako cannot go on."""
        self._request = request
        self._observer.run_started(request, resumed=False)
        self._workforce.start(ChildRequest(request, workspace), self)
        try:
            result = self._wait()
        except BaseException:
            self._workforce.stop_and_wait()
            raise
        self._emitted += result.events
        done = AloneResult(result, tuple(self._emitted), self._interruption.signal_number)
        if result.events:
            self._journal.waiting(request.run_id, result.events[0].id)
        else:
            self._journal.ended(request.run_id, result.status, result.failure, result.seconds, result.outputs)
        self._journal.finished(ok=done.ok, seconds=result.seconds, interrupted_by=self._interruption.signal_number)
        return done

    def _wait(self) -> ChildResult:
        while True:
            match self._workforce.next_message(lambda: None):
                case Ended(result=result):
                    return result
                case Broken(error=error):
                    raise error
                case ToDo(act=act):
                    act()

    # What the run says while it works: called from its thread, acted on in the loop's.

    def child_started(self, run_id: str, pid: int) -> None:
        """The run has begun."""
        self._workforce.post(lambda: self._journal.started(run_id, pid))

    def child_step(self, _run_id: str, step: StepUpdate) -> None:
        """A step began or ended."""
        self._workforce.post(lambda: self._tell(step))

    def child_event(self, _run_id: str, event: Event) -> None:
        """The run emitted an event and goes on."""
        self._workforce.post(lambda: self._emitted.append(event))

    def child_note(self, _run_id: str, text: str) -> None:
        """The run has something to tell a reader."""
        self._workforce.post(lambda: self._observer.told(text))

    def catch_up(self) -> None:
        """Return when a reader has been told all that was heard so far."""
        self._workforce.catch_up()

    def _tell(self, step: StepUpdate) -> None:
        if self._request is not None:
            self._observer.run_step(self._request, step)
