"""From where a run goes on that did not come to its end: which of its recorded steps stand. Pure."""

from __future__ import annotations

from tako.execution.failure import FAN_OUT_FAILED, FAN_OUT_TIMEOUT
from tako.execution.state import FAILED, SUSPENDED
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tako.execution.state import ExecutionState, StepRecord

_OF_THE_FAN_OUT = (FAN_OUT_FAILED, FAN_OUT_TIMEOUT)


def go_on(recorded: ExecutionState, answered: Callable[[str], bool]) -> ExecutionState:
    """The state to go on from: with the steps that had ended, and a fan-out whose answer is there.

    ``answered`` tells whether the answer for a step is there. A fan-out that had failed because of the runs it
    triggered is waited for once more: when they have been run again, their new answer decides.
    """
    kept: list[StepRecord] = []
    for step in recorded.steps:
        if step.is_done:
            kept.append(step)
            continue
        if awaited(step) and answered(step.id):
            kept.append(replace(step, status=SUSPENDED, failure=None, handlers=()))
        break
    return replace(recorded, steps=tuple(kept), failure=None)


def awaited_events(recorded: ExecutionState) -> tuple[str, ...]:
    """The ids of the events that a run waits for, or for which it would wait again; none if it is at another step."""
    last = recorded.steps[-1] if recorded.steps else None
    if last is None or not awaited(last):
        return ()
    return tuple(event.id for event in last.emitted)


def awaited(step: StepRecord) -> bool:
    """Whether a step is a fan-out that waits, or that failed only because of what it triggered."""
    if not step.waits:
        return False
    failure = step.failure
    return step.status == SUSPENDED or (
        step.status == FAILED and failure is not None and failure.kind in _OF_THE_FAN_OUT
    )


def standing(recorded: ExecutionState, step_ids: Sequence[str]) -> ExecutionState:
    """The state with the steps that still count in a workflow which has these steps now.

    Steps that were removed are forgotten. The others count up to the first that is new, or at another place: a workflow
    continues at a place, and no step that did not run may be before it.
    """
    there = [step for step in recorded.steps if step.id in step_ids]
    same = [step.id == step_id for step, step_id in zip(there, step_ids, strict=False)]
    steps = tuple(there[: same.index(False)] if False in same else there)
    if steps == recorded.steps:
        return recorded
    return replace(recorded, steps=steps, generation=recorded.generation + 1)


def before(recorded: ExecutionState, step_id: str) -> ExecutionState:
    """The state as it was before a step, with that one and all behind it to be run again."""
    ids = [step.id for step in recorded.steps]
    kept = recorded.steps[: ids.index(step_id)] if step_id in ids else recorded.steps
    done = tuple(step for step in kept if step.is_done)
    return replace(recorded, steps=done, failure=None, generation=recorded.generation + 1)
