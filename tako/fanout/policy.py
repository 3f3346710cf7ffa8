"""What a fan-out step says about the runs it starts: how long, how many at once, what if one fails or crashes."""

from __future__ import annotations

from tako.children.retry import RetryPolicy
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.config.model import StepSpec


@record
class FanOutPolicy:
    """The limits of one fan-out."""

    timeout: float | None = None
    """Seconds for all its runs together."""
    concurrency_limit: int | None = None
    """How many of the runs that it starts itself may be at work at once, at least 1; ``-j`` holds besides."""
    fail_fast: bool = False
    """Whether the first failure cancels what has not started."""
    retry: RetryPolicy = RetryPolicy()


def policy_of(step: StepSpec) -> FanOutPolicy:
    """The policy of a ``tako/fan-out@v1`` step, out of its ``with``, which the loader has checked."""
    params = step.params
    return FanOutPolicy(
        timeout=params.get("timeout"),
        concurrency_limit=params.get("concurrency_limit"),
        fail_fast=params.get("fail_fast", False),
        retry=RetryPolicy(**params.get("retry", {})),
    )
