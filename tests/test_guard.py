"""The guard beside a step of the root: it goes with the step, and a step is not left without it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tako.errors import MachineError
from tako.guard import GuardedProcesses
from tako.process import Process
from tako.signals import signal_group


def test_a_guard_ends_with_what_it_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Process] = []
    spawn = GuardedProcesses.spawn

    def remember(self: GuardedProcesses, *args: object, **options: object) -> Process:
        started.append(spawn(self, *args, **options))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(GuardedProcesses, "spawn", remember)
    assert GuardedProcesses().run(["/bin/sh", "-c", "exit 3"], env={}).exit.code == 3
    assert len(started) == 2
    assert not any(signal_group(process.pid, 0) for process in started)


def test_a_step_whose_guard_cannot_start_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = GuardedProcesses()
    step = processes.spawn(["/bin/sh", "-c", "sleep 600"], env={"PATH": os.defpath})

    def refuse(*_args: object, **_options: object) -> Process:
        raise MachineError("no more processes")

    supervise: Callable[..., object] = processes.supervise
    monkeypatch.setattr(processes, "spawn", refuse)
    with pytest.raises(MachineError, match="no more processes"):
        supervise(step, {})
    assert not signal_group(step.pid, 0)
