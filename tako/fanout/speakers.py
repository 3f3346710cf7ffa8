"""The runs of a tree that may still emit something: whoever is held waits until none of them can trigger it."""

from __future__ import annotations

from tako.fanout.reach import emissions
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tako.fanout.orchestrator import Orchestrator
    from tako.fanout.plan import Plan
    from tako.fanout.reach import Reach
    from tako.fanout.tree import Tree


@record
class Speaker:
    """A run that has not ended and may still emit something."""

    run_id: str
    repo: str
    types: frozenset[str]


class Speakers:
    """Those of one tree; goes through them as they are now."""

    def __init__(self, tree: Tree, orchestrator: Orchestrator) -> None:
        self._tree = tree
        self._orchestrator = orchestrator
        self._reach: Reach | None = None
        self._run_ids: set[str] = set()

    def __iter__(self) -> Iterator[Speaker]:
        for run_id in self._run_ids:
            node = self._tree[run_id]
            steps = node.request.workflow.steps[node.position :]
            yield Speaker(run_id, node.request.repo, emissions(steps))

    @property
    def reach(self) -> Reach:
        """What can come of what they emit."""
        if self._reach is None:
            self._reach = self._orchestrator.reach(self._tree[run_id].request for run_id in self._run_ids)
        return self._reach

    def add(self, run_id: str) -> None:
        """A run of the tree is to run; one whose workflow does not fan out has nothing to say."""
        if emissions(self._tree[run_id].request.workflow.steps):
            self._run_ids.add(run_id)

    def planned(self, plan: Plan) -> None:
        """An event was planned: the repositories may have changed since, and there are more runs."""
        self._reach = None
        for planned in plan.runs:
            self.add(planned.request.run_id)

    def discard(self, run_id: str) -> None:
        """A run has ended, or is another's to do."""
        self._run_ids.discard(run_id)
