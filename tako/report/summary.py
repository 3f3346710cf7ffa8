"""What a finished run is summed up as, in words. The phrases are those that scripts for the Go tool look for."""

from __future__ import annotations

from tako.clock import duration
from tako.execution.failure import FAN_OUT_FAILED, INTERRUPTED
from tako.fanout.result import in_numbers
from tako.report.again import replay_command, resume_command, status_command
from tako.report.steps import service_lines, step_report
from tako.report.style import PAPER, Line, indented, painted, plain
from tako.report.tree import counted_by_status, render_tree, word_of
from tako.report.words import failure_lines, failure_title, quoted_step
from tako.signals import signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.execution.service import ServiceEnd
    from tako.execution.state import StepRecord
    from tako.fanout.result import ChildOutcome, FanOutResult, TreeResult
    from tako.report.style import Screen

MAX_DETAILED = 50
"""Failures told in full; the rest have their line in the tree and their logs."""

MAX_ALIKE = 3
"""Runs that ended alike because of something else and are told one by one; more of them have a line together."""

MAX_NAMED = 20
"""Runs that a line names."""

MAX_WARNINGS = 10
"""Warnings that the report repeats."""


def summary(
    result: TreeResult,
    steps: Sequence[StepRecord],
    services: Sequence[ServiceEnd] = (),
    screen: Screen = PAPER,
) -> str:
    """The end of a run: id, success, duration, the root's steps, the tree."""
    names, since = result.root.step_names, result.resumed_at
    success = f"Success: {'true' if result.ok else 'false'}"
    lines = [
        Line(f"Execution completed: {result.root.run_id}"),
        Line(success, status="success" if result.ok else "failed", head=len(success)),
        Line(f"Duration: {duration(result.seconds)}{' in this attempt' if since is not None else ''}"),
        *(line for step in steps for line in step_report(step, names, since)),
        *plain(service_lines(services, names)),
    ]
    if result.runs:
        causes = {fan_out.event.id: fan_out.event.type for fan_out in result.fan_outs}
        lines += plain(["", f"Triggered runs: {len(result.runs)} ({counted_by_status(result.runs)})"])
        width = screen.width - 2 if screen.width is not None else None
        lines += indented(render_tree((result.root, *result.runs), causes, since=since, width=width), "  ")
    if result.warnings:
        lines += plain(["", *(f"warning: {warning}" for warning in result.warnings[:MAX_WARNINGS])])
        left = len(result.warnings) - MAX_WARNINGS
        lines += plain([f"and {left} more warnings; --json has them all"] if left > 0 else [])
    return painted(lines, screen)


def failures(result: TreeResult, screen: Screen = PAPER) -> str:
    """Every failure in full: kind, step, exit code or signal, duration, log, how to run it again.

    Many that Ctrl-C interrupted have a line together, and so have many that were cancelled before they started.
    """
    lines: list[Line] = []
    own = [run for run in result.runs if run.failure is not None and run.failure.kind != FAN_OUT_FAILED]
    stopped = [run for run in own if result.interrupted_by is not None and word_of(run) == INTERRUPTED]
    unstarted = [run for run in own if run.status == "cancelled" and run.started_at is None]
    alike = [runs for runs in (stopped, unstarted) if len(runs) > MAX_ALIKE]
    together = {run.run_id for runs in alike for run in runs}
    detailed = [run for run in own if run.run_id not in together]
    for run in detailed[:MAX_DETAILED]:
        lines += [Line(""), *_child_report(run)]
    if len(detailed) > MAX_DETAILED:
        more = len(detailed) - MAX_DETAILED
        lines += plain(["", f"and {more} more failed runs; `{status_command(result.root)}` lists them"])
    if len(stopped) > MAX_ALIKE:
        lines += [Line(""), _together("interrupted", "at work", stopped)]
    if len(unstarted) > MAX_ALIKE:
        lines += [Line(""), _together("cancelled", "not started", unstarted)]
    for fan_out in result.fan_outs:
        lines += plain(_unwaited(fan_out))
    failure, names = result.root.failure, result.root.step_names
    if failure is not None:
        where = f"step {quoted_step(failure.step, names)} failed" if failure.step else failure.kind
        rest = [f"  {line}" for line in failure_lines(failure, names)[1:]]
        lines += [Line(""), _title(f"execution failed: {where}", f": {failure.headline}"), *plain(rest)]
    elif result.interrupted_by is None and not result.ok:
        refused = any(fan_out.refused is not None for fan_out in result.fan_outs)
        of_itself = "a fan-out was refused" if refused else "a fan-out took too long"
        what = in_numbers(own) if own else of_itself
        lines += [Line(""), _title("execution failed", f": {what}; nobody waited for it")]
    if result.interrupted_by is not None:
        title = f"execution interrupted by {signal_name(result.interrupted_by)}"
        lines += [Line(""), Line(title, status="interrupted", head=len(title))]
    if not result.ok:
        lines.append(Line(f"  go on with it: {resume_command(result.root)}"))
    return painted(lines[1:] if lines and not lines[0].text else lines, screen)


def _title(head: str, rest: str) -> Line:
    return Line(head + rest, status="failed", head=len(head))


def _together(status: str, when: str, runs: Sequence[ChildOutcome]) -> Line:
    """Runs that ended alike, in one line."""
    named = ", ".join(f"{run.repo}:{run.workflow}" for run in runs[:MAX_NAMED])
    more = f" and {len(runs) - MAX_NAMED} more" if len(runs) > MAX_NAMED else ""
    head = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} {status}"
    return Line(f"{head}, {when}: {named}{more}", status=status, head=len(head))


def _unwaited(fan_out: FanOutResult) -> list[str]:
    """What a fan-out itself failed by: that of a run that waits for one says so in the run's own failure."""
    failure = fan_out.refused or fan_out.expired
    if failure is None or fan_out.event.waiting:
        return []
    how = f"refused: {failure.message}" if fan_out.refused is not None else failure.message
    return ["", f"{fan_out.event.source} emitted {fan_out.event.type}; {how}"]


def _child_report(run: ChildOutcome) -> list[Line]:
    """One failed or cancelled run in full."""
    when = f"after {duration(run.seconds)}" if run.started_at is not None else "before it was started"
    head = f"{run.repo}:{run.workflow} {run.status}"
    lines = []
    if run.failure is not None:
        lines += [f"  {line}" for line in failure_lines(run.failure, run.step_names)]
    for attempt in run.attempts:
        title = failure_title(attempt.failure, run.step_names)
        lines.append(f"  try {attempt.number} ({duration(attempt.seconds)}, logs in attempt-{attempt.number}): {title}")
    if run.started_at is not None:
        lines += [f"  logs: {run.workspace}/logs", f"  run it again: {replay_command(run)}"]
    return [Line(f"{head} {when} ({run.run_id})", status=run.status, head=len(head)), *plain(lines)]
