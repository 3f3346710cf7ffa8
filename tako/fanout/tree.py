"""What the root remembers of its tree while it runs: the runs, their plans, how they ended."""

from __future__ import annotations

from tako.fanout.result import PENDING, ChildOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import ChildResult
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.plan import Plan


class Node:
    """One run of the tree."""

    __slots__ = ("ended_at", "event_id", "request", "result", "seconds", "started_at", "workspace")

    def __init__(self, request: RunRequest, workspace: Workspace, event_id: str | None) -> None:
        self.request = request
        self.workspace = workspace
        self.event_id = event_id
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.seconds = 0.0
        self.result: ChildResult | None = None


class Tree:
    """All runs of one tree, in the order in which they were planned."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._plans: dict[str, Plan] = {}
        self.working: set[str] = set()
        """The runs that a thread of ours is busy with."""

    def __getitem__(self, run_id: str) -> Node:
        return self._nodes[run_id]

    def add(self, request: RunRequest, workspace: Workspace, event_id: str | None) -> None:
        """A run."""
        self._nodes[request.run_id] = Node(request, workspace, event_id)

    def add_plan(self, plan: Plan, emitter: Node) -> None:
        """A plan with its runs, which live below their emitter's workspace."""
        self._plans[plan.event.id] = plan
        for planned in plan.runs:
            request = planned.request
            self.add(request, emitter.workspace.child(request.run_id), plan.event.id)

    def is_planned(self, event_id: str) -> bool:
        """Whether an event has its plan already."""
        return event_id in self._plans

    def plan(self, event_id: str) -> Plan:
        """The plan of an event."""
        return self._plans[event_id]

    def warnings(self) -> tuple[str, ...]:
        """The warnings of all plans, each once."""
        return tuple(dict.fromkeys(warning for plan in self._plans.values() for warning in plan.warnings))

    def outcome(self, run_id: str) -> ChildOutcome:
        """How a run ended, or that it did not."""
        node = self._nodes[run_id]
        request, result = node.request, node.result
        return ChildOutcome(
            run_id=run_id,
            parent_id=request.parent_id,
            event_id=node.event_id,
            repo=request.repo,
            workflow=request.workflow.name,
            depth=request.depth,
            status=result.status if result else PENDING,
            seconds=node.seconds,
            started_at=node.started_at,
            ended_at=node.ended_at,
            workspace=node.workspace.path,
            failure=result.failure if result else None,
            outputs=result.outputs if result else {},
        )

    def outcomes(self) -> list[ChildOutcome]:
        """All of them, the root first."""
        return [self.outcome(run_id) for run_id in self._nodes]
