"""How a fan-out, and a whole tree, ended."""

from __future__ import annotations

from tako.execution.answer import Answer
from tako.execution.event import Event
from tako.execution.failure import CANCELLED, CIRCUIT_OPEN, FAN_OUT_FAILED, NOT_STARTED, SUPERSEDED, Failure, concise
from tako.execution.state import SKIPPED, SUCCESS
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PENDING = "pending"

GOOD_ENDS = (SUCCESS, SKIPPED)
"""The statuses of a run that does not fail those above it."""

CONSEQUENCES = frozenset({FAN_OUT_FAILED, CANCELLED, CIRCUIT_OPEN, SUPERSEDED})
"""Kinds of failure that come of something else."""


@record
class Attempt:
    """One try at a run that crashed and was tried again."""

    number: int
    """From 1."""
    failure: Failure
    seconds: float


@record
class ChildOutcome:
    """How one run of the tree ended."""

    run_id: str
    root_id: str
    parent_id: str | None
    event_id: str | None
    repo: str
    workflow: str
    depth: int
    status: str
    """``success``, ``failed`` or ``cancelled``; ``skipped`` if it needs events that did not come; ``pending`` if it
    never ended, since the tree was interrupted."""
    seconds: float
    """At work, waiting not counted."""
    started_at: float | None
    ended_at: float | None
    workspace: str
    failure: Failure | None = None
    outputs: Mapping[str, Mapping[str, str]] = {}
    attempts: tuple[Attempt, ...] = ()
    """The tries before the last one."""
    delivered_by: str | None = None
    """The run that did the work, if it was another one, with the same idempotency key."""
    cached: tuple[str, ...] = ()
    """The ids of its steps that came from the step cache."""
    commit: str | None = None
    """What it ran at, or is to; None if its source is no git repository."""
    step_names: Mapping[str, str] = {}
    """The names of its workflow's steps by their ids, of those that have one."""

    @property
    def ok(self) -> bool:
        return self.status in GOOD_ENDS


@record
class FanOutResult:
    """How one event of a fan-out ended: every run that it started."""

    event: Event
    children: tuple[ChildOutcome, ...]
    failed_below: bool
    """Whether one of them failed, or one that they triggered."""
    refused: Failure | None = None
    """Why nothing was started."""
    expired: Failure | None = None
    """That its time was up, if it was."""
    looked_at: int = 0
    """How many repositories were looked at for subscribers."""
    looked_in: str = ""
    """The directory that they are in."""

    @property
    def ok(self) -> bool:
        return self.refused is None and self.expired is None and not self.failed_below


def answer_of(results: Sequence[FanOutResult]) -> Answer:
    """What the run that waits is told of the events of its fan-out, in the order of their emission.

    A run that several of them started counts once.
    """
    all_children = {child.run_id: child for result in results for child in result.children}.values()
    children = tuple(child for child in all_children if child.status != SKIPPED)
    failures = [result.refused for result in results if result.refused]
    failures += [result.expired for result in results if result.expired and not result.refused]
    if any(result.failed_below for result in results if not result.refused and not result.expired):
        failures.append(Failure(kind=FAN_OUT_FAILED, message=_summary(children)))
    failure = None
    if failures:
        messages = dict.fromkeys(each.message for each in failures)
        failure = concise(replace(failures[0], message="; ".join(messages)))
    succeeded = sum(child.ok for child in children)
    return Answer(results[0].event.id, total=len(children), succeeded=succeeded, failure=failure)


@record
class TreeResult:
    """How a root run and everything below it ended."""

    root: ChildOutcome
    runs: tuple[ChildOutcome, ...]
    """Every run below the root, in the order in which they were planned."""
    fan_outs: tuple[FanOutResult, ...]
    warnings: tuple[str, ...]
    ok: bool
    seconds: float
    interrupted_by: int | None = None
    """The signal that stopped the tree, if one did."""
    resumed_at: float | None = None
    """When this attempt began, in seconds since the epoch, if it was not the first."""

    @property
    def failures(self) -> tuple[ChildOutcome, ...]:
        """Every run that failed by itself, those aside that failed, or never ran, only since another failed."""
        own = (run for run in (self.root, *self.runs) if run.failure is not None)
        return tuple(run for run in own if run.failure and run.failure.kind not in CONSEQUENCES)

    @property
    def is_the_machines_fault(self) -> bool:
        """Whether all that went wrong is that the machine could not start a process."""
        failures = self.failures
        return bool(failures) and all(run.failure and run.failure.kind == NOT_STARTED for run in failures)


def in_numbers(runs: Iterable[ChildOutcome], *, total: int | None = None) -> str:
    """How many of ``total`` runs have not succeeded, those that were cancelled told apart."""
    statuses = [run.status for run in runs]
    cancelled = statuses.count("cancelled")
    failed = len(statuses) - cancelled
    of = "" if total is None else f" of {total}"
    were = f"{'was' if cancelled == 1 else 'were'} cancelled"
    if not failed and cancelled:
        return f"{cancelled}{of} triggered runs {were}"
    return f"{failed}{of} triggered runs failed" + (f", {cancelled} {were}" if cancelled else "")


def _summary(children: Iterable[ChildOutcome]) -> str:
    listed = tuple(children)
    bad = sorted((child for child in listed if not child.ok), key=lambda child: child.status == "cancelled")
    if not bad:
        return "a run further down failed"
    named = "; ".join(
        f"{child.repo}:{child.workflow}: {child.failure.headline if child.failure else child.status}"
        for child in bad[:5]
    )
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    return f"{in_numbers(bad, total=len(listed))}: {named}{more}"
