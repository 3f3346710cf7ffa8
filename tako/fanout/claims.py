"""Whose delivery it is: which run may do the work that an idempotency key stands for. Pure.

A key, with the event's source and type and the subscriber's workflow, is a slot. The run that does the work has a
claim on the slot, from its start on; when it has ended, its outcome is the answer for every other run of the slot,
until the retention is over.
"""

from __future__ import annotations

from tako.execution.failure import STEP_ERROR, STEP_FAILED, STEP_KILLED, STEP_TIMEOUT, WORKFLOW_TIMEOUT, Failure
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

SUCCESS = "success"
FAILED = "failed"

BY_ITSELF = frozenset({STEP_FAILED, STEP_KILLED, STEP_ERROR, STEP_TIMEOUT, WORKFLOW_TIMEOUT})
"""The failures with which a delivery has been made: the workflow's own doing. All others say that it was not: a crash,
a cancellation, a limit or a fault of the tree around it."""


@record
class RunKey:
    """A run in its tree: run ids are unique within one only."""

    root_id: str
    run_id: str


@record
class Slot:
    """What is delivered once."""

    source: str
    """The emitter, as ``name_in_ledger`` writes it."""
    type: str
    key: str
    repo: str
    workflow: str
    """The last two are the subscriber's, its name as in the ledger."""
    event_id: str
    """The event that brings it this time; no part of what is unique."""


@record
class Outcome:
    """How a run ended, as its claim tells others."""

    status: str
    failure: Failure | None
    outputs: Mapping[str, Mapping[str, str]]

    @property
    def counts(self) -> bool:
        """Whether the delivery has been made by this, be it without success."""
        return self.status == SUCCESS or (
            self.status == FAILED and self.failure is not None and self.failure.kind in BY_ITSELF
        )


@record
class Claim:
    """Who has a slot, as the ledger says."""

    holder: RunKey
    workspace: str
    """Of the holder, below the Tako home."""
    token: int
    """Another number each time that somebody takes the slot, or takes it again."""
    outcome: Outcome | None = None
    """None if it has not ended, as far as the ledger knows."""
    acknowledged_at: float | None = None


@record
class Asking:
    """A run that is about to start, and what it may rely on."""

    run: RunKey
    unkeyed: bool = False
    """Whether it was also started by an event without a key: then it runs in any case."""
    again: bool = False
    """Whether it belongs to a tree that was resumed: then a failure does not answer it."""


@record
class Decision:
    """What comes of asking: the run starts, or is answered, or waits."""

    answer: Claim | None = None
    """Set if the work was done."""
    wait: Claim | None = None
    """Set if somebody is doing it."""
    circle: tuple[str, ...] = ()
    """With ``wait``: the runs from this one round to itself, each waiting for the next, if waiting would never end."""

    @property
    def starts(self) -> bool:
        return self.answer is None and self.wait is None


def decide(
    asking: Asking,
    claims: Sequence[Claim | None],
    *,
    now: float,
    retention: float,
    dead: Collection[tuple[RunKey, int]] = (),
) -> Decision:
    """Whether a run may start. ``claims`` are those on its slots, in the order in which its events came, None each
    that nobody has. ``dead`` are holders, with their tokens, that will not end any more. Times are in seconds.

    A run of several events is answered only if all of them have been delivered, and starts with all of them else.
    """
    if asking.unkeyed:
        return Decision()
    taken = [
        claim
        for claim in claims
        if claim is not None and not is_free(claim, asking, now=now, retention=retention, dead=dead)
    ]
    waits = next((claim for claim in taken if claim.outcome is None), None)
    if waits is not None:
        return Decision(wait=waits)
    if taken and len(taken) == len(claims):
        return Decision(answer=taken[-1])
    return Decision()


def is_free(
    claim: Claim | None,
    asking: Asking,
    *,
    now: float,
    retention: float,
    dead: Collection[tuple[RunKey, int]] = (),
) -> bool:
    """Whether a run that starts takes the slot; see ``decide``."""
    if claim is None or claim.holder == asking.run:
        return True
    if claim.outcome is None:
        return (claim.holder, claim.token) in dead
    if not claim.outcome.counts or (asking.again and claim.outcome.status != SUCCESS):
        return True
    return claim.acknowledged_at is not None and now - claim.acknowledged_at > retention


def name_in_ledger(shown: str, host: str) -> str:
    """A repository as the ledger has it: ``host//owner/name``, or without a host its name. No path holds ``//``."""
    return f"{host}//{shown.removeprefix(f'{host}/')}" if host else shown


def name_and_host(text: str) -> tuple[str, str]:
    """A repository's name and its host out of what the ledger has."""
    host, slashes, path = text.partition("//")
    return (path, host) if slashes else (text, "")
