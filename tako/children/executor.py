"""Runs one child: prepare its directory, launch it, listen, judge, clean up."""

from __future__ import annotations

import contextlib
import os
import threading

from tako.children.base import ChildResult
from tako.children.hearing import Hearing, foreign_claim
from tako.children.judge import Evidence, judge
from tako.errors import MachineError, SpawnError, StateError
from tako.execution.failure import NOT_STARTED, PROTOCOL, Failure, failure_of_machine
from tako.execution.memory import kills_for_memory
from tako.execution.state import SUSPENDED, read_state
from tako.execution.workspace import discard_checkout
from tako.log_file import DEFAULT_LOG_LIMIT, LazyLog
from tako.records import replace
from tako.shortage import TRIED, is_shortage, patiently
from tako.signals import Stops, StopSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tako.children.base import ChildListener, ChildRequest
    from tako.children.factory import ChildRunnerFactory
    from tako.children.launchers.base import Launcher
    from tako.clock import Clock
    from tako.execution.workspace import Workspace
    from tako.process import Outcome


class ChildWorkflowExecutor:
    """A ``WorkflowRunner`` whose children are processes that a launcher starts.

    ``log_limit`` is the most bytes that what a child's own process says has on the disk. ``end_services`` ends what the
    steps of a run have left running.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        factory: ChildRunnerFactory,
        clock: Clock,
        log_limit: int | None = None,
        end_services: Callable[[Workspace], object] = lambda _: None,
    ) -> None:
        self._launcher = launcher
        self._factory = factory
        self._clock = clock
        self._log_limit = log_limit
        self._end_services = end_services
        self._stop = StopSignal()
        self._force = StopSignal()
        self._cancels: dict[str, StopSignal] = {}
        self._lock = threading.Lock()
        self._kills = kills_for_memory()

    def stop(self) -> None:
        """Ask all children to end, now and in the future."""
        self._stop.set()

    def force(self) -> None:
        """End all children at once, now and in the future."""
        self._stop.set()
        self._force.set()

    def cancel(self, run_id: str) -> None:
        """Ask the child of that run to end, if it is at work."""
        with self._lock:
            if run_id in self._cancels:
                self._cancels[run_id].set()

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        """Run a child until it has ended or waits; see ``WorkflowRunner``."""
        began = self._clock.monotonic()
        hearing = Hearing(request, listener, self._clock)
        try:
            directory = patiently(lambda: self._factory.prepare(request), self._clock)
            outcome = self._launch(directory, request, hearing)
        except MachineError as error:
            failure = failure_of_machine(error)
            if is_shortage(error):
                failure = replace(failure, kind=NOT_STARTED)
            return self._never_started(began, failure)
        result = judge(
            hearing.conversation,
            Evidence(
                exit=outcome.exit,
                log=hearing.last_lines(),
                current_step=hearing.current_step,
                violation=hearing.close(),
                overdue=hearing.overdue() if outcome.timed_out else None,
                stopped=outcome.stopped,
                killed_for_memory=outcome.exit.signal is not None and not outcome.forced and self._kernel_killed(),
                memory_limit=request.run.workflow.mem_limit,
                directory_is_there=os.path.isdir(request.workspace.path),
            ),
            seconds=self._clock.monotonic() - began,
        )
        result = self._complete(request, hearing, result)
        if result.status != SUSPENDED and os.path.isdir(request.workspace.services):
            # One that ended in good order has done that itself.
            self._end_services(request.workspace)
        return result

    def _never_started(self, began: float, failure: Failure) -> ChildResult:
        return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)

    def _launch(self, directory: str, request: ChildRequest, hearing: Hearing) -> Outcome:
        run = request.run
        env = {"TAKO_RUN_ID": run.run_id, "TAKO_ROOT_RUN_ID": run.root_id, "TAKO_ATTEMPT": str(request.attempt)}
        if request.fresh:
            env["TAKO_FRESH"] = "1"
        words = LazyLog(request.workspace.child_log, limit=self._log_limit or DEFAULT_LOG_LIMIT)
        try:
            with self._cancellable(run.run_id) as cancelled:
                return self._launcher.launch(
                    directory,
                    env=env,
                    on_output=hearing.take,
                    on_closed=hearing.stdout_closed,
                    on_words=words.write,
                    due=hearing.due,
                    stops=Stops(ask=(self._stop.fd, cancelled), force=(self._force.fd,)),
                )
        finally:
            words.close()

    @contextlib.contextmanager
    def _cancellable(self, run_id: str) -> Iterator[int]:
        """A descriptor that becomes readable when the run is cancelled."""
        try:
            stop = patiently(StopSignal, self._clock)
        except OSError as error:
            what = f"cannot watch a child: {error.strerror} ({TRIED})"
            raise SpawnError(what, number=error.errno, passing=True) from error
        with self._lock:
            self._cancels[run_id] = stop
        try:
            yield stop.fd
        finally:
            with self._lock:
                del self._cancels[run_id]
            stop.close()

    def _kernel_killed(self) -> bool:
        """Whether the kernel has killed a process for memory since this was last asked."""
        before, self._kills = self._kills, kills_for_memory()
        return self._kills > before

    def _complete(self, request: ChildRequest, hearing: Hearing, result: ChildResult) -> ChildResult:
        """Check what the parent must not believe, fetch what did not fit a frame, remove what is not needed."""
        if result.event is not None:
            problem = foreign_claim(request, result.event)
            if problem:
                failure = Failure(kind=PROTOCOL, message=problem)
                return replace(result, status="failed", failure=failure, event=None)
        said = hearing.conversation.result
        if result.status != "failed" and said is not None and said.outputs is None:
            try:
                result = replace(result, outputs=read_state(request.workspace.state).outputs)
            except StateError as error:
                failure = Failure(kind=PROTOCOL, message=str(error))
                return replace(result, status="failed", failure=failure, event=None)
        if result.status == "success":
            discard_checkout(request.workspace)
        return result
