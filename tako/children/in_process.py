"""Runs the root of a tree: in Tako's own process, since its steps are the user's own command."""

from __future__ import annotations

import contextlib
import os

from tako.children.base import RETRYING, ChildResult, StepUpdate
from tako.errors import MachineError, SecretError, StateError, TakoError
from tako.execution.checkout_time import within_timeout
from tako.execution.confidential import masked
from tako.execution.event import sent_line
from tako.execution.failure import (
    CHECKOUT_FAILED,
    INTERRUPTED,
    NOT_STARTED,
    SECRET_MISSING,
    Failure,
    concise,
    failure_of_machine,
)
from tako.execution.going_on import before, go_on, standing
from tako.execution.moved import Place
from tako.execution.raised import failure_by_exception
from tako.execution.runner import Runner
from tako.execution.state import RUNNING, SUCCESS, SUSPENDED, recorded_state, require_recorded
from tako.execution.workspace import discard_checkout
from tako.records import replace
from tako.secrets.run import NO_SECRETS
from tako.shortage import is_shortage
from tako.signals import Stops, StopSignal
from tako.steps.base import Capabilities, RunInterruptedError, StoppableClock, TimeUpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tako.children.base import ChildListener, ChildRequest
    from tako.clock import Clock
    from tako.config.model import StepSpec
    from tako.execution.event import Event
    from tako.execution.retry import StepAttempt
    from tako.execution.service import ServiceEnd
    from tako.execution.state import ExecutionState, StepRecord
    from tako.process import Processes
    from tako.secrets.run import RunSecrets
    from tako.steps.base import Echo, Gate, Step, StepContext


OWN_KINDS = "tako/"
"""What the names of Tako's own kinds of step begin with."""


class InProcessRunner:
    """A ``WorkflowRunner`` that runs the steps itself.

    ``checkout`` makes the run's private checkout in a directory; it is not called for a run that works in place. It is
    also given what tells when to stop, and what is told, in a line, if it waits for long. ``kept`` makes the processes
    that steps run in, out of the most bytes that each may allocate.
    """

    def __init__(
        self,
        *,
        step_kind: Callable[[StepSpec], Step],
        checkout: Callable[[ChildRequest, str, Stops, Callable[[str], None]], object],
        kept: Callable[[int | None], Processes],
        clock: Clock,
        env: Mapping[str, str],
        log_limit: int | None = None,
        echo: Echo | None = None,
        on_step: Callable[[str], object] | None = None,
        rerun_from: str | None = None,
        secrets: Callable[[tuple[str, ...]], RunSecrets] = lambda _names: NO_SECRETS,
        gate: Gate | None = None,
    ) -> None:
        """``on_step`` is called with the id of each step that begins. ``rerun_from`` is the first step to run again.

        ``secrets`` finds those that a workflow declares, by their names; it may raise ``SecretError``.
        ``gate`` is asked before each step.
        """
        self._step_kind = step_kind
        self._checkout = checkout
        self._kept = kept
        self._clock = clock
        self._env = env
        self._log_limit = log_limit
        self._echo = echo
        self._on_step = on_step
        self._rerun_from = rerun_from
        self._gate = gate
        self._secrets = secrets
        self._stop = StopSignal()
        self._force = StopSignal()
        self._stops = Stops(ask=(self._stop.fd,), force=(self._force.fd,), wishes=(self._stop,))

    def stop(self, by: int | None = None) -> None:
        """Ask the run to end; see ``WorkflowRunner``."""
        self._stop.set(by)

    def force(self) -> None:
        """End the run at once."""
        self._stop.set()
        self._force.set()

    def cancel(self, run_id: str) -> None:
        """The root is no child that could be cancelled alone: it ends as a whole."""
        del run_id
        self.stop()

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        """Run until the workflow has ended or waits; see ``WorkflowRunner``.

        What the machine lacks for a step is told as of a child: those that are at work beside it go on.
        """
        began = self._clock.monotonic()
        observer = RelayedRun(request.run.run_id, listener, self._on_step)
        try:
            return self._run(request, listener, observer, began)
        except MachineError as error:
            if not is_shortage(error):
                raise
            step = observer.current_step
            failure = replace(failure_of_machine(error), kind=NOT_STARTED, step=step.id if step is not None else None)
            return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)

    def _run(self, request: ChildRequest, listener: ChildListener, observer: RelayedRun, began: float) -> ChildResult:
        run, workspace = request.run, request.workspace
        try:
            secrets = self._secrets(run.workflow.secrets)
        except SecretError as error:
            return ChildResult(status="failed", seconds=0.0, failure=Failure(SECRET_MISSING, str(error)))
        listener.child_started(run.run_id, os.getpid())
        # One that had succeeded, and runs again from one of its steps on, has removed some of its directories.
        workspace.make()
        repo_dir = workspace.repo if run.private else run.source
        if run.private and not os.path.isdir(repo_dir):
            try:
                with within_timeout(run, self._stops, self._clock) as stops:
                    self._checkout(request, repo_dir, stops, lambda text: listener.child_note(run.run_id, text))
                workspace.forget_lay_there()
            except (TakoError, RunInterruptedError, TimeUpError) as error:
                if is_shortage(error):
                    raise
                failure = checkout_failure(error, StoppableClock(self._stops))
                return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)
        runner = Runner(
            Capabilities(
                request=run,
                workspace=workspace,
                repo_dir=repo_dir,
                processes=self._kept(run.workflow.mem_limit),
                clock=StoppableClock(self._stops, self._clock),
                base_env=self._env,
                stops=self._stops,
                attempt=request.attempt,
                log_limit=self._log_limit,
                echo=self._echo,
                gate=_TurnTaking(self._gate, listener) if self._gate is not None else None,
                secrets=secrets,
            ),
            step_kind=self._step_kind,
            observer=observer,
        )
        try:
            if request.ending is not None:
                state = runner.end(self._recorded(request, runner), request.ending)
            else:
                state = runner.run(self._begin(request, runner))
        except TakoError:
            raise
        except Exception as error:
            # Whoever's code it was has failed, and not Tako, so all beside it goes on.
            step = observer.current_step
            if step is None or step.uses is None or step.uses.startswith(OWN_KINDS):
                raise
            failure = masked(failure_by_exception(error, memory_limit=run.workflow.mem_limit), secrets)
            failure = replace(concise(failure), step=step.id)
            return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)
        if run.private and state.status == SUCCESS:
            with contextlib.suppress(RunInterruptedError):
                discard_checkout(workspace, check=StoppableClock(self._stops).check)
        return result_of(state, self._clock.monotonic() - began)

    def _recorded(self, request: ChildRequest, runner: Runner) -> ExecutionState:
        workspace = request.workspace
        recorded = recorded_state(workspace.state)
        return runner.begin() if recorded is None else Place(workspace, request.run.root_id).state(recorded)

    def _begin(self, request: ChildRequest, runner: Runner) -> ExecutionState:
        workspace = request.workspace
        if request.resumed:
            require_recorded(workspace.state)
        goes_on = request.resumed or request.attempt > 1 or self._rerun_from is not None
        recorded = recorded_state(workspace.state) if goes_on else None
        if recorded is None:
            return runner.begin()
        recorded = Place(workspace, request.run.root_id).state(recorded)
        if self._rerun_from is not None:
            recorded, self._rerun_from = before(recorded, self._rerun_from), None
        recorded = standing(recorded, request.run.workflow.step_ids)
        return go_on(recorded, lambda step_id: os.path.exists(workspace.answer(step_id)))


class _TurnTaking:
    """A gate that speaks only when what was told before is on the screen."""

    def __init__(self, gate: Gate, listener: ChildListener) -> None:
        self._gate = gate
        self._listener = listener

    def is_to_run(self, context: StepContext, *, wanted: bool) -> bool:
        self._listener.catch_up()
        return self._gate.is_to_run(context, wanted=wanted)


class RelayedRun:
    """A run's observer that tells a tree's listener."""

    def __init__(self, run_id: str, listener: ChildListener, on_step: Callable[[str], object] | None = None) -> None:
        self._run_id = run_id
        self._listener = listener
        self._on_step = on_step
        self.current_step: StepSpec | None = None
        """The step that has begun and not ended."""

    def step_started(self, spec: StepSpec) -> None:
        self.current_step = spec
        self._listener.child_step(self._run_id, StepUpdate(id=spec.id, status=RUNNING))
        if self._on_step is not None:
            self._on_step(spec.id)

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
        self._listener.child_step(self._run_id, retry_update(spec, attempt, delay))

    def step_ended(self, step: StepRecord) -> None:
        self.current_step = None
        self._listener.child_step(self._run_id, step_update(step))
        for note in step.notes:
            self._listener.child_note(self._run_id, note_of_step(step, note))

    def service_ended(self, end: ServiceEnd) -> None:
        self._listener.child_step(self._run_id, service_update(end))

    def event(self, event: Event) -> None:
        if not event.waiting:
            self._listener.child_event(self._run_id, event)


def checkout_failure(error: Exception, clock: StoppableClock) -> Failure:
    """Why a run has no checkout: its time was up, a stop was asked for meanwhile, or it could not be made."""
    if isinstance(error, TimeUpError):
        return error.failure
    if clock.is_stopped():
        return Failure(kind=INTERRUPTED, message="stopped before its checkout was made")
    return Failure(kind=CHECKOUT_FAILED, message=str(error))


def step_update(step: StepRecord) -> StepUpdate:
    """What is reported of a step that has ended."""
    failure = step.failure
    return StepUpdate(
        id=step.id,
        status=step.status,
        seconds=step.seconds,
        exit_code=failure.exit_code if failure else None,
        signal=failure.signal if failure else None,
        outputs=step.outputs,
        cached=step.cached,
        message=failure.headline if failure else "",
        attempt=len(step.attempts) + 1,
        tolerated=step.tolerated,
        artifacts=tuple(map(sent_line, step.artifacts)),
    )


def note_of_step(step: StepRecord, note: str) -> str:
    """What a reader is told of a step's note."""
    return f"warning: step '{step.id}': {note}"


def service_update(end: ServiceEnd) -> StepUpdate:
    """What is reported of a step that was left running, when that has ended."""
    return StepUpdate(
        id=end.step,
        status=end.how,
        seconds=end.seconds,
        exit_code=end.exit_code,
        signal=end.signal,
        message=end.describe(),
    )


def retry_update(spec: StepSpec, attempt: StepAttempt, delay: float) -> StepUpdate:
    """What is reported of a step of which a try has failed, and that is tried again in so many seconds."""
    return StepUpdate(
        id=spec.id,
        status=RETRYING,
        seconds=attempt.seconds,
        exit_code=attempt.failure.exit_code,
        signal=attempt.failure.signal,
        message=attempt.failure.headline,
        attempt=attempt.number,
        delay=delay,
    )


def result_of(state: ExecutionState, seconds: float) -> ChildResult:
    """A run's state, as the result of having run it. Raises ``StateError`` if it has neither ended nor waits."""
    if state.status == RUNNING:
        raise StateError(f"the run {state.run_id} returned while it was running")
    waiting = state.steps[-1].emitted if state.status == SUSPENDED else ()
    return ChildResult(
        status=state.status,
        seconds=seconds,
        failure=state.failure,
        events=waiting,
        outputs=state.outputs,
        cached=state.cached,
        warnings=state.warnings,
    )
