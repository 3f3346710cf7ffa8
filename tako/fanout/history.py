"""A tree as its journal tells it: for looking at a run from outside, while it is alive or long after."""

from __future__ import annotations

import os

from tako.errors import StateError
from tako.execution.failure import LOST, SUPERSEDED, Failure, failure_from_data
from tako.execution.request import read_request
from tako.execution.state import FAILED, RUNNING, SUCCESS, read_state
from tako.fanout.journal import read_journal
from tako.fanout.result import PENDING, Attempt, ChildOutcome
from tako.identity import Identity
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.journal import Entry

WAITING = "waiting"
RETRYING = "retrying"
"""Between two tries."""


@record
class History:
    """What is known of a tree."""

    request: RunRequest
    outcomes: tuple[ChildOutcome, ...]
    """The root first; ``status`` may also be ``pending``, ``running``, ``waiting`` or ``retrying``."""
    causes: Mapping[str, str]
    """Event ids to event types."""
    processes: Mapping[str, Identity]
    """By run id, the process of each run that is at work, as far as it is known."""
    finished: bool
    ok: bool
    interrupted: bool
    """Whether a signal ended it."""
    seconds: float | None
    """Of its last attempt."""
    resumed_at: float | None = None
    """When that began, in seconds since the epoch, if it was not the first."""


def read_history(workspace: Workspace) -> History:
    """Read a root's journal, or the state of a child that was run alone, by hand, and so has none.

    Raises ``StateError`` if the request, the journal or the state is missing or damaged.
    """
    request = read_request(workspace.request)
    if not os.path.exists(workspace.journal):
        return _alone(request, workspace)
    tree = _Retold(request, workspace)
    for entry in read_journal(workspace.journal):
        try:
            tree.take(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the journal lacks something: {entry.type}: {error}", where=workspace.journal) from error
    return History(
        request=request,
        outcomes=tuple(tree.runs.values()),
        causes=tree.causes,
        processes=tree.processes,
        finished=tree.finished is not None,
        ok=bool(tree.finished and tree.finished["ok"]),
        interrupted=bool(tree.finished and tree.finished["interrupted_by"] is not None),
        seconds=tree.finished["seconds"] if tree.finished else None,
        resumed_at=tree.resumed_at,
    )


def _alone(request: RunRequest, workspace: Workspace) -> History:
    run = _Retold(request, workspace).runs[request.run_id]
    finished = False
    processes = {}
    if os.path.exists(workspace.state):
        state = read_state(workspace.state)
        finished = state.status in (SUCCESS, FAILED)
        if state.status == RUNNING and state.pid is not None and state.pid_started is not None:
            processes[request.run_id] = Identity(state.pid, state.pid_started)
        run = replace(
            run,
            status=state.status,
            seconds=state.seconds,
            started_at=state.started_at,
            failure=state.failure,
            outputs=state.outputs,
            cached=state.cached,
        )
    return History(
        request=request,
        outcomes=(run,),
        causes={},
        processes=processes,
        finished=finished,
        ok=run.status == SUCCESS,
        interrupted=False,
        seconds=run.seconds if finished else None,
    )


class _Retold:
    """A tree growing entry by entry."""

    def __init__(self, request: RunRequest, workspace: Workspace) -> None:
        root = ChildOutcome(
            run_id=request.run_id,
            root_id=request.root_id,
            parent_id=None,
            event_id=None,
            repo=request.repo,
            workflow=request.workflow.name,
            depth=0,
            status=PENDING,
            seconds=0.0,
            started_at=None,
            ended_at=None,
            workspace=workspace.path,
            commit=request.commit,
            step_names=request.workflow.step_names,
        )
        self.runs = {request.run_id: root}
        self.causes: dict[str, str] = {}
        self.processes: dict[str, Identity] = {}
        self.finished: Mapping[str, Any] | None = None
        self.resumed_at: float | None = None
        self._workspaces = {request.run_id: workspace}

    def take(self, entry: Entry) -> None:
        data = entry.data
        match entry.type:
            case "plan":
                self._plan(data)
            case "started":
                run = self.runs[data["run_id"]]
                self._change(run, status=RUNNING, started_at=run.started_at or entry.at)
                if data.get("started") is not None:
                    self.processes[run.run_id] = Identity(data["pid"], data["started"])
            case "waiting":
                self._leave_work(data["run_id"], status=WAITING)
            case "retrying":
                self._retry(data)
            case "ended":
                self._leave_work(
                    data["run_id"],
                    status=data["status"],
                    failure=failure_from_data(data["failure"]),
                    seconds=data["seconds"],
                    outputs=data["outputs"],
                    ended_at=entry.at,
                    delivered_by=data.get("delivered_by"),
                    cached=tuple(data.get("cached", ())),
                )
            case "resumed":
                self.resumed_at = entry.at
                self._resume()
            case "finished":
                self.finished = data

    def _plan(self, data: Mapping[str, Any]) -> None:
        emitter = self.runs[data["emitter"]]
        event = data["event"]
        self.causes[event["id"]] = event["type"]
        for run in data["runs"]:
            if run.get("joins"):
                continue
            workspace = self._workspaces[emitter.run_id].child(run["run_id"])
            workflow = data["workflows"][run["workflow"]]
            self._workspaces[run["run_id"]] = workspace
            self.runs[run["run_id"]] = ChildOutcome(
                run_id=run["run_id"],
                root_id=emitter.root_id,
                parent_id=emitter.run_id,
                event_id=event["id"],
                repo=run["repo"],
                workflow=workflow["name"],
                depth=emitter.depth + 1,
                status=PENDING,
                seconds=0.0,
                started_at=None,
                ended_at=None,
                workspace=workspace.path,
                commit=run.get("commit"),
                step_names=_step_names(workflow),
            )

    def _resume(self) -> None:
        """What had not succeeded, and does not wait, is to come again; what it came to was a try."""
        self.finished = None
        for run in tuple(self.runs.values()):
            if run.status in (SUCCESS, WAITING) or (run.failure is not None and run.failure.kind == SUPERSEDED):
                continue
            attempts = run.attempts
            failure = Failure(LOST, "it was at work when its root ended") if run.status == RUNNING else run.failure
            if failure is not None and run.started_at is not None and run.status != RETRYING:
                attempts = (*attempts, Attempt(len(attempts) + 1, failure, run.seconds))
            undone: dict[str, Any] = {"status": PENDING, "failure": None, "ended_at": None, "delivered_by": None}
            undone["cached"] = ()
            self._leave_work(run.run_id, **undone, attempts=attempts)

    def _retry(self, data: Mapping[str, Any]) -> None:
        failure = failure_from_data(data["failure"])
        if failure is None:
            raise AssertionError("a try that is followed by another one has failed")
        attempt = Attempt(data["attempt"], failure, data["seconds"])
        earlier = self.runs[data["run_id"]].attempts
        self._leave_work(data["run_id"], status=RETRYING, attempts=(*earlier, attempt))

    def _leave_work(self, run_id: str, **changes: Any) -> None:
        self.processes.pop(run_id, None)
        self._change(self.runs[run_id], **changes)

    def _change(self, run: ChildOutcome, **changes: Any) -> None:
        self.runs[run.run_id] = replace(run, **changes)


def _step_names(workflow: Mapping[str, Any]) -> dict[str, str]:
    """``WorkflowSpec.step_names`` of a workflow as the journal holds it."""
    own = (each for step in workflow["steps"] for each in (step, *step.get("on_failure", ())))
    steps = (*own, *workflow.get("finals", ()))
    return {step["id"]: step["name"] for step in steps if step.get("name") and step["name"] != step["id"]}
