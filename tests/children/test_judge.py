"""How a child ended: what it said is weighed against how its process ended and what is left of it."""

from __future__ import annotations

import signal

import pytest

from tako.children.base import ChildResult
from tako.children.judge import Evidence, judge
from tako.children.protocol import Conversation, Frame, Hello, Result, encode
from tako.errors import ProtocolError
from tako.execution.failure import (
    EXITED,
    INTERRUPTED,
    KILLED,
    LOG_TAIL,
    MACHINE_ERROR,
    MAX_MESSAGE,
    NO_RESULT,
    NOT_STARTED,
    OUT_OF_MEMORY,
    PROTOCOL,
    STEP_FAILED,
    STEP_TIMEOUT,
    WORKFLOW_TIMEOUT,
    Failure,
)
from tako.records import replace
from tako.signals import Exit
from tests.builders import CHILD_ID, make_event

FAILURE = Failure(kind=STEP_FAILED, message="exit code 1", step="build", exit_code=1)
VIOLATION = ProtocolError("not a frame: 'x'", why="ValueError")
LOG = ("Traceback", "boom")


def said(*frames: Frame) -> Conversation:
    conversation = Conversation(CHILD_ID)
    for frame in (Hello(run_id=CHILD_ID, pid=1), *frames):
        list(conversation.feed(encode(frame)))
    return conversation


@pytest.mark.parametrize("exit_", [Exit(code=0), Exit(code=1), Exit(code=3), Exit(signal=signal.SIGKILL)])
def test_a_result_counts_whatever_the_end_of_the_process(exit_: Exit) -> None:
    success = said(Result("success", outputs={"build": {"version": "1"}}))

    result = judge(success, Evidence(exit_, log=LOG, directory_is_there=False), seconds=2.5)

    assert result.status == "success"
    assert result.failure is None
    assert result.events == ()
    assert result.seconds == 2.5
    assert result.outputs == {"build": {"version": "1"}}


def test_a_failed_result_keeps_the_failure_that_the_child_told() -> None:
    result = judge(
        said(Result("failed", failure=FAILURE)), Evidence(Exit(code=1), log=LOG, current_step="x"), seconds=1
    )

    assert result.status == "failed"
    assert result.failure == FAILURE
    assert result.outputs == {}


def test_a_failure_that_the_child_told_without_a_step_is_of_the_step_it_was_at() -> None:
    failed = said(Result("failed", failure=replace(FAILURE, step=None)))

    assert judge(failed, Evidence(Exit(code=1), current_step="build"), seconds=1).failure == FAILURE


def test_of_what_a_child_tells_no_more_is_kept_than_people_read() -> None:
    failed = said(Result("failed", failure=replace(FAILURE, message="x" * 500_000, log=("line",) * 5000)))

    failure = judge(failed, Evidence(Exit(code=1)), seconds=1).failure
    assert failure is not None
    assert len(failure.message) <= MAX_MESSAGE
    assert failure.log == ("line",) * LOG_TAIL


def test_a_suspended_result_carries_the_event_that_the_child_waits_for() -> None:
    event = make_event(run_id=CHILD_ID)
    result = judge(said(event, Result("suspended", outputs={})), Evidence(Exit(code=0)), seconds=1)

    assert result.status == "suspended"
    assert result.events == (event,)


@pytest.mark.parametrize("exit_", [Exit(code=0), Exit(code=1), Exit(signal=signal.SIGTERM)])
@pytest.mark.parametrize("frames", [(), (Result("success", outputs={}),)])
def test_a_broken_rule_counts_more_than_anything_else(frames: tuple[Frame, ...], exit_: Exit) -> None:
    result = judge(said(*frames), Evidence(exit_, LOG, current_step="build", violation=VIOLATION), seconds=1)

    assert result.status == "failed"
    assert result.failure == Failure(kind=PROTOCOL, message=str(VIOLATION), step="build", log=LOG)
    assert result.events == ()
    assert result.outputs == {}


@pytest.mark.parametrize(
    ("exit_", "failure"),
    [
        (
            Exit(signal=signal.SIGSEGV),
            Failure(KILLED, "the child process was killed by SIGSEGV (signal 11)", exit_code=139, signal=11),
        ),
        (
            Exit(signal=signal.SIGKILL),
            Failure(KILLED, "the child process was killed by SIGKILL (signal 9)", exit_code=137, signal=9),
        ),
        (
            Exit(code=3),
            Failure(kind=EXITED, message="the child process ended without a result, with exit code 3", exit_code=3),
        ),
        (Exit(code=0), Failure(kind=NO_RESULT, message="the child process ended without a result", exit_code=0)),
    ],
)
@pytest.mark.parametrize("step", [None, "build"])
def test_a_child_without_a_result_has_crashed_whatever_its_exit_code(
    exit_: Exit, failure: Failure, step: str | None
) -> None:
    result = judge(said(), Evidence(exit_, log=LOG, current_step=step), seconds=0.5)

    assert result.status == "failed"
    assert result.seconds == 0.5
    assert result.failure == replace(failure, step=step, log=LOG)


def test_a_child_that_crashes_after_it_emitted_its_event_does_not_wait_for_it() -> None:
    conversation = said(make_event(run_id=CHILD_ID))

    result = judge(conversation, Evidence(Exit(signal=signal.SIGKILL)), seconds=1)

    assert result.status == "failed"
    assert result.events == ()


OVERDUE = [
    Failure(STEP_TIMEOUT, "took longer than its timeout of 1.0s"),
    Failure(WORKFLOW_TIMEOUT, "the workflow was at work for longer than its timeout of 1.0s"),
    Failure(PROTOCOL, "the child closed its stdout before it gave its result"),
    Failure(NOT_STARTED, "the child process did not say hello"),
]


@pytest.mark.parametrize("overdue", OVERDUE, ids=lambda failure: failure.kind)
@pytest.mark.parametrize("frames", [(), (Result("success", outputs={"a": {"b": "c"}}),), (Result("failed", FAILURE),)])
@pytest.mark.parametrize("violation", [None, VIOLATION])
def test_a_child_that_was_ended_since_its_time_was_up_has_that_against_its_word(
    overdue: Failure, frames: tuple[Frame, ...], violation: ProtocolError | None
) -> None:
    evidence = Evidence(
        Exit(signal=signal.SIGKILL),
        log=("MemoryError",),
        current_step="build",
        violation=violation,
        overdue=overdue,
        killed_for_memory=True,
    )

    result = judge(said(*frames), evidence, seconds=3)

    message = f"{overdue.message}; it did not end when asked to, and was killed by SIGKILL"
    killed = replace(overdue, message=message, step="build", exit_code=137, signal=signal.SIGKILL, log=("MemoryError",))
    assert result == ChildResult("failed", 3, failure=killed)


@pytest.mark.parametrize(
    ("exit_", "how", "code"),
    [
        (Exit(code=1), "it ended when it was asked to", None),
        (Exit(code=0), "it ended when it was asked to", None),
        (Exit(signal=signal.SIGTERM), "it was ended by SIGTERM", 143),
    ],
)
def test_one_whose_time_was_up_is_not_said_to_have_been_killed_if_asking_was_enough(
    exit_: Exit, how: str, code: int | None
) -> None:
    failure = judge(said(), Evidence(exit_, overdue=OVERDUE[0]), seconds=3).failure

    message = f"{OVERDUE[0].message}; {how}"
    assert failure == replace(OVERDUE[0], message=message, exit_code=code, signal=exit_.signal)


def test_what_a_step_printed_before_it_was_stopped_is_shown() -> None:
    stopped = Failure(INTERRUPTED, "stopped before the step had ended", step="build", signal=signal.SIGTERM)

    result = judge(said(Result("failed", stopped)), Evidence(Exit(code=1), LOG, current_step="build"), seconds=1)

    assert result.failure == replace(stopped, log=LOG)


def kind_of(evidence: Evidence, *frames: Frame) -> tuple[str, str]:
    failure = judge(said(*frames), evidence, seconds=1).failure
    assert failure is not None
    return failure.kind, failure.message


def test_a_process_that_the_kernel_killed_for_memory_says_so_with_its_limit() -> None:
    killed = Evidence(Exit(signal=signal.SIGKILL), killed_for_memory=True, memory_limit=512 << 20)

    kind, message = kind_of(killed)

    assert kind == OUT_OF_MEMORY
    assert message.startswith("the child process was killed by SIGKILL (signal 9); memory is the likely cause")
    assert "512 MiB (mem_limit)" in message


@pytest.mark.parametrize("word", ["MemoryError", "std::bad_alloc", "fork: Cannot allocate memory"])
def test_a_process_that_ended_with_an_error_after_words_about_memory_was_out_of_it(word: str) -> None:
    kind, message = kind_of(Evidence(Exit(code=1), log=("Traceback", word)))

    assert kind == OUT_OF_MEMORY
    assert message == "the child process ended without a result, with exit code 1; memory is the likely cause"


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGTRAP, signal.SIGILL])
def test_a_runtime_that_gives_up_after_words_about_memory_was_out_of_it(number: int) -> None:
    log = ("terminate called after throwing an instance of 'std::bad_alloc'",)

    kind, message = kind_of(Evidence(Exit(signal=number), log=log, memory_limit=64 << 20))

    assert kind == OUT_OF_MEMORY
    assert message.endswith("memory is the likely cause: each of its processes may have 64 MiB (mem_limit)")


def test_a_limit_is_named_to_whom_it_may_have_made_stumble() -> None:
    kind, message = kind_of(Evidence(Exit(signal=signal.SIGSEGV), memory_limit=64 << 20))

    assert kind == KILLED
    assert message.startswith("the child process was killed by SIGSEGV (signal 11); memory may be the cause: ")
    assert "64 MiB (mem_limit)" in message
    assert "memory" not in kind_of(Evidence(Exit(signal=signal.SIGSEGV)))[1]
    assert "memory" not in kind_of(Evidence(Exit(signal=signal.SIGTERM), memory_limit=64 << 20))[1]


def test_what_could_not_be_started_below_a_limit_was_out_of_memory() -> None:
    message = "cannot start 'git': Cannot allocate memory (tried for 3 seconds)\n  fix: close other programs"
    told = Result("failed", Failure(NOT_STARTED, message))

    assert kind_of(Evidence(Exit(code=3)), told) == (NOT_STARTED, message)
    kind, hinted = kind_of(Evidence(Exit(code=3), memory_limit=16 << 20), told)
    assert kind == OUT_OF_MEMORY
    first, second = hinted.splitlines()
    assert first.startswith("cannot start 'git': Cannot allocate memory (tried for 3 seconds); memory is the likely")
    assert first.endswith("16 MiB (mem_limit)")
    assert second == "  fix: close other programs"
    other = Result("failed", Failure(NOT_STARTED, "cannot start 'git': Too many open files"))
    assert kind_of(Evidence(Exit(code=3), memory_limit=16 << 20), other)[0] == NOT_STARTED


@pytest.mark.parametrize(
    ("exit_", "kind"), [(Exit(code=0), NO_RESULT), (Exit(signal=signal.SIGSEGV), KILLED), (Exit(code=1), EXITED)]
)
def test_memory_is_not_blamed_without_a_sign_of_it(exit_: Exit, kind: str) -> None:
    log = ("out of memory",) if kind != EXITED else ("1 failed",)

    assert kind_of(Evidence(exit_, log=log))[0] == kind


@pytest.mark.parametrize("exit_", [Exit(code=0), Exit(code=1), Exit(signal=signal.SIGKILL)])
def test_a_child_whose_directory_has_vanished_was_failed_by_the_machine(exit_: Exit) -> None:
    vanished = Evidence(exit_, log=("out of memory",), killed_for_memory=True, directory_is_there=False)

    kind, message = kind_of(vanished)

    assert kind == MACHINE_ERROR
    assert message.endswith("; its directory has vanished")


def test_a_broken_rule_or_a_timeout_keeps_its_kind_when_the_directory_has_vanished() -> None:
    broken = Evidence(Exit(code=0), violation=VIOLATION, directory_is_there=False)

    assert kind_of(broken) == (PROTOCOL, f"{VIOLATION}; its directory has vanished")
    assert kind_of(replace(broken, overdue=OVERDUE[0]))[0] == STEP_TIMEOUT
