"""``tako/fan-out@v1``: emits an event; the root runs whoever subscribed to it.

The step does not run children itself, in a child as in the root: it returns the event, the runner writes it down, and
the root plans from there (see the design: a run that waits is not a process).
"""

from __future__ import annotations

from tako.execution.artifacts import found_artifact
from tako.fanout.event import event_of_step
from tako.records import replace
from tako.steps.base import StepResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.steps.base import StepContext


class FanOutStep:
    """Returns the event that the step's ``with`` describes, with the artifact that it is about if the file is there."""

    def run(self, context: StepContext) -> StepResult:
        event = event_of_step(context)
        found = found_artifact(event.artifact, context)
        made = () if found is None else (found,)
        event = replace(event, artifacts=(*made, *event.artifacts))
        return StepResult(outputs={"event_id": event.id}, event=event, artifacts=made)
