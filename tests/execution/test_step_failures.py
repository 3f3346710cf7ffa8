"""What happens when a step fails: tries, what runs then, and whether the run goes on. With real shells."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tako.config.model import Produces, RetrySpec, StepSpec
from tako.execution.answer import Answer, write_answer
from tako.execution.failure import (
    FAN_OUT_FAILED,
    INTERRUPTED,
    STEP_ERROR,
    STEP_FAILED,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
    Failure,
)
from tako.execution.going_on import go_on
from tako.execution.state import ExecutionState, StepRecord, read_state
from tako.records import replace
from tako.signals import StopSignal
from tako.steps import shell
from tako.testing import FakeClock
from tests.execution.bench import Bench, tell

TWICE = RetrySpec(attempts=2, delay=1.0)
THRICE = RetrySpec(attempts=3, delay=1.0, backoff=2.0)

COUNTS = 'echo "$TAKO_STEP_ATTEMPT" >> tries; '
"""Of a script: writes down that it was tried."""


def step(run: str, id_: str = "a", **changes: Any) -> StepSpec:
    return StepSpec(id=id_, run=run, **changes)


def only(state: ExecutionState, id_: str = "a") -> StepRecord:
    (found,) = (each for each in state.steps if each.id == id_)
    return found


# Tries.


def test_a_step_that_fails_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    clock = FakeClock()
    script = COUNTS + 'echo "try $TAKO_STEP_ATTEMPT"; test "$TAKO_STEP_ATTEMPT" = 3 || exit 75'
    bench = Bench(tmp_path, step(script, retry=THRICE), clock=clock)
    state = bench.run()

    assert state.status == "success"
    assert clock.slept == [1.0, 2.0]
    tries = only(state).attempts
    assert [(each.number, each.failure.exit_code, each.failure.log) for each in tries] == [
        (1, 75, ("try 1",)),
        (2, 75, ("try 2",)),
    ]
    assert bench.log("a") == "try 3\n"
    assert [Path(bench.workspace.attempt_log("a", each)).read_text() for each in (1, 2)] == ["try 1\n", "try 2\n"]
    assert bench.heard == [
        "a started",
        "a again after try 1",
        "a started",
        "a again after try 2",
        "a started",
        "a success",
    ]
    assert read_state(bench.workspace.state).steps == state.steps


def test_a_step_that_fails_at_every_try_fails_by_the_last_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step(COUNTS + 'exit "$TAKO_STEP_ATTEMPT"', retry=TWICE), clock=FakeClock())
    state = bench.run()

    assert state.failure == Failure(STEP_FAILED, "exit code 2", step="a", exit_code=2)
    assert len(only(state).attempts) == 1
    assert (bench.repo / "tries").read_text() == "1\n2\n"


def test_another_exit_code_than_those_that_are_named_is_final(tmp_path: Path) -> None:
    retry = replace(THRICE, on_exit_codes=(75,))
    bench = Bench(tmp_path, step(COUNTS + "exit 1", retry=retry), clock=FakeClock())

    assert bench.run().status == "failed"
    assert (bench.repo / "tries").read_text() == "1\n"


def test_what_cannot_be_carried_out_is_not_tried_again(tmp_path: Path) -> None:
    produces = Produces(outputs={"v": "from_file:gone"})
    bench = Bench(tmp_path, step(COUNTS, retry=THRICE, produces=produces), clock=FakeClock())

    failure = bench.run().failure
    assert failure is not None
    assert failure.kind == STEP_ERROR
    assert (bench.repo / "tries").read_text() == "1\n"


def test_the_timeout_of_a_step_is_for_each_try(tmp_path: Path) -> None:
    script = COUNTS + 'test "$TAKO_STEP_ATTEMPT" = 2 || sleep 600'
    state = Bench(tmp_path, step(script, retry=RetrySpec(attempts=2, delay=0.0), timeout=0.5)).run()

    assert state.status == "success"
    assert [each.failure.kind for each in only(state).attempts] == [STEP_TIMEOUT]


def test_each_try_begins_without_the_outputs_of_the_one_before(tmp_path: Path) -> None:
    script = 'echo "t$TAKO_STEP_ATTEMPT=x" >> "$TAKO_OUTPUT"; test "$TAKO_STEP_ATTEMPT" = 2'
    state = Bench(tmp_path, step(script, retry=TWICE), clock=FakeClock()).run()

    assert only(state).outputs == {"t2": "x"}


def test_no_try_begins_that_the_workflows_timeout_would_not_let_begin(tmp_path: Path) -> None:
    retry = RetrySpec(attempts=9, delay=60.0, backoff=1.0)
    clock = FakeClock()
    bench = Bench(tmp_path, step(COUNTS + "exit 3", retry=retry), clock=clock, workflow={"timeout": 150.0})
    failure = bench.run().failure

    assert failure is not None
    assert (failure.kind, failure.exit_code) == (STEP_FAILED, 3)
    assert clock.slept == [60.0, 60.0]


def test_a_stop_ends_the_wait_before_the_next_try_at_once(tmp_path: Path) -> None:
    stop = StopSignal()
    bench = Bench(tmp_path, step("exit 1", retry=RetrySpec(attempts=2, delay=250.0)), stop=stop)
    retrying = bench.step_retrying

    def stop_then(spec: StepSpec, *rest: Any) -> None:
        retrying(spec, *rest)
        stop.set()

    bench.step_retrying = stop_then  # type: ignore[method-assign, assignment]
    began = time.monotonic()
    state = bench.run()
    stop.close()
    assert time.monotonic() - began < 60
    assert state.failure is not None
    assert state.failure.kind == INTERRUPTED
    assert state.steps == ()


def test_the_logs_of_an_earlier_processs_tries_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("true", retry=THRICE), clock=FakeClock())
    for number in (1, 2):
        Path(bench.workspace.attempt_log("a", number)).write_text("old")
    bench.run()

    assert sorted(os.listdir(bench.workspace.logs)) == ["a.log"]


# What runs when a step has failed.


SEES = (
    'echo "{{ error.step }} {{ error.exit_code }} {{ error.message }} {{ error.kind }} {{ steps.a.status }}"; '
    'echo "$TAKO_ERROR_STEP $TAKO_ERROR_EXIT_CODE $TAKO_ERROR_MESSAGE $TAKO_ERROR_KIND"'
)


def test_what_runs_on_failure_sees_why_and_the_step_stays_failed(tmp_path: Path) -> None:
    handlers = (step(SEES, "h1"), step("echo n > ran", "h2", condition="error.exit_code == 7"))
    bench = Bench(tmp_path, step("exit 7", on_failure=handlers), step("touch not", "b"))
    state = bench.run()

    assert state.failure == Failure(STEP_FAILED, "exit code 7", step="a", exit_code=7)
    assert bench.log("h1") == "a 7 exit code 7 step_failed failed\na 7 exit code 7 step_failed\n"
    assert (bench.repo / "ran").exists()
    assert not (bench.repo / "not").exists()
    assert [(each.id, each.status) for each in only(state).handlers] == [("h1", "success"), ("h2", "success")]
    assert bench.heard == ["a started", "a failed", "h1 started", "h1 success", "h2 started", "h2 success"]
    assert read_state(bench.workspace.state).steps == state.steps


def test_nothing_runs_on_failure_when_a_step_succeeds_or_is_tried_again(tmp_path: Path) -> None:
    script = 'test "$TAKO_STEP_ATTEMPT" = 2'
    bench = Bench(tmp_path, step(script, retry=TWICE, on_failure=(step("touch ran", "h"),)), clock=FakeClock())

    assert bench.run().status == "success"
    assert not (bench.repo / "ran").exists()


def test_what_fails_itself_on_failure_is_told_and_does_not_keep_the_next_from_running(tmp_path: Path) -> None:
    handlers = (step("echo {{ nope }}", "h1"), step("exit 4", "h2", retry=TWICE), step("echo n > ran", "h3"))
    bench = Bench(tmp_path, step("exit 7", on_failure=handlers), clock=FakeClock())
    state = bench.run()

    assert [(each.id, each.status) for each in only(state).handlers] == [
        ("h1", "failed"),
        ("h2", "failed"),
        ("h3", "success"),
    ]
    assert len(only(state).handlers[1].attempts) == 1
    assert state.failure is not None
    assert state.failure.exit_code == 7
    first, one, other = state.failure.message.splitlines()
    assert first == "exit code 7"
    assert one.startswith("its on_failure step 'h1' failed as well: ")
    assert other == "its on_failure step 'h2' failed as well: exit code 4"


def test_what_runs_on_failure_may_put_something_out_for_those_behind_it(tmp_path: Path) -> None:
    handlers = (
        step("echo x", "h1", produces=Produces(outputs={"v": "from_stdout"})),
        step("echo {{ steps.h1.outputs.v }}", "h2"),
    )
    bench = Bench(tmp_path, step("exit 7", on_failure=handlers))
    bench.run()

    assert bench.log("h2") == "x\n"


def test_the_failure_is_on_the_disk_before_anything_runs_because_of_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("exit 7", on_failure=(step("cat ../workspace/state.json", "h"),)))
    bench.run()

    assert '"exit code 7"' in bench.log("h")
    assert bench.durable[0] == ("a",)


def test_a_stop_while_something_runs_on_failure_interrupts_the_run_and_the_step_is_run_again(tmp_path: Path) -> None:
    stop = StopSignal()
    handlers = (step("true", "h1"), step("sleep 600", "h2"), step("touch ran", "h3"))
    bench = Bench(tmp_path, step("exit 7", on_failure=handlers, continue_on_error=True), stop=stop)
    started = bench.step_started

    def stop_at_h2(spec: StepSpec) -> None:
        started(spec)
        if spec.id == "h2":
            stop.set()

    bench.step_started = stop_at_h2  # type: ignore[method-assign]
    state = bench.run()
    stop.close()
    assert state.failure is not None
    assert (state.failure.kind, state.failure.step) == (INTERRUPTED, "a")
    assert not (bench.repo / "ran").exists()
    recorded = read_state(bench.workspace.state)
    assert only(recorded).failure == Failure(STEP_FAILED, "exit code 7", step="a", exit_code=7)
    assert [each.id for each in only(recorded).handlers] == ["h1"]
    assert go_on(recorded, lambda _: False).steps == ()


def test_nothing_runs_on_failure_of_a_step_that_a_stop_ended(tmp_path: Path) -> None:
    stop = StopSignal()
    bench = Bench(tmp_path, step("sleep 600", on_failure=(step("touch ran", "h"),)), stop=stop)
    stop.set()
    state = bench.run()
    stop.close()

    assert state.failure is not None
    assert state.failure.kind == INTERRUPTED
    assert not (bench.repo / "ran").exists()


def test_what_runs_on_failure_has_no_time_when_the_workflows_is_up_and_says_so(tmp_path: Path) -> None:
    spec = step("sleep 600", on_failure=(step("touch ran", "h"),))
    bench = Bench(tmp_path, spec, workflow={"timeout": 0.3})
    state = bench.run()

    assert not (bench.repo / "ran").exists()
    assert state.failure is not None
    assert state.failure.kind == WORKFLOW_TIMEOUT
    (handler,) = only(state).handlers
    assert handler.failure is not None
    assert handler.failure.kind == WORKFLOW_TIMEOUT
    assert "its on_failure step 'h' failed as well" in state.failure.message
    assert "h started" not in bench.heard


def test_a_fan_out_whose_runs_failed_has_its_on_failure_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(tell(), on_failure=(step("echo {{ error.kind }}", "h"),)), step("true", "b"))
    bench.run()
    failure = Failure(FAN_OUT_FAILED, "1 of 2 triggered runs failed")
    write_answer(bench.workspace, "tell", Answer(bench.events[0].id, total=2, succeeded=1, failure=failure))
    state = bench.run(read_state(bench.workspace.state))

    assert state.status == "failed"
    assert bench.log("h") == "fan_out_failed\n"
    # When its runs have been run again, their answer decides anew, and so does what runs because of it.
    (waits,) = go_on(read_state(bench.workspace.state), lambda _: True).steps
    assert (waits.status, waits.handlers) == ("suspended", ())


# Memory, which a step may fail for the want of.

LIKELY = "memory is the likely cause: each of its processes may have 64 MiB (mem_limit)"
MAY_BE = "memory may be the cause: each of its processes may have 64 MiB (mem_limit)"
LIMITED = {"mem_limit": 64 << 20}


def message_of(directory: Path, script: str, **workflow: Any) -> str:
    """What is said of a step that fails."""
    failure = Bench(directory, step(script), workflow=workflow).run().failure
    assert failure is not None
    return failure.message


def test_words_about_memory_count_though_a_long_trace_follows(tmp_path: Path) -> None:
    script = "echo 'FATAL ERROR: JavaScript heap out of memory'; seq 30; exit 134"

    assert message_of(tmp_path, script, **LIMITED) == f"exit code 134: its command was killed by SIGABRT; {LIKELY}"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -SEGV $$", f"killed by SIGSEGV (signal 11); {MAY_BE}"),
        ("exit 139", f"exit code 139: its command was killed by SIGSEGV; {MAY_BE}"),
        ("kill -TERM $$", "killed by SIGTERM (signal 15)"),
        ("exit 3", "exit code 3"),
    ],
)
def test_a_limit_is_named_where_it_may_be_the_cause(tmp_path: Path, script: str, message: str) -> None:
    assert message_of(tmp_path, script, **LIMITED) == message


def test_no_limit_is_blamed_where_there_is_none(tmp_path: Path) -> None:
    assert message_of(tmp_path, "kill -SEGV $$") == "killed by SIGSEGV (signal 11)"


@pytest.mark.parametrize(
    ("script", "counts", "hint"),
    [
        ("exit 137", (4, 5), "; memory is the likely cause"),
        ("kill -KILL $$", (4, 5), "; memory is the likely cause"),
        ("kill -KILL $$", (4, 4), ""),
        ("kill -TERM $$", (4, 5), ""),
    ],
)
def test_a_step_that_was_killed_while_the_kernel_freed_memory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, counts: tuple[int, int], hint: str
) -> None:
    asked = iter(counts)
    monkeypatch.setattr(shell, "kills_for_memory", lambda: next(asked))

    assert message_of(tmp_path, script).partition("; ")[1:] == ("; " if hint else "", hint.removeprefix("; "))


# Going on in spite of it.


def test_a_run_goes_on_behind_a_step_that_may_fail_and_succeeds(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        step("exit 7", continue_on_error=True),
        step("echo {{ steps.a.status }} > seen", "b", condition="steps.a.status == 'failed'"),
    )
    state = bench.run()

    assert (state.status, state.failure) == ("success", None)
    assert (bench.repo / "seen").read_text() == "failed\n"
    failed = only(state)
    assert (failed.status, failed.tolerated) == ("failed", True)
    assert failed.failure == Failure(STEP_FAILED, "exit code 7", step="a", exit_code=7)
    assert bench.heard == ["a started", "a failed", "b started", "b success"]


@pytest.mark.parametrize("last", [False, True])
def test_a_run_that_goes_on_behind_a_failed_step_can_still_fail_elsewhere(tmp_path: Path, last: bool) -> None:
    steps = (step("exit 7", continue_on_error=True), step("exit 3" if not last else "true", "b"))
    state = Bench(tmp_path, *steps).run()

    assert state.status == ("success" if last else "failed")


def test_what_runs_on_failure_runs_before_the_run_goes_on(tmp_path: Path) -> None:
    first = step("exit 7", continue_on_error=True, on_failure=(step("echo h >> ran", "h"),))
    bench = Bench(tmp_path, first, step("echo b >> ran", "b"))

    assert bench.run().status == "success"
    assert (bench.repo / "ran").read_text() == "h\nb\n"


def test_a_failed_step_that_the_run_left_behind_is_not_run_again(tmp_path: Path) -> None:
    first = step("echo a >> ran; exit 7", continue_on_error=True)
    bench = Bench(tmp_path, first, step("test -e fixed", "b"))
    assert bench.run().status == "failed"
    (bench.repo / "fixed").touch()
    state = bench.run(go_on(read_state(bench.workspace.state), lambda _: False))

    assert state.status == "success"
    assert (bench.repo / "ran").read_text() == "a\n"


def test_a_step_that_failed_at_its_last_may_be_the_last_of_its_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("exit 7", continue_on_error=True))

    assert bench.run().status == "success"
    assert bench.heard == ["a started", "a failed"]
    assert read_state(bench.workspace.state).steps[0].tolerated


def test_no_step_lets_a_run_go_on_whose_own_time_is_up(tmp_path: Path) -> None:
    first = step("echo at work; sleep 1000", continue_on_error=True, on_failure=(step("true", "h"),))
    bench = Bench(tmp_path, first, step("true", "b"), workflow={"timeout": 0.3})
    state = bench.run()

    assert state.status == "failed"
    assert [each.id for each in state.steps] == ["a"]
    assert not only(state).tolerated
    assert state.failure is not None
    assert (state.failure.kind, state.failure.step, state.failure.log) == (WORKFLOW_TIMEOUT, "a", ("at work",))


def test_a_step_of_another_kind_finds_no_outputs_that_an_earlier_process_wrote(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tell(wait_for_children=False))
    Path(bench.workspace.temporary, "tell.output").write_text("old=1\n")

    assert "old" not in bench.run().steps[0].outputs


def test_a_try_that_was_killed_is_told_with_its_signal(tmp_path: Path) -> None:
    spec = step('test "$TAKO_STEP_ATTEMPT" = 2 || kill -KILL $$', retry=TWICE)
    state = Bench(tmp_path, spec, clock=FakeClock()).run()

    assert [each.failure.signal for each in only(state).attempts] == [signal.SIGKILL]
