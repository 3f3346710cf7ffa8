"""Decides whether a child that failed is tried again, and when. Pure: no clock, no chance of its own."""

from __future__ import annotations

import zlib

from tako.execution.failure import (
    CHECKOUT_FAILED,
    DISK_FULL,
    EXCEPTION,
    EXITED,
    KILLED,
    MACHINE_ERROR,
    NO_RESULT,
    NOT_STARTED,
    OUT_OF_MEMORY,
    PROTOCOL,
)
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.execution.failure import Failure

MAX_DELAY = 300.0
"""Seconds; no wait before a next try is longer."""

CRASHES = frozenset(
    {
        CHECKOUT_FAILED,
        DISK_FULL,
        EXCEPTION,
        EXITED,
        KILLED,
        MACHINE_ERROR,
        NO_RESULT,
        NOT_STARTED,
        OUT_OF_MEMORY,
        PROTOCOL,
    }
)
"""The kinds of failure by which a child crashed, could not start or was lost. All others are its workflow's own doing,
a limit's or somebody's will: another try would end the same way, or is not wanted."""


@record
class RetryPolicy:
    """How often a child is tried, and how long the waits between are."""

    attempts: int = 1
    """Tries in all, the first included."""
    delay: float = 1.0
    """Seconds before the second try."""
    backoff: float = 2.0
    """By what each wait is longer than the one before."""


def is_crash(failure: Failure | None) -> bool:
    """Whether a try ended by a crash, and not by what its workflow did."""
    return failure is not None and failure.kind in CRASHES


def decide(policy: RetryPolicy, failure: Failure | None, *, attempt: int, jitter: float) -> float | None:
    """Seconds to wait before the next try, at most ``MAX_DELAY``; None if there is to be none.

    ``attempt`` is the number of the try that failed, from 1. ``jitter``, in [0, 1), places the wait within the upper
    half of what the policy says: "equal jitter" of the AWS Architecture Blog
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Children that crashed together do not
    come back together then, yet each leaves the machine some time to recover.
    """
    if attempt >= policy.attempts or not is_crash(failure):
        return None
    try:
        wait = policy.delay * float(policy.backoff) ** (attempt - 1)
    except OverflowError:
        wait = MAX_DELAY if policy.delay else 0.0
    return min(wait, MAX_DELAY) * (0.5 + jitter / 2)


def jitter(run_id: str, attempt: int) -> float:
    """A number in [0, 1) for ``decide``: the same whenever it is asked for, another for each run and attempt.

    Derived and not drawn, so that whoever decides again, in a resumed run or in a test, decides the same.
    """
    return zlib.crc32(f"{run_id} {attempt}".encode()) / 2**32
