"""When a step is tried again, and after which wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.model import RetrySpec
from tako.execution.failure import KINDS, STEP_FAILED, STEP_KILLED, STEP_TIMEOUT, Failure
from tako.execution.retry import MAX_DELAY, wait_before_next

FAILED = Failure(STEP_FAILED, "exit code 75", exit_code=75)


def test_a_step_without_retry_is_not_tried_again() -> None:
    assert wait_before_next(None, FAILED, number=1) is None


def test_the_waits_grow_and_the_tries_end() -> None:
    retry = RetrySpec(attempts=4, delay=2.0, backoff=3.0)

    assert [wait_before_next(retry, FAILED, number=number) for number in (1, 2, 3, 4, 5)] == [2, 6, 18, None, None]


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_failure_of_the_steps_own_work_is_tried_again(kind: str) -> None:
    again = wait_before_next(RetrySpec(attempts=2), Failure(kind, ""), number=1) is not None

    assert again == (kind in (STEP_FAILED, STEP_KILLED, STEP_TIMEOUT))


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (FAILED, True),
        (Failure(STEP_FAILED, "", exit_code=1), False),
        (Failure(STEP_TIMEOUT, ""), False),
        (Failure(STEP_KILLED, "", exit_code=137, signal=9), True),
        (Failure(STEP_KILLED, "", signal=9), False),
    ],
)
def test_exit_codes_that_are_named_are_the_only_ones(failure: Failure, again: bool) -> None:
    retry = RetrySpec(attempts=2, on_exit_codes=(75, 137))

    assert (wait_before_next(retry, failure, number=1) is not None) == again


@given(st.integers(1, 10**6), st.floats(0, 1e300), st.floats(1, 1e300), st.integers(1, 10**6))
def test_no_wait_is_negative_endless_or_longer_than_the_most(
    attempts: int, delay: float, backoff: float, number: int
) -> None:
    wait = wait_before_next(RetrySpec(attempts, delay, backoff), FAILED, number=number)

    assert (wait is None) == (number >= attempts)
    assert wait is None or 0 <= wait <= MAX_DELAY
