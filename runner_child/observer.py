"""Who hears what a child's runner does: the parent, in frames, and a person at a terminal, in words."""

from __future__ import annotations

import sys

from tako.children.base import StepUpdate
from tako.children.in_process import note_of_step, retry_update, service_update, step_update
from tako.execution.state import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from runner_child.frames import Frames
    from tako.config.model import StepSpec
    from tako.execution.event import Event
    from tako.execution.request import RunRequest
    from tako.execution.retry import StepAttempt
    from tako.execution.service import ServiceEnd
    from tako.execution.state import ExecutionState, StepRecord
    from tako.execution.workspace import Workspace

    class Reader(Protocol):
        """Tells a person at a terminal what goes on."""

        def started(self, request: RunRequest) -> None: ...

        def step_started(self, spec: StepSpec) -> None: ...

        def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None: ...

        def step_ended(self, step: StepRecord) -> None: ...

        def service_ended(self, end: ServiceEnd) -> None: ...

        def ended(self, request: RunRequest, state: ExecutionState, workspace: Workspace) -> None: ...


class ChildObserver:
    """Passes on what the runner does: to the parent in frames, to a person in words."""

    def __init__(self, frames: Frames, reader: Reader | None, faults: Callable[[str], object] | None) -> None:
        self._frames = frames
        self._reader = reader
        self._faults = faults

    def step_started(self, spec: StepSpec) -> None:
        self._frames.send(StepUpdate(id=spec.id, status=RUNNING))
        if self._reader:
            self._reader.step_started(spec)
        if self._faults:
            self._faults(spec.id)

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None:
        self._frames.send(retry_update(spec, attempt, delay))
        if self._reader:
            self._reader.step_retrying(spec, attempt, delay)

    def step_ended(self, step: StepRecord) -> None:
        self._frames.step(step_update(step))
        for note in step.notes:
            self.note(note_of_step(step, note))
        if self._reader:
            self._reader.step_ended(step)

    def service_ended(self, end: ServiceEnd) -> None:
        self._frames.send(service_update(end))
        if self._reader:
            self._reader.service_ended(end)

    def event(self, event: Event) -> None:
        self._frames.send(event)

    def note(self, text: str) -> None:
        """Tell a reader a line: the root, or who reads this process's own words."""
        sys.stderr.write(f"{text}\n")
        self._frames.note(text)
