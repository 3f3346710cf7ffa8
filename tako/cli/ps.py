"""``tako ps``."""

from __future__ import annotations

import contextlib
import json

import click

from tako.cli.runs import UNREADABLE
from tako.cli.target import make_wiring
from tako.clock import duration
from tako.errors import MachineError, StateError
from tako.execution.alive import alive_runs
from tako.execution.request import read_request
from tako.execution.state import RUNNING, SUSPENDED, read_state
from tako.execution.workspace import Workspace, root_workspace
from tako.fanout.history import RETRYING, WAITING, read_history
from tako.fanout.result import PENDING
from tako.identity import is_alive, is_stopped
from tako.records import record, to_data
from tako.report.tree import count_by_status
from tako.stdio import say, say_line, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tako.config.model import WorkflowSpec
    from tako.execution.alive import AliveRun
    from tako.execution.state import ExecutionState
    from tako.fanout.history import History
    from tako.fanout.result import ChildOutcome
    from tako.identity import Identity

EPILOG = """\b
Examples:
  tako ps
  tako ps --json
"""

STOPPED = "stopped"

COUNTED = {RUNNING: "at work", WAITING: "wait", RETRYING: "to try again", PENDING: "to come"}
"""What is told of the children of a root, as `2 wait`."""

HEADINGS = ("RUN", "REPOSITORY", "WORKFLOW", "STEP", "PID", "AGE", "CPU", "MEMORY", "STATUS")


@record
class Used:
    """What a process and all its descendants use together."""

    cpu_seconds: float
    """Of those that are alive, and of those that have ended and were waited for."""
    memory_bytes: int
    """Resident; what several share is counted for each."""


@record
class Row:
    """One run that is alive, in the names of ``--json``."""

    run_id: str
    root_id: str
    parent_id: str | None
    repository: str | None
    workflow: str | None
    step: str | None
    status: str
    """``running``; of a root any that a run can have; ``stopped``; ``unreadable`` if its files are damaged."""
    pid: int | None
    age_seconds: float | None
    cpu_seconds: float | None
    memory_bytes: int | None
    step_name: str | None = None


@record
class Tree:
    """A root with those of its children that are at work."""

    rows: tuple[Row, ...]
    """The root first."""
    children: str
    """How many are at work, wait, and so on; empty if there are none."""


@click.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def ps(as_json: bool) -> int:
    """Show the runs that are alive on this machine, with their children that are at work.

    CPU and MEMORY are those of a run's process with all processes below it: a root's row counts its whole tree.
    What a run that was killed has left running is ended.
    """
    wiring = make_wiring(cache_dir=None)
    home = wiring.settings.home
    try:
        wiring.end_left_behind(say_line)
    except MachineError as error:
        # To look at another user's home must not need more than to be let in.
        say(f"{error}\n")
    runs = alive_runs(home, say=lambda line: say(f"{line}\n"))
    usage = Usage() if runs else None
    now = wiring.clock.now()
    trees = [_tree(run, usage, now) for run in runs] if usage else []
    if as_json:
        show(json.dumps([to_data(row) for tree in trees for row in tree.rows], indent=2) + "\n")
    elif not trees:
        say(f"no runs are alive in {home}\n")
    else:
        show("\n".join(render(trees)) + "\n")
    return 0


class Usage:
    """What processes use, by one look at who is whose child."""

    def __init__(self) -> None:
        import psutil

        self._children: dict[int, list[int]] = {}
        for process in psutil.process_iter(["ppid"]):
            self._children.setdefault(process.info["ppid"], []).append(process.pid)

    def of(self, process: Identity) -> Used | None:
        """What a process uses with all its descendants; None if it is gone."""
        import psutil

        if not is_alive(process):
            return None
        seen: set[int] = set()
        pending = [process.pid]
        cpu, memory = 0.0, 0
        while pending:
            pid = pending.pop()
            if pid in seen:
                continue
            seen.add(pid)
            pending += self._children.get(pid, ())
            # One that has ended meanwhile, or is another user's, does not count.
            with contextlib.suppress(psutil.Error):
                member = psutil.Process(pid)
                with member.oneshot():
                    # Its own in user mode and in the kernel, and the same of those that it waited for.
                    cpu += sum(member.cpu_times()[:4])
                    memory += member.memory_info().rss
        return Used(round(cpu, 3), memory)


def step_at(workflow: WorkflowSpec, state: ExecutionState) -> str | None:
    """The step that a run is at, or waits at; None if it is between its last one and its end."""
    steps, finals = workflow.steps, workflow.finals
    last = state.steps[-1] if state.steps else None
    if last is not None and last.status == SUSPENDED:
        return last.id
    if state.status != RUNNING:
        return None
    if state.ending:
        return finals[len(state.finals)].id if len(state.finals) < len(finals) else None
    if last is not None and not last.is_done:
        # It has failed, and what is to run then does.
        handlers = next((step.on_failure for step in steps if step.id == last.id), ())
        return handlers[len(last.handlers)].id if len(last.handlers) < len(handlers) else None
    return steps[len(state.steps)].id if len(state.steps) < len(steps) else None


def children_told(outcomes: Iterable[ChildOutcome]) -> str:
    """``3 at work, 2 wait, 5 to come``: what is not there is not told."""
    totals = count_by_status(outcomes)
    return ", ".join(f"{totals[status]} {words}" for status, words in COUNTED.items() if status in totals)


def render(trees: Iterable[Tree]) -> list[str]:
    """The rows as aligned text under their headings; children are set in below their root."""
    lines = [HEADINGS]
    for tree in trees:
        for row in tree.rows:
            told = f"{row.status}; {tree.children}" if row is tree.rows[0] and tree.children else row.status
            lines.append(
                (
                    f"  {row.run_id}" if row.parent_id else row.run_id,
                    row.repository or "-",
                    row.workflow or "-",
                    "-" if row.step is None else f"{row.step} ({row.step_name})" if row.step_name else row.step,
                    "-" if row.pid is None else str(row.pid),
                    "-" if row.age_seconds is None else duration(row.age_seconds),
                    "-" if row.cpu_seconds is None else duration(row.cpu_seconds),
                    "-" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:.1f}MB",
                    told,
                )
            )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {HEADINGS.index(name) for name in ("PID", "AGE", "CPU", "MEMORY")}
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _tree(run: AliveRun, usage: Usage, now: float) -> Tree:
    """What is known of a root and its tree; of one whose files cannot be read, that it is alive."""
    try:
        history = read_history(root_workspace(run.home, run.run_id))
    except StateError as error:
        say(f"{run.run_id}: {error}\n")
        process, used = _process(run.root, usage)
        row = Row(
            run_id=run.run_id,
            root_id=run.run_id,
            parent_id=None,
            repository=None,
            workflow=None,
            step=None,
            status=UNREADABLE,
            pid=process.pid if process else None,
            age_seconds=round(max(0.0, now - run.started_at), 3),
            cpu_seconds=used.cpu_seconds if used else None,
            memory_bytes=used.memory_bytes if used else None,
        )
        return Tree((row,), "")
    root, *children = history.outcomes
    rows = [_row(run, root, run.root, history.request.workflow, usage, now)]
    rows += [_child_row(run, child, history, usage, now) for child in children if child.status == RUNNING]
    return Tree(tuple(rows), children_told(children))


def _child_row(run: AliveRun, child: ChildOutcome, history: History, usage: Usage, now: float) -> Row:
    try:
        workflow = read_request(Workspace(child.workspace).request).workflow
    except StateError:
        workflow = None
    return _row(run, child, history.processes.get(child.run_id), workflow, usage, now)


def _row(
    run: AliveRun,
    outcome: ChildOutcome,
    known: Identity | None,
    workflow: WorkflowSpec | None,
    usage: Usage,
    now: float,
) -> Row:
    process, used = _process(known, usage)
    started_at = run.started_at if outcome.parent_id is None else outcome.started_at
    step = _current_step(Workspace(outcome.workspace), workflow)
    return Row(
        run_id=outcome.run_id,
        root_id=run.run_id,
        parent_id=outcome.parent_id,
        repository=outcome.repo,
        workflow=outcome.workflow,
        step=step,
        step_name=outcome.step_names.get(step) if step is not None else None,
        status=STOPPED if process is not None and is_stopped(process) else outcome.status,
        pid=process.pid if process else None,
        age_seconds=None if started_at is None else round(max(0.0, now - started_at), 3),
        cpu_seconds=used.cpu_seconds if used else None,
        memory_bytes=used.memory_bytes if used else None,
    )


def _process(known: Identity | None, usage: Usage) -> tuple[Identity | None, Used | None]:
    """The process and what it uses, if it is there."""
    used = usage.of(known) if known is not None else None
    return (known if used is not None else None), used


def _current_step(workspace: Workspace, workflow: WorkflowSpec | None) -> str | None:
    """A run that still makes its checkout has no state, and is at no step."""
    try:
        return None if workflow is None else step_at(workflow, read_state(workspace.state))
    except StateError:
        return None
