"""Runs one child: prepare its directory, launch it, listen, judge, clean up."""

from __future__ import annotations

import contextlib
import json
import os
import threading

from tako.children.base import ChildResult
from tako.children.hearing import Hearing, foreign_claim
from tako.children.judge import Evidence, judge
from tako.children.launchers.base import Launch
from tako.errors import MachineError, SecretError, SpawnError, StateError
from tako.execution.failure import INTERRUPTED, NOT_STARTED, PROTOCOL, SECRET_MISSING, Failure, failure_of_machine
from tako.execution.final_steps import most_seconds
from tako.execution.memory import kills_for_memory
from tako.execution.state import SUSPENDED, read_state
from tako.execution.workspace import discard_checkout
from tako.log_file import DEFAULT_LOG_LIMIT, LazyLog
from tako.records import replace, to_data
from tako.secrets.run import NO_SECRETS, masked_sinks
from tako.shortage import TRIED, is_shortage, lasting_pipe, patiently
from tako.signals import Stops, StopSignal
from tako.steps.base import RunInterruptedError, StoppableClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tako.children.base import ChildListener, ChildRequest
    from tako.children.factory import ChildRunnerFactory
    from tako.children.launchers.base import Launcher
    from tako.clock import Clock
    from tako.execution.services import ServicesOfChildren
    from tako.process import Outcome
    from tako.secrets.run import RunSecrets
    from tako.secrets.store import SecretStore


class ChildWorkflowExecutor:
    """A ``WorkflowRunner`` whose children are processes that a launcher starts.

    ``log_limit`` is the most bytes that what a child's own process says has on the disk. ``secrets`` has the values of
    those that children's workflows declare. ``services`` knows of what they leave running.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        factory: ChildRunnerFactory,
        clock: Clock,
        log_limit: int | None = None,
        services: ServicesOfChildren | None = None,
        secrets: SecretStore | None = None,
    ) -> None:
        self._secrets = secrets
        self._launcher = launcher
        self._factory = factory
        self._clock = clock
        self._log_limit = log_limit
        self._services = services
        self._stop = StopSignal()
        self._force = StopSignal()
        self._cancels: dict[str, StopSignal] = {}
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()
        self._kills = kills_for_memory()

    def stop(self, by: int | None = None) -> None:
        """Ask all children to end, now and in the future; see ``WorkflowRunner``."""
        self._stop.set(by)

    def force(self) -> None:
        """End all children at once, now and in the future."""
        self._stop.set()
        self._force.set()

    def cancel(self, run_id: str) -> None:
        """Ask the child of that run to end, now and in the future."""
        with self._lock:
            self._cancelled.add(run_id)
            if run_id in self._cancels:
                self._cancels[run_id].set()

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        """Run a child until it has ended or waits; see ``WorkflowRunner``."""
        began = self._clock.monotonic()
        hearing = Hearing(request, listener, self._clock)
        serves = any(step.long_running for step in request.run.workflow.steps)
        if serves and self._services is not None:
            self._services.expect()
        try:
            with self._cancellable(request.run.run_id) as asked:
                # Whoever asked for the end waits for the last steps, too.
                stops = asked if request.ending is None else Stops(force=asked.force)
                directory = patiently(lambda: self._factory.prepare(request), self._clock)
                secrets = self._secrets_of(request, stops)
                outcome = self._launch(directory, request, hearing, secrets, stops)
        except SecretError as error:
            return self._never_started(began, Failure(kind=SECRET_MISSING, message=str(error)))
        except RunInterruptedError:
            failure = Failure(kind=INTERRUPTED, message="stopped before its secrets were known")
            return self._never_started(began, failure)
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
        if secrets and result.status == "failed":
            # What a step was writing to when the child was killed.
            request.workspace.forget_outputs()
        result = self._complete(request, hearing, result)
        if serves and self._services is not None and result.status != SUSPENDED:
            # One that ended in good order has done that itself.
            self._services.end(request.workspace)
        return result

    def _never_started(self, began: float, failure: Failure) -> ChildResult:
        return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)

    def _secrets_of(self, request: ChildRequest, stops: Stops) -> RunSecrets:
        """Those that the child's workflow declares.

        Raises ``SecretError`` if some have no value, ``RunInterruptedError`` if a stop was asked for meanwhile.
        """
        if self._secrets is None:
            return NO_SECRETS
        try:
            return self._secrets.of_run(request.run.workflow.secrets, stops=stops)
        except SecretError as error:
            if StoppableClock(stops).is_stopped():
                raise RunInterruptedError from error
            raise

    def _launch(
        self, directory: str, request: ChildRequest, hearing: Hearing, secrets: RunSecrets, stops: Stops
    ) -> Outcome:
        run = request.run
        env = {"TAKO_RUN_ID": run.run_id, "TAKO_ROOT_RUN_ID": run.root_id, "TAKO_ATTEMPT": str(request.attempt)}
        if request.fresh:
            env["TAKO_FRESH"] = "1"
        if request.ending is not None:
            env["TAKO_ENDING"] = json.dumps(to_data(request.ending))
        words = LazyLog(request.workspace.child_log, limit=self._log_limit or DEFAULT_LOG_LIMIT)
        write_words, _, write_rest = masked_sinks(secrets, words.write)
        launch = Launch(
            directory,
            env=env,
            secrets=secrets.values,
            on_output=hearing.take,
            on_words=write_words,
            on_closed=hearing.stdout_closed,
            due=hearing.due,
            stops=stops,
            more_grace=most_seconds(run.workflow, hurried=True),
        )
        try:
            return self._launcher.launch(launch)
        finally:
            write_rest()
            words.close()

    @contextlib.contextmanager
    def _cancellable(self, run_id: str) -> Iterator[Stops]:
        """What ends the child of a run, that it was cancelled included, also if it was before this."""
        try:
            stop = patiently(lambda: StopSignal(lasting_pipe), self._clock)
        except OSError as error:
            what = f"cannot watch a child: {error.strerror} ({TRIED})"
            raise SpawnError(what, number=error.errno, passing=True) from error
        with self._lock:
            self._cancels[run_id] = stop
            if run_id in self._cancelled:
                stop.set()
        try:
            yield Stops(ask=(self._stop.fd, stop.fd), force=(self._force.fd,), wishes=(self._stop,))
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
        for event in result.events:
            problem = foreign_claim(request, event)
            if problem:
                failure = Failure(kind=PROTOCOL, message=problem)
                return replace(result, status="failed", failure=failure, events=())
        said = hearing.conversation.result
        if result.status != "failed" and said is not None and said.outputs is None:
            try:
                result = replace(result, outputs=read_state(request.workspace.state).outputs)
            except StateError as error:
                failure = Failure(kind=PROTOCOL, message=str(error))
                return replace(result, status="failed", failure=failure, events=())
        if result.status == "success":
            check = StoppableClock(Stops(ask=(self._stop.fd,), force=(self._force.fd,))).check
            with contextlib.suppress(RunInterruptedError):
                discard_checkout(request.workspace, check=check)
        return result
