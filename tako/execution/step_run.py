"""Runs one step: asks its condition, tries it as often as it may be, takes what it leaves behind.

What comes before and after it, and what is written down of it, is the ``Runner``'s.
"""

from __future__ import annotations

import contextlib
import os

from tako.errors import MachineError, TakoError
from tako.execution.confidential import masked
from tako.execution.failure import STEP_ERROR, Failure, concise
from tako.execution.produced import Produced, take
from tako.execution.retry import StepAttempt, wait_before_next
from tako.execution.state import FAILED, SKIPPED, SUCCESS, SUSPENDED, StepRecord
from tako.execution.step_environment import note_left_out, write_inputs
from tako.files import machine_errors
from tako.records import record, replace
from tako.steps.base import StepContext, TimeUpError, workflow_overtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tako.config.model import StepSpec, WorkflowSpec
    from tako.execution.event import Event
    from tako.execution.final_steps import Ending
    from tako.execution.service import Service
    from tako.execution.state import ExecutionState
    from tako.execution.step_caching import StepCaching
    from tako.steps.base import Capabilities, Step, StepResult

    class StepObserver(Protocol):
        """Hears what a step does while it does it."""

        def step_started(self, spec: StepSpec) -> None:
            """A try at it begins."""

        def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
            """A try at it failed; in ``delay`` seconds there is another."""


@record
class _Tried:
    """What one try came to."""

    failure: Failure | None = None
    produced: Produced = Produced()
    events: tuple[Event, ...] = ()
    service: Service | None = None
    skipped: bool = False
    """Whether the step is not to run, as its condition says."""
    result: str | None = None
    """What it printed on stdout, if that is kept."""

    @property
    def status(self) -> str:
        """What the step has come to if this was its last try."""
        if self.failure is not None:
            return FAILED
        if self.skipped:
            return SKIPPED
        return SUSPENDED if any(event.waiting for event in self.events) else SUCCESS

    def record(
        self, step_id: str, *, started_at: float, seconds: float, attempts: tuple[StepAttempt, ...]
    ) -> StepRecord:
        """What is kept of the step whose last try this was; ``attempts`` are those before."""
        return StepRecord(
            id=step_id,
            status=self.status,
            started_at=started_at,
            seconds=seconds,
            outputs=self.produced.outputs,
            failure=replace(self.failure, step=step_id) if self.failure is not None else None,
            artifacts=self.produced.artifacts,
            announced=self.produced.announced,
            emitted=self.events,
            attempts=attempts,
            service=self.service,
            tainted=self.produced.tainted,
            cached=self.produced.cached,
            result=self.result if self.result is not None else self.produced.result,
            notes=self.produced.notes,
        )


class StepRunner:
    """Runs single steps of one run."""

    def __init__(
        self, capabilities: Capabilities, *, step_kind: Callable[[StepSpec], Step], observer: StepObserver
    ) -> None:
        self._capabilities = capabilities
        self._step_kind = step_kind
        self._observer = observer
        self._clock = capabilities.clock
        self._read_results = _read_results(capabilities.request.workflow)

    def run(
        self,
        spec: StepSpec,
        state: ExecutionState,
        *,
        ends_at: float | None,
        error: Failure | None = None,
        asked_again: bool = False,
        ending: Ending | None = None,
    ) -> StepRecord:
        """Run a step of a run that came as far as ``state``, and return what it came to.

        ``ends_at`` is the moment on the clock's ``monotonic`` at which the workflow's time is up, ``error`` what the
        step that this one is the ``on_failure`` of failed by. ``asked_again`` says that somebody wants to see the step
        run, whatever is cached; ``ending`` is how the run has ended whose ``finally`` step it is. Raises
        ``MachineError`` if the machine refused something, ``RunInterruptedError`` when a stop was asked for.
        """
        started_at, began = self._clock.now(), self._clock.monotonic()
        attempts: tuple[StepAttempt, ...] = ()
        while True:
            number, tried_at = len(attempts) + 1, self._clock.monotonic()
            time_left = None if ends_at is None else ends_at - tried_at
            context = StepContext(
                self._capabilities,
                spec,
                state,
                time_left=time_left,
                step_attempt=number,
                error=error,
                keeps_result=spec.id in self._read_results,
                ending=ending,
            )
            if number == 1:
                self._forget_tries(context)
            tried = self._try(context, asked_again=asked_again)
            now = self._clock.monotonic()
            delay = wait_before_next(spec.retry, tried.failure, number=number) if tried.failure is not None else None
            if tried.failure is None or delay is None or (ends_at is not None and now + delay >= ends_at):
                return tried.record(spec.id, started_at=started_at, seconds=now - began, attempts=attempts)
            attempt = StepAttempt(number, replace(tried.failure, step=spec.id), now - tried_at)
            attempts = (*attempts, attempt)
            # Told first: who hears of it looks at both places for the log, whenever this process dies.
            self._observer.step_retrying(spec, attempt, delay)
            self._keep_log(context)
            self._clock.sleep(delay)

    def _try(self, context: StepContext, *, asked_again: bool) -> _Tried:
        secrets = self._capabilities.secrets
        try:
            tried = self._attempt(context, asked_again=asked_again)
        finally:
            if secrets:
                context.forget_outputs()
        if tried.failure is None:
            return tried
        # Masked first: half of a secret would not be found.
        return replace(tried, failure=concise(masked(tried.failure, secrets)))

    def _attempt(self, context: StepContext, *, asked_again: bool) -> _Tried:
        spec = context.spec
        try:
            if context.step_attempt == 1 and not self._is_to_run(context):
                return _Tried(skipped=True)
            if context.time_left is not None and context.time_left <= 0:
                return _Tried(workflow_overtime(context.request))
            # Whoever was asked may have taken his time.
            context.time.begin()
            self._observer.step_started(spec)
            _look_at_files(context)
            caching = self._caching(context, asked_again=asked_again)
            restored = caching.restore() if caching is not None else None
            if restored is not None:
                return _Tried(None, restored)
            with machine_errors("remove", context.output_path), contextlib.suppress(FileNotFoundError):
                os.unlink(context.output_path)
            write_inputs(context)
            result = self._step_kind(spec).run(context)
            if result.failure is not None:
                return _Tried(result.failure, result=_result_of_failed(context, result))
            produced = take(context, result)
            if caching is not None:
                caching.keep(produced)
            return _Tried(None, with_note(produced, context), result.events, result.service)
        except TimeUpError as error:
            return _Tried(error.failure)
        except MachineError:
            raise
        except TakoError as error:
            return _Tried(Failure(kind=STEP_ERROR, message=str(error)))

    def _caching(self, context: StepContext, *, asked_again: bool) -> StepCaching | None:
        if not context.spec.cache_key_files or context.request.no_cache:
            return None
        from tako.execution.step_caching import caching_of

        return caching_of(context, asked_again=asked_again)

    def _is_to_run(self, context: StepContext) -> bool:
        wanted, gate = _wanted(context), self._capabilities.gate
        return wanted if gate is None else gate.is_to_run(context, wanted=wanted)

    def _keep_log(self, context: StepContext) -> None:
        """Let the log of a try stay when the next one writes its own."""
        kept = self._capabilities.workspace.attempt_log(context.spec.id, context.step_attempt)
        with machine_errors("rename", context.log_path), contextlib.suppress(FileNotFoundError):
            os.replace(context.log_path, kept)

    def _forget_tries(self, context: StepContext) -> None:
        """Remove the logs of tries that an earlier process made at this step."""
        retry = context.spec.retry
        for number in range(1, retry.attempts if retry is not None else 1):
            path = self._capabilities.workspace.attempt_log(context.spec.id, number)
            if not os.path.lexists(path):
                break
            with machine_errors("remove", path):
                os.unlink(path)


def _look_at_files(context: StepContext) -> None:
    """See what lies in the repository before an attempt, where that is asked afterwards."""
    request = context.request
    if request.artifacts or any(spec.produces is not None for spec in request.workflow.every_step):
        from tako.execution.lay_there import remember

        remember(context)
    if context.spec.produces is not None:
        from tako.execution.output_files import look

        context.output_files = look(context)


def with_note(produced: Produced, context: StepContext) -> Produced:
    """What was taken from a step, with a word of the inputs that it did not get; said once, by a run's first step."""
    if not context.inputs_left_out or context.state.steps:
        return produced
    return replace(produced, notes=(*produced.notes, note_left_out(context.inputs_left_out)))


def _read_results(workflow: WorkflowSpec) -> frozenset[str]:
    """The ids of the steps whose result something in the workflow may read."""
    if "result" not in repr(workflow):
        return frozenset()
    from tako.execution.step_results import read_results

    return read_results(workflow)


def _result_of_failed(context: StepContext, result: StepResult) -> str | None:
    if not context.keeps_result:
        return None
    from tako.execution.step_results import result_of_failed

    return result_of_failed(context, result)


def _wanted(context: StepContext) -> bool:
    if context.spec.condition is None:
        return True
    from tako.expressions import cel

    return cel.evaluate(context.spec.condition, context.scope(), where=context.where)
