"""A tree as its journal tells it: for looking at a run from outside, while it is alive or long after."""

from __future__ import annotations

import os

from tako.execution.failure import failure_from_data
from tako.execution.request import read_request
from tako.execution.state import FAILED, SUCCESS, read_state
from tako.fanout.journal import read_journal
from tako.fanout.result import PENDING, ChildOutcome
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.execution.request import RunRequest
    from tako.execution.workspace import Workspace
    from tako.fanout.journal import Entry

RUNNING = "running"
WAITING = "waiting"


@record
class History:
    """What is known of a tree."""

    request: RunRequest
    outcomes: tuple[ChildOutcome, ...]
    """The root first; ``status`` may also be ``pending``, ``running`` or ``waiting``."""
    causes: Mapping[str, str]
    """Event ids to event types."""
    finished: bool
    ok: bool
    interrupted: bool
    """Whether a signal ended it."""
    seconds: float | None


def read_history(workspace: Workspace) -> History:
    """Read a root's journal, or the state of a child that was run alone, by hand, and so has none.

    Raises ``StateError`` if the request, the journal or the state is missing or damaged.
    """
    request = read_request(workspace.request)
    if not os.path.exists(workspace.journal):
        return _alone(request, workspace)
    tree = _Retold(request, workspace)
    for entry in read_journal(workspace.journal):
        tree.take(entry)
    return History(
        request=request,
        outcomes=tuple(tree.runs.values()),
        causes=tree.causes,
        finished=tree.finished is not None,
        ok=bool(tree.finished and tree.finished["ok"]),
        interrupted=bool(tree.finished and tree.finished["interrupted_by"] is not None),
        seconds=tree.finished["seconds"] if tree.finished else None,
    )


def _alone(request: RunRequest, workspace: Workspace) -> History:
    run = _Retold(request, workspace).runs[request.run_id]
    finished = False
    if os.path.exists(workspace.state):
        state = read_state(workspace.state)
        finished = state.status in (SUCCESS, FAILED)
        run = replace(
            run,
            status=state.status,
            seconds=state.seconds,
            started_at=state.started_at,
            failure=state.failure,
            outputs=state.outputs,
        )
    return History(
        request=request,
        outcomes=(run,),
        causes={},
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
        )
        self.runs = {request.run_id: root}
        self.causes: dict[str, str] = {}
        self.finished: Mapping[str, Any] | None = None
        self._workspaces = {request.run_id: workspace}

    def take(self, entry: Entry) -> None:
        data = entry.data
        match entry.type:
            case "plan":
                self._plan(data)
            case "started":
                run = self.runs[data["run_id"]]
                self._change(run, status=RUNNING, started_at=run.started_at or entry.at)
            case "waiting":
                self._change(self.runs[data["run_id"]], status=WAITING)
            case "ended":
                self._change(
                    self.runs[data["run_id"]],
                    status=data["status"],
                    failure=failure_from_data(data["failure"]),
                    seconds=data["seconds"],
                    outputs=data["outputs"],
                    ended_at=entry.at,
                )
            case "finished":
                self.finished = data

    def _plan(self, data: Mapping[str, Any]) -> None:
        emitter = self.runs[data["emitter"]]
        event = data["event"]
        self.causes[event["id"]] = event["type"]
        for run in data["runs"]:
            workspace = self._workspaces[emitter.run_id].child(run["run_id"])
            self._workspaces[run["run_id"]] = workspace
            self.runs[run["run_id"]] = ChildOutcome(
                run_id=run["run_id"],
                parent_id=emitter.run_id,
                event_id=event["id"],
                repo=run["repo"],
                workflow=data["workflows"][run["workflow"]]["name"],
                depth=emitter.depth + 1,
                status=PENDING,
                seconds=0.0,
                started_at=None,
                ended_at=None,
                workspace=workspace.path,
            )

    def _change(self, run: ChildOutcome, **changes: Any) -> None:
        self.runs[run.run_id] = replace(run, **changes)
