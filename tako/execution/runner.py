"""Runs the steps of one workflow, one after another, and keeps the state on the disk ahead of the world."""

from __future__ import annotations

import os

from tako.execution.answer import read_answer
from tako.execution.failure import INTERRUPTED, WORKFLOW_TIMEOUT, Failure, concise
from tako.execution.service import with_services
from tako.execution.state import (
    FAILED,
    RUNNING,
    SUCCESS,
    SUSPENDED,
    ExecutionState,
    StepRecord,
    begin_state,
    write_state,
)
from tako.execution.step_run import StepRunner
from tako.identity import identity_of
from tako.records import replace
from tako.signals import exit_status
from tako.steps.base import RunInterruptedError, workflow_overtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from tako.config.model import StepSpec
    from tako.execution.event import Event
    from tako.execution.final_steps import Ending
    from tako.execution.service import ServiceEnd
    from tako.execution.step_run import StepObserver
    from tako.steps.base import Capabilities, Step

    class RunObserver(StepObserver, Protocol):
        """Hears what a run does, after it is on the disk."""

        def step_ended(self, step: StepRecord) -> None: ...

        def service_ended(self, end: ServiceEnd) -> None:
            """What a step had left running was stopped with the run, or has failed before."""

        def event(self, event: Event) -> None: ...


_ENDS_THE_RUN = (INTERRUPTED, WORKFLOW_TIMEOUT)
"""What is not the step's own failure, so that no step can let the run go on behind it."""


class Runner:
    """Runs one workflow in one workspace.

    ``run`` returns when the workflow has ended, or when it waits for a fan-out: the state is then ``suspended``, and
    calling ``run`` with that state again, after the root has written its answer, goes on at the next step.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        *,
        step_kind: Callable[[StepSpec], Step],
        observer: RunObserver,
    ) -> None:
        self._capabilities = capabilities
        self._step_kind = step_kind
        self._steps = StepRunner(capabilities, step_kind=step_kind, observer=observer)
        self._observer = observer
        self._clock = capabilities.clock
        self._request = capabilities.request
        self._specs = capabilities.request.workflow.steps
        self._began = 0.0
        self._asked_again = False
        """Whether somebody asked for these steps to be run, though they had been."""
        self._told_steps: set[tuple[str, str]] = set()
        """The steps whose end was told, with how they ended."""
        self._told_events: set[str] = set()

    def begin(self) -> ExecutionState:
        """The state of a run that has not begun."""
        request = self._request
        return ExecutionState(
            run_id=request.run_id,
            repo=request.repo,
            workflow=request.workflow.name,
            status=RUNNING,
            started_at=self._clock.now(),
        )

    def run(self, state: ExecutionState, *, start: int | None = None) -> ExecutionState:
        """Go on from a state until the workflow has ended or waits.

        ``start`` is the index of the first step to run; by default the one after the last recorded. Raises
        ``MachineError`` if the state cannot be written, ``StateError`` if a fan-out's answer cannot be read.
        """
        self._began = self._clock.monotonic() - state.seconds
        me = identity_of(os.getpid())
        state = replace(
            state,
            status=RUNNING,
            failure=None,
            pid=os.getpid(),
            pid_started=me.started if me is not None else None,
            services=(),
            finals=(),
            ending="",
        )
        begin_state(self._capabilities.workspace, state)
        if self._capabilities.secrets and self._capabilities.attempt > 1:
            # Of a try that was killed.
            self._capabilities.workspace.forget_outputs()
        if start is None and state.steps and state.steps[-1].status == SUSPENDED:
            state = self._settle(state)
        self._announce_again(state)
        self._asked_again = start is not None or state.generation > 1
        remaining = self._specs[len(state.steps) if start is None else start :]
        if remaining and state.failure is None:
            state = self._revive(state)
        try:
            for spec in remaining:
                if state.failure is not None:
                    break
                if self._is_overtime():
                    state = replace(state, failure=replace(workflow_overtime(self._request), step=spec.id))
                    break
                last = spec is remaining[-1]
                state = self._step(state, spec)
                if state.status == SUSPENDED or (state.failure is None and not last):
                    self._checkpoint(state)
                if state.status == SUSPENDED:
                    return replace(state, seconds=self._seconds())
        except RunInterruptedError as error:
            state = replace(state, failure=_interrupted(spec, error))
        state = self._run_finals(state, RUNNING)
        state = self._end_services(state)
        state = replace(state, failure=with_services(state.failure, state.services))
        state = replace(state, status=FAILED if state.failure else SUCCESS, warnings=self._warnings(state))
        self._checkpoint(state)
        self._tell_services(state)
        return replace(state, seconds=self._seconds())

    def end(self, state: ExecutionState, ending: Ending) -> ExecutionState:
        """Run what is to run at the end of a run on which nobody is at work, and that will not go on.

        What is recorded of it stays as it was, so that it can be resumed. The state that is returned has failed.
        """
        self._began = self._clock.monotonic() - state.seconds
        recorded = replace(state, services=(), finals=(), ending="", failure=None)
        begin_state(self._capabilities.workspace, recorded)
        ended = self._run_finals(replace(recorded, failure=ending.failure), state.status, ending)
        ended = self._end_services(ended)
        self._save(replace(ended, status=state.status, failure=None))
        self._tell_services(ended)
        return replace(ended, status=FAILED, seconds=self._seconds())

    def _run_finals(self, state: ExecutionState, status: str, ending: Ending | None = None) -> ExecutionState:
        """Run the ``finally`` steps; ``status`` is what is recorded of the run meanwhile."""
        if not self._request.workflow.finals:
            return state
        from tako.execution.final_run import run_finals
        from tako.execution.final_steps import ending_of

        if ending is None:
            self._save(replace(state, status=RUNNING, failure=None))
            self._tell_last(state)
            ending = ending_of(state.failure, self._capabilities.stops.by)
        return run_finals(
            self._capabilities,
            state,
            ending,
            step_kind=self._step_kind,
            observer=self._observer,
            save=lambda so_far: self._save(replace(so_far, status=status, failure=None)),
        )

    def _tell_services(self, state: ExecutionState) -> None:
        for end in state.services:
            if end.is_news:
                self._observer.service_ended(end)

    def _warnings(self, state: ExecutionState) -> tuple[str, ...]:
        """Return what a reader should know of a run that has ended; nothing beside a failure."""
        if not self._specs and not self._request.workflow.finals:
            return ("its workflow has no steps, so nothing was done",)
        if state.failure or all(not step.announced for step in state.steps):
            return ()
        from tako.execution.announced import unemitted

        return unemitted(state, self._specs)

    def _revive(self, state: ExecutionState) -> ExecutionState:
        """Have at work again what earlier steps left running, if it is gone; the others need it."""
        if all(step.service is None for step in state.steps):
            return state
        from tako.execution.revive import revive

        def again(spec: StepSpec, so_far: ExecutionState) -> StepRecord:
            return self._steps.run(spec, so_far, ends_at=self._ends_at())

        try:
            revived = revive(state, self._specs, self._capabilities.workspace, again)
        except RunInterruptedError as error:
            return replace(state, failure=_interrupted(self._specs[len(state.steps) - 1], error))
        if revived is not state:
            self._save(replace(revived, failure=None))
        return revived

    def _end_services(self, state: ExecutionState) -> ExecutionState:
        """End what steps have left running; what was recorded so far is on the disk first, since that takes time."""
        if all(step.service is None for step in state.steps):
            return state
        from tako.execution.services import end_services

        self._save(replace(state, status=RUNNING, failure=None))
        own = self._capabilities
        ends = end_services(own.processes, own.workspace, state.steps, clock=self._clock, stops=own.stops)
        if own.secrets:
            # They may have written some until now.
            own.workspace.forget_outputs()
        return replace(state, services=ends)

    def _announce_again(self, state: ExecutionState) -> None:
        """Tell of events that a try before this one recorded, and may not have come to tell: the root knows doubles."""
        if self._capabilities.attempt > 1:
            for step in state.steps:
                if not step.waits and step.status == SUCCESS:
                    self._tell(step.emitted)

    def _seconds(self) -> float:
        return self._clock.monotonic() - self._began

    def _ends_at(self) -> float | None:
        limit = self._request.workflow.timeout
        return None if limit is None else self._began + limit

    def _is_overtime(self) -> bool:
        ends_at = self._ends_at()
        return ends_at is not None and self._clock.monotonic() >= ends_at

    def _checkpoint(self, state: ExecutionState) -> None:
        """Make the state durable, then let the world know of its last step."""
        self._save(state)
        self._tell_last(state)

    def _tell_last(self, state: ExecutionState) -> None:
        step = state.steps[-1] if state.steps else None
        if step is None or (state.failure and state.failure.step != step.id):
            # Nothing has ended since the last checkpoint: the run was stopped within a step, or before one.
            return
        self._tell_ended(step)
        if step.status in (SUCCESS, SUSPENDED) and not _settled(step):
            self._tell(step.emitted)

    def _tell_ended(self, step: StepRecord) -> None:
        """Tell that a step has ended, and what ran since it failed; each once."""
        for each in (step, *step.handlers):
            if (each.id, each.status) not in self._told_steps:
                self._told_steps.add((each.id, each.status))
                self._observer.step_ended(each)

    def _tell(self, events: Iterable[Event]) -> None:
        """Tell of events, once: the last step of a run that only goes on to tell is recorded and told already."""
        for event in events:
            if event.id not in self._told_events:
                self._told_events.add(event.id)
                self._observer.event(event)

    def _save(self, state: ExecutionState) -> None:
        write_state(self._capabilities.workspace.state, replace(state, seconds=self._seconds()))

    def _settle(self, state: ExecutionState) -> ExecutionState:
        """Close the fan-out step that the run was waiting for."""
        step = state.steps[-1]
        if not step.emitted:
            raise AssertionError("a suspended step has emitted an event")
        answer = read_answer(self._capabilities.workspace, step.id, step.emitted[0].id)
        failure = replace(answer.failure, step=step.id) if answer.failure else None
        closed = replace(
            step,
            seconds=max(step.seconds, self._clock.now() - step.started_at),
            status=FAILED if failure else SUCCESS,
            outputs={**step.outputs, **answer.outputs()},
            failure=failure,
        )
        state = replace(state.with_step(closed), failure=failure)
        if failure is None and len(state.steps) < len(self._specs):
            self._save(state)
            self._tell_ended(closed)
        spec = next(spec for spec in self._specs if spec.id == step.id)
        return self._after_failure(state, spec)

    def _step(self, state: ExecutionState, spec: StepSpec) -> ExecutionState:
        step = self._steps.run(spec, state, ends_at=self._ends_at(), asked_again=self._asked_again)
        state = replace(state.with_step(step), failure=step.failure)
        if step.status == SUSPENDED:
            return replace(state, status=SUSPENDED)
        return self._after_failure(state, spec)

    def _after_failure(self, state: ExecutionState, spec: StepSpec) -> ExecutionState:
        """If the last step has failed: run what is to run then, and let the run go on if it may."""
        step = state.steps[-1]
        if step.failure is None:
            return state
        if spec.on_failure:
            state = self._handle(state, spec, step.failure)
        if not spec.continue_on_error or (state.failure and state.failure.kind in _ENDS_THE_RUN):
            return state
        # Only now, since a step that is done is not run again, and neither is then what was to run after it.
        return replace(state.with_step(replace(state.steps[-1], tolerated=True)), failure=None)

    def _handle(self, state: ExecutionState, spec: StepSpec, failure: Failure) -> ExecutionState:
        """Run the ``on_failure`` of the last step, every one of them, unless a stop is asked for meanwhile."""
        self._record(state)
        for handler in spec.on_failure:
            try:
                record = self._steps.run(handler, state, ends_at=self._ends_at(), error=failure)
            except RunInterruptedError as error:
                return replace(state, failure=_interrupted(spec, error))
            step = state.steps[-1]
            step = replace(step, handlers=(*step.handlers, record), failure=_with_handler(step.failure, record))
            state = replace(state.with_step(step), failure=step.failure)
            self._record(state)
        return state

    def _record(self, state: ExecutionState) -> None:
        """Make durable that the last step has failed though the run is at work, then let the world know."""
        self._save(replace(state, failure=None))
        self._tell_ended(state.steps[-1])


def _interrupted(spec: StepSpec, error: RunInterruptedError) -> Failure:
    how = f"; {error.how}" if error.how else ""
    message = f"stopped before the step had ended{how}"
    return Failure(
        kind=INTERRUPTED, message=message, step=spec.id, exit_code=exit_status(error.signal), signal=error.signal
    )


def _with_handler(failure: Failure | None, handler: StepRecord) -> Failure | None:
    """What a step failed by, with what was to run then if that failed as well: so it is told wherever that is."""
    if failure is None or handler.failure is None:
        return failure
    more = f"its on_failure step {handler.id!r} failed as well: {handler.failure.headline}"
    return concise(replace(failure, message=f"{failure.message}\n{more}"))


def _settled(step: StepRecord) -> bool:
    """Whether the step is a fan-out whose answer has come."""
    return step.waits and step.status != SUSPENDED
