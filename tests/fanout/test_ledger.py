"""The ledger's file: several processes at once, damage, schemas, what it forgets and what it keeps."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tako.errors import MachineError, StateError
from tako.execution.event import Event
from tako.execution.failure import CANCELLED, STEP_FAILED, Failure
from tako.fanout.claims import Asking, Outcome, RunKey, Slot
from tako.fanout.ledger import KEPT_SECONDS, Ledger
from tako.fanout.ledger_file import ForeignRowError, LedgerFile, transaction
from tako.fanout.ledger_rows import MIGRATIONS, Delivery, Recorded
from tako.process import Process
from tako.records import replace
from tako.testing import FakeClock
from tests.builders import EVENTS, make_event

SUCCESS = Outcome("success", None, {"a": {"x": "1"}})
FAILED = Outcome("failed", Failure(STEP_FAILED, "exit code 3", step="a", exit_code=3), {})


class Books:
    """One ledger and its clock."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "home" / "events.db"
        self.clock = FakeClock()
        self.said: list[str] = []
        self.opened: list[Ledger] = []
        self.ledger = self.open()

    def open(self, retention: float = 86_400.0) -> Ledger:
        """As another process sees it."""
        ledger = Ledger(str(self.path), clock=self.clock, say=self.said.append, retention=retention)
        self.opened.append(ledger)
        return ledger

    def close(self) -> None:
        for ledger in self.opened:
            ledger.close()

    def keep(self, event: Event, *names: str, root: str = "r1") -> list[RunKey]:
        """Record an event of a root and its deliveries to repositories; the runs."""
        runs = [RunKey(root, f"{root}-{name}") for name in names]
        deliveries = tuple(
            Delivery(run, f"o/{name}", "work", f"workspaces/{root}/{name}")
            for run, name in zip(runs, names, strict=True)
        )
        self.ledger.record(Recorded(event, root, 0.0, None, deliveries))
        return runs


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path)
    yield books
    books.close()


def emitted(
    name: str, *, root: str = "r1", run: str | None = None, waiting: bool = True, key: str | None = "k"
) -> Event:
    return make_event(id=f"evt-{name}", run_id=run or root, key=key, waiting=waiting)


def slot(event: Event, name: str) -> Slot:
    return Slot(event.source, event.type, str(event.key), f"o/{name}", "work", event.id)


def test_the_file_is_made_with_its_directory_when_it_is_first_used(books: Books) -> None:
    assert not books.path.parent.exists()
    assert books.ledger.events() == []
    assert books.path.exists()


def test_an_event_and_its_deliveries_are_read_as_they_were_written(books: Books) -> None:
    event = emitted("1")
    (run,) = books.keep(event, "app")
    (found,) = books.open().events()

    assert found.event == event
    assert (found.root_id, found.recorded_at, found.redelivers) == ("r1", books.clock.now(), None)
    (delivery,) = found.deliveries
    assert (delivery.run, delivery.repo, delivery.workflow, delivery.status) == (run, "o/app", "work", None)
    assert books.ledger.event(event.id) == found
    assert books.ledger.event("evt-other") is None


@settings(max_examples=25)
@given(EVENTS, st.none() | st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and text.strip()))
def test_whatever_an_event_says_is_kept(
    tmp_path_factory: pytest.TempPathFactory, event: Event, key: str | None
) -> None:
    books = Books(tmp_path_factory.mktemp("books"))
    try:
        kept = replace(event, key=key)
        books.ledger.record(Recorded(kept, "r1", 0.0))
        found = books.ledger.event(event.id)
        assert found is not None
        assert found.event == kept
    finally:
        books.close()


def test_a_text_that_is_no_unicode_harms_nobody(books: Books) -> None:
    event = make_event(type="a\ud800b", payload={"x": "\ud800"})
    books.ledger.record(Recorded(event, "r1", 0.0))
    (found,) = books.ledger.events()
    assert found.event.type == "a?b"
    assert found.event.payload == {"x": "\ud800"}


def test_recording_again_changes_nothing(books: Books) -> None:
    (run,) = books.keep(emitted("1"), "app")
    books.ledger.acknowledge(run, FAILED)
    before = books.ledger.events()
    books.clock.advance(5)
    books.keep(emitted("1"), "app")
    assert books.ledger.events() == before


def test_an_outcome_is_acknowledged_and_forgotten_again(books: Books) -> None:
    app, lib = books.keep(emitted("1"), "app", "lib")
    assert books.ledger.unacknowledged("r1") == {app.run_id, lib.run_id}
    books.ledger.acknowledge(app, FAILED)
    books.ledger.acknowledge(lib, SUCCESS, delivered_by="r0-lib")
    first, second = books.ledger.events()[0].deliveries
    assert (first.status, first.failure["message"], first.delivered_by) == ("failed", "exit code 3", None)
    assert (second.status, second.failure, second.delivered_by) == ("success", None, "r0-lib")
    assert second.acknowledged_at == books.clock.now()
    assert books.ledger.unacknowledged("r1") == set()

    books.ledger.reopen([app])
    assert books.ledger.unacknowledged("r1") == {app.run_id}
    assert books.ledger.events()[0].deliveries[0].failure is None


def test_a_run_that_hears_several_events_is_acknowledged_for_all(books: Books) -> None:
    books.keep(emitted("1"), "app")
    (run,) = books.keep(emitted("2"), "app")
    books.ledger.acknowledge(run, SUCCESS)
    assert [each.deliveries[0].status for each in books.ledger.events()] == ["success", "success"]


def test_a_key_is_taken_once_and_answers_when_its_work_is_done(books: Books) -> None:
    event = emitted("1")
    other = emitted("2", root="r2")
    (first,) = books.keep(event, "app")
    (second,) = books.keep(other, "app", root="r2")
    assert books.ledger.claim(Asking(first), [slot(event, "app")]).starts

    ledger = books.open()
    waits = ledger.claim(Asking(second), [slot(other, "app")]).wait
    assert waits is not None
    assert (waits.holder, waits.workspace) == (first, "workspaces/r1/app")
    books.ledger.acknowledge(first, SUCCESS)
    answer = ledger.claim(Asking(second), [slot(other, "app")]).answer
    assert answer is not None
    assert (answer.holder, answer.outcome) == (first, SUCCESS)


@pytest.mark.parametrize("change", ["source", "type", "key", "repo", "workflow"])
def test_what_differs_in_one_of_its_parts_is_another_slot(books: Books, change: str) -> None:
    event = emitted("1")
    (run,) = books.keep(event, "app")
    taken = slot(event, "app")
    assert books.ledger.claim(Asking(run), [taken]).starts
    assert books.ledger.claims([taken, replace(taken, **{change: "another"})])[1] is None
    assert books.ledger.claims([replace(taken, event_id="evt-9")])[0] is not None


def test_a_failure_answers_with_its_kind_and_a_cancellation_does_not(books: Books) -> None:
    first_event, second_event = emitted("1"), emitted("2", root="r2")
    (first,) = books.keep(first_event, "app")
    (second,) = books.keep(second_event, "app", root="r2")
    books.ledger.claim(Asking(first), [slot(first_event, "app")])
    books.ledger.acknowledge(first, FAILED)
    answer = books.ledger.claim(Asking(second), [slot(second_event, "app")]).answer
    assert answer is not None
    assert answer.outcome == FAILED
    books.ledger.acknowledge(first, Outcome("cancelled", Failure(CANCELLED, "by hand"), {}))
    assert books.ledger.claim(Asking(second), [slot(second_event, "app")]).starts


def test_an_outcome_is_forgotten_after_the_retention(books: Books) -> None:
    first_event, second_event = emitted("1"), emitted("2", root="r2")
    (first,) = books.keep(first_event, "app")
    (second,) = books.keep(second_event, "app", root="r2")
    books.ledger.claim(Asking(first), [slot(first_event, "app")])
    books.ledger.acknowledge(first, SUCCESS)
    books.clock.advance(100)
    assert books.open(retention=101).claim(Asking(second), [slot(second_event, "app")]).answer is not None
    assert books.open(retention=99).claim(Asking(second), [slot(second_event, "app")]).starts


def test_a_dead_holder_is_taken_over_once_and_not_after_it_came_back(books: Books) -> None:
    events = [emitted(str(number), root=f"r{number}") for number in range(4)]
    runs = [books.keep(event, "app", root=event.run_id)[0] for event in events]
    slots = [[slot(event, "app")] for event in events]
    books.ledger.claim(Asking(runs[0]), slots[0])
    (seen,) = books.ledger.claims(slots[1])
    assert seen is not None
    dead = {(seen.holder, seen.token)}

    assert books.ledger.claim(Asking(runs[0], again=True), slots[0]).starts, "it came back"
    assert books.ledger.claim(Asking(runs[1]), slots[1], dead=dead).wait is not None
    (seen,) = books.ledger.claims(slots[1])
    assert seen is not None
    dead = {(seen.holder, seen.token)}
    assert books.ledger.claim(Asking(runs[2]), slots[2], dead=dead).starts
    waits = books.ledger.claim(Asking(runs[3]), slots[3], dead=dead).wait
    assert waits is not None
    assert waits.holder == runs[2]


def test_the_outcome_of_a_dead_holder_is_not_told_for_one_that_is_back(books: Books) -> None:
    event = emitted("1")
    (run,) = books.keep(event, "app")
    books.ledger.claim(Asking(run), [slot(event, "app")])
    (seen,) = books.ledger.claims([slot(event, "app")])
    assert seen is not None
    books.ledger.claim(Asking(run), [slot(event, "app")])
    books.ledger.acknowledge_for(seen, FAILED)
    assert books.ledger.unacknowledged("r1") == {run.run_id}
    (seen,) = books.ledger.claims([slot(event, "app")])
    assert seen is not None
    books.ledger.acknowledge_for(seen, SUCCESS)
    assert books.ledger.unacknowledged("r1") == set()
    books.ledger.acknowledge_for(seen, FAILED)
    assert books.ledger.events()[0].deliveries[0].status == "success"


def test_two_trees_that_would_wait_for_each_other_are_told_the_way_round(books: Books) -> None:
    # x of r1 waits for what it triggers: y; y of r2 for x there.
    first, below_first = emitted("1", key="kx"), emitted("2", run="r1-x", key="ky")
    second, below_second = emitted("3", root="r2", key="ky"), emitted("4", root="r2", run="r2-y", key="kx")
    (x1,), (y1,) = books.keep(first, "x"), books.keep(below_first, "y")
    (y2,), (x2,) = books.keep(second, "y", root="r2"), books.keep(below_second, "x", root="r2")
    assert books.ledger.claim(Asking(x1), [slot(first, "x")]).starts
    assert books.ledger.claim(Asking(y2), [slot(second, "y")]).starts
    assert books.ledger.claim(Asking(y1), [slot(below_first, "y")]).wait is not None

    decision = books.ledger.claim(Asking(x2), [slot(below_second, "x")])
    assert decision.circle == (
        "o/x:work (r2-x)",
        "o/x:work (r1-x)",
        "o/y:work (r1-y)",
        "o/y:work (r2-y)",
        "o/x:work (r2-x)",
    )
    books.ledger.acknowledge(y1, SUCCESS)
    assert books.ledger.claim(Asking(x2), [slot(below_second, "x")]).circle == ()


def test_what_is_old_is_forgotten_with_its_claims_and_all_else_kept(books: Books) -> None:
    old, recent = emitted("1"), emitted("2", key="k2")
    (run,) = books.keep(old, "app")
    books.ledger.claim(Asking(run), [slot(old, "app")])
    books.clock.advance(20)
    (run,) = books.keep(recent, "app")
    books.ledger.claim(Asking(run), [slot(recent, "app")])
    books.clock.advance(KEPT_SECONDS - 10)
    books.ledger = books.open()
    books.keep(emitted("3", key="k3"), "app")

    assert [each.event.id for each in books.ledger.events()] == ["evt-3", "evt-2"]
    assert [each is None for each in books.ledger.claims([slot(old, "app"), slot(recent, "app")])] == [True, False]
    assert [each.event.id for each in books.ledger.events(since=books.clock.now() - 5)] == ["evt-3"]

    books.ledger = books.open(retention=2 * KEPT_SECONDS)
    books.clock.advance(KEPT_SECONDS / 2)
    books.keep(emitted("4", key="k4"), "app")
    assert len(books.ledger.events()) == 3, "a longer retention keeps more"


# The file.


def test_a_file_that_is_no_ledger_is_named_set_aside_and_a_new_one_begun(books: Books) -> None:
    books.path.parent.mkdir()
    books.path.write_bytes(b"rubbish" * 1000)
    books.keep(emitted("1"), "app")

    (told,) = books.said
    (aside,) = books.path.parent.glob("events.db.damaged-*")
    assert str(books.path) in told
    assert str(aside) in told
    assert aside.read_bytes() == b"rubbish" * 1000
    assert len(books.open().events()) == 1
    assert len(books.said) == 1


def test_a_database_of_another_program_is_set_aside_too(books: Books) -> None:
    books.path.parent.mkdir()
    foreign = sqlite3.connect(books.path)
    foreign.execute("CREATE TABLE events (a)")
    foreign.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
    foreign.commit()
    foreign.close()
    books.keep(emitted("1"), "app")
    assert len(books.said) == 1
    assert len(books.ledger.events()) == 1


def test_a_row_that_is_none_of_ours_counts_as_damage(books: Books) -> None:
    books.keep(emitted("1"), "app")
    raw = sqlite3.connect(books.path)
    raw.execute("UPDATE events SET payload = 'no json'")
    raw.commit()
    raw.close()
    assert books.ledger.events() == []
    assert "damaged" in books.said[0]


def test_two_that_find_the_same_damage_set_it_aside_once(tmp_path: Path) -> None:
    said: list[str] = []
    path = str(tmp_path / "x.db")
    first, second = (
        LedgerFile(path, migrations=("CREATE TABLE a (x)",), clock=FakeClock(), say=said.append) for _ in range(2)
    )
    for each in (first, second):
        each.do(lambda connection: connection.execute("SELECT x FROM a").fetchall())

    def find_damage(file: LedgerFile, value: int) -> list[int]:
        tries: list[int] = []

        def act(connection: sqlite3.Connection) -> list[int]:
            tries.append(value)
            if len(tries) == 1:
                raise ForeignRowError("a row is wrong")
            connection.execute("INSERT INTO a VALUES (?)", tries[:1])
            return [x for (x,) in connection.execute("SELECT x FROM a")]

        return file.do(act)

    assert find_damage(first, 1) == [1]
    assert find_damage(second, 2) == [1, 2]
    assert len(said) == len([*tmp_path.glob("x.db.damaged-*[0-9]")]) == 1
    assert find_damage(second, 3) == [3]
    assert len(said) == 2
    first.close()
    second.close()


@settings(max_examples=60)
@given(st.data())
def test_however_the_file_is_cut_or_changed_nothing_but_a_clear_error_comes_of_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    books = Books(tmp_path_factory.mktemp("books"))
    try:
        for number in range(5):
            event = emitted(str(number), key=f"k{number}")
            for run in books.keep(event, "app", "lib"):
                books.ledger.claim(Asking(run), [slot(event, "app")])
                books.ledger.acknowledge(run, SUCCESS)
        books.close()
        content = bytearray(books.path.read_bytes())
        start = data.draw(st.integers(0, len(content) - 1), "from")
        length = data.draw(st.integers(1, 5000), "length")
        if data.draw(st.booleans(), "cut"):
            del content[start:]
        else:
            content[start : start + length] = bytes(data.draw(st.binary(min_size=length, max_size=length), "bytes"))
        books.path.write_bytes(content)
        books.ledger = books.open()
        refused = None
        try:
            (run,) = books.keep(emitted("9", key="k9"), "app")
            books.ledger.claim(Asking(run), [slot(emitted("9", key="k9"), "app")])
            books.ledger.acknowledge(run, SUCCESS)
            books.ledger.events()
        except (StateError, MachineError) as error:
            refused = str(error)
        assert refused is None or str(books.path) in refused
    finally:
        books.close()


def test_the_ledger_of_a_newer_tako_is_named_and_left_alone(books: Books) -> None:
    books.keep(emitted("1"), "app")
    raw = sqlite3.connect(books.path)
    raw.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    raw.close()
    with pytest.raises(StateError, match=f"schema version {len(MIGRATIONS) + 1}, this Tako knows {len(MIGRATIONS)}"):
        books.open().events()
    assert list(books.path.parent.glob("events.db.damaged-*")) == []


def test_an_older_schema_is_brought_up_step_by_step_with_what_it_holds(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    steps = ("CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y; CREATE TABLE b (z)", "UPDATE a SET y = x + 1")

    def file(count: int) -> LedgerFile:
        return LedgerFile(path, migrations=steps[:count], clock=FakeClock(), say=print)

    for count in (1, 3):
        opened = file(count)
        if count == 1:
            opened.do(lambda connection: connection.execute("INSERT INTO a VALUES (1)").rowcount)
        else:
            assert opened.do(lambda connection: connection.execute("SELECT x, y FROM a").fetchall()) == [(1, 2)]
            assert opened.do(lambda connection: connection.execute("PRAGMA user_version").fetchone()) == (3,)
        opened.close()


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    opened = LedgerFile(path, migrations=("CREATE TABLE a (x)", "CREATE TABLE a (x)"), clock=FakeClock(), say=print)
    with pytest.raises(MachineError, match="already exists"):
        opened.do(lambda connection: None)
    opened.close()
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (0,)
    assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    raw.close()


def test_an_act_that_fails_is_undone(books: Books) -> None:
    books.keep(emitted("1"), "app")
    raw = sqlite3.connect(books.path, isolation_level=None)

    def fail() -> None:
        with transaction(raw, durable=True):
            raw.execute("DELETE FROM events")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert raw.execute("PRAGMA synchronous").fetchone() == (1,)
    raw.close()
    assert len(books.ledger.events()) == 1


def test_a_directory_that_cannot_be_written_is_a_clear_error(books: Books) -> None:
    books.path.parent.write_text("a file")
    with pytest.raises(MachineError, match="home"):
        books.ledger.events()


RACE = """
import sys
from tako.clock import SystemClock
from tako.fanout.claims import Asking, Outcome, RunKey, Slot
from tako.fanout.ledger import Ledger
from tako.fanout.ledger_rows import Delivery, Recorded
from tests.builders import make_event
path, me = sys.argv[1:]
ledger = Ledger(path, clock=SystemClock(), say=print)
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    event = make_event(id=f"evt-{me}-{number}", run_id=me, key=f"k{number}")
    run = RunKey(me, f"{me}-{number}")
    ledger.record(Recorded(event, me, 0.0, None, (Delivery(run, "o/app", "work", "x"),)))
    if ledger.claim(Asking(run), [Slot(event.source, event.type, event.key, "o/app", "work", event.id)]).starts:
        print("took", number, flush=True)
    ledger.acknowledge(run, Outcome("success", None, {}))
ledger.close()
"""


def test_of_many_processes_that_begin_at_once_one_takes_each_key(tmp_path: Path) -> None:
    import subprocess

    path = tmp_path / "home" / "events.db"
    root = Path(__file__).parents[2]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(path), f"r{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for number in range(6)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    took = [line for racer in racers for line in racer.communicate()[0].splitlines()]
    assert [racer.returncode for racer in racers] == [0] * 6
    assert sorted(took) == sorted(f"took {number}" for number in range(20))


def test_what_a_killed_process_wrote_is_there(
    tmp_path: Path, start_python: Callable[..., Process], wait_until: Callable[[Callable[[], object]], None]
) -> None:
    code = """
import os, signal, sys
from tako.clock import SystemClock
from tako.fanout.ledger import Ledger
from tako.fanout.ledger_rows import Recorded
from tests.builders import make_event
Ledger(sys.argv[1], clock=SystemClock(), say=print).record(Recorded(make_event(), "r1", 0.0))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "events.db"
    process = start_python(f"import sys; sys.path.insert(0, {os.getcwd()!r})\n{code}", path)
    wait_until(lambda: process.poll() is not None)
    ledger = Ledger(str(path), clock=FakeClock(), say=print)
    assert len(ledger.events()) == 1
    ledger.close()
