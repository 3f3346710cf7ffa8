"""A runner for some steps with real shells, and what was heard of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tako.config.model import StepSpec
from tako.execution.event import Event
from tako.execution.retry import StepAttempt
from tako.execution.runner import Runner
from tako.execution.service import ServiceEnd
from tako.execution.state import ExecutionState, StepRecord, read_state
from tako.execution.workspace import Workspace
from tako.process import Processes
from tako.signals import Stops, StopSignal
from tako.steps.base import Capabilities, StoppableClock
from tako.steps.registry import step_kind
from tests.builders import make_request, make_workflow


class Bench:
    """A runner for some steps, and what was heard of it."""

    def __init__(
        self,
        directory: Path,
        *steps: StepSpec,
        stop: StopSignal | None = None,
        attempt: int = 1,
        clock: Any = None,
        lifeline: int | None = None,
        workflow: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> None:
        """``workflow`` are more fields of the workflow."""
        self.workspace = Workspace(str(directory / "workspace"))
        self.workspace.make()
        self.repo = directory / "repo"
        self.repo.mkdir()
        self.heard: list[str] = []
        self.events: list[Event] = []
        self.durable: list[tuple[str, ...]] = []
        """The steps that were on the disk whenever something was heard."""
        self.request = make_request(workflow=make_workflow(steps=steps, **(workflow or {})), **request)
        self.stops = Stops(ask=(stop.fd,)) if stop else Stops()
        self.lifeline = lifeline
        self.processes = Processes()
        self.clock: Any = clock or StoppableClock(self.stops)
        self.runner = self.make_runner(attempt=attempt)

    def make_runner(self, *, attempt: int) -> Runner:
        """What the process of one try has."""
        return Runner(
            Capabilities(
                request=self.request,
                workspace=self.workspace,
                repo_dir=str(self.repo),
                processes=self.processes,
                clock=self.clock,
                base_env={"PATH": os.environ["PATH"], "MINE": "mine"},
                stops=self.stops,
                lifeline=self.lifeline,
                attempt=attempt,
            ),
            step_kind=step_kind,
            observer=self,
        )

    def step_started(self, spec: StepSpec) -> None:
        self.heard.append(f"{spec.id} started")

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
        self.heard.append(f"{spec.id} again after try {attempt.number}")

    def step_ended(self, step: StepRecord) -> None:
        self.heard.append(f"{step.id} {step.status}")
        self.durable.append(tuple(recorded.id for recorded in read_state(self.workspace.state).steps))

    def service_ended(self, end: ServiceEnd) -> None:
        self.heard.append(f"{end.step} {end.describe()}")

    def event(self, event: Event) -> None:
        self.events.append(event)
        self.heard.append(f"emitted {event.type}")

    def run(self, state: ExecutionState | None = None) -> ExecutionState:
        return self.runner.run(state or self.runner.begin())

    def log(self, step_id: str) -> str:
        return Path(self.workspace.log(step_id)).read_text()


def tell(step_id: str = "tell", **params: object) -> StepSpec:
    return StepSpec(id=step_id, uses="tako/fan-out@v1", params={"event_type": "built", **params})
