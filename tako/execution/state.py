"""How far a run came: ``state.json``, and as ``state.json.bak`` what it was before.

Write points, and what a crash just after each means (all of Tako's are in ``docs/durability.md``):

========================== =============================================================
before the first step      the run is known to have begun; no step is recorded
when it goes on            as before; only the process at work is another one
after each step            the step is not run again
after each finally step    all of them are run again when the run ends again
at a waiting fan-out       ``suspended`` with the event; the root runs the subscribers
at the end                 the result, before it is reported
========================== =============================================================

The first is not flushed to the disk: losing it loses nothing that the request does not say. A crash just before any of
them means that what it says has not happened: a step that had ended is run again.

The old file is kept as the backup whenever the new one goes on from it. Going by a backup, since the file itself is
damaged, so forgets one step at most: it is run again, and whoever reads is told.
"""

from __future__ import annotations

import contextlib
import os

from tako import stdio
from tako.errors import MachineError, StateError
from tako.execution.event import ArtifactRef, Event, event_from_data
from tako.execution.failure import Failure, failure_from_data
from tako.execution.migration import MIGRATIONS
from tako.execution.retry import StepAttempt, attempt_from_data
from tako.execution.service import Service, ServiceEnd, service_end_from_data, service_from_data
from tako.execution.size import check_size
from tako.files import atomic_write, encode_document, foreign_content, machine_errors, read_document, remove_temporaries
from tako.records import record, replace, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tako.execution.workspace import Workspace

    Say = Callable[[str], object]

KIND = "state"
SCHEMA = 2

RUNNING = "running"
SUSPENDED = "suspended"
SUCCESS = "success"
FAILED = "failed"
SKIPPED = "skipped"

STATUSES = (RUNNING, SUSPENDED, SUCCESS, FAILED)
"""Of a run."""

STEP_STATUSES = (SUSPENDED, SUCCESS, FAILED, SKIPPED)


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
    emitted: tuple[Event, ...] = ()
    """The events that a fan-out step sent to the root; it waits for all of them, or for none."""
    cached: bool = False
    """Whether it was not run: what it came to was in the step cache."""
    tainted: tuple[str, ...] = ()
    """The names of outputs that are templates of what came with an event."""
    attempts: tuple[StepAttempt, ...] = ()
    """The tries before the last one."""
    handlers: tuple[StepRecord, ...] = ()
    """What its ``on_failure`` came to."""
    tolerated: bool = False
    """Whether the run went on though the step had failed."""
    service: Service | None = None
    """What it has left running."""
    result: str | None = None
    """What it printed on stdout, trimmed; None unless an expression of the workflow may read it."""
    final: bool = False
    """Whether it is one of the workflow's ``finally`` steps."""
    notes: tuple[str, ...] = ()
    """What a reader must know of it though it has succeeded, a line each."""

    @property
    def is_done(self) -> bool:
        """Whether the step is behind the run, and not run again when that goes on."""
        return self.status in (SUCCESS, SKIPPED) or self.tolerated

    @property
    def waits(self) -> bool:
        """Whether the step emitted events and waits for what they start, or has waited for it."""
        return any(event.waiting for event in self.emitted)


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
    pid_started: float | None = None
    """With ``pid`` the identity of the process at work; see ``tako.identity``."""
    steps: tuple[StepRecord, ...] = ()
    failure: Failure | None = None
    generation: int = 1
    """How often somebody asked for steps to be run again that had succeeded, and one."""
    services: tuple[ServiceEnd, ...] = ()
    """How what its steps left running has ended, once the run has."""
    finals: tuple[StepRecord, ...] = ()
    """What the ``finally`` steps came to when the run last ended."""
    ending: str = ""
    """How the run has ended, since its ``finally`` steps began."""

    @property
    def every_step(self) -> tuple[StepRecord, ...]:
        """Its steps, each followed by its ``on_failure``, and the ``finally`` steps."""
        return (*(each for step in self.steps for each in (step, *step.handlers)), *self.finals)

    warnings: tuple[str, ...] = ()
    """What a reader should know of a run that has succeeded."""

    @property
    def outputs(self) -> dict[str, Mapping[str, str]]:
        """What the steps put out, by step id."""
        return {step.id: step.outputs for step in self.steps if step.outputs}

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """What the steps made, the latest first."""
        return tuple(artifact for step in reversed(self.steps) for artifact in step.artifacts)

    @property
    def cached(self) -> tuple[str, ...]:
        """The ids of the steps that were not run, since the step cache had what they come to."""
        return tuple(step.id for step in self.steps if step.cached)

    def with_step(self, step: StepRecord) -> ExecutionState:
        """The state with a step added, or replaced if it is the last one."""
        kept = self.steps[:-1] if self.steps and self.steps[-1].id == step.id else self.steps
        return replace(self, steps=(*kept, step))


def backup_of(path: str) -> str:
    """Where the backup of a ``state.json`` is."""
    return f"{path}.bak"


def begin_state(workspace: Workspace, state: ExecutionState, *, say: Say = stdio.say) -> None:
    """Write the first state of a process that begins a run or goes on with it; for who owns the workspace.

    What writers that were killed left there is removed. A state that does not go on from what is recorded, since steps
    are to be run again, has no backup: that would say of them that they are done. Else as ``write_state``.
    """
    path = workspace.state
    for directory in (workspace.path, os.path.dirname(workspace.answer("any"))):
        remove_temporaries(directory)
    if not state.steps:
        _forget_backup(path)
        _write(path, state, durable=False, backup=None, say=say)
        return
    recorded = _readable(path)
    before = recorded or _readable(backup_of(path))
    goes_on = before is not None and _goes_on(before, state)
    if not goes_on:
        _forget_backup(path)
    # What cannot be read is not kept in the place of a backup that can.
    keeps = goes_on and recorded is not None
    _write(path, state, durable=True, backup=backup_of(path) if keeps else None, say=say)


def write_state(path: str, state: ExecutionState, *, durable: bool = True, say: Say = stdio.say) -> None:
    """Write the next ``state.json`` of a process; the one before becomes the backup.

    ``say`` is told when the state becomes large. Raises ``MachineError``, also if it is too large.
    """
    _write(path, state, durable=durable, backup=backup_of(path), say=say)


def read_state(path: str, *, say: Say = stdio.say) -> ExecutionState:
    """Read ``state.json`` or, where it cannot be read, its backup; ``say`` is told of that.

    Raises ``StateError`` if neither can be read.
    """
    try:
        return _read(path)
    except StateError as error:
        damaged = error
    backup = backup_of(path)
    if not os.path.exists(backup):
        raise damaged
    try:
        state = _read(backup)
    except StateError as error:
        raise StateError(
            f"{damaged.what}; its backup cannot be used either",
            where=path,
            why=f"{backup}: {error.what}",
            cure=damaged.cure,
        ) from error
    say(f"warning: {damaged.where}: {damaged.what}; going by {backup}, in which the last step may be missing\n")
    return state


def recorded_state(path: str, *, say: Say = stdio.say) -> ExecutionState | None:
    """What is recorded of a run, for who is to go on with it; None if it begins anew.

    It does so if nothing is recorded or, which ``say`` is told, if nothing that is can be read.
    """
    if not is_recorded(path):
        return None
    try:
        return read_state(path, say=say)
    except StateError as error:
        say(f"warning: {error}\n  so this run begins anew, from its first step\n")
        return None


def is_recorded(path: str) -> bool:
    """Whether something is recorded of a run, be it readable or not."""
    return os.path.lexists(path) or os.path.lexists(backup_of(path))


def require_recorded(path: str) -> None:
    """Raise ``MachineError`` if nothing is recorded of a run that waited: its steps would all be run once more."""
    if not is_recorded(path):
        raise MachineError("the run's directory has vanished while it waited for its fan-out", where=path)


def _write(path: str, state: ExecutionState, *, durable: bool, backup: str | None, say: Say) -> None:
    data = to_data(state)
    content = encode_document(KIND, SCHEMA, data)
    check_size(path, len(content), data, say)
    atomic_write(path, content, durable=durable, backup=backup)


def _forget_backup(path: str) -> None:
    backup = backup_of(path)
    with machine_errors("remove", backup), contextlib.suppress(FileNotFoundError):
        os.unlink(backup)


def _readable(path: str) -> ExecutionState | None:
    try:
        return _read(path)
    except StateError:
        return None


def _goes_on(before: ExecutionState, state: ExecutionState) -> bool:
    """Whether a state still has every step that had been done before."""
    done = [step.id for step in before.steps if step.is_done]
    return before.generation == state.generation and done == [step.id for step in state.steps][: len(done)]


def _read(path: str) -> ExecutionState:
    data = read_document(path, KIND, SCHEMA, MIGRATIONS[KIND])
    with foreign_content(KIND, path):
        steps = tuple(_step_from_data(item) for item in data["steps"])
        services = tuple(service_end_from_data(item) for item in data.get("services", ()))
        finals = tuple(_step_from_data(item) for item in data.get("finals", ()))
        failure = failure_from_data(data["failure"])
        state = ExecutionState(
            **{
                **data,
                "steps": steps,
                "failure": failure,
                "services": services,
                "finals": finals,
                "warnings": tuple(data.get("warnings", ())),
            }
        )
        if state.status not in STATUSES:
            raise ValueError(f"unknown status {state.status!r}")
        return state


def _step_from_data(data: Mapping[str, Any]) -> StepRecord:
    if not isinstance(data["id"], str) or data["status"] not in STEP_STATUSES:
        raise ValueError(f"a step has no id, or the unknown status {data['status']!r}")
    return StepRecord(
        **{
            **data,
            "failure": failure_from_data(data["failure"]),
            "artifacts": tuple(ArtifactRef(**item) for item in data["artifacts"]),
            "announced": tuple(Announced(**item) for item in data["announced"]),
            "emitted": tuple(event_from_data(item) for item in data["emitted"]),
            "tainted": tuple(data.get("tainted", ())),
            "notes": tuple(data.get("notes", ())),
            "attempts": tuple(attempt_from_data(item) for item in data.get("attempts", ())),
            "handlers": tuple(_step_from_data(item) for item in data.get("handlers", ())),
            "service": service_from_data(data.get("service")),
        }
    )
