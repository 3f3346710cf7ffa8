"""Runs that are held until nothing in the tree can still trigger them, to run once with all events (``coalesce``)."""

from __future__ import annotations

from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from tako.execution.request import RunRequest
    from tako.fanout.plan import PlannedRun
    from tako.fanout.reach import Reach
    from tako.fanout.speakers import Speaker


@record
class Joined:
    """The last run of a tree that takes all events for one workflow."""

    planned: PlannedRun
    is_held: bool
    """Whether it has not started, so that one more event can join it."""


def heard_without(planned: PlannedRun, emitters: Container[str]) -> PlannedRun:
    """A run that takes all events, without those that some runs emitted."""
    heard = tuple(event for event in planned.request.heard if event.run_id not in emitters)
    return replace(planned, request=replace(planned.request, heard=heard))


class HeldRuns:
    """The held runs of one tree, by the workflow that they are to run."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], PlannedRun] = {}
        self._last: dict[tuple[str, str], PlannedRun] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, planned: PlannedRun) -> None:
        """A run that is held, for the first time or with one more event."""
        self._held[_endpoint(planned.request)] = planned
        self.remember(planned)

    def remember(self, planned: PlannedRun) -> None:
        """A run that was held before the tree was resumed: one that follows it hears its events, too."""
        self._last[_endpoint(planned.request)] = planned

    def last(self, repo: str, workflow: str) -> Joined | None:
        """The run that is held for a workflow, or was the last one that was."""
        planned = self._last.get((repo, workflow))
        return None if planned is None else Joined(planned, (repo, workflow) in self._held)

    def forget(self, run_id: str) -> None:
        """A run has ended, or is held no more."""
        self._held = {key: each for key, each in self._held.items() if each.request.run_id != run_id}

    def release(
        self, reach: Reach, speakers: Iterable[Speaker], waits_for: Callable[[str, str], bool]
    ) -> list[PlannedRun]:
        """The runs that nothing can trigger any more; they are held no longer.

        ``waits_for`` tells whether a run cannot go on before another has ended: what it may emit after that does not
        count, or both would wait for ever.
        """
        speaking = tuple(speakers)
        free = [
            planned
            for planned in self._held.values()
            if not any(_can_trigger(each, planned.request, reach, waits_for) for each in speaking)
        ]
        for planned in free:
            self.forget(planned.request.run_id)
        return free

    def release_first(self) -> list[PlannedRun]:
        """The run that was held first: for when nothing else can go on, since held runs could trigger each other.

        One that lacks an event goes last: another one may emit it.
        """
        for planned in sorted(self._held.values(), key=lambda each: bool(each.lacks)):
            self.forget(planned.request.run_id)
            return [planned]
        return []


def _can_trigger(speaker: Speaker, request: RunRequest, reach: Reach, waits_for: Callable[[str, str], bool]) -> bool:
    return (
        speaker.run_id != request.run_id
        and _endpoint(request) in reach.of(speaker.repo, speaker.types)
        and not waits_for(speaker.run_id, request.run_id)
    )


def _endpoint(request: RunRequest) -> tuple[str, str]:
    return request.repo, request.workflow.name
