"""The steps of one run in words: while they are at work, and when the run is over."""

from __future__ import annotations

from tako.children.base import RETRYING
from tako.clock import duration
from tako.execution.event import sent_line
from tako.execution.service import EXITED, LOST, STOPPED
from tako.execution.state import RUNNING
from tako.report.style import Line
from tako.report.words import MARKS, NO_NAMES, listed_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tako.children.base import StepUpdate
    from tako.execution.service import ServiceEnd
    from tako.execution.state import ExecutionState, StepRecord


def update_line(label: str, step: StepUpdate) -> str:
    """What a step has come to just now: ``✓ step 'build' success (1.2s)``; ``label`` is what it is called."""
    if step.status == RUNNING:
        return f"… {label}"
    if step.status == RETRYING:
        return f"↻ {label} failed at try {step.attempt}: {step.message}; again in {duration(step.delay)}"
    if step.status in (STOPPED, EXITED, LOST):
        return f"■ {label} {step.message}{f' ({duration(step.seconds)})' if step.seconds else ''}"
    tries = f", {step.attempt} tries" if step.attempt > 1 else ""
    tries += ", cached" if step.cached else ""
    goes_on = "; the run goes on" if step.tolerated else ""
    return f"{MARKS.get(step.status, '?')} {label} {step.status} ({duration(step.seconds)}{tries}){goes_on}"


def step_lines(step: StepRecord, names: Mapping[str, str] = NO_NAMES, since: float | None = None) -> list[str]:
    """A step that has ended, and what ran since it failed.

    ``names`` are those of all steps by their ids; ``since`` is when the tree was resumed, in seconds since the epoch.
    """
    lines = [f"  {step_line(step, names, since)}"]
    lines += [f"      {sent_line(artifact)}" for artifact in step.artifacts]
    lines += [f"      on failure: {step_line(handler, names, since)}" for handler in step.handlers]
    return lines


def step_report(step: StepRecord, names: Mapping[str, str], since: float | None = None) -> list[Line]:
    """The same for a screen."""
    head = len(f"  {MARKS.get(step.status, '?')} {listed_step(step.id, names)}")
    first, *more = step_lines(step, names, since)
    tail = 0 if step.tolerated else len(f" ({took(step, since)})")
    return [
        Line(first, status=step.status, head=head, may_be_cut=True, tail=tail),
        *(Line(line, may_be_cut=True) for line in more),
    ]


def step_line(step: StepRecord, names: Mapping[str, str] = NO_NAMES, since: float | None = None) -> str:
    """``✓ build: Build it (1.2s)``; of one that failed and let the run go on also why it failed."""
    line = f"{MARKS.get(step.status, '?')} {listed_step(step.id, names)} ({took(step, since)})"
    if step.tolerated and step.failure is not None:
        return f"{line} failed, and the run went on: {step.failure.headline}"
    return line


def noteworthy_lines(state: ExecutionState, names: Mapping[str, str] = NO_NAMES) -> list[str]:
    """Of the steps of a run, those of which there is more to tell than that they succeeded, were skipped or failed."""
    steps = (step for step in (*state.steps, *state.finals) if step.attempts or step.handlers or step.tolerated)
    return [*(line for step in steps for line in step_lines(step, names)), *service_lines(state.services, names)]


def service_lines(ends: Sequence[ServiceEnd], names: Mapping[str, str] = NO_NAMES) -> list[str]:
    """How what was left running has ended, where that is worth a line."""
    return [f"  ■ {listed_step(end.step, names)} {end.describe()}" for end in ends if end.is_news]


def took(step: StepRecord, since: float | None = None) -> str:
    """How long a step took, how often it was tried, whether it was cached; of one that never ran: ``skipped``."""
    if step.status == "skipped":
        return "skipped"
    tries = f", {len(step.attempts) + 1} tries" if step.attempts else ""
    when = ""
    if since is not None and step.started_at < since:
        when = ", in an earlier attempt" if step.started_at + step.seconds < since else ", over all attempts"
    final = ", finally" if step.final else ""
    return f"{duration(step.seconds)}{tries}{', cached' if step.cached else ''}{when}{final}"
