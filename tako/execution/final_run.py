"""Runs the ``finally`` steps of a run that has ended."""

from __future__ import annotations

from tako.execution.failure import INTERRUPTED, Failure
from tako.execution.final_steps import limited, with_final
from tako.execution.step_run import StepRunner
from tako.records import replace
from tako.signals import exit_status
from tako.steps.base import RunInterruptedError, StoppableClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.config.model import StepSpec
    from tako.execution.final_steps import Ending
    from tako.execution.runner import RunObserver
    from tako.execution.state import ExecutionState
    from tako.steps.base import Capabilities, Step


def run_finals(
    capabilities: Capabilities,
    state: ExecutionState,
    ending: Ending,
    *,
    step_kind: Callable[[StepSpec], Step],
    observer: RunObserver,
    save: Callable[[ExecutionState], object],
) -> ExecutionState:
    """Run every ``finally`` step, one after another, and return the state with what they came to.

    Who asked for the end of the run does not ask for that of these steps: they have a time of their own. Who insists
    does, and they are not begun, or ended at once, when whoever the run is for is gone. ``save`` makes a state durable.
    """
    stops = replace(capabilities.stops, ask=(), wishes=())
    clock = StoppableClock(stops, capabilities.clock)
    own = replace(capabilities, stops=stops, clock=clock)
    steps = StepRunner(own, step_kind=step_kind, observer=observer)
    state = replace(state, ending=ending.status)
    save(state)
    for spec in capabilities.request.workflow.finals:
        if clock.is_stopped():
            break
        try:
            record = steps.run(limited(spec, hurried=ending.is_hurried), state, ends_at=None, ending=ending)
        except RunInterruptedError as error:
            how = f"; {error.how}" if error.how else ""
            message = f"stopped before the finally step had ended{how}"
            code = exit_status(error.signal)
            stopped = Failure(INTERRUPTED, message, step=spec.id, exit_code=code, signal=error.signal)
            return replace(state, failure=state.failure or stopped)
        failure = with_final(state.failure, record.id, record.failure)
        state = replace(state, finals=(*state.finals, replace(record, final=True)), failure=failure)
        save(state)
        observer.step_ended(record)
    return state
