"""Where the things are that a run recorded before its Tako home was moved. Pure.

Artifacts lie in the workspaces of the tree that made them, and the directory of a tree's root is named after its id: so
what comes after that name is where they are in the tree's present place. What lies elsewhere is left as it is.
"""

from __future__ import annotations

from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.event import ArtifactRef, Event
    from tako.execution.request import RunRequest
    from tako.execution.state import ExecutionState
    from tako.execution.workspace import Workspace


class Place:
    """The present place of a tree."""

    def __init__(self, workspace: Workspace, root_id: str) -> None:
        """``workspace`` is that of any run of the tree."""
        self._name = f"/{root_id}/"
        before, name, _ = f"{workspace.path}/".partition(self._name)
        self._root = before + name

    def path(self, recorded: str) -> str:
        """A recorded path as it is now."""
        before, name, rest = recorded.partition(self._name)
        return recorded if not name or before + name == self._root else self._root + rest

    def artifacts(self, recorded: tuple[ArtifactRef, ...]) -> tuple[ArtifactRef, ...]:
        """Recorded artifacts where they are now."""
        if all(self.path(each.path) == each.path for each in recorded):
            return recorded
        return tuple(replace(each, path=self.path(each.path)) for each in recorded)

    def event(self, recorded: Event) -> Event:
        """An event with its artifacts where they are now."""
        artifacts = self.artifacts(recorded.artifacts)
        return recorded if artifacts is recorded.artifacts else replace(recorded, artifacts=artifacts)

    def request(self, recorded: RunRequest) -> RunRequest:
        """A request with its events' artifacts where they are now."""
        event = recorded.event and self.event(recorded.event)
        heard = tuple(map(self.event, recorded.heard))
        if event is recorded.event and all(new is old for new, old in zip(heard, recorded.heard, strict=True)):
            return recorded
        return replace(recorded, event=event, heard=heard)

    def state(self, recorded: ExecutionState) -> ExecutionState:
        """A state with what its steps made and emitted where that is now."""
        if self.artifacts(recorded.artifacts) is recorded.artifacts and all(
            self.event(event) is event for step in recorded.steps for event in step.emitted
        ):
            return recorded
        steps = tuple(
            replace(step, artifacts=self.artifacts(step.artifacts), emitted=tuple(map(self.event, step.emitted)))
            for step in recorded.steps
        )
        return replace(recorded, steps=steps)
