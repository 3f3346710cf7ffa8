"""What ``tako ps`` tells of a run, from what its files say."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tako.cli.main import run
from tako.cli.ps import Row, Tree, Usage, children_told, render, step_at
from tako.config.model import StepSpec
from tako.errors import MachineError
from tako.execution.state import ExecutionState, StepRecord
from tako.fanout.result import ChildOutcome
from tako.identity import Identity, identity_of
from tako.process import Process
from tako.records import replace
from tests.builders import make_workflow

STEPS = tuple(StepSpec(id=name, run="true") for name in ("build", "test", "tell"))


def step(name: str, status: str = "success") -> StepRecord:
    return StepRecord(name, status, 1.0, 2.0)


@pytest.mark.parametrize(
    ("status", "done", "shown"),
    [
        ("running", (), "build"),
        ("running", (step("build"),), "test"),
        ("running", (step("build"), step("test", "skipped")), "tell"),
        ("running", (step("build"), step("test"), step("tell")), None),
        ("suspended", (step("build"), step("test"), step("tell", "suspended")), "tell"),
        ("running", (step("build", "suspended"),), "build"),
        ("failed", (step("build", "failed"),), None),
        ("success", (step("build"),), None),
    ],
)
def test_the_current_step_is_the_one_after_the_last_or_the_one_that_waits(
    status: str, done: tuple[StepRecord, ...], shown: str | None
) -> None:
    assert step_at(make_workflow(steps=STEPS), ExecutionState("exec-1", "a/b", "w", status, 1.0, steps=done)) == shown


def test_while_something_runs_because_a_step_has_failed_that_is_the_current_one() -> None:
    steps = (StepSpec("build", run="x", on_failure=(StepSpec("h1", run="x"), StepSpec("h2", run="x"))), *STEPS[1:])
    workflow = make_workflow(steps=steps)
    shown = []
    for handlers in ((), (step("h1"),), (step("h1"), step("h2"))):
        failed = replace(step("build", "failed"), handlers=handlers)
        shown.append(step_at(workflow, ExecutionState("exec-1", "a/b", "w", "running", 1.0, steps=(failed,))))
    assert shown == ["h1", "h2", None]
    gone_on = replace(step("build", "failed"), tolerated=True)
    assert step_at(workflow, ExecutionState("exec-1", "a/b", "w", "running", 1.0, steps=(gone_on,))) == STEPS[1].id


def child(status: str) -> ChildOutcome:
    return ChildOutcome("x", "r", "r", "e", "a/b", "w", 1, status, 0.0, None, None, "/x")


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ((), ""),
        (("success", "failed", "cancelled"), ""),
        (("pending", "waiting", "running", "pending", "running", "success"), "2 at work, 1 wait, 2 to come"),
        (("retrying",), "1 to try again"),
    ],
)
def test_children_are_counted_by_what_they_are_at(statuses: tuple[str, ...], told: str) -> None:
    assert children_told([child(status) for status in statuses]) == told


def row(run_id: str, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "run_id": run_id,
        "root_id": "r",
        "parent_id": "r",
        "repository": "a/b",
        "workflow": "w",
        "step": "test",
        "status": "running",
        "pid": 12,
        "age_seconds": 65.0,
        "cpu_seconds": 1.5,
        "memory_bytes": 12_345_678,
    }
    return Row(**{**fields, **changes})


def test_rows_are_aligned_and_children_are_set_in() -> None:
    root = row("r", parent_id=None, pid=123456, memory_bytes=1_500_000_000, status="waiting")
    lost = row("cc", repository=None, workflow=None, step=None, pid=None, cpu_seconds=None, memory_bytes=None)
    trees = [Tree((root, row("c"), lost), "2 at work"), Tree((row("s", parent_id=None),), "")]

    assert render(trees) == [
        "RUN   REPOSITORY  WORKFLOW  STEP     PID    AGE   CPU    MEMORY  STATUS",
        "r     a/b         w         test  123456  1m05s  1.5s  1500.0MB  waiting; 2 at work",
        "  c   a/b         w         test      12  1m05s  1.5s    12.3MB  running",
        "  cc  -           -         -          -  1m05s     -         -  running",
        "s     a/b         w         test      12  1m05s  1.5s    12.3MB  running",
    ]


BUSY = """
import os, time
if os.fork() == 0:
    held = b"x" * 30_000_000
    while time.process_time() < 0.2: pass
    os.write(1, b"busy\\n")
    time.sleep(600)
if os.fork() == 0:
    while time.process_time() < 0.2: pass
    os._exit(0)
os.wait()
os.write(1, b"waited\\n")
time.sleep(600)
"""


def test_a_process_is_charged_with_all_below_it_dead_or_alive(start_python: Callable[..., Process]) -> None:
    read, write = os.pipe()
    process = start_python(BUSY, stdout=write)
    os.close(write)
    with open(read) as said:
        assert {said.readline(), said.readline()} == {"busy\n", "waited\n"}
    known = identity_of(process.pid)
    assert known is not None

    used = Usage().of(known)
    assert used is not None
    # The kernel counts in hundredths.
    assert used.cpu_seconds > 0.35
    assert used.memory_bytes > 30_000_000
    assert Usage().of(Identity(known.pid, known.started + 1)) is None
    usage = Usage()
    os.kill(process.pid, signal.SIGKILL)
    while process.poll() is None:
        pass
    assert usage.of(known) is None


def test_a_home_in_which_nothing_may_be_changed_can_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **_how: object) -> None:
        raise MachineError("cannot lock: Permission denied", where="sweep.lock")

    monkeypatch.setenv("TAKO_HOME", str(tmp_path))
    monkeypatch.setattr("tako.execution.alive.sweep", refuse)

    assert run(["ps"]) == 0
    assert capsys.readouterr().err == (f"sweep.lock: cannot lock: Permission denied\nno runs are alive in {tmp_path}\n")
