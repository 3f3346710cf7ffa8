"""Runs that are held until nothing in the tree can still trigger them, to run once with all events (``coalesce``)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tako.execution.request import RunRequest
    from tako.fanout.plan import PlannedRun
    from tako.fanout.reach import Reach
    from tako.fanout.speakers import Speaker


class HeldRuns:
    """The held runs of one tree, by the workflow that they are to run."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], PlannedRun] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, planned: PlannedRun) -> None:
        """A run that is held, for the first time or with one more event."""
        self._held[_endpoint(planned.request)] = planned

    def request(self, repo: str, workflow: str) -> RunRequest | None:
        """The request of the run that is held for a workflow."""
        planned = self._held.get((repo, workflow))
        return planned.request if planned is not None else None

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
        """The run that was held first: for when nothing else can go on, since held runs could trigger each other."""
        for planned in self._held.values():
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
