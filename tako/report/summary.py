"""What a finished run is summed up as, in words. The phrases are those that scripts for the Go tool look for."""

from __future__ import annotations

from tako.clock import duration
from tako.execution.failure import FAN_OUT_FAILED
from tako.fanout.result import in_numbers
from tako.report.again import replay_command
from tako.report.steps import service_lines, step_lines
from tako.report.tree import count_by_status, render_tree
from tako.report.words import failure_lines, failure_title, quoted_step, shown
from tako.signals import signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.execution.service import ServiceEnd
    from tako.execution.state import StepRecord
    from tako.fanout.result import ChildOutcome, FanOutResult, TreeResult

MAX_DETAILED = 50
"""Failures told in full; the rest have their line in the tree and their logs."""

MAX_WARNINGS = 10
"""Warnings that the report repeats."""


def summary(result: TreeResult, steps: Sequence[StepRecord], services: Sequence[ServiceEnd] = ()) -> str:
    """The end of a run: id, success, duration, the root's steps, the tree."""
    names = result.root.step_names
    lines = [
        f"Execution completed: {result.root.run_id}",
        f"Success: {'true' if result.ok else 'false'}",
        f"Duration: {duration(result.seconds)}",
        *(line for step in steps for line in step_lines(step, names)),
        *service_lines(services, names),
    ]
    if result.runs:
        totals = ", ".join(f"{count} {status}" for status, count in sorted(count_by_status(result.runs).items()))
        causes = {fan_out.event.id: fan_out.event.type for fan_out in result.fan_outs}
        lines += ["", f"Triggered runs: {len(result.runs)} ({totals})"]
        lines += [f"  {line}" for line in render_tree((result.root, *result.runs), causes)]
    if result.warnings:
        lines += ["", *(f"warning: {warning}" for warning in result.warnings[:MAX_WARNINGS])]
        left = len(result.warnings) - MAX_WARNINGS
        lines += [f"and {left} more warnings; --json has them all"] if left > 0 else []
    return shown("\n".join(lines) + "\n")


def failures(result: TreeResult) -> str:
    """Every failure in full: kind, step, exit code or signal, duration, log, how to run it again."""
    lines: list[str] = []
    own = [run for run in result.runs if run.failure is not None and run.failure.kind != FAN_OUT_FAILED]
    for run in own[:MAX_DETAILED]:
        lines += ["", *child_failure(run)]
    if len(own) > MAX_DETAILED:
        lines += ["", f"and {len(own) - MAX_DETAILED} more failed runs; `tako status {result.root.run_id}` lists them"]
    for fan_out in result.fan_outs:
        lines += _unwaited(fan_out)
    failure, names = result.root.failure, result.root.step_names
    if failure is not None:
        where = f"step {quoted_step(failure.step, names)} failed" if failure.step else failure.kind
        rest = [f"  {line}" for line in failure_lines(failure, names)[1:]]
        lines += ["", f"execution failed: {where}: {failure.headline}", *rest]
    elif result.interrupted_by is None and not result.ok:
        refused = any(fan_out.refused is not None for fan_out in result.fan_outs)
        of_itself = "a fan-out was refused" if refused else "a fan-out took too long"
        what = in_numbers(own) if own else of_itself
        lines += ["", f"execution failed: {what}; nobody waited for it"]
    if result.interrupted_by is not None:
        lines += ["", f"execution interrupted by {signal_name(result.interrupted_by)}"]
    if not result.ok:
        lines.append(f"  go on with it: tako exec --resume {result.root.run_id}")
    return shown("\n".join(lines).lstrip("\n") + "\n") if lines else ""


def _unwaited(fan_out: FanOutResult) -> list[str]:
    """What a fan-out itself failed by: that of a run that waits for one says so in the run's own failure."""
    failure = fan_out.refused or fan_out.expired
    if failure is None or fan_out.event.waiting:
        return []
    how = f"refused: {failure.message}" if fan_out.refused is not None else failure.message
    return ["", f"{fan_out.event.source} emitted {fan_out.event.type}; {how}"]


def child_failure(run: ChildOutcome) -> list[str]:
    """One failed or cancelled run in full."""
    when = f"after {duration(run.seconds)}" if run.started_at is not None else "before it was started"
    lines = [f"{run.repo}:{run.workflow} {run.status} {when} ({run.run_id})"]
    if run.failure is not None:
        lines += [f"  {line}" for line in failure_lines(run.failure, run.step_names)]
    for attempt in run.attempts:
        title = failure_title(attempt.failure, run.step_names)
        lines.append(f"  try {attempt.number} ({duration(attempt.seconds)}, logs in attempt-{attempt.number}): {title}")
    if run.started_at is not None:
        lines += [f"  logs: {run.workspace}/logs", f"  run it again: {replay_command(run)}"]
    return lines
