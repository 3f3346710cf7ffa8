"""What the fan-out knows of a child: a request goes in, a result comes out."""

from __future__ import annotations

from tako.execution.event import Event
from tako.execution.failure import Failure
from tako.execution.request import RunRequest
from tako.execution.workspace import Workspace
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from tako.execution.final_steps import Ending

    class ChildListener(Protocol):
        """Hears what children do while they do it; called from several threads."""

        def child_started(self, run_id: str, pid: int) -> None: ...

        def child_step(self, run_id: str, step: StepUpdate) -> None: ...

        def child_event(self, run_id: str, event: Event) -> None:
            """The child emitted an event for which it does not wait."""

        def child_note(self, run_id: str, text: str) -> None:
            """The child has something to tell a reader, in a line."""

        def catch_up(self) -> None:
            """Return when a reader has been told all that was heard so far: for who is to speak with that reader."""

    class WorkflowRunner(Protocol):
        """Runs one child until it has ended or waits for a fan-out."""

        def run_workflow(self, request: ChildRequest, listener: ChildListener) -> ChildResult:
            """Blocks; never raises for what a child does. Raises ``MachineError`` if Tako itself cannot go on."""

        def stop(self, by: int | None = None) -> None:
            """Ask all children to end, now and in the future, ``by`` the signal that somebody wanted it by."""

        def force(self) -> None:
            """End all children at once, now and in the future."""

        def cancel(self, run_id: str) -> None:
            """Ask the child of that run to end, now and in the future."""


RETRYING = "retrying"
"""Of a step: between two tries."""


@record
class ChildRequest:
    """One child to run, or to go on with."""

    run: RunRequest
    workspace: Workspace
    resumed: bool = False
    """True if it waited for a fan-out and now goes on."""
    attempt: int = 1
    """Which try this is: more than 1 after a crash, and when the whole tree is resumed."""
    fresh: bool = False
    """Whether it begins again from its first step, in a new checkout: what it was planned with has changed."""
    ending: Ending | None = None
    """How it has ended if it is not to go on, but only to run its ``finally`` steps."""


@record
class StepUpdate:
    """A step has begun or ended."""

    id: str
    status: str
    """``running``, ``retrying``, a step record's status; of one that was left running also how that ended."""
    seconds: float = 0.0
    exit_code: int | None = None
    signal: int | None = None
    outputs: Mapping[str, str] = {}
    message: str = ""
    """Of one that failed: why, in a line."""
    attempt: int = 1
    """Of one that is tried again: the try that failed; of one that has ended: the last one."""
    delay: float = 0.0
    """Of one that is tried again: the seconds until then."""
    tolerated: bool = False
    """Whether the run goes on though it has failed."""
    cached: bool = False
    """Whether it was not run: what it came to was in the step cache."""
    artifacts: tuple[str, ...] = ()
    """What it has sent, a line each."""


@record
class ChildResult:
    """How a child's process ended."""

    status: str
    """``success``, ``failed`` or ``suspended``; of one that was not started also ``cancelled`` or ``skipped``."""
    seconds: float
    """Of this process, from its start to its end."""
    failure: Failure | None = None
    events: tuple[Event, ...] = ()
    """What it waits for, if it is suspended: all that one step emitted."""
    outputs: Mapping[str, Mapping[str, str]] = {}
    """By step id."""
    delivered_by: str | None = None
    """The run that did the work, if it was another one, with the same idempotency key."""
    cached: tuple[str, ...] = ()
    """The ids of the steps that came from the step cache."""
    warnings: tuple[str, ...] = ()
    """What a reader should know of it though it has succeeded."""
