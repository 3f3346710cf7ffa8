"""Which runs' directories are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.execution.retention import FoundRun, Retention, age, why_kept
from tako.records import replace

DAY = 86_400.0

RUNS = st.builds(
    FoundRun,
    run_id=st.just("exec-20261123-181803-0a1b2c3d"),
    idle_seconds=st.floats(-1e9, 1e9, allow_nan=False),
    outcome=st.sampled_from(["success", "failed", "interrupted", "suspended", "unreadable"]),
    alive=st.booleans(),
)
RETENTIONS = st.builds(
    Retention, older_than=st.floats(0, 1e9, allow_nan=False), keep_failed=st.booleans(), automatic=st.booleans()
)


def run(idle: float, outcome: str = "success", *, alive: bool = False) -> FoundRun:
    return FoundRun("exec-20261123-181803-0a1b2c3d", idle, outcome, alive)


@pytest.mark.parametrize(
    ("found", "retention", "why"),
    [
        (run(8 * DAY), Retention(), None),
        (run(6 * DAY), Retention(), "it is younger than 7d"),
        (run(8 * DAY, "failed"), Retention(), None),
        (run(8 * DAY, "failed"), Retention(keep_failed=True), "what has not succeeded is kept, and it is failed"),
        (
            run(8 * DAY, "unreadable"),
            Retention(keep_failed=True),
            "what has not succeeded is kept, and it is unreadable",
        ),
        (run(8 * DAY), Retention(keep_failed=True), None),
        (run(0.0), Retention(older_than=0.0), None),
        (run(-5.0), Retention(older_than=0.0), "it is younger than 0s"),
        (run(8 * DAY, alive=True), Retention(older_than=0.0), "it is alive"),
    ],
)
def test_a_run_is_kept_for_a_reason(found: FoundRun, retention: Retention, why: str | None) -> None:
    assert why_kept(found, retention) == why


@given(found=RUNS, retention=RETENTIONS)
def test_what_is_alive_never_goes(found: FoundRun, retention: Retention) -> None:
    assert why_kept(replace(found, alive=True), retention) is not None


@given(found=RUNS, retention=RETENTIONS, more=st.floats(0, 1e9, allow_nan=False))
def test_asking_to_keep_more_never_lets_more_go(found: FoundRun, retention: Retention, more: float) -> None:
    wider = replace(retention, older_than=retention.older_than + more, keep_failed=True)

    if why_kept(found, retention) is not None:
        assert why_kept(found, wider) is not None


@given(found=RUNS, retention=RETENTIONS, more=st.floats(0, 1e9, allow_nan=False))
def test_what_went_is_gone_for_good(found: FoundRun, retention: Retention, more: float) -> None:
    if why_kept(found, retention) is None:
        assert why_kept(replace(found, idle_seconds=found.idle_seconds + more), retention) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9 * DAY, "9d"),
        (1.5 * DAY, "1.5d"),
        (7200, "2h"),
        (90, "1.5m"),
        (59, "59s"),
        (0.5, "0.5s"),
        (0, "0s"),
        (-3, "0s"),
    ],
)
def test_ages_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text
