"""Runs the steps of one workflow, one after another, and keeps the state on the disk ahead of the world."""

from __future__ import annotations

import os

from tako.errors import MachineError, StepError, TakoError
from tako.execution.answer import read_answer
from tako.execution.artifacts import collect_artifact, declared_paths, produced_name
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
from tako.steps.base import RunInterruptedError, StepContext, StepResult, workflow_overtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from tako.config.model import StepSpec
    from tako.execution.event import ArtifactRef, Event
    from tako.execution.step_caching import StepCaching
    from tako.steps.base import Capabilities, Step

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
    cached: bool = False
    """Whether it comes from the step cache, and the step was not run."""


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
        self._asked_again = False
        """Whether somebody asked for these steps to be run, though they had been."""

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
        if start is None and state.steps and state.steps[-1].status == SUSPENDED:
            state = self._settle(state)
        self._announce_again(state)
        self._asked_again = start is not None or state.generation > 1
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
                result, produced = self._carry_out(context)
                failure = result.failure
        except MachineError:
            raise
        except TakoError as error:
            failure = Failure(kind=STEP_ERROR, message=str(error))
        if failure is not None:
            status, failure = FAILED, replace(failure, step=spec.id)
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
            cached=produced.cached,
        )
        state = replace(state.with_step(step), failure=failure)
        return replace(state, status=SUSPENDED) if status == SUSPENDED else state

    def _carry_out(self, context: StepContext) -> tuple[StepResult, Produced]:
        """Run a step, or take what the step cache knows of it."""
        caching = self._caching(context)
        restored = caching.restore() if caching is not None else None
        if restored is not None:
            announced = _announced(context, restored.outputs)
            return StepResult(), Produced(restored.outputs, restored.artifacts, announced, cached=True)
        result = self._step_kind(context.spec).run(context)
        if result.failure is not None:
            return result, Produced()
        produced = take(context, result)
        if caching is not None:
            caching.keep(produced.outputs)
        return result, produced

    def _caching(self, context: StepContext) -> StepCaching | None:
        if not context.spec.cache_key_files or self._request.no_cache:
            return None
        from tako.execution.step_caching import caching_of

        return caching_of(context, asked_again=self._asked_again)

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
    if produces is None:
        return Produced(outputs=written, artifacts=result.artifacts)
    request, where = context.request, context.where
    outputs = collect(
        produces.outputs,
        written=written,
        stdout=result.stdout,
        stderr=result.stderr,
        exported=result.exported,
        directory=context.directory,
        render=lambda text, so_far: templates.render(text, context.scope(outputs=dict(so_far)), where=where),
        where=where,
    )
    artifacts: tuple[ArtifactRef, ...] = ()
    patterns = declared_paths(produces, request.artifacts)
    if patterns:
        made = collect_artifact(
            produced_name(produces),
            patterns,
            repo=request.repo,
            repo_dir=context.capabilities.repo_dir,
            store=context.capabilities.workspace.artifacts,
            where=where,
        )
        artifacts = (made,)
    artifacts += result.artifacts
    return Produced(outputs=outputs, artifacts=artifacts, announced=_announced(context, outputs))


def _announced(context: StepContext, outputs: Mapping[str, str]) -> tuple[Announced, ...]:
    """The events that a step with these outputs announces. Raises ``ExpressionError``."""
    produces = context.spec.produces
    return tuple(
        Announced(
            **templates.render_value(
                {"type": event.type, "schema_version": event.schema_version, "payload": dict(event.payload)},
                context.scope(outputs=outputs),
                where=context.where,
            ),
            artifact=produces.artifact if produces else None,
        )
        for event in (produces.events if produces else ())
    )


def _written(context: StepContext) -> dict[str, str]:
    """What the step wrote to ``$TAKO_OUTPUT``."""
    try:
        with open(context.output_path, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StepError(f"$TAKO_OUTPUT cannot be read: {error.strerror}", where=context.output_path) from error
    return parse_output_file(text, where=context.where)


def _settled(step: StepRecord) -> bool:
    """Whether the step is a fan-out whose answer has come."""
    return step.emitted is not None and step.emitted.waiting and step.status != SUSPENDED
