"""How far a run came: ``state.json``.

Write points, and what a crash just after each means:

========================== =============================================================
before the first step      the run is known to have begun; no step is recorded
after each step            the step is not run again
at a waiting fan-out       ``suspended`` with the event; the root runs the subscribers
at the end                 the result, before it is reported
========================== =============================================================

The first is not flushed to the disk: losing it loses nothing that the request does not say.
"""

from __future__ import annotations

from tako.errors import StateError
from tako.execution.event import ArtifactRef, Event, event_from_data
from tako.execution.failure import Failure, failure_from_data
from tako.files import read_document, write_document
from tako.records import record, replace, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

KIND = "state"
SCHEMA = 1

RUNNING = "running"
SUSPENDED = "suspended"
SUCCESS = "success"
FAILED = "failed"
SKIPPED = "skipped"


@record
class Announced:
    """An event that a step's ``produces`` names, with its payload rendered."""

    type: str
    schema_version: str | None
    payload: Mapping[str, Any]
    artifact: str | None


@record
class StepRecord:
    """One step that has ended, or waits for its fan-out."""

    id: str
    status: str
    """``success``, ``failed``, ``skipped`` or ``suspended``."""
    started_at: float
    seconds: float
    outputs: Mapping[str, str] = {}
    failure: Failure | None = None
    artifacts: tuple[ArtifactRef, ...] = ()
    announced: tuple[Announced, ...] = ()
    emitted: Event | None = None
    """The event that a fan-out step told the root."""


@record
class ExecutionState:
    """One run, as far as it came."""

    run_id: str
    repo: str
    workflow: str
    status: str
    """``running``, ``suspended``, ``success`` or ``failed``."""
    started_at: float
    seconds: float = 0.0
    """Spent at work; waiting for a fan-out does not count."""
    pid: int | None = None
    steps: tuple[StepRecord, ...] = ()
    failure: Failure | None = None

    @property
    def outputs(self) -> dict[str, Mapping[str, str]]:
        """What the steps put out, by step id."""
        return {step.id: step.outputs for step in self.steps if step.outputs}

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """What the steps made, the latest first."""
        return tuple(artifact for step in reversed(self.steps) for artifact in step.artifacts)

    def with_step(self, step: StepRecord) -> ExecutionState:
        """The state with a step added, or replaced if it is the last one."""
        kept = self.steps[:-1] if self.steps and self.steps[-1].id == step.id else self.steps
        return replace(self, steps=(*kept, step))


def write_state(path: str, state: ExecutionState, *, durable: bool = True) -> None:
    """Write ``state.json``. Raises ``MachineError``."""
    write_document(path, KIND, SCHEMA, to_data(state), durable=durable)


def read_state(path: str) -> ExecutionState:
    """Read ``state.json``. Raises ``StateError`` if it is missing or damaged."""
    data = read_document(path, KIND, SCHEMA)
    try:
        steps = tuple(_step_from_data(item) for item in data["steps"])
        return ExecutionState(**{**data, "steps": steps, "failure": failure_from_data(data["failure"])})
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the state lacks something or has too much: {error}", where=path) from error


def _step_from_data(data: Mapping[str, Any]) -> StepRecord:
    return StepRecord(
        **{
            **data,
            "failure": failure_from_data(data["failure"]),
            "artifacts": tuple(ArtifactRef(**item) for item in data["artifacts"]),
            "announced": tuple(Announced(**item) for item in data["announced"]),
            "emitted": event_from_data(data["emitted"]) if data["emitted"] else None,
        }
    )
