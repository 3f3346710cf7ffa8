"""What the root remembers of its tree while it runs: the runs, their plans, how they ended."""

from __future__ import annotations

from tako.fanout.policy import FanOutPolicy, policy_of
from tako.fanout.result import PENDING, Attempt, ChildOutcome
from tako.ids import fan_out_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.children.base import ChildResult
    from tako.execution.failure import Failure
    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.plan import Plan
    from tako.fanout.restore import RestoredRun


class Node:
    """One run of the tree."""

    __slots__ = (
        "attempts",
        "earlier_attempts",
        "ended_at",
        "event_id",
        "fresh",
        "position",
        "request",
        "result",
        "resumes",
        "seconds",
        "sentence",
        "started_at",
        "workspace",
    )

    def __init__(self, request: RunRequest, workspace: Workspace, event_id: str | None) -> None:
        self.request = request
        self.workspace = workspace
        self.event_id = event_id
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.seconds = 0.0
        self.result: ChildResult | None = None
        self.position = 0
        """How many of its steps it has surely left behind: one that has ended may still have an event to tell."""
        self.fresh = False
        """Whether it begins again from its first step, because what it was planned with has changed."""
        self.earlier_attempts = 0
        """How many of its tries were made before the tree was resumed."""
        self.attempts: list[Attempt] = []
        """Tries that crashed and were followed by another."""
        self.resumes = False
        """Whether it waited for a fan-out, and starts again because of that."""
        self.sentence: Failure | None = None
        """Why it was asked to end, if it was; it may still succeed in the meantime."""

    def come_to(self, step_id: str) -> None:
        """It was heard of at a step."""
        self.position = self._index(step_id)

    def pass_by(self, step_id: str) -> None:
        """It waits for the fan-out of a step: when it goes on, that is at the next one."""
        self.position = self._index(step_id) + 1

    @property
    def waits_at(self) -> str:
        """The step whose fan-out it waits for, given that it waits."""
        return self.request.workflow.steps[self.position - 1].id

    def _index(self, step_id: str) -> int:
        workflow = self.request.workflow
        if any(step.id == step_id for step in workflow.finals):
            return len(workflow.steps)
        steps = enumerate(workflow.steps)
        return next((at for at, step in steps if step_id in (step.id, *(each.id for each in step.on_failure))), 0)


class Tree:
    """All runs of one tree, in the order in which they were planned."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._plans: dict[str, Plan] = {}
        self._policies: dict[str, FanOutPolicy] = {}
        self._events: dict[str, list[str]] = {}
        self._fan_outs: dict[str, list[Plan]] = {}
        self._restored: set[str] = set()

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._nodes

    def __getitem__(self, run_id: str) -> Node:
        return self._nodes[run_id]

    def nodes(self) -> list[Node]:
        """All runs, in the order in which they were planned."""
        return list(self._nodes.values())

    def add(self, request: RunRequest, workspace: Workspace, event_id: str | None) -> None:
        """A run."""
        self._nodes[request.run_id] = Node(request, workspace, event_id)

    def add_plan(self, plan: Plan, emitter: Node, *, restored: bool = False) -> None:
        """A plan with its runs, which live below their emitter's workspace; those of a restored plan are there."""
        event = plan.event
        self._plans[event.id] = plan
        self._policies[event.id] = next(
            (policy_of(step) for step in emitter.request.workflow.steps if step.id == event.step_id), FanOutPolicy()
        )
        self._events.setdefault(emitter.request.run_id, []).append(event.id)
        self._fan_outs.setdefault(fan_out_of(event.id), []).append(plan)
        if restored:
            self._restored.add(event.id)
        for planned in plan.runs:
            request = planned.request
            if planned.joins and not restored:
                node = self._nodes[request.run_id]
                node.request, node.fresh = request, node.fresh or node.started_at is not None
            elif not planned.joins and not restored:
                self.add(request, emitter.workspace.child(request.run_id), plan.event.id)

    def restore(self, run: RestoredRun) -> None:
        """A run of a tree that goes on."""
        node = Node(run.request, run.workspace, run.event_id)
        node.started_at, node.seconds, node.result = run.started_at, run.seconds, run.result
        node.attempts, node.earlier_attempts = list(run.attempts), len(run.attempts)
        node.resumes = bool(run.waits_for)
        if run.waits_for:
            node.pass_by(run.waits_at)
        node.fresh = run.fresh
        self._nodes[run.request.run_id] = node

    def is_restored(self, event_id: str) -> bool:
        """Whether an event was planned before the tree was resumed, and its emitter has not come to it again."""
        return event_id in self._restored

    def forget_restored(self, event_id: str) -> None:
        """Its emitter has come to an event again."""
        self._restored.discard(event_id)

    def is_planned(self, event_id: str) -> bool:
        """Whether an event has its plan already."""
        return event_id in self._plans

    def plan(self, event_id: str) -> Plan:
        """The plan of an event."""
        return self._plans[event_id]

    def fan_out(self, event_id: str) -> tuple[Plan, ...]:
        """The plans of all events that the fan-out of an event has emitted so far."""
        return tuple(self._fan_outs[fan_out_of(event_id)])

    def failed_beside(self, event_id: str) -> Node | None:
        """A run that another event of the same fan-out started and that has failed, if there is one."""
        others = (plan for plan in self.fan_out(event_id) if plan.event.id != event_id)
        nodes = (self._nodes[planned.request.run_id] for plan in others for planned in plan.runs)
        return next((node for node in nodes if node.result is not None and node.result.status == "failed"), None)

    def policy(self, event_id: str) -> FanOutPolicy:
        """How the fan-out that emitted an event wants its runs to be dealt with."""
        return self._policies[event_id]

    def events_of(self, run_id: str) -> tuple[str, ...]:
        """The events that a run has emitted."""
        return tuple(self._events.get(run_id, ()))

    def warnings(self) -> tuple[str, ...]:
        """The warnings of all plans and runs, each once."""
        told = [warning for plan in self._plans.values() for warning in plan.warnings]
        for node in self._nodes.values():
            told += [f"{node.request.label}: {warning}" for warning in (node.result.warnings if node.result else ())]
        return tuple(dict.fromkeys(told))

    def outcome(self, run_id: str) -> ChildOutcome:
        """How a run ended, or that it did not."""
        node = self._nodes[run_id]
        request, result = node.request, node.result
        return ChildOutcome(
            run_id=run_id,
            root_id=request.root_id,
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
            attempts=tuple(node.attempts),
            delivered_by=result.delivered_by if result else None,
            cached=result.cached if result else (),
            commit=request.commit,
            step_names=request.workflow.step_names,
        )

    def outcomes(self) -> list[ChildOutcome]:
        """All of them, the root first."""
        return [self.outcome(run_id) for run_id in self._nodes]
