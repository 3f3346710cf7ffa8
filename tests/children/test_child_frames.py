"""What a child sends: all that fits a frame, to whoever still reads it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator

import pytest

from runner_child.frames import Frames
from tako.children.base import StepUpdate
from tako.children.protocol import Frame, Hello, Result, decode
from tako.errors import MachineError
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


def test_a_frame_that_the_pipe_has_no_room_for_is_sent_in_pieces(pipe: Pipe) -> None:
    size = 1 << 20
    read = bytearray()

    def read_slowly() -> None:
        while len(read) < size and (data := os.read(pipe.read_end, 4096)):
            read.extend(data)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    pipe.frames.write(bytes(range(256)) * (size // 256))
    reader.join()

    assert read == bytes(range(256)) * (size // 256)


def test_a_pipe_that_takes_only_a_part_at_once_gets_the_rest_too(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:3]))
    pipe.frames.send(Hello(run_id=CHILD_ID, pid=1))
    monkeypatch.undo()

    assert pipe.heard() == [Hello(run_id=CHILD_ID, pid=1)]


def test_a_parent_that_is_gone_is_not_the_frames_business() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        Frames(write_end).send(Hello(run_id=CHILD_ID, pid=1))
    finally:
        os.close(write_end)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_stdout_that_cannot_be_written_to_is_refused_by_the_machine() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(MachineError, match="cannot write frames to stdout: No space left on device") as caught:
            Frames(descriptor).send(Hello(run_id=CHILD_ID, pid=1))
    finally:
        os.close(descriptor)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
