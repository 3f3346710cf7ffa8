"""Runs the steps of one workflow, one after another, and keeps the state on the disk ahead of the world."""

from __future__ import annotations

import os

from tako.errors import MachineError, StepError, TakoError
from tako.execution.answer import read_answer
from tako.execution.artifacts import collect_artifact, declared_paths, produced_name
from tako.execution.confidential import keep_out, keep_outputs_public, masked, refuse_artifact
from tako.execution.failure import (
    INTERRUPTED,
    STEP_ERROR,
    Failure,
)
from tako.execution.outputs import collect, parse_output_file
from tako.execution.state import (
    FAILED,
    RUNNING,
    SKIPPED,
    SUCCESS,
    SUSPENDED,
    Announced,
    ExecutionState,
    StepRecord,
    begin_state,
    write_state,
)
from tako.expressions import templates
from tako.identity import identity_of
from tako.records import record, replace
from tako.steps.base import RunInterruptedError, StepContext, workflow_overtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from tako.config.model import StepSpec
    from tako.execution.event import ArtifactRef, Event
    from tako.steps.base import Capabilities, Step, StepResult

    class RunObserver(Protocol):
        """Hears what a run does, after it is on the disk."""

        def step_started(self, spec: StepSpec) -> None: ...

        def step_ended(self, step: StepRecord) -> None: ...

        def event(self, event: Event) -> None: ...


@record
class Produced:
    """What was taken from a successful step."""

    outputs: Mapping[str, str] = {}
    artifacts: tuple[ArtifactRef, ...] = ()
    announced: tuple[Announced, ...] = ()


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
        self._observer = observer
        self._clock = capabilities.clock
        self._request = capabilities.request
        self._specs = capabilities.request.workflow.steps
        self._told: set[str] = set()
        """The events that were told."""

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
        began = self._clock.monotonic() - state.seconds
        me = identity_of(os.getpid())
        state = replace(
            state, status=RUNNING, failure=None, pid=os.getpid(), pid_started=me.started if me is not None else None
        )
        begin_state(self._capabilities.workspace, state)
        if self._capabilities.secrets:
            # Of a try that was killed.
            self._capabilities.workspace.forget_outputs()
        if start is None and state.steps and state.steps[-1].status == SUSPENDED:
            state = self._settle(state)
        self._announce_again(state)
        remaining = self._specs[len(state.steps) if start is None else start :]
        try:
            for spec in remaining:
                if state.failure is not None:
                    break
                left = self._time_left(began)
                if left is not None and left <= 0:
                    state = replace(state, failure=replace(workflow_overtime(self._request), step=spec.id))
                    break
                last = spec is remaining[-1]
                state = self._step(state, spec, left)
                if state.status == SUSPENDED or (state.failure is None and not last):
                    self._checkpoint(state, began)
                if state.status == SUSPENDED:
                    return replace(state, seconds=self._clock.monotonic() - began)
        except RunInterruptedError:
            interrupted = Failure(kind=INTERRUPTED, message="stopped before the step had ended", step=spec.id)
            state = replace(state, failure=interrupted)
        state = replace(state, status=FAILED if state.failure else SUCCESS)
        self._checkpoint(state, began)
        return replace(state, seconds=self._clock.monotonic() - began)

    def _announce_again(self, state: ExecutionState) -> None:
        """Tell of events that a try before this one recorded, and may not have come to tell: the root knows doubles."""
        if self._capabilities.attempt > 1:
            for step in state.steps:
                if step.emitted is not None and not step.emitted.waiting and step.status == SUCCESS:
                    self._tell(step.emitted)

    def _time_left(self, began: float) -> float | None:
        limit = self._request.workflow.timeout
        return None if limit is None else began + limit - self._clock.monotonic()

    def _checkpoint(self, state: ExecutionState, began: float) -> None:
        """Make the state durable, then let the world know of its last step."""
        self._save(replace(state, seconds=self._clock.monotonic() - began))
        step = state.steps[-1] if state.steps else None
        if step is None or (state.failure and state.failure.step != step.id):
            # Nothing has ended since the last checkpoint: the run was stopped within a step, or before one.
            return
        self._observer.step_ended(step)
        if step.emitted is not None and step.status in (SUCCESS, SUSPENDED) and not _settled(step):
            self._tell(step.emitted)

    def _tell(self, event: Event) -> None:
        """Tell of an event, once: the last step of a run that only goes on to tell is recorded and told already."""
        if event.id not in self._told:
            self._told.add(event.id)
            self._observer.event(event)

    def _save(self, state: ExecutionState) -> None:
        write_state(self._capabilities.workspace.state, state)

    def _settle(self, state: ExecutionState) -> ExecutionState:
        """Close the fan-out step that the run was waiting for."""
        step = state.steps[-1]
        if step.emitted is None:
            raise AssertionError("a suspended step has emitted an event")
        answer = read_answer(self._capabilities.workspace, step.id, step.emitted.id)
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
            self._observer.step_ended(closed)
        return state

    def _step(self, state: ExecutionState, spec: StepSpec, time_left: float | None) -> ExecutionState:
        started_at, began = self._clock.now(), self._clock.monotonic()
        context = StepContext(self._capabilities, spec, state, time_left=time_left)
        result: StepResult | None = None
        produced = Produced()
        status, failure = SUCCESS, None
        try:
            if not self._wanted(context):
                status = SKIPPED
            else:
                self._observer.step_started(spec)
                result = self._step_kind(spec).run(context)
                failure = result.failure
                if failure is None:
                    keep_out(context, result.event, "the event that it emits")
                    produced = take(context, result)
        except MachineError:
            raise
        except TakoError as error:
            failure = Failure(kind=STEP_ERROR, message=str(error))
        finally:
            if self._capabilities.secrets:
                self._capabilities.workspace.forget_outputs()
        if failure is not None:
            status, failure = FAILED, replace(masked(failure, self._capabilities.secrets), step=spec.id)
        event = result.event if result is not None and failure is None else None
        if event is not None and event.waiting:
            status = SUSPENDED
        step = StepRecord(
            id=spec.id,
            status=status,
            started_at=started_at,
            seconds=self._clock.monotonic() - began,
            outputs=produced.outputs,
            failure=failure,
            artifacts=produced.artifacts,
            announced=produced.announced,
            emitted=event,
        )
        state = replace(state.with_step(step), failure=failure)
        return replace(state, status=SUSPENDED) if status == SUSPENDED else state

    def _wanted(self, context: StepContext) -> bool:
        if context.spec.condition is None:
            return True
        from tako.expressions import cel

        return cel.evaluate(context.spec.condition, context.scope(), where=context.where)


def take(context: StepContext, result: StepResult) -> Produced:
    """What a successful step leaves behind: outputs, artifact, announced events.

    Raises ``StepError`` or ``ExpressionError`` if something promised is not there.
    """
    produces = context.spec.produces
    written = {**result.outputs, **_written(context)}
    keep_outputs_public(context, written)
    if produces is None:
        return Produced(outputs=written)
    request, where = context.request, context.where
    outputs = collect(
        produces.outputs,
        written=written,
        stdout=result.stdout,
        stderr=result.stderr,
        exported=result.exported,
        directory=context.directory,
        render=lambda text, so_far: _render_output(context, text, so_far),
        where=where,
    )
    keep_outputs_public(context, outputs)
    artifacts: tuple[ArtifactRef, ...] = ()
    patterns = declared_paths(produces, request.artifacts)
    if patterns:
        refuse_artifact(context, produced_name(produces), patterns)
        made = collect_artifact(
            produced_name(produces),
            patterns,
            repo=request.repo,
            repo_dir=context.capabilities.repo_dir,
            store=context.capabilities.workspace.artifacts,
            where=where,
        )
        artifacts = (made,)
    announced = tuple(
        Announced(
            **templates.render_value(
                {"type": event.type, "schema_version": event.schema_version, "payload": dict(event.payload)},
                context.scope(outputs=outputs),
                where=where,
            ),
            artifact=produces.artifact,
        )
        for event in produces.events
    )
    keep_out(context, announced, "an event that it announces")
    return Produced(outputs=outputs, artifacts=artifacts, announced=announced)


def _render_output(context: StepContext, text: str, so_far: Mapping[str, str]) -> str:
    # Before, since what is wrong with a template is told with the values in it.
    keep_outputs_public(context, so_far)
    return templates.render(text, context.scope(outputs=dict(so_far)), where=context.where)


def _written(context: StepContext) -> dict[str, str]:
    """What the step wrote to ``$TAKO_OUTPUT``."""
    try:
        with open(context.output_path, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StepError(f"$TAKO_OUTPUT cannot be read: {error.strerror}", where=context.output_path) from error
    try:
        return parse_output_file(text, where=context.where)
    except StepError:
        # Its message has a part of what was written.
        keep_out(context, text, "what it wrote to $TAKO_OUTPUT")
        raise


def _settled(step: StepRecord) -> bool:
    """Whether the step is a fan-out whose answer has come."""
    return step.emitted is not None and step.emitted.waiting and step.status != SUSPENDED
