from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.clock import SystemClock, duration, iso
from tako.ids import child_run_id, event_id, is_run_id, new_run_id

if TYPE_CHECKING:
    from tests.conftest import FakeClock

ROOT = "exec-20270115-080000-0123abcd"


def test_a_run_id_is_the_second_in_utc_and_eight_digits(fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert new_run_id(fake_clock, lambda size: bytes(range(size))) == "exec-20270115-080000-00010203"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_two_runs_of_one_second_have_different_ids(fake_clock: FakeClock) -> None:
    ids = {new_run_id(fake_clock) for _ in range(50)}

    assert len(ids) == 50
    assert all(is_run_id(run_id) for run_id in ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exec",
        "exec-20270115-080000",
        "exec-20270115-080000-0123abc",
        "exec-20270115-080000-0123ABCD",
        "exec-20270115-080000-0123abcg",
        "exec-2027011x-080000-0123abcd",
        "exec-20270115-08000-0123abcd0",
        "run-20270115-080000-0123abcd",
        "exec-20270115-080000-0123abcd-x",
        "exec-20270115-080000-../../..",
        "exec-20270115-080000-0123abcd\n",
        "../exec-20270115-080000-0123abcd",
        "exec-٢٠٢٧٠١١٥-080000-0123abcd",
    ],
)
def test_other_texts_are_no_run_ids(text: str) -> None:
    assert not is_run_id(text)


@given(text=st.text())
def test_a_run_id_is_safe_as_a_part_of_a_path(text: str) -> None:
    if is_run_id(text):
        assert set(text) <= set("exec-0123456789abcdef")


names = st.text(max_size=20)


@given(event=names, repo=names, workflow=names)
def test_a_child_id_is_a_run_id_that_follows_from_its_cause(event: str, repo: str, workflow: str) -> None:
    run_id = child_run_id(ROOT, event, repo, workflow)

    assert is_run_id(run_id)
    assert run_id.startswith("exec-20270115-080000-")
    assert child_run_id(ROOT, event, repo, workflow) == run_id
    assert child_run_id(ROOT, event, repo, workflow + "x") != run_id


def test_what_belongs_to_one_part_of_the_cause_does_not_count_for_another() -> None:
    assert child_run_id(ROOT, "ab", "c", "d") != child_run_id(ROOT, "a", "bc", "d")
    assert child_run_id(ROOT, "a", "b", "cd") != child_run_id(ROOT, "a", "bc", "d")


def test_a_child_id_avoids_those_already_given() -> None:
    taken: set[str] = set()
    for _ in range(5):
        taken.add(child_run_id(ROOT, "event", "repo", "workflow", taken))

    assert len(taken) == 5
    assert child_run_id(ROOT, "event", "repo", "workflow") in taken


def test_an_event_id_follows_from_its_run_and_step() -> None:
    assert event_id(ROOT, "build") == event_id(ROOT, "build")
    assert len({event_id(ROOT, "build"), event_id(ROOT, "test"), event_id(ROOT + "x", "build")}) == 3
    assert event_id(ROOT, "build").startswith("evt-")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.9999, "2027-01-15T08:00:00.999Z"),
        (0.0625, "1970-01-01T00:00:00.062Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert iso(seconds) == text


@given(first=st.floats(0, 4e9), second=st.floats(0, 4e9))
def test_written_times_sort_as_the_times_do(first: float, second: float) -> None:
    if first <= second:
        assert iso(first) <= iso(second)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.012, "12ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (1, "1.0s"),
        (3.44, "3.4s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3599.6, "1h00m"),
        (3720, "1h02m"),
        (90000, "25h00m"),
    ],
)
def test_a_duration_is_written_for_a_reader(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_system_clock_tells_the_time_and_waits() -> None:
    clock = SystemClock()
    before, started = time.time(), time.monotonic()

    clock.sleep(0.01)

    assert clock.monotonic() - started >= 0.01
    assert before <= clock.now() <= time.time()
