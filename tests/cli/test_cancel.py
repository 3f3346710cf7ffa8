"""How ``tako cancel`` waits, and what it says when that is of no use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tako.cli.cancel import POLL_SECONDS, _cancel_run, wait_for
from tako.errors import MachineError
from tako.execution.alive import AliveRun
from tako.execution.workspace import root_workspace
from tako.identity import Identity, identity_of
from tako.locks import own
from tako.process import Process
from tako.testing import FakeClock
from tests.builders import ROOT_ID


def test_what_holds_already_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    assert wait_for(lambda: True, "it", clock=clock)
    assert clock.slept == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "told"), [(0.9, ""), (1.2, "waiting for it to end\n")])
def test_waiting_is_told_once_after_a_second(capsys: pytest.CaptureFixture[str], seconds: float, told: str) -> None:
    clock = FakeClock()
    assert wait_for(lambda: clock.monotonic() >= seconds, "it", clock=clock)
    assert capsys.readouterr().err == told
    assert set(clock.slept) == {POLL_SECONDS}


def test_patience_ends_after_a_minute() -> None:
    clock = FakeClock()
    assert not wait_for(lambda: False, "it", clock=clock)
    assert 60.0 <= clock.monotonic() < 60.2


@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_does_not_end_is_told_with_what_to_do(
    tmp_path: Path, start_python: Callable[..., Process], capsys: pytest.CaptureFixture[str], force: bool
) -> None:
    process = start_python("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")
    run = AliveRun(ROOT_ID, str(tmp_path), identity_of(process.pid), 1.0)
    workspace = root_workspace(str(tmp_path), ROOT_ID)
    with own(workspace.run_lock), pytest.raises(MachineError) as caught:
        _cancel_run(run, workspace, FakeClock(), force=force, wait=True)

    assert caught.value.what == f"{ROOT_ID} has not ended within 60 seconds"
    assert caught.value.exit_code == 3
    assert (f"`kill -KILL {process.pid}`" if force else f"`tako cancel {ROOT_ID} --force`") in caught.value.cure
    assert capsys.readouterr().err == f"{ROOT_ID} was asked to stop\nwaiting for {ROOT_ID} to end\n"


def test_a_run_that_ended_just_before_has_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = AliveRun(ROOT_ID, str(tmp_path), Identity(2**22 + 1, 1.0), 1.0)

    _cancel_run(run, root_workspace(str(tmp_path), ROOT_ID), FakeClock(), force=True, wait=True)
    assert capsys.readouterr().err == f"{ROOT_ID} was asked to stop\n{ROOT_ID} has ended\n"


def test_a_run_of_an_unknown_process_is_not_signalled(tmp_path: Path) -> None:
    run = AliveRun(ROOT_ID, str(tmp_path), None, 1.0)
    with pytest.raises(MachineError, match="which process runs"):
        _cancel_run(run, root_workspace(str(tmp_path), ROOT_ID), FakeClock(), force=False, wait=True)
