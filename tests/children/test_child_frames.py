"""What a child sends when it has more to say than a frame holds."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from runner_child.child import Frames
from tako.children.base import StepUpdate
from tako.children.protocol import Frame, Result, decode
from tako.execution.outputs import MAX_OUTPUT
from tako.execution.state import ExecutionState, StepRecord
from tests.builders import CHILD_ID, CLIENT

OUTPUTS = {f"output-{number}": "x" * MAX_OUTPUT for number in range(20)}


class Pipe:
    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.frames = Frames(self.write_end)

    def heard(self) -> list[Frame]:
        return [decode(line) for line in os.read(self.read_end, 65536).splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


def test_a_step_with_more_outputs_than_a_frame_holds_is_told_without_them(pipe: Pipe) -> None:
    pipe.frames.step(StepUpdate(id="build", status="success", seconds=1.5, outputs=OUTPUTS))

    assert pipe.heard() == [StepUpdate(id="build", status="success", seconds=1.5)]


def test_a_result_with_more_outputs_than_a_frame_holds_leaves_them_to_the_state(pipe: Pipe) -> None:
    step = StepRecord("build", "success", 1.0, 2.0, outputs=OUTPUTS)
    pipe.frames.result(ExecutionState(CHILD_ID, CLIENT, "verify", "success", 1.0, steps=(step,)))

    assert pipe.heard() == [Result("success", outputs=None)]


def test_what_fits_is_sent_whole(pipe: Pipe) -> None:
    update = StepUpdate(id="build", status="success", seconds=1.5, outputs={"version": "1"})
    pipe.frames.step(update)

    assert pipe.heard() == [update]
