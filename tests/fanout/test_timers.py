"""Acts with their moments: each is done once, the earliest first, and never too soon."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tako.fanout.timers import Timers

MOMENTS = st.lists(st.floats(0, 100), max_size=30)


def test_nothing_to_do_is_never_due() -> None:
    timers = Timers()

    assert timers.wait(1e9) is None
    assert not timers.is_due(1e9)


def test_an_act_is_due_at_its_moment_and_not_before() -> None:
    timers = Timers()
    timers.add(10.0, lambda: None)

    assert (timers.wait(7.5), timers.is_due(7.5)) == (2.5, False)
    assert (timers.wait(10.0), timers.is_due(10.0)) == (0.0, True)
    assert (timers.wait(99.0), timers.is_due(99.0)) == (0.0, True)


def test_an_act_that_is_taken_is_forgotten() -> None:
    timers = Timers()
    timers.add(1.0, lambda: None)
    timers.take()

    assert timers.wait(1.0) is None
    assert not timers.is_due(1.0)


def test_acts_of_the_same_moment_come_in_the_order_in_which_they_were_added() -> None:
    done: list[int] = []
    timers = Timers()
    for number in range(5):
        timers.add(1.0, lambda number=number: done.append(number))  # type: ignore[misc]
    while timers.is_due(1.0):
        timers.take()()

    assert done == [0, 1, 2, 3, 4]


@given(moments=MOMENTS, later=MOMENTS, now=st.floats(0, 100))
def test_whatever_is_added_when_is_done_at_its_turn(moments: list[float], later: list[float], now: float) -> None:
    done: list[float] = []
    timers = Timers()

    def add(moment: float) -> None:
        timers.add(moment, lambda: done.append(moment))

    def do_what_is_due(at: float) -> None:
        while timers.is_due(at):
            assert timers.wait(at) == 0.0
            timers.take()()

    for moment in moments:
        add(moment)
    do_what_is_due(now)
    assert done == sorted(moment for moment in moments if moment <= now)

    rest = [moment for moment in moments if moment > now]
    assert timers.wait(now) == (min(rest) - now if rest else None)
    done.clear()
    for moment in later:
        add(moment)
    do_what_is_due(100.0)
    assert done == sorted([*rest, *later])
