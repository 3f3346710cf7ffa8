from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.children.retry import CRASHES, MAX_DELAY, RetryPolicy, decide, is_crash, jitter
from tako.execution import failure as failures
from tako.execution.failure import KILLED, KINDS, STEP_FAILED, Failure
from tests.builders import CHILD_ID, ROOT_ID

CRASH = Failure(kind=KILLED, message="killed by SIGSEGV")
ALMOST_ONE = 1 - 2**-32

POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10_000),
    delay=st.just(0.0) | st.floats(0.001, 1e9) | st.integers(0, 10**9),
    backoff=st.floats(1, 1e300) | st.integers(1, 1000),
)


def test_only_what_is_not_the_workflows_own_doing_is_a_crash() -> None:
    assert KINDS.keys() - CRASHES == {
        failures.STEP_FAILED,
        failures.STEP_KILLED,
        failures.STEP_ERROR,
        failures.STEP_TIMEOUT,
        failures.WORKFLOW_TIMEOUT,
        failures.FAN_OUT_TIMEOUT,
        failures.FAN_OUT_FAILED,
        failures.PLAN_REFUSED,
        failures.INPUTS_INVALID,
        failures.LOST,
        failures.INTERRUPTED,
        failures.CANCELLED,
        failures.CIRCUIT_OPEN,
        failures.SECRET_MISSING,
        failures.SUPERSEDED,
    }
    assert KINDS.keys() > CRASHES


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_is_tried_again_and_nothing_else(kind: str) -> None:
    failure = Failure(kind=kind, message="")

    assert is_crash(failure) == (kind in CRASHES)
    assert (decide(RetryPolicy(attempts=2), failure, attempt=1, jitter=0.0) is not None) == (kind in CRASHES)


def test_a_success_is_no_crash_and_not_tried_again() -> None:
    assert not is_crash(None)
    assert decide(RetryPolicy(attempts=2), None, attempt=1, jitter=0.0) is None


def test_nobody_who_did_not_ask_for_it_is_tried_again() -> None:
    assert decide(RetryPolicy(), CRASH, attempt=1, jitter=0.0) is None


def test_the_tries_are_counted_with_the_first_and_end() -> None:
    policy = RetryPolicy(attempts=3)

    tried_again = [decide(policy, CRASH, attempt=attempt, jitter=0.0) is not None for attempt in range(1, 6)]

    assert tried_again == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 0.0, 1.0), (1, 0.5, 1.5), (2, 0.0, 3.0), (3, 0.0, 9.0), (3, 0.5, 13.5), (6, 0.0, 150.0), (6, 0.5, 225.0)],
)
def test_each_wait_is_longer_than_the_one_before_up_to_a_cap(attempt: int, jitter: float, seconds: float) -> None:
    policy = RetryPolicy(attempts=9, delay=2.0, backoff=3.0)

    assert decide(policy, CRASH, attempt=attempt, jitter=jitter) == seconds


@pytest.mark.parametrize("attempt", [10, 1025, 2000, 10**9])
@pytest.mark.parametrize("backoff", [2.0, 2, 1000, 1e300])
def test_a_wait_too_long_for_a_number_is_the_longest_there_is(backoff: float, attempt: int) -> None:
    policy = RetryPolicy(attempts=10**10, delay=1.0, backoff=backoff)

    assert decide(policy, CRASH, attempt=attempt, jitter=0.0) == MAX_DELAY / 2


@pytest.mark.parametrize("attempt", [1, 2, 2000])
def test_a_delay_of_nothing_stays_nothing(attempt: int) -> None:
    assert decide(RetryPolicy(attempts=9999, delay=0), CRASH, attempt=attempt, jitter=0.5) == 0.0


@given(policy=POLICIES, attempt=st.integers(1, 10_000))
def test_a_wait_lies_in_the_upper_half_of_its_step_and_no_step_is_shorter_than_the_one_before(
    policy: RetryPolicy, attempt: int
) -> None:
    low = decide(policy, CRASH, attempt=attempt, jitter=0.0)
    high = decide(policy, CRASH, attempt=attempt, jitter=ALMOST_ONE)
    after = decide(policy, CRASH, attempt=attempt + 1, jitter=0.0)

    assert (low is None) == (high is None) == (attempt >= policy.attempts)
    if low is None or high is None:
        assert after is None
        return
    assert min(policy.delay, MAX_DELAY) / 2 <= low <= high <= 2 * low <= MAX_DELAY
    assert high == pytest.approx(2 * low)
    assert after is None or after >= low


@given(run_id=st.from_regex(r"exec-\d{8}-\d{6}-[0-9a-f]{8}", fullmatch=True), attempt=st.integers(1, 10**6))
def test_the_jitter_is_a_number_below_one_and_the_same_each_time(run_id: str, attempt: int) -> None:
    assert 0 <= jitter(run_id, attempt) < 1
    assert jitter(run_id, attempt) == jitter(run_id, attempt)


def test_the_jitter_is_the_same_in_another_process() -> None:
    assert jitter(CHILD_ID, 1) == pytest.approx(0.22710154531523585)


def test_the_jitter_spreads_runs_and_attempts() -> None:
    runs = [jitter(f"{ROOT_ID[:-8]}{number:08x}", 1) for number in range(1000)]
    attempts = [jitter(CHILD_ID, attempt) for attempt in range(1, 1001)]

    for numbers in (runs, attempts):
        assert len(set(numbers)) == 1000
        tenths = [sum(tenth / 10 <= number < (tenth + 1) / 10 for number in numbers) for tenth in range(10)]
        assert all(60 <= count <= 140 for count in tenths), tenths


def test_the_default_policy_is_one_try() -> None:
    assert decide(RetryPolicy(), Failure(kind=STEP_FAILED, message=""), attempt=1, jitter=0.0) is None
    assert RetryPolicy() == RetryPolicy(attempts=1, delay=1.0, backoff=2.0)
