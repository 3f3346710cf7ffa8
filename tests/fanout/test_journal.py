"""The root's journal under damage: torn anywhere, changed anywhere, it never tells what was not written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako import files
from tako.errors import MachineError, StateError
from tako.execution.failure import STEP_FAILED, Failure
from tako.execution.request import read_request, write_request
from tako.execution.workspace import Workspace
from tako.fanout.history import read_history
from tako.fanout.journal import Entry, Journal, read_journal
from tako.fanout.plan import Plan, PlannedRun
from tako.fanout.restore import restore
from tako.identity import Identity, identity_of
from tako.records import to_data
from tako.testing import FakeClock
from tests.builders import (
    CHILD_ID,
    FAILURES,
    OUTPUTS,
    ROOT_ID,
    TEXT,
    make_event,
    make_request,
    make_root,
    make_workflow,
)

EVENT = make_event(payload={"version": "1.2.0", "notes": "Grüße 🐙"})
FAILURE = Failure(kind=STEP_FAILED, message="exit code 1\nüber", step="test", exit_code=1, log=("bad",))


NOBODY = 2**22 + 1
"""A pid that no process can have."""


def plan_of(*run_ids: str) -> Plan:
    runs = tuple(PlannedRun(make_request(run_id=run_id, event=EVENT), "hears it") for run_id in run_ids)
    return Plan(EVENT, runs, warnings=("ein Ärger",))


class Book:
    """A journal being written."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journal.jsonl"
        self.clock = FakeClock(now=1000.0)
        self.journal = Journal(str(self.path), self.clock)

    def entries(self) -> tuple[Entry, ...]:
        return read_journal(str(self.path))

    def fill(self) -> None:
        """One entry of each kind."""
        self.journal.planned(plan_of(CHILD_ID), ROOT_ID)
        self.journal.started(CHILD_ID, NOBODY)
        self.journal.waiting(CHILD_ID, "evt-1")
        self.journal.retrying(CHILD_ID, 1, FAILURE, 2.5, 0.75)
        self.journal.ended(CHILD_ID, "failed", FAILURE, 2.5, {"test": {"passed": "12"}})
        self.journal.finished(ok=False, seconds=3.5, interrupted_by=None)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.journal.close()


def test_what_is_written_is_read(book: Book) -> None:
    book.fill()
    plan, *others = book.entries()
    failed = {"attempt": 1, "failure": to_data(FAILURE), "seconds": 2.5, "delay": 0.75}
    ended = {"status": "failed", "failure": to_data(FAILURE), "seconds": 2.5, "outputs": {"test": {"passed": "12"}}}

    assert others == [
        Entry("started", 1000.0, {"run_id": CHILD_ID, "pid": NOBODY, "started": None}),
        Entry("waiting", 1000.0, {"run_id": CHILD_ID, "event_id": "evt-1"}),
        Entry("retrying", 1000.0, {"run_id": CHILD_ID, **failed}),
        Entry("ended", 1000.0, {"run_id": CHILD_ID, **ended}),
        Entry("finished", 1000.0, {"ok": False, "seconds": 3.5, "interrupted_by": None}),
    ]
    assert (plan.type, plan.data["emitter"], plan.data["refused"]) == ("plan", ROOT_ID, None)
    assert plan.data["event"] == to_data(EVENT)
    assert plan.data["warnings"] == ["ein Ärger"]
    (run,) = plan.data["runs"]
    assert run["run_id"] == CHILD_ID
    assert plan.data["workflows"] == {run["workflow"]: to_data(make_workflow())}


def test_a_process_is_written_with_the_moment_at_which_it_started(book: Book) -> None:
    book.journal.started(CHILD_ID, os.getpid())

    (entry,) = book.entries()
    assert Identity(entry.data["pid"], entry.data["started"]) == identity_of(os.getpid())


def test_a_workflow_that_many_runs_share_is_written_once(book: Book) -> None:
    ids = [f"exec-20261123-181803-{number:08x}" for number in range(100)]
    book.journal.planned(plan_of(*ids), ROOT_ID)

    (plan,) = book.entries()
    assert len(plan.data["workflows"]) == 1
    assert [run["run_id"] for run in plan.data["runs"]] == ids


def test_every_entry_has_its_time(book: Book) -> None:
    book.journal.started(CHILD_ID, 1)
    book.clock.advance(2.5)
    book.journal.started(CHILD_ID, 2)

    assert [entry.at for entry in book.entries()] == [1000.0, 1002.5]


def test_entries_are_appended_to_those_that_are_there(book: Book, tmp_path: Path) -> None:
    book.journal.started(CHILD_ID, 1)
    again = Book(tmp_path)
    again.journal.started(CHILD_ID, 2)
    again.journal.close()

    assert [entry.data["pid"] for entry in book.entries()] == [1, 2]


@given(run_id=TEXT, status=TEXT, failure=st.none() | FAILURES, outputs=st.dictionaries(TEXT, OUTPUTS, max_size=2))
def test_any_text_survives(
    tmp_path_factory: pytest.TempPathFactory,
    run_id: str,
    status: str,
    failure: Failure | None,
    outputs: dict[str, dict[str, str]],
) -> None:
    book = Book(tmp_path_factory.mktemp("journal"))
    book.journal.ended(run_id, status, failure, 0.5, outputs)
    book.journal.started(run_id, 1)
    book.journal.close()

    ended, started = book.entries()
    assert ended.data == {
        "run_id": run_id,
        "status": status,
        "failure": to_data(failure),
        "seconds": 0.5,
        "outputs": outputs,
    }
    assert started.data["run_id"] == run_id


def test_bytes_that_are_no_utf_8_survive_as_python_keeps_them(book: Book) -> None:
    book.journal.ended(CHILD_ID, "success", None, 0.5, {"test": {"name": os.fsdecode(b"caf\xe9")}})
    book.journal.started(CHILD_ID, 1)

    assert book.entries()[0].data["outputs"] == {"test": {"name": "caf\udce9"}}


def test_plans_and_the_end_are_on_the_disk_when_they_are_told(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr("os.fsync", lambda _descriptor: flushed.append(len(book.entries())))

    book.fill()

    assert flushed == [1, 6]


def test_the_name_of_a_journal_is_on_the_disk_before_its_first_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(
        "os.fsync", lambda descriptor: flushed.append(os.path.samestat(os.fstat(descriptor), tmp_path.stat()))
    )

    Book(tmp_path).journal.close()

    assert flushed == [True]


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        read_journal(str(tmp_path))

    assert caught.value.where == str(tmp_path)


def test_a_last_line_that_was_being_written_is_passed_over_wherever_it_was_cut(book: Book) -> None:
    book.journal.started(CHILD_ID, NOBODY)
    first = book.path.stat().st_size
    book.journal.planned(plan_of(CHILD_ID), ROOT_ID)
    whole = book.path.read_bytes()
    assert "ü".encode() in whole[first:]
    for size in range(first, len(whole)):
        book.path.write_bytes(whole[:size])

        assert [entry.type for entry in book.entries()] == ["started"], whole[first:size]


@pytest.mark.parametrize("damage", [b"\xff", b"\xc3", b"\x00", b"\n", b"", b"\x01"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_damage_in_the_middle_is_named_with_its_line(book: Book, number: int, damage: bytes) -> None:
    book.fill()
    lines = book.path.read_bytes().split(b"\n")
    middle = len(lines[number - 1]) // 2
    lines[number - 1] = lines[number - 1][:middle] + damage + lines[number - 1][middle + 1 :]
    book.path.write_bytes(b"\n".join(lines))

    with pytest.raises(StateError, match="the journal is damaged") as caught:
        book.entries()
    assert caught.value.where == f"{book.path}:{number}"


def test_damage_in_the_last_line_is_passed_over(book: Book) -> None:
    book.fill()
    book.path.write_bytes(book.path.read_bytes()[:-10] + b"\0" * 9 + b"\n")

    assert [entry.type for entry in book.entries()] == ["plan", "started", "waiting", "retrying", "ended"]


@pytest.mark.parametrize(
    "line", ["", "null", "[]", "{}", '{"sha256":"x","entry":{}}', "[" * 100_000, '{"sha256":null,"entry":[]}']
)
def test_a_line_that_is_no_entry_is_named(book: Book, line: str) -> None:
    book.fill()
    lines = book.path.read_text().split("\n")
    book.path.write_text("\n".join([lines[0], line, *lines[1:]]))

    with pytest.raises(StateError) as caught:
        book.entries()
    assert caught.value.where == f"{book.path}:2"


@pytest.mark.parametrize(
    "entry", [[], "text", {"type": "started"}, {"type": "started", "at": 1.0, "data": {}, "more": 1}]
)
def test_a_right_checksum_over_something_else_is_named(book: Book, entry: Any) -> None:
    body = files.canonical(entry)
    line = f'{{"sha256":"{files.checksum(body)}","entry":{body}}}\n'
    book.path.write_text(line * 2)

    with pytest.raises(StateError) as caught:
        book.entries()
    assert caught.value.where == f"{book.path}:1"


# Going on with a journal whose last line is not whole.


def test_who_goes_on_after_a_torn_line_appends_behind_the_last_whole_one_wherever_it_was_cut(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.fill()
    book.journal.close()
    whole = book.path.read_bytes()
    ends = [0, *(place + 1 for place, byte in enumerate(whole) if byte == ord("\n"))]
    for size in range(0, len(whole) + 1, 7):
        book.path.write_bytes(whole[:size])
        told = book.entries()
        again = Journal(str(book.path), book.clock)

        assert book.path.stat().st_size == max(end for end in ends if end <= size)
        again.started("next", NOBODY)
        again.close()
        assert book.entries()[:-1] == told
        assert book.entries()[-1].data["run_id"] == "next"


@pytest.mark.parametrize(
    "last",
    [b"", b"\0" * 80, b"null", b"\xff", b'{"sha256":"x","entry":{}}', b"\n"],
    ids=["an empty line", "zeros", "no entry", "no text", "a wrong checksum", "two empty lines"],
)
@pytest.mark.parametrize("torn", [b"", b"\0" * 10, b'{"sha'])
def test_what_readers_pass_over_is_cut_off_and_what_they_refuse_is_not(
    tmp_path: Path, last: bytes, torn: bytes
) -> None:
    book = Book(tmp_path)
    book.fill()
    book.journal.close()
    whole = book.path.read_bytes()
    content = whole + last + b"\n" + torn
    book.path.write_bytes(content)
    again = Journal(str(book.path), book.clock)
    again.started("next", NOBODY)
    again.close()

    if last == b"\n":
        with pytest.raises(StateError) as caught:
            book.entries()
        assert caught.value.where == f"{book.path}:7"
    else:
        assert book.path.read_bytes().startswith(whole)
        assert [entry.type for entry in book.entries()][-2:] == ["finished", "started"]


def test_a_torn_plan_that_is_larger_than_a_block_is_cut_off(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.journal.started(CHILD_ID, NOBODY)
    first = book.path.read_bytes()
    for length in (3 << 20, 1 << 20, (1 << 20) - len(first)):
        book.path.write_bytes(first + b"x" * length)
        Journal(str(book.path), book.clock).close()

        assert book.path.read_bytes() == first


def test_a_journal_that_is_whole_is_left_as_it_is(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.fill()
    whole = book.path.read_bytes()
    Journal(str(book.path), book.clock).close()

    assert book.path.read_bytes() == whole


def test_a_journal_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        Journal(str(tmp_path), FakeClock())

    assert caught.value.where == str(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Book:
    book = Book(tmp_path_factory.mktemp("written"))
    book.fill()
    book.journal.close()
    return book


@given(
    first=st.floats(0, 1),
    length=st.integers(1, 200),
    new=st.sampled_from([b"", b"\0" * 50, b"\n", b"\xff"]) | st.binary(max_size=50),
)
def test_any_damage_is_named_or_costs_no_more_than_what_followed_it(
    written: Book, first: float, length: int, new: bytes
) -> None:
    whole = written.path.read_bytes()
    told = written.entries()
    start = int(first * len(whole))
    damaged = Path(f"{written.path}.damaged")
    damaged.write_bytes(whole[:start] + new + whole[start + length :])
    try:
        found = read_journal(str(damaged))
    except StateError as error:
        refused_at = error.where
    else:
        refused_at = ""
        # Whole lines that were cut out leave no trace; what is told was written, in that order.
        remaining = iter(told)
        assert all(entry in remaining for entry in found)
    assert refused_at == "" or refused_at.startswith(f"{damaged}:")


def test_the_journal_of_the_first_tako_is_restored_and_retold(tmp_path: Path) -> None:
    for name in ("journal.jsonl", "root-request.json"):
        target = tmp_path / name.removeprefix("root-")
        target.write_bytes((Path(__file__).parents[1] / "fixtures" / "state" / "v1" / name).read_bytes())
    workspace = Workspace(str(tmp_path))
    restored = restore(read_request(workspace.request), workspace, read_journal(workspace.journal), failed_only=False)
    history = read_history(workspace)

    root, client, docs = restored.runs
    assert (root.request.label, root.result) == ("my-org/go-lib:release", None)
    assert (client.result, [attempt.failure.kind for attempt in client.attempts]) == (None, ["killed", "step_failed"])
    assert client.request.event is not None
    assert docs.result is not None
    assert docs.result.outputs == {"test": {"passed": "12"}}
    assert [outcome.status for outcome in history.outcomes] == ["pending", "pending", "success"]


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_changed_bit_never_makes_another_entry(book: Book, bit: int) -> None:
    book.journal.started(CHILD_ID, NOBODY)
    book.journal.ended(CHILD_ID, "failed", FAILURE, 2.5, {"test": {"passed": "12"}})
    book.journal.waiting(ROOT_ID, "evt-1")
    book.journal.ended(ROOT_ID, "success", None, 0.5, {})
    told = book.entries()
    content = book.path.read_bytes()
    accepted = 0
    for place in range(len(content)):
        book.path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            found = book.entries()
        except StateError:
            continue
        assert found == told[: len(found)]
        # Without the line end before it, the last line is two.
        assert len(found) >= len(told) - 2
        accepted += 1

    last_line = len(content) - content.rstrip(b"\n").rindex(b"\n")
    assert accepted <= last_line, "damage before the last line was passed over"


@pytest.mark.parametrize("lost", range(5))
def test_a_journal_from_which_lines_are_gone_is_named_or_tells_less(tmp_path: Path, lost: int) -> None:
    book = Book(tmp_path)
    book.fill()
    book.journal.close()
    write_request(str(tmp_path / "request.json"), make_root(), durable=False)
    lines = book.path.read_bytes().splitlines(keepends=True)
    book.path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    workspace = Workspace(str(tmp_path))

    if lost == 0:
        with pytest.raises(StateError, match="the journal lacks something: started") as caught:
            read_history(workspace)
        assert caught.value.where == str(book.path)
        with pytest.raises(StateError, match="the journal lacks something: started"):
            restore(make_root(), workspace, book.entries(), failed_only=False)
    else:
        assert [outcome.run_id for outcome in read_history(workspace).outcomes] == [ROOT_ID, CHILD_ID]
