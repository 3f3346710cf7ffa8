"""``tako/fan-out@v1``: emits events; the root runs whoever subscribed to them.

The step does not run children itself, in a child as in the root: it returns the events, the runner writes them down,
and the root plans from there (see the design: a run that waits is not a process).
"""

from __future__ import annotations

from tako.execution.artifacts import found_artifact
from tako.fanout.event import events_of_step
from tako.records import replace
from tako.steps.base import StepResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.steps.base import StepContext


class FanOutStep:
    """Returns the events that the step's ``with`` describes, with the artifacts that they are about if these exist."""

    def run(self, context: StepContext) -> StepResult:
        events = events_of_step(context)
        found = [found_artifact(name, context) for name in dict.fromkeys(event.artifact for event in events)]
        made = tuple(artifact for artifact in found if artifact is not None)
        return StepResult(
            outputs={"event_id": events[0].id},
            events=tuple(replace(event, artifacts=(*made, *event.artifacts)) for event in events),
            artifacts=made,
        )
