"""When a process is asked to end and when it is forced: decisions, without a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.patience import ASK, FORCE, INTERRUPT, LONGEST_LOOK, LOST_GRACE_SECONDS, Awake, Patience, Seen

if TYPE_CHECKING:
    from tests.conftest import FakeClock

GRACE = 5.0
LOOKS = st.lists(
    st.tuples(
        st.floats(0, 10),
        st.builds(
            Seen,
            stop=st.booleans(),
            interrupt=st.booleans(),
            lost=st.booleans(),
            force=st.booleans(),
            due=st.none() | st.floats(0, 100),
        ),
    ),
    max_size=20,
)


def patience(*, timeout: float | None = None) -> Patience:
    return Patience(0.0, timeout=timeout, grace=GRACE)


def test_nothing_is_decided_while_nothing_happens() -> None:
    calm = patience()

    assert calm.decide(1e6, Seen()) is None
    assert calm.wait(1e6, None) is None


def test_a_stop_asks_at_once_and_forces_after_the_grace() -> None:
    asked = patience(timeout=100.0)

    assert asked.decide(1.0, Seen(stop=True)) == ASK
    assert asked.decide(1.0 + GRACE - 0.001, Seen(stop=True)) is None
    assert asked.decide(1.0 + GRACE, Seen(stop=True)) == FORCE
    assert (asked.stopped, asked.timed_out, asked.forced) == (True, False, True)


@pytest.mark.parametrize(("timeout", "due"), [(3.0, None), (None, 3.0), (9.0, 3.0), (3.0, 9.0)])
def test_the_earlier_of_timeout_and_due_moment_counts(timeout: float | None, due: float | None) -> None:
    timed = patience(timeout=timeout)

    assert timed.decide(2.9, Seen(due=due)) is None
    assert timed.wait(2.5, due) == pytest.approx(0.5)
    assert timed.decide(3.0, Seen(due=due)) == ASK
    assert (timed.stopped, timed.timed_out) == (False, True)


def test_whoever_lost_its_parent_has_less_time() -> None:
    lost = patience()

    assert lost.decide(0.0, Seen(lost=True)) == ASK
    assert lost.decide(LOST_GRACE_SECONDS, Seen(lost=True)) == FORCE


def test_losing_the_parent_shortens_a_grace_that_runs() -> None:
    lost = patience()

    assert lost.decide(0.0, Seen(stop=True)) == ASK
    assert lost.decide(1.0, Seen(stop=True, lost=True)) is None
    assert lost.decide(1.0 + LOST_GRACE_SECONDS, Seen(stop=True, lost=True)) == FORCE


def test_interrupt_asks_when_half_of_the_grace_is_over() -> None:
    interrupted = patience()

    assert interrupted.decide(0.0, Seen(stop=True, interrupt=True)) == INTERRUPT
    assert interrupted.wait(GRACE / 2 - 0.5, None) == pytest.approx(0.5)
    assert interrupted.decide(GRACE / 2 - 0.001, Seen(stop=True, interrupt=True)) is None
    assert interrupted.decide(GRACE / 2, Seen(stop=True, interrupt=True)) == ASK
    assert interrupted.decide(GRACE, Seen(stop=True, interrupt=True)) == FORCE
    assert interrupted.stopped


def test_hurried_interrupt_asks_at_the_next_look() -> None:
    interrupted = patience()
    interrupted.decide(0.0, Seen(stop=True, interrupt=True))
    interrupted.hurry(0.1)

    assert interrupted.decide(0.1, Seen(stop=True)) == ASK
    interrupted.hurry(0.2)
    assert interrupted.decide(0.2, Seen(stop=True)) is None


def test_interrupted_process_that_lost_its_parent_is_asked_at_once() -> None:
    interrupted = patience()
    interrupted.decide(0.0, Seen(stop=True, interrupt=True))

    assert interrupted.decide(0.1, Seen(stop=True, lost=True)) == ASK


def test_a_force_needs_no_asking() -> None:
    forced = patience()

    assert forced.decide(0.0, Seen(force=True)) == FORCE
    assert (forced.stopped, forced.forced) == (True, True)


@given(LOOKS)
def test_it_asks_at_most_once_forces_at_most_once_and_never_goes_back(looks: list[tuple[float, Seen]]) -> None:
    now, actions, way = 0.0, [], patience(timeout=30.0)
    for step, seen in looks:
        now += step
        wait = way.wait(now, seen.due)
        assert wait is None or 0 <= wait <= LONGEST_LOOK
        action = way.decide(now, seen)
        if action is not None:
            actions.append(action)
        assert way.forced == (FORCE in actions)
    assert actions == sorted(set(actions), key=[INTERRUPT, ASK, FORCE].index)
    assert bool(actions) == (way.stopped or way.timed_out)
    assert not (way.stopped and way.timed_out)


def test_time_in_which_nobody_could_look_does_not_count(fake_clock: FakeClock) -> None:
    awake = Awake(fake_clock)
    began = awake.now()
    for _ in range(10):
        fake_clock.time += 1.0
        awake.now()
    fake_clock.time += 3600.0

    assert awake.now() - began == pytest.approx(10.0 + LONGEST_LOOK)


@given(st.lists(st.floats(0, 100), max_size=30))
def test_an_awake_clock_never_goes_back_nor_ahead(gaps: list[float]) -> None:
    from tests.conftest import FakeClock

    clock = FakeClock()
    awake = Awake(clock)
    last = awake.now()
    for gap in gaps:
        clock.time += gap
        now = awake.now()
        assert last <= now <= clock.monotonic()
        assert now - last <= gap + 1e-6
        last = now
