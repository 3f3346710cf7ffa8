"""The composition root: who owns a run's directory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tako.clock import SystemClock
from tako.effective import Settings
from tako.errors import LockTimeoutError
from tako.execution.alive import alive_runs, register
from tako.execution.workspace import Workspace, root_workspace
from tako.files import read_document, write_document
from tako.ids import new_run_id
from tako.locks import own
from tako.testing import FakeClock
from tako.wiring import Wiring

RUN_ID = new_run_id(SystemClock())


class GivesWay(FakeClock):
    """A clock that lets go of something when somebody first sleeps by it."""

    def __init__(self, held: contextlib.ExitStack) -> None:
        super().__init__()
        self._held = held

    def sleep(self, seconds: float) -> None:
        self._held.close()
        super().sleep(seconds)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Of a run that is registered as alive, this process being its root."""
    workspace = root_workspace(str(tmp_path), RUN_ID)
    workspace.make()
    register(str(tmp_path), RUN_ID, clock=SystemClock())
    return workspace


def wiring_of(home: Path, held: contextlib.ExitStack) -> Wiring:
    wiring = Wiring(Settings(home=str(home), cache_dir=str(home / "cache"), cap=1))
    wiring.clock = GivesWay(held)  # type: ignore[assignment]
    return wiring


def test_a_run_whose_root_is_gone_is_waited_for_while_what_that_left_is_being_ended(
    tmp_path: Path, workspace: Workspace
) -> None:
    path = f"{tmp_path}/alive/{RUN_ID}.json"
    write_document(path, "alive", 1, {**read_document(path, "alive", 1), "root": {"pid": os.getpid(), "started": 1.0}})
    with contextlib.ExitStack() as held:
        held.enter_context(own(workspace.run_lock))

        with wiring_of(tmp_path, held).owning(workspace):
            assert [run.run_id for run in alive_runs(str(tmp_path))] == [RUN_ID]
    assert alive_runs(str(tmp_path)) == ()


def test_a_run_whose_root_is_there_is_not_waited_for(tmp_path: Path, workspace: Workspace) -> None:
    with contextlib.ExitStack() as held:
        held.enter_context(own(workspace.run_lock))
        wiring = wiring_of(tmp_path, held)

        with pytest.raises(LockTimeoutError), wiring.owning(workspace):
            pytest.fail("somebody else is at work")
        assert isinstance(wiring.clock, FakeClock)
        assert wiring.clock.slept == []
