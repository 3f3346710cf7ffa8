"""Which runs' directories are kept on the disk, and why. Pure: what is known of the runs comes in."""

from __future__ import annotations

from tako.execution.state import SUCCESS
from tako.records import record

WEEK_SECONDS = 7 * 86_400.0


@record
class Retention:
    """What somebody wants to keep."""

    older_than: float = WEEK_SECONDS
    """Seconds since a run last did something, before which it is kept."""
    keep_failed: bool = False
    """Whether every run is kept that has not succeeded."""
    automatic: bool = False
    """Whether each ``tako exec`` cleans up at its end."""


@record
class FoundRun:
    """A root run whose directory is there."""

    run_id: str
    idle_seconds: float
    """Since it last did something; below 0 if the clock went back."""
    outcome: str
    """``success``, or what else became of it; whatever cannot be read is no success."""
    alive: bool = False
    """Whether somebody is at work on it."""


def is_old_enough(idle_seconds: float, retention: Retention) -> bool:
    """Whether a run's age lets it go."""
    return idle_seconds >= retention.older_than


def why_kept(run: FoundRun, retention: Retention) -> str | None:
    """Why a run is kept, for the end of a sentence; None if it goes."""
    if run.alive:
        return "it is alive"
    if not is_old_enough(run.idle_seconds, retention):
        return f"it is younger than {age(retention.older_than)}"
    if retention.keep_failed and run.outcome != SUCCESS:
        return f"what has not succeeded is kept, and it is {run.outcome}"
    return None


def age(seconds: float) -> str:
    """Seconds for a reader, in the largest unit of which there is a whole one: ``9d``, ``3h``, ``20m``, ``5s``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + unit
    return f"{max(seconds, 0.0):.3f}".rstrip("0").rstrip(".") + "s"
