"""Whatever happens to the files of a run, they never tell what was not written, and a backup is never used silently."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import MachineError, StateError
from tako.execution import size
from tako.execution.answer import Answer, read_answer, write_answer
from tako.execution.failure import STEP_FAILED, Failure
from tako.execution.request import read_request, write_request
from tako.execution.state import (
    SCHEMA,
    ExecutionState,
    StepRecord,
    backup_of,
    begin_state,
    read_state,
    recorded_state,
    write_state,
)
from tako.execution.workspace import Workspace
from tako.records import replace
from tests.builders import make_event, make_request

A = StepRecord("a", "success", 1.0, 2.0, outputs={"version": "1.2.0", "notes": "Grüße 🐙"})
B = StepRecord("b", "failed", 3.0, 4.0, failure=Failure(STEP_FAILED, "exit code 1", step="b", exit_code=1))
C = StepRecord("c", "suspended", 5.0, 6.0, emitted=(make_event(),))

BEGUN = ExecutionState("exec-1", "my-org/client", "verify", "running", 1.5, pid=12, pid_started=3.0)
ONE = replace(BEGUN, steps=(A,), seconds=2.0)
DONE = replace(ONE, status="success", steps=(A, replace(B, status="success", failure=None)), seconds=6.0)


class Run:
    """The files of one run, and what readers and writers of them were told."""

    def __init__(self, directory: Path) -> None:
        self.workspace = Workspace(str(directory))
        self.path = directory / "state.json"
        self.backup = directory / "state.json.bak"
        self.said: list[str] = []

    def begin(self, state: ExecutionState) -> None:
        begin_state(self.workspace, state, say=self.said.append)

    def write(self, state: ExecutionState) -> None:
        write_state(self.workspace.state, state, say=self.said.append)

    def read(self) -> ExecutionState:
        return read_state(self.workspace.state, say=self.said.append)

    def damage(self, *paths: Path) -> None:
        for path in paths:
            # Not in place: a backup that is the same file by another name must not be meant.
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content[: len(content) // 2])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def outcome(read: Callable[[], object]) -> tuple[object, StateError | None]:
    """What was read, or the error with which it was refused; any other error is a fault."""
    try:
        return read(), None
    except StateError as error:
        return None, error


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A way to spoil any range of bytes: cut it out, cut off what follows, zero it, flip bits, put something there."""
    first, last = sorted((draw(st.floats(0, 1)), draw(st.floats(0, 1))))
    how = draw(st.sampled_from(["cut out", "cut off", "zero", "flip", "overwrite", "double"]))
    bit = 1 << draw(st.integers(0, 7))
    other = draw(st.binary(max_size=8))

    def spoil(content: bytes) -> bytes:
        start, end = int(first * len(content)), max(int(last * len(content)), int(first * len(content)) + 1)
        part = content[start:end]
        new = {
            "cut out": b"",
            "cut off": b"",
            "zero": b"\0" * len(part),
            "flip": bytes(byte ^ bit for byte in part),
            "overwrite": other,
            "double": part + part,
        }[how]
        return content[:start] + new + (b"" if how == "cut off" else content[end:])

    return spoil


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has succeeded; its backup says that one step is missing."""
    run = Run(tmp_path_factory.mktemp("finished"))
    run.begin(BEGUN)
    run.write(ONE)
    run.write(DONE)
    return run


@pytest.fixture(scope="module")
def contents(finished: Run) -> tuple[bytes, bytes]:
    return finished.path.read_bytes(), finished.backup.read_bytes()


@given(spoil=damages())
def test_a_damaged_state_is_never_another_state_and_its_backup_is_used_with_a_word(
    finished: Run, contents: tuple[bytes, bytes], spoil: Callable[[bytes], bytes]
) -> None:
    finished.said.clear()
    finished.path.write_bytes(spoil(contents[0]))
    finished.backup.write_bytes(contents[1])

    found = finished.read()

    if finished.said:
        assert found == ONE
        (word,) = finished.said
        assert str(finished.path) in word
        assert str(finished.backup) in word
    else:
        assert found == DONE


@given(spoil=damages(), spoil_backup=damages())
def test_two_damaged_files_are_never_a_state(
    finished: Run,
    contents: tuple[bytes, bytes],
    spoil: Callable[[bytes], bytes],
    spoil_backup: Callable[[bytes], bytes],
) -> None:
    finished.path.write_bytes(spoil(contents[0]))
    finished.backup.write_bytes(spoil_backup(contents[1]))

    found, error = outcome(finished.read)
    if error is None:
        assert found in (ONE, DONE)
    else:
        assert str(finished.path) in str(error)
        assert str(finished.backup) in str(error)


@given(spoil=damages())
def test_a_damaged_request_or_answer_is_never_another_one(finished: Run, spoil: Callable[[bytes], bytes]) -> None:
    workspace = Workspace(str(Path(finished.workspace.path) / "other"))
    Path(workspace.path).mkdir(exist_ok=True)
    request, answer = make_request(event=make_event()), Answer("evt-1", 2, 1)
    write_request(workspace.request, request, durable=False)
    write_answer(workspace, "tell", answer)
    readers: dict[str, tuple[Callable[[], object], object]] = {
        workspace.request: (lambda: read_request(workspace.request), request),
        workspace.answer("tell"): (lambda: read_answer(workspace, "tell", "evt-1"), answer),
    }
    for path, (read, written) in readers.items():
        Path(path).write_bytes(spoil(Path(path).read_bytes()))
        found, error = outcome(read)
        assert found == written if error is None else error.where == path


def test_the_state_before_is_the_backup(run: Run) -> None:
    run.begin(BEGUN)
    assert not run.backup.exists()
    run.write(ONE)
    assert read_state(str(run.backup)) == BEGUN
    run.write(DONE)
    assert (run.read(), read_state(str(run.backup))) == (DONE, ONE)
    assert sorted(path.name for path in run.path.parent.iterdir()) == ["state.json", "state.json.bak"]


def test_a_backup_is_used_for_a_state_that_is_gone_or_of_another_tako(run: Run) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    run.write(DONE)
    run.path.write_text(run.path.read_text().replace(f'"schema":{SCHEMA}', '"schema":99', 1))

    assert run.read() == ONE
    assert f"schema version 99, this Tako reads {SCHEMA}" in run.said[-1]
    run.path.unlink()
    assert run.read() == ONE
    assert "No such file" in run.said[-1]


def test_when_both_are_damaged_the_error_names_both(run: Run) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    run.damage(run.path, run.backup)

    with pytest.raises(StateError, match="its backup cannot be used either") as caught:
        run.read()
    assert caught.value.where == str(run.path)
    assert str(run.backup) in caught.value.why
    assert run.said == []


def test_a_damaged_state_without_a_backup_is_named(run: Run) -> None:
    run.begin(BEGUN)
    run.damage(run.path)

    with pytest.raises(StateError, match=r"the state file is damaged") as caught:
        run.read()
    assert "backup" not in str(caught.value)


def test_a_run_of_which_nothing_can_be_read_begins_anew_and_says_so(run: Run) -> None:
    path = run.workspace.state
    assert recorded_state(path, say=run.said.append) is None
    assert run.said == [], "there is nothing to be said of a run that has not begun"

    run.begin(BEGUN)
    run.write(ONE)
    assert recorded_state(path, say=run.said.append) == ONE
    run.damage(run.path, run.backup)
    assert recorded_state(path, say=run.said.append) is None
    (word,) = run.said
    assert str(run.path) in word
    assert "begins anew" in word


def test_by_default_a_person_is_told_on_stderr(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    run.damage(run.path)

    assert read_state(run.workspace.state) == BEGUN
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"warning: {run.path}: the state file is damaged")
    assert captured.err.endswith("\n")


# What a process writes first, when it goes on with a run or begins it anew.


def test_who_goes_on_keeps_what_was_recorded_as_the_backup(run: Run) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    run.begin(replace(ONE, pid=13))

    assert run.read().pid == 13
    assert read_state(str(run.backup)) == ONE


def test_a_damaged_state_does_not_take_the_place_of_its_backup(run: Run) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    run.write(DONE)
    run.damage(run.path)
    run.begin(run.read())

    assert (run.read(), read_state(str(run.backup))) == (ONE, ONE)


@pytest.mark.parametrize(
    ("recorded", "next_"),
    [
        (DONE, BEGUN),
        (DONE, ONE),
        (replace(ONE, status="failed", steps=(A, B)), replace(BEGUN, generation=2)),
        (ONE, replace(ONE, generation=2)),
    ],
    ids=["from the first step", "from the second step", "from the failed step", "the same steps, asked for again"],
)
def test_a_state_that_is_to_be_run_again_from_an_earlier_step_has_no_backup(
    run: Run, recorded: ExecutionState, next_: ExecutionState
) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    run.write(recorded)
    run.begin(next_)
    assert not run.backup.exists()
    run.damage(run.path)

    with pytest.raises(StateError):
        run.read()


@pytest.mark.parametrize("last", [B, C], ids=["failed", "suspended"])
def test_a_step_that_had_not_succeeded_may_go(run: Run, last: StepRecord) -> None:
    recorded = replace(ONE, status=last.status, steps=(A, last))
    run.begin(BEGUN)
    run.write(recorded)
    run.begin(ONE)

    assert read_state(str(run.backup)) == recorded


def test_who_begins_removes_what_killed_writers_left_and_nothing_else(run: Run) -> None:
    answers = run.path.parent / "answers"
    answers.mkdir()
    left = [run.path.parent / "state.json.99.tmp", run.path.parent / "request.json.1.tmp", answers / "tell.json.7.tmp"]
    others = [run.path.parent / "notes.tmp", run.path.parent / "tmp", answers / "tell.json", run.path.parent / ".9.tmp"]
    for path in (*left, *others):
        path.touch()
    run.begin(BEGUN)

    assert [path.name for path in left if path.exists()] == []
    assert all(path.exists() for path in others)


def test_a_state_with_steps_is_on_the_disk_when_it_is_written_and_one_without_need_not_be(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)

    run.begin(BEGUN)
    assert flushed == []
    run.write(ONE)
    assert len(flushed) == 2, "the content and the name, not the backup"
    run.begin(ONE)
    assert len(flushed) == 4, "it takes the place of one that was flushed"


# Killed in the middle.


class KilledError(BaseException):
    """The process is killed here."""


def calls(monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]) -> Iterator[None]:
    """Write again and again, killed before each change to the disk in turn; ends when a write comes to its end."""
    names = ["open", "write", "fsync", "link", "unlink", "replace"]
    number = 0
    while True:
        left = [number]

        def count(real: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
            def counted(*arguments: Any, **options: Any) -> Any:
                if left[0] == 0:
                    raise KilledError
                left[0] -= 1
                return real(*arguments, **options)

            return counted

        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(os, name, count(getattr(os, name), left))
            try:
                write()
            except KilledError:
                pass
            else:
                return
        yield
        number += 1


@pytest.mark.parametrize("backup_is_there", [True, False])
def test_killed_anywhere_in_a_write_a_run_has_the_old_state_or_the_new_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, backup_is_there: bool
) -> None:
    def start_over() -> None:
        run.begin(BEGUN)
        if backup_is_there:
            run.write(replace(ONE, pid=1))
        run.write(ONE)
        if not backup_is_there:
            run.backup.unlink()

    start_over()
    seen = []
    for _ in calls(monkeypatch, lambda: run.write(DONE)):
        seen.append(run.read())
        run.begin(replace(seen[-1], pid=2))
        assert list(run.path.parent.glob("*.tmp")) == []
        start_over()
    assert run.said == []
    assert all(state in (ONE, DONE) for state in seen)
    assert (seen[0], seen[-1]) == (ONE, DONE)
    assert len(seen) >= 7


def test_killed_anywhere_while_going_on_by_the_backup_a_run_can_go_on_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_over() -> None:
        run.begin(BEGUN)
        run.write(ONE)
        run.write(DONE)
        run.damage(run.path)

    start_over()
    kills = 0
    for _ in calls(monkeypatch, lambda: run.begin(ONE)):
        kills += 1
        assert run.read() == ONE
        start_over()
    assert kills >= 6


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_file_system_without_links_has_backups_too(run: Run, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    run.begin(BEGUN)
    run.write(ONE)
    run.write(DONE)

    assert (run.read(), read_state(backup_of(run.workspace.state))) == (DONE, ONE)
    assert sorted(path.name for path in run.path.parent.iterdir()) == ["state.json", "state.json.bak"]


def test_a_full_disk_leaves_state_and_backup_as_they_were(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.begin(BEGUN)
    run.write(ONE)

    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(MachineError, match="No space left on device"):
            run.write(DONE)

    assert (run.read(), read_state(str(run.backup))) == (ONE, BEGUN)


# How large a state may be.


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "WARN_BYTES", 10_000)
    monkeypatch.setattr(size, "REFUSE_BYTES", 100_000)


def with_output(name: str, length: int, state: ExecutionState = BEGUN) -> ExecutionState:
    step = StepRecord(name, "success", 1.0, 2.0, outputs={"log": "x" * length, "version": "1.2.0"})
    return replace(state, steps=(*state.steps, step))


def test_the_limits_are_ten_and_a_hundred_megabytes() -> None:
    assert (size.WARN_BYTES, size.REFUSE_BYTES) == (10_000_000, 100_000_000)


@pytest.mark.usefixtures("small_limits")
def test_a_large_state_is_told_once_with_what_is_large(run: Run) -> None:
    run.begin(BEGUN)
    run.write(with_output("lint", 1_000))
    assert run.said == []
    large = with_output("build", 50_000, with_output("lint", 1_000))
    run.write(large)
    run.write(with_output("test", 100, large))

    (word,) = run.said
    assert f"{run.path} has grown to 51." in word
    assert "its largest parts are steps.build.outputs.log 50 kB, steps.lint.outputs.log 1 kB" in word
    assert "fix: " in word


@pytest.mark.usefixtures("small_limits")
def test_a_state_that_is_too_large_is_refused_before_it_is_written(run: Run) -> None:
    run.begin(BEGUN)
    run.write(ONE)
    with pytest.raises(MachineError, match=r"the state would have 200\.\d kB, more than 100 kB") as caught:
        run.write(with_output("build", 200_000))

    assert caught.value.where == str(run.path)
    assert caught.value.why.startswith("its largest parts are steps.build.outputs.log 200 kB")
    assert (run.read(), read_state(str(run.backup))) == (ONE, BEGUN)


def test_the_largest_parts_are_named_in_their_order() -> None:
    data = {
        "run_id": "exec-1",
        "failure": {"message": "x" * 30_000},
        "steps": [
            {"id": "build", "outputs": {"log": "x" * 8_140_000, "version": "1"}, "failure": None},
            {"id": "test", "outputs": {}, "announced": ["x" * 2_000_000]},
        ],
    }

    assert size.largest_parts(data) == "steps.build.outputs.log 8.1 MB, steps.test.announced 2 MB, failure 30 kB"
