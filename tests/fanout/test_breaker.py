from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.fanout.breaker import Breaker

HERE = ("my-org/client", "verify")
ELSEWHERE = [("my-org/client", "release"), ("my-org/other", "verify")]


def crash(breaker: Breaker, times: int) -> list[bool]:
    return [breaker.ended(*HERE, crashed=True) for _ in range(times)]


def test_a_circuit_begins_closed() -> None:
    breaker = Breaker()

    assert not breaker.is_open(*HERE)
    assert breaker.crashes(*HERE) == 0


def test_the_fifth_crash_in_a_row_opens_the_circuit_and_says_so_once() -> None:
    breaker = Breaker()

    assert crash(breaker, 4) == [False] * 4
    assert not breaker.is_open(*HERE)
    assert crash(breaker, 3) == [True, False, False]
    assert breaker.is_open(*HERE)
    assert breaker.crashes(*HERE) == 7


def test_anything_but_a_crash_begins_the_count_again() -> None:
    breaker = Breaker(threshold=2)
    crash(breaker, 1)

    assert not breaker.ended(*HERE, crashed=False)
    assert breaker.crashes(*HERE) == 0
    assert crash(breaker, 2) == [False, True]


def test_an_open_circuit_stays_open_and_keeps_its_count() -> None:
    breaker = Breaker(threshold=2)
    crash(breaker, 2)

    assert not breaker.ended(*HERE, crashed=False)

    assert breaker.is_open(*HERE)
    assert breaker.crashes(*HERE) == 2


@pytest.mark.parametrize("endpoint", ELSEWHERE)
def test_each_workflow_of_each_repository_has_a_circuit_of_its_own(endpoint: tuple[str, str]) -> None:
    breaker = Breaker(threshold=2)
    crash(breaker, 1)
    assert not breaker.ended(*endpoint, crashed=False)
    assert crash(breaker, 1) == [True]

    assert not breaker.is_open(*endpoint)
    assert breaker.crashes(*endpoint) == 0


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_below_one_is_refused(threshold: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Breaker(threshold)


@given(
    threshold=st.integers(1, 4),
    ends=st.lists(st.tuples(st.sampled_from([HERE, *ELSEWHERE]), st.booleans()), max_size=40),
)
def test_a_circuit_is_open_if_and_only_if_there_were_so_many_crashes_in_a_row(
    threshold: int, ends: list[tuple[tuple[str, str], bool]]
) -> None:
    breaker = Breaker(threshold)
    opened = dict.fromkeys((HERE, *ELSEWHERE), 0)
    for endpoint, crashed in ends:
        opened[endpoint] += breaker.ended(*endpoint, crashed=crashed)

    for endpoint, times in opened.items():
        history = "".join("x" if crashed else "." for where, crashed in ends if where == endpoint)
        assert breaker.is_open(*endpoint) == ("x" * threshold in history)
        assert times == int(breaker.is_open(*endpoint))
        if times == 0:
            assert breaker.crashes(*endpoint) == len(history) - len(history.rstrip("x"))
