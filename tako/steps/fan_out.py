"""``tako/fan-out@v1``: emits events; the root runs whoever subscribed to them.

The step does not run children itself, in a child as in the root: it returns the events, the runner writes them down,
and the root plans from there (see the design: a run that waits is not a process).
"""

from __future__ import annotations

from tako.execution.artifact_files import notes
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
        names = dict.fromkeys(event.artifact for event in events)
        found = {name: each for name in names if (each := found_artifact(name, context)) is not None}
        made = tuple(artifact for artifact, _ in found.values())
        return StepResult(
            outputs={"event_id": events[0].id},
            events=tuple(replace(event, artifacts=(*made, *event.artifacts)) for event in events),
            artifacts=made,
            notes=tuple(note for name, (_, chosen) in found.items() for note in notes(name, chosen)),
        )
