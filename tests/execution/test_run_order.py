"""The order of root runs does not depend on clocks or on one file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tako.errors import MachineError
from tako.execution.run_order import (
    EXEC,
    REPLAY,
    Started,
    how_started,
    newest_first,
    newest_of,
    record_start,
)
from tako.execution.workspace import root_workspace
from tako.testing import FakeClock

NOON = 1_764_590_400.0
"""2025-12-01 12:00:00 UTC."""


def run_id(number: int, day: str = "20251201") -> str:
    return f"exec-{day}-120000-{number:08x}"


def start(home: Path, run: str, *, now: float = NOON, by: str = EXEC) -> Started:
    workspace = root_workspace(str(home), run)
    workspace.make()
    return record_start(str(home), workspace, by, clock=FakeClock(now))


def test_runs_of_one_second_keep_their_order(tmp_path: Path) -> None:
    started = [run_id(number) for number in (5, 9, 1, 7)]
    for each in started:
        start(tmp_path, each)

    assert newest_first(str(tmp_path)) == started[::-1]


def test_run_after_clock_went_back_is_newest(tmp_path: Path) -> None:
    start(tmp_path, run_id(1, "20990101"), now=NOON + 10**9)
    start(tmp_path, run_id(2))

    assert newest_first(str(tmp_path)) == [run_id(2), run_id(1, "20990101")]


@pytest.mark.parametrize("damage", [None, b"", b"12", b"\0" * 21, b"0000000000000000000x\n", b"1" * 400])
def test_damaged_counter_is_larger_than_all_recorded(tmp_path: Path, damage: bytes | None) -> None:
    last = start(tmp_path, run_id(1), now=NOON + 10**6)
    counter = tmp_path / "last_run"
    counter.unlink() if damage is None else counter.write_bytes(damage)

    assert start(tmp_path, run_id(2), now=NOON).number == last.number + 1
    assert start(tmp_path, run_id(3), now=NOON).number == last.number + 2


def test_run_without_record_is_placed_by_its_id(tmp_path: Path) -> None:
    root_workspace(str(tmp_path), run_id(1, "20251130")).make()
    start(tmp_path, run_id(2))
    root_workspace(str(tmp_path), run_id(3, "20251202")).make()
    root_workspace(str(tmp_path), run_id(4, "99999999")).make()

    assert newest_first(str(tmp_path)) == [
        run_id(3, "20251202"),
        run_id(2),
        run_id(1, "20251130"),
        run_id(4, "99999999"),
    ]


@pytest.mark.parametrize("damage", ["", "{}", "nothing", '{"kind":"started","schema":1,"sha256":"0","data":{}}'])
def test_damaged_record_is_replaced_by_the_id(tmp_path: Path, damage: str) -> None:
    start(tmp_path, run_id(1), by=REPLAY)
    Path(root_workspace(str(tmp_path), run_id(1)).started).write_text(damage)

    assert how_started(str(tmp_path), run_id(1)) == Started(int(NOON) * 1_000_000, EXEC)


def test_newest_of_passes_over_other_kinds(tmp_path: Path) -> None:
    start(tmp_path, run_id(1))
    start(tmp_path, run_id(2), by=REPLAY)

    assert newest_of(str(tmp_path), newest_first(str(tmp_path)), EXEC) == run_id(1)
    assert newest_of(str(tmp_path), [run_id(2)], EXEC) is None


def test_concurrent_starts_get_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda number: start(tmp_path, run_id(number)), range(200)))

    assert len({each.number for each in started}) == 200


def test_counter_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "last_run").mkdir()

    with pytest.raises(MachineError, match=r"cannot lock .*last_run"):
        start(tmp_path, run_id(1))
