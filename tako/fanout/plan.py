"""What a fan-out will do, decided before anything starts."""

from __future__ import annotations

from tako.execution.event import Event
from tako.execution.failure import Failure
from tako.execution.request import RunRequest
from tako.records import record

MAX_DEPTH = 10
WARN_DEPTH = 7


@record
class PlannedRun:
    """One run that an event starts."""

    request: RunRequest
    why: str
    failure: Failure | None = None
    """Set if it cannot even be started, since its inputs do not fit: it counts as a failed run."""
    held: bool = False
    """Whether it starts only when nothing in the tree can trigger it any more."""
    joins: bool = False
    """Whether it is held already, for an event before this one."""
    lacks: tuple[str, ...] = ()
    """What must still come before it may run, as ``Subscription.awaited`` says it."""


@record
class PassedOver:
    """A subscription that does not run, and why."""

    repo: str
    workflow: str
    where: str
    why: str
    warned: bool = False
    """Whether a warning says so, too."""


@record
class Plan:
    """What one event causes."""

    event: Event
    runs: tuple[PlannedRun, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    warnings: tuple[str, ...] = ()
    refused: Failure | None = None
    """Set if the fan-out must not happen; there are no runs then."""
    repositories: int = 0
    """How many repositories were looked at."""
    looked_in: str = ""
    """The directory that they are in."""
