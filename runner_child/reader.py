"""Tells a person at a terminal what a child does, when they run it by hand."""

from __future__ import annotations

import sys

from tako.clock import duration
from tako.report.steps import took
from tako.report.words import MARKS, failure_lines, listed_step, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tako.config.model import StepSpec
    from tako.execution.request import RunRequest
    from tako.execution.retry import StepAttempt
    from tako.execution.service import ServiceEnd
    from tako.execution.state import ExecutionState, StepRecord
    from tako.execution.workspace import Workspace


class TerminalReader:
    """Writes lines to stderr."""

    def __init__(self) -> None:
        self._names: Mapping[str, str] = {}

    def started(self, request: RunRequest) -> None:
        self._names = request.workflow.step_names
        commit = f" at {request.commit[:12]}" if request.commit else ""
        self._line(f"{request.label}{commit}, run {request.run_id}")

    def step_started(self, spec: StepSpec) -> None:
        self._line(f"  … {listed_step(spec.id, self._names)}")

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
        label, title = listed_step(spec.id, self._names), attempt.failure.headline
        self._line(f"  ↻ {label} failed at try {attempt.number}: {title}; again in {duration(delay)}")

    def step_ended(self, step: StepRecord) -> None:
        if step.status != "suspended":
            self._line(f"  {MARKS.get(step.status, '·')} {listed_step(step.id, self._names)} ({took(step)})")

    def service_ended(self, end: ServiceEnd) -> None:
        self._line(f"  ■ {listed_step(end.step, self._names)} {end.describe()}")

    def ended(self, request: RunRequest, state: ExecutionState, workspace: Workspace) -> None:
        self._line(f"{state.status}: {request.label}, {duration(state.seconds)}; logs in {workspace.path}/logs")
        if state.failure is not None:
            for line in failure_lines(state.failure, self._names):
                self._line(f"  {line}")

    def _line(self, text: str) -> None:
        sys.stderr.write(shown(text) + "\n")
        sys.stderr.flush()
