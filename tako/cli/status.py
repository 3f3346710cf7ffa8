"""``tako status``."""

from __future__ import annotations

import contextlib
import json
import os
import sys

import click

from tako.cli.find import find_named, require_begun
from tako.cli.runs import INTERRUPTED, NEVER_BEGUN, UNREADABLE, complete_runs, outcome_word, root_runs
from tako.cli.target import make_wiring
from tako.clock import duration
from tako.errors import StateError
from tako.execution.state import RUNNING, read_state
from tako.execution.workspace import Workspace, root_workspace, workspaces_dir
from tako.fanout.history import RETRYING, WAITING, History, read_history
from tako.records import replace
from tako.report.data import service_data, step_data
from tako.report.recorded import run_data
from tako.report.steps import noteworthy_lines, service_lines, step_report
from tako.report.style import Line, indented, painted, plain, screen_of
from tako.report.summary import MAX_DETAILED
from tako.report.tree import counted_by_status, render_tree
from tako.report.words import failure_title
from tako.stdio import say, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.state import ExecutionState
    from tako.fanout.result import ChildOutcome

EPILOG = """\b
Examples:
  tako status
  tako status exec-20261123-181803-0a1b2c3d
  tako status exec-20261123-181803-0a1b2c3d --json
"""

SHOWN_RUNS = 20


@click.command(epilog=EPILOG)
@click.argument("run_id", required=False, shell_complete=complete_runs)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(run_id: str | None, as_json: bool) -> int:
    """Show the latest runs, or the tree of the run RUN_ID with everything that failed in it."""
    wiring = make_wiring(cache_dir=None)
    home = wiring.settings.home
    if run_id is None:
        return _list(home, as_json=as_json)
    named = find_named(home, run_id)
    workspace = require_begun(named.root)
    run_id = os.path.basename(workspace.path)
    if named.child is not None:
        say(f"{named.child.run_id} is a child of run {run_id}:\n")
    history = read_history(workspace)
    state = outcome_word(history, workspace)
    history = replace(history, outcomes=tuple(as_of_now(run, state, wiring.clock.now()) for run in history.outcomes))
    own = _state_of(workspace)
    names = history.request.workflow.step_names
    if as_json:
        data = {
            "run_id": run_id,
            "status": state,
            "repository": history.request.repo,
            "workflow": history.request.workflow.name,
            "duration_seconds": history.seconds,
            "steps": [step_data(step, names) for step in (*own.steps, *own.finals)] if own else [],
            "services": [service_data(end) for end in own.services] if own else [],
            "runs": [run_data(outcome) for outcome in history.outcomes],
        }
        show(json.dumps(data, indent=2) + "\n")
        return 0
    screen = screen_of(sys.stdout, os.environ)
    show(painted(_tree_report(run_id, history, state, own, screen.width), screen))
    return 0


def as_of_now(run: ChildOutcome, state: str, now: float) -> ChildOutcome:
    """A run of a tree in that state: nothing of an interrupted tree is at work, and what is at work has taken time.

    The journal says how long a run took when that has ended; until then, and if it never comes to that, its state does.
    """
    if run.status not in (RUNNING, WAITING, RETRYING):
        return run
    if run.status == RUNNING and state != INTERRUPTED and run.started_at:
        return replace(run, seconds=now - run.started_at)
    own = _state_of(Workspace(run.workspace))
    return replace(
        run,
        status=INTERRUPTED if state == INTERRUPTED else run.status,
        seconds=own.seconds if own is not None else run.seconds,
    )


def _list(home: str, *, as_json: bool) -> int:
    rows = []
    for run_id in root_runs(home)[:SHOWN_RUNS]:
        workspace = root_workspace(home, run_id)
        if not workspace.has_begun:
            rows.append({"run_id": run_id, "status": NEVER_BEGUN, "detail": "", "triggered": 0})
            continue
        try:
            history = read_history(workspace)
        except StateError as error:
            rows.append({"run_id": run_id, "status": UNREADABLE, "detail": str(error), "triggered": 0})
            continue
        rows.append(
            {
                "run_id": run_id,
                "status": outcome_word(history, workspace),
                "detail": history.request.label,
                "triggered": len(history.outcomes) - 1,
            }
        )
    if as_json:
        show(json.dumps(rows, indent=2) + "\n")
    elif not rows:
        say(f"no runs in {workspaces_dir(home)}\n")
    else:
        for row in rows:
            show(
                f"{row['run_id']}  {row['status']:<11}  {row['triggered']:>4} triggered  {row['detail']}".rstrip()
                + "\n"
            )
    return 0


def _state_of(workspace: Workspace) -> ExecutionState | None:
    """How far a run came; None if it has not begun, or nothing readable tells."""
    if not os.path.exists(workspace.state):
        return None
    with contextlib.suppress(StateError):
        return read_state(workspace.state)
    return None


def _steps(history: History, own: ExecutionState | None) -> list[Line]:
    """The root's steps, and of the runs that it triggered those steps of which there is more to tell."""
    lines, names = [], history.outcomes[0].step_names
    if own is not None:
        lines += [line for step in (*own.steps, *own.finals) for line in step_report(step, names, history.resumed_at)]
        lines += plain(service_lines(own.services, names))
    for outcome in history.outcomes[1 : MAX_DETAILED + 1]:
        state = _state_of(Workspace(outcome.workspace))
        told = noteworthy_lines(state, outcome.step_names) if state is not None else []
        if told:
            lines += plain([f"{outcome.repo}:{outcome.workflow}:", *told])
    return lines


def _tree_report(
    run_id: str, history: History, state: str, own: ExecutionState | None, width: int | None
) -> list[Line]:
    took = f", {duration(history.seconds)}" if history.seconds is not None else ""
    took += " in its last attempt" if took and history.resumed_at is not None else ""
    totals = counted_by_status(history.outcomes[1:])
    lines = plain([f"{run_id}: {state}{took}" + (f"; triggered: {totals}" if totals else "")])
    room = width - 2 if width is not None else None
    lines += indented(render_tree(history.outcomes, history.causes, since=history.resumed_at, width=room), "  ")
    lines += _steps(history, own)
    for outcome in history.outcomes:
        label, names = f"{outcome.repo}:{outcome.workflow}", outcome.step_names
        tries = (f"{label}: try {each.number}: {failure_title(each.failure, names)}" for each in outcome.attempts)
        lines += plain(tries)
        if outcome.failure is not None:
            title = f"{label}: {failure_title(outcome.failure, names)}"
            lines += [Line(title, status=outcome.status, head=len(label)), Line(f"  logs: {outcome.workspace}/logs")]
    return lines
