"""Tells what happens as it happens, a line each, for logs and pipes: no colour, no movement."""

from __future__ import annotations

import signal

from tako.clock import duration
from tako.execution.failure import INTERRUPTED
from tako.report.passed_over import how_to_add, looked, passed_over_lines
from tako.report.steps import update_line
from tako.report.words import MARKS, failure_title, quoted_step, shown
from tako.signals import kill_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tako.children.base import StepUpdate
    from tako.execution.request import RunRequest
    from tako.fanout.plan import Plan, PlannedRun
    from tako.fanout.result import Attempt, ChildOutcome
    from tako.steps.base import Echo


MAX_NAMED = 20
"""Runs of one plan that are named in its line; each has a line of its own when it starts."""


class PlainReporter:
    """A ``TreeObserver`` that writes lines.

    The root's steps are always told, those of the children with ``verbose``.
    """

    echo: Echo | None = None
    """What shows what the root's steps print: nothing does, unless somebody asks for it."""

    def __init__(self, write: Callable[[str], object], *, verbose: bool = False) -> None:
        self._write = write
        self._verbose = verbose
        self._warned: set[str] = set()
        self._is_interrupted = False

    def run_started(self, request: RunRequest, *, resumed: bool) -> None:
        if request.parent_id and (self._verbose or not resumed):
            self._line(f"{'goes on' if resumed else 'started'}: {request.label} ({request.run_id})")

    def run_step(self, request: RunRequest, step: StepUpdate) -> None:
        root = request.parent_id is None
        if not (root or self._verbose) or step.status == "suspended":
            return
        told = f"step {quoted_step(step.id, request.workflow.step_names)}"
        label = told if root else f"{request.label} {told}"
        self._line(update_line(label, step))
        for line in step.artifacts if self._verbose else ():
            self._line(f"  {line}")

    def run_waiting(self, request: RunRequest) -> None:
        if self._verbose:
            self._line(f"waits for its fan-out: {request.label} ({request.run_id})")

    def run_ended(self, outcome: ChildOutcome) -> None:
        if outcome.parent_id is None or (is_interrupted(outcome) and self._is_interrupted and not self._verbose):
            return
        how = f": {failure_title(outcome.failure, outcome.step_names)}" if outcome.failure else ""
        mark = MARKS.get(outcome.status, "?")
        label = f"{outcome.repo}:{outcome.workflow}"
        self._line(f"{mark} {label} {outcome.status} ({outcome.run_id}, {duration(outcome.seconds)}){how}")

    def planned(self, plan: Plan, emitter: RunRequest) -> None:
        for line in (*warning_lines(plan, self._warned), *plan_lines(plan, emitter, verbose=self._verbose)):
            self._line(line)

    def run_retrying(self, request: RunRequest, attempt: Attempt, delay: float) -> None:
        self._line(retry_line(request, attempt, delay))

    def restored(self, plans: Sequence[Plan], outcomes: Sequence[ChildOutcome]) -> None:
        del plans
        self._line(restored_line(outcomes))

    def told(self, text: str) -> None:
        self._line(text)

    def interrupted(self, signal_number: int, *, working: int, again: bool) -> None:
        self._is_interrupted = True
        self._line(interruption_line(signal_number, working=working, again=again))

    def paused(self) -> None:
        self._line("stopped, with everything at work; `fg` lets it go on")

    def unpaused(self) -> None:
        self._line("goes on")

    def _line(self, text: str) -> None:
        self._write(shown(text) + "\n")


def is_interrupted(outcome: ChildOutcome) -> bool:
    """Whether a run ended because it was stopped; the report says so of all of them in one line."""
    return outcome.failure is not None and outcome.failure.kind == INTERRUPTED


def retry_line(request: RunRequest, attempt: Attempt, delay: float) -> str:
    """That a run crashed and will be tried again."""
    title = failure_title(attempt.failure, request.workflow.step_names)
    return f"↻ {request.label} ({request.run_id}) crashed at try {attempt.number}: {title}; again in {duration(delay)}"


def restored_line(outcomes: Sequence[ChildOutcome]) -> str:
    """What there is of a tree that goes on."""
    triggered = outcomes[1:]
    done = sum(outcome.ok for outcome in triggered)
    return f"goes on: {done} of {len(triggered)} triggered runs have succeeded"


def interruption_line(signal_number: int, *, working: int, again: bool) -> str:
    """What a signal that ends the tree makes it do now."""
    name = signal.Signals(signal_number).name
    if again:
        return f"{name} again: killing what is at work"
    if not working:
        return f"{name}: stopping"
    whom = "1 run" if working == 1 else f"{working} runs"
    return f"{name}: stopping {whom}{kill_hint(signal_number)}"


def warning_lines(plan: Plan, known: set[str]) -> list[str]:
    """The warnings of a plan that are not ``known`` yet, which then are: most plans of a tree have the same ones."""
    new = [warning for warning in dict.fromkeys(plan.warnings) if warning not in known]
    known.update(new)
    return [f"warning: {warning}" for warning in new]


def _named(planned: PlannedRun) -> str:
    """A planned run; one that is held does not start with the others."""
    return f"{planned.request.label} (held)" if planned.held else planned.request.label


def plan_lines(plan: Plan, emitter: RunRequest, *, verbose: bool) -> list[str]:
    """What is said of a plan, its warnings aside; who does not run, and why, if nobody does or with ``verbose``."""
    what = f"{emitter.label} emitted {plan.event.type}"
    if plan.refused is not None:
        lines = [f"{what}; refused: {plan.refused.message}"]
    elif not plan.runs:
        lines = [f"{what}; no repository subscribed to it ({looked(plan.repositories, plan.looked_in)})"]
        lines += [f"  {line}" for line in how_to_add(plan.looked_in, plan.passed_over)]
    else:
        named = ", ".join(_named(planned) for planned in plan.runs[:MAX_NAMED])
        more = f" and {len(plan.runs) - MAX_NAMED} more" if len(plan.runs) > MAX_NAMED else ""
        lines = [f"{what}; starts {named}{more}"]
    if verbose or not plan.runs:
        lines += passed_over_lines(plan.passed_over, "  not")
    return lines
