from __future__ import annotations

from typing import Any

import pytest

from tako.children.retry import RetryPolicy
from tako.config.model import StepSpec
from tako.fanout.policy import FanOutPolicy, policy_of


def policy(**params: Any) -> FanOutPolicy:
    return policy_of(StepSpec(id="fan-out", uses="tako/fan-out@v1", params={"event_type": "library_built", **params}))


def test_a_step_that_says_nothing_has_no_limits_and_no_second_try() -> None:
    assert policy() == FanOutPolicy()
    assert policy() == FanOutPolicy(
        timeout=None,
        concurrency_limit=None,
        fail_fast=False,
        retry=RetryPolicy(attempts=1, delay=1.0, backoff=2.0),
    )


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"timeout": 7200.0}, FanOutPolicy(timeout=7200.0)),
        ({"concurrency_limit": 4}, FanOutPolicy(concurrency_limit=4)),
        ({"fail_fast": True}, FanOutPolicy(fail_fast=True)),
        ({"fail_fast": False}, FanOutPolicy()),
        ({"retry": {}}, FanOutPolicy()),
        ({"retry": {"attempts": 3}}, FanOutPolicy(retry=RetryPolicy(attempts=3))),
        ({"retry": {"delay": 0.5}}, FanOutPolicy(retry=RetryPolicy(delay=0.5))),
        ({"retry": {"backoff": 1.5}}, FanOutPolicy(retry=RetryPolicy(backoff=1.5))),
        (
            {"timeout": 1.5, "concurrency_limit": 1, "fail_fast": True, "retry": {"attempts": 2, "delay": 3.0}},
            FanOutPolicy(1.5, 1, True, RetryPolicy(attempts=2, delay=3.0)),
        ),
    ],
)
def test_what_a_step_says_is_in_its_policy(params: dict[str, Any], expected: FanOutPolicy) -> None:
    assert policy(**params) == expected
