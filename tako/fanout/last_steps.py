"""Starts runs that are not to go on once more, for their ``finally`` steps: a run that waits is not a process."""

from __future__ import annotations

from collections import deque

from tako.children.base import ChildRequest
from tako.execution.failure import INTERRUPTED, Failure
from tako.execution.final_steps import Ending, ending_of
from tako.execution.state import is_recorded
from tako.fanout.scheduler import ENDED, WORKING
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.children.base import ChildResult
    from tako.fanout.scheduler import Scheduler
    from tako.fanout.tree import Node, Tree


@record
class _Wanted:
    run_id: str
    ending: Ending
    then: Callable[[Failure], object]
    has_place: bool
    """Whether it is at work as far as the scheduler knows."""


class LastSteps:
    """The runs of one tree that are started for their ``finally`` steps. Each holds a place under the cap."""

    def __init__(self, *, tree: Tree, scheduler: Scheduler, start: Callable[[ChildRequest], object]) -> None:
        self._tree = tree
        self._scheduler = scheduler
        self._start = start
        self._waiting: deque[_Wanted] = deque()
        self._working: dict[str, _Wanted] = {}
        self._interrupted = False

    def __contains__(self, run_id: str) -> bool:
        """Whether a run is, or will be, at work for its last steps, and so must not go on."""
        return run_id in self._working or any(wanted.run_id == run_id for wanted in self._waiting)

    @property
    def any(self) -> bool:
        """Whether there are any to start, or at work."""
        return bool(self._waiting or self._working)

    def has_some(self, node: Node) -> bool:
        """Whether a run has begun and has ``finally`` steps that nobody has run."""
        return bool(node.request.workflow.finals) and node.started_at is not None and is_recorded(node.workspace.state)

    def add(self, run_id: str, failure: Failure, then: Callable[[Failure], object], *, by: int | None = None) -> None:
        """Let the last steps of a run be run, which has ended with a failure; ``by`` is the signal that asked for it.

        ``then`` gets that failure, with what the steps have failed by, if some have.
        """
        has_place = self._scheduler.phase(run_id) == WORKING
        self._waiting.append(_Wanted(run_id, ending_of(failure, by), then, has_place))

    def interrupt(self, by: int) -> bool:
        """Add all that have begun, are not at work, and would not go on since somebody interrupted the tree, once.

        They are not over: the tree can be resumed. Returns whether there are any.
        """
        if self._interrupted:
            return False
        self._interrupted = True
        for node in self._tree.nodes():
            run_id = node.request.run_id
            if self._scheduler.phase(run_id) in (ENDED, WORKING) or run_id in self or not self.has_some(node):
                continue
            failure = Failure(kind=INTERRUPTED, message="interrupted while it waited")
            self.add(run_id, failure, lambda _failure: None, by=by)
        return bool(self._waiting)

    def start_what_may(self) -> None:
        """Start those for which there is room under the cap."""
        while self._waiting:
            wanted = self._waiting[0]
            node = self._tree[wanted.run_id]
            if not wanted.has_place and node.event_id is not None and not self._scheduler.borrow():
                return
            self._waiting.popleft()
            self._working[wanted.run_id] = wanted
            self._start(
                ChildRequest(
                    node.request,
                    node.workspace,
                    resumed=True,
                    attempt=len(node.attempts) + 1,
                    ending=wanted.ending,
                )
            )

    def ended(self, run_id: str, result: ChildResult) -> bool:
        """The process of a run has ended; False if it was none of these."""
        wanted = self._working.pop(run_id, None)
        if wanted is None:
            return False
        node = self._tree[run_id]
        node.seconds += result.seconds
        if not wanted.has_place and node.event_id is not None:
            self._scheduler.give_back()
        failure = wanted.ending.failure
        assert failure is not None, "what is not to go on has failed"
        said = result.failure
        if said is not None and said.kind == failure.kind:
            failure = replace(failure, message=said.message)
        elif said is not None:
            failure = replace(failure, message=f"{failure.message}\nits finally steps did not end: {said.headline}")
        wanted.then(failure)
        return True
