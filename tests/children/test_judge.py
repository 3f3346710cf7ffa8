from __future__ import annotations

import signal

import pytest

from tako.children.judge import judge
from tako.children.protocol import Conversation, Frame, Hello, Result, encode
from tako.errors import ProtocolError
from tako.execution.failure import EXITED, KILLED, NO_RESULT, PROTOCOL, STEP_FAILED, Failure
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

    result = judge(success, exit_, seconds=2.5, log=LOG, current_step=None)

    assert result.status == "success"
    assert result.failure is None
    assert result.event is None
    assert result.seconds == 2.5
    assert result.outputs == {"build": {"version": "1"}}


def test_a_failed_result_keeps_the_failure_that_the_child_told() -> None:
    result = judge(said(Result("failed", failure=FAILURE)), Exit(code=1), seconds=1, log=LOG, current_step="build")

    assert result.status == "failed"
    assert result.failure == FAILURE
    assert result.outputs == {}


def test_a_suspended_result_carries_the_event_that_the_child_waits_for() -> None:
    event = make_event(run_id=CHILD_ID)
    result = judge(said(event, Result("suspended", outputs={})), Exit(code=0), seconds=1, log=(), current_step=None)

    assert result.status == "suspended"
    assert result.event == event


@pytest.mark.parametrize("exit_", [Exit(code=0), Exit(code=1), Exit(signal=signal.SIGTERM)])
@pytest.mark.parametrize("frames", [(), (Result("success", outputs={}),)])
def test_a_broken_rule_counts_more_than_anything_else(frames: tuple[Frame, ...], exit_: Exit) -> None:
    result = judge(said(*frames), exit_, seconds=1, log=LOG, current_step="build", violation=VIOLATION)

    assert result.status == "failed"
    assert result.failure == Failure(kind=PROTOCOL, message=str(VIOLATION), step="build", log=LOG)
    assert result.event is None
    assert result.outputs == {}


@pytest.mark.parametrize(
    ("exit_", "failure"),
    [
        (
            Exit(signal=signal.SIGSEGV),
            Failure(kind=KILLED, message="the child process was killed by SIGSEGV (signal 11)", signal=11),
        ),
        (
            Exit(signal=signal.SIGKILL),
            Failure(kind=KILLED, message="the child process was killed by SIGKILL (signal 9)", signal=9),
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
    result = judge(said(), exit_, seconds=0.5, log=LOG, current_step=step)

    assert result.status == "failed"
    assert result.seconds == 0.5
    assert result.failure == replace(failure, step=step, log=LOG)


def test_a_child_that_crashes_after_it_emitted_its_event_does_not_wait_for_it() -> None:
    conversation = said(make_event(run_id=CHILD_ID))

    result = judge(conversation, Exit(signal=signal.SIGKILL), seconds=1, log=(), current_step=None)

    assert result.status == "failed"
    assert result.event is None
