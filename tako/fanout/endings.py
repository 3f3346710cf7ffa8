"""Ends runs before their time: since their fan-out took too long, one beside them failed, or somebody asked for it."""

from __future__ import annotations

from tako.clock import duration
from tako.execution.failure import CANCELLED, FAN_OUT_TIMEOUT, Failure
from tako.fanout.scheduler import ENDED, WAITING, WORKING
from tako.fanout.verdicts import sentenced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tako.children.base import ChildResult
    from tako.execution.workspace import Workspace
    from tako.fanout.last_steps import LastSteps
    from tako.fanout.scheduler import Scheduler
    from tako.fanout.tree import Node, Tree
    from tako.fanout.workforce import Workforce


class Endings:
    """What ends runs of one tree before their time."""

    def __init__(
        self,
        *,
        tree: Tree,
        scheduler: Scheduler,
        workforce: Workforce,
        abandon: Callable[[Workspace], object],
        conclude: Callable[[str, ChildResult], object],
        last: LastSteps,
    ) -> None:
        """``abandon`` is told of a run on which no process works; ``conclude`` gets what such a run came to.

        ``last`` runs what is to run at its end.
        """
        self._last = last
        self._tree = tree
        self._scheduler = scheduler
        self._workforce = workforce
        self._abandon = abandon
        self._conclude = conclude
        self._expired: dict[str, Failure] = {}

    @property
    def any_expired(self) -> bool:
        """Whether a fan-out's time was up before it was settled."""
        return bool(self._expired)

    def expired(self, event_id: str) -> Failure | None:
        """That the time of a fan-out was up, if it was."""
        return self._expired.get(event_id)

    def expire(self, event_id: str, limit: float) -> None:
        """The time of a fan-out, ``limit`` seconds, is up, and it is not settled."""
        plan = self._tree.plan(event_id)
        took = f"took longer than its timeout of {duration(limit)}"
        failure = Failure(FAN_OUT_TIMEOUT, f"its fan-out {took}")
        # Of those further down it is not the fan-out that started them, which may have a timeout, too.
        below = Failure(FAN_OUT_TIMEOUT, f"the fan-out of {self._tree[plan.event.run_id].request.label} {took}")
        self._expired[event_id] = failure
        started = {planned.request.run_id for planned in plan.runs}
        for run_id in self._scheduler.open_runs(event_id):
            self._end(run_id, failure if run_id in started else below)

    def cancel(self, run_ids: Iterable[str]) -> None:
        """End runs, and all that was started because of them, since somebody asked for it."""
        for run_id in run_ids:
            if run_id not in self._tree or self._tree[run_id].event_id is None:
                continue
            own = Failure(CANCELLED, "cancelled by `tako cancel`")
            below = Failure(CANCELLED, f"cancelled with {self._tree[run_id].request.label}, which triggered it")
            for event_id in self._tree.events_of(run_id):
                for each in self._scheduler.open_runs(event_id):
                    self._end(each, below)
            self._end(run_id, own)

    def fail_fast(self, failed: Node, event_id: str, *, waits: Callable[[str], bool]) -> None:
        """A run of a fan-out has failed, and none of its runs is to start any more.

        ``waits`` tells of which another run does the work.
        """
        failure = Failure(CANCELLED, f"cancelled since {failed.request.label} failed and its fan-out is fail_fast")
        for plan in self._tree.fan_out(event_id):
            ids = (planned.request.run_id for planned in plan.runs)
            for other in (*self._scheduler.not_started(plan.event.id), *[each for each in ids if waits(each)]):
                self._end(other, failure)

    def _end(self, run_id: str, failure: Failure) -> None:
        """End a run: at once if no process works on it, else by asking that."""
        phase = self._scheduler.phase(run_id)
        node = self._tree[run_id]
        if phase == ENDED or node.sentence is not None:
            return
        node.sentence = failure
        if phase == WORKING:
            self._workforce.cancel(run_id)
            return
        waits_at = node.waits_at if phase == WAITING else None

        def conclude(told: Failure) -> None:
            self._abandon(node.workspace)
            self._conclude(run_id, sentenced(told, None, waits_at=waits_at))

        if self._last.has_some(node):
            self._last.add(run_id, failure, conclude)
        else:
            conclude(failure)
