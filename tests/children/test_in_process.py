"""The root's own run, in this process: whose fault it is that the code of a step raises."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn
from unittest.mock import Mock

import pytest

from tako.children.base import ChildRequest, ChildResult
from tako.children.in_process import InProcessRunner
from tako.clock import SystemClock
from tako.config.model import POLL, StepSpec
from tako.errors import MachineError, SpawnError
from tako.execution.failure import EXCEPTION, NOT_STARTED, OUT_OF_MEMORY
from tako.execution.workspace import Workspace
from tako.process import Processes
from tako.steps.base import StepContext
from tests.builders import make_root, make_workflow

THEIRS = StepSpec(id="it", uses="their/kind@v1")


class Raises:
    """A kind of step that only raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, _context: StepContext) -> NoReturn:
        raise self._error


def run(directory: Path, step: StepSpec, error: Exception) -> ChildResult:
    workspace = Workspace(str(directory))
    workspace.make()
    runner = InProcessRunner(
        step_kind=lambda _spec: Raises(error),
        checkout=Mock(side_effect=AssertionError),
        kept=lambda _memory: Processes(),
        clock=SystemClock(),
        env={},
    )
    root = make_root(source=str(directory), workflow=make_workflow(steps=(step,)))
    return runner.run_workflow(ChildRequest(root, workspace), Mock())


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("not like this"), EXCEPTION, "ValueError: not like this"),
        (MemoryError(), OUT_OF_MEMORY, "the run's own process could not get the memory that it asked for"),
        (SpawnError("cannot start", number=errno.EAGAIN, passing=True), NOT_STARTED, "cannot start"),
    ],
)
def test_what_somebody_elses_step_raises_fails_the_run(
    tmp_path: Path, error: Exception, kind: str, message: str
) -> None:
    failure = run(tmp_path, THEIRS, error).failure

    assert failure is not None
    assert (failure.kind, failure.step) == (kind, "it")
    assert failure.message.startswith(message)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (StepSpec(id="it", run="true"), ValueError("a bug of ours")),
        (StepSpec(id="it", uses=POLL), ValueError("a bug of ours")),
        (THEIRS, MachineError("cannot be written", where="state.json")),
    ],
)
def test_a_bug_of_ours_and_what_ends_tako_itself_is_nobodys_failure(
    tmp_path: Path, step: StepSpec, error: Exception
) -> None:
    with pytest.raises(type(error)):
        run(tmp_path, step, error)
