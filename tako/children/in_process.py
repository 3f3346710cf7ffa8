"""Runs the root of a tree: in Tako's own process, since its steps are the user's own command."""

from __future__ import annotations

import os

from tako.children.base import ChildResult, StepUpdate
from tako.errors import StateError, TakoError
from tako.execution.failure import CHECKOUT_FAILED, INTERRUPTED, Failure
from tako.execution.runner import Runner
from tako.execution.state import RUNNING, SUCCESS, SUSPENDED, read_state
from tako.files import remove_tree
from tako.signals import StopSignal
from tako.steps.base import Capabilities, RunInterruptedError, StoppableClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tako.children.base import ChildListener, ChildRequest
    from tako.clock import Clock
    from tako.config.model import StepSpec
    from tako.execution.event import Event
    from tako.execution.state import ExecutionState, StepRecord
    from tako.process import Processes
    from tako.steps.base import Step


class InProcessRunner:
    """A ``WorkflowRunner`` that runs the steps itself.

    ``checkout`` makes the run's private checkout in a directory; it is not called for a run that works in place.
    ``stop`` is what ``stop()`` sets, so that a checkout can heed it too.
    """

    def __init__(
        self,
        *,
        step_kind: Callable[[StepSpec], Step],
        checkout: Callable[[ChildRequest, str], object],
        processes: Processes,
        clock: Clock,
        env: Mapping[str, str],
        echo: Callable[[str, bytes], object] | None = None,
        stop: StopSignal | None = None,
    ) -> None:
        self._step_kind = step_kind
        self._checkout = checkout
        self._processes = processes
        self._clock = clock
        self._env = env
        self._echo = echo
        self._stop = stop or StopSignal()

    def stop(self) -> None:
        """Ask the run to end."""
        self._stop.set()

    def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
        """Run until the workflow has ended or waits; see ``WorkflowRunner``."""
        began = self._clock.monotonic()
        run, workspace = request.run, request.workspace
        listener.child_started(run.run_id, os.getpid())
        repo_dir = workspace.repo if run.private else run.source
        if run.private and not request.resumed:
            try:
                self._checkout(request, repo_dir)
            except (TakoError, RunInterruptedError) as error:
                failure = checkout_failure(error, StoppableClock((self._stop.fd,)))
                return ChildResult(status="failed", seconds=self._clock.monotonic() - began, failure=failure)
        runner = Runner(
            Capabilities(
                request=run,
                workspace=workspace,
                repo_dir=repo_dir,
                processes=self._processes,
                clock=self._clock,
                base_env=self._env,
                stop_fds=(self._stop.fd,),
                echo=self._echo,
            ),
            step_kind=self._step_kind,
            observer=RelayedRun(run.run_id, listener),
        )
        state = runner.run(read_state(workspace.state) if request.resumed else runner.begin())
        if run.private and state.status == SUCCESS:
            remove_tree(workspace.repo)
        return result_of(state, self._clock.monotonic() - began)


class RelayedRun:
    """A run's observer that tells a tree's listener."""

    def __init__(self, run_id: str, listener: ChildListener) -> None:
        self._run_id = run_id
        self._listener = listener

    def step_started(self, spec: StepSpec) -> None:
        self._listener.child_step(self._run_id, StepUpdate(id=spec.id, status=RUNNING))

    def step_ended(self, step: StepRecord) -> None:
        self._listener.child_step(self._run_id, step_update(step))

    def event(self, event: Event) -> None:
        if not event.waiting:
            self._listener.child_event(self._run_id, event)


def checkout_failure(error: Exception, clock: StoppableClock) -> Failure:
    """Why a run has no checkout: a stop was asked for meanwhile, or it could not be made."""
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
    )


def result_of(state: ExecutionState, seconds: float) -> ChildResult:
    """A run's state, as the result of having run it. Raises ``StateError`` if it has neither ended nor waits."""
    if state.status == RUNNING:
        raise StateError(f"the run {state.run_id} returned while it was running")
    waiting = state.steps[-1].emitted if state.status == SUSPENDED else None
    return ChildResult(
        status=state.status, seconds=seconds, failure=state.failure, event=waiting, outputs=state.outputs
    )
