"""The events that a run has announced and not emitted."""

from __future__ import annotations

from tako.config.announcing import left_by, still_pending
from tako.config.model import FAN_OUT
from tako.execution.state import SKIPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.config.model import StepSpec
    from tako.execution.state import Announced, ExecutionState

MOST_WARNINGS = 20
"""How many events are warned of by name."""

_MOST_SHOWN = 100


def pending(state: ExecutionState) -> list[Announced]:
    """Return the events that steps of a run announced and none emitted, in the order of their announcement."""
    left: list[Announced] = []
    for step in state.steps:
        for event in step.emitted:
            left = still_pending(left, event.type, {event.artifact})
        left += step.announced
    return left


def unemitted(state: ExecutionState, specs: Sequence[StepSpec]) -> tuple[str, ...]:
    """Return a warning for each event that a run announced and did not emit, though no skipped fan-out would have."""
    fan_outs = {spec.id: spec.params for spec in specs if spec.uses == FAN_OUT}
    left: list[tuple[str, Announced]] = []
    for step in state.steps:
        kept = [each for _, each in left]
        if step.status == SKIPPED and step.id in fan_outs:
            kept = left_by(fan_outs[step.id], kept)
        for event in step.emitted:
            kept = still_pending(kept, event.type, {event.artifact})
        left = [one for one in left if any(one[1] is each for each in kept)]
        left += [(step.id, announced) for announced in step.announced]
    warnings = [_warning(step_id, announced) for step_id, announced in left[:MOST_WARNINGS]]
    more = len(left) - len(warnings)
    return (*warnings, *([f"{more} more announced events were not emitted"] if more else []))


def _warning(step_id: str, announced: Announced) -> str:
    about = "" if announced.artifact is None else f" about {announced.artifact[:_MOST_SHOWN]!r}"
    named = f"step {step_id[:_MOST_SHOWN]!r} announced the event {announced.type[:_MOST_SHOWN]!r}{about}"
    return f"{named}, and no later fan-out step emitted it"
