"""A tree that is killed at each of its writes, and resumed until it is done: nothing lost, nothing done twice.

All of it takes some minutes. Every third crash is tried unless ``TAKO_TEST_ALL_CRASHES`` is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import pytest

from tako.execution.request import read_request
from tako.execution.workspace import root_workspace
from tako.testing.crash_points import AFTER, BOTH, DURING, ITSELF, ROOT
from tako.testing.crash_tree import REPOSITORIES, Trial, crashes_at, make_tree

PARTS = 8
SHARE = 1 if "TAKO_TEST_ALL_CRASHES" in os.environ else 3


class Ground:
    """Where trials take place."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._trials = 0
        make_tree(str(directory / "source"))
        first = self.trial()
        ended = first.go_on()
        assert ended.code == 0, ended.text
        self.writes = first.writes()
        self.undisturbed: dict[str, Any] = first.outcome()
        assert first.check(self.undisturbed) == []

    def trial(self) -> Trial:
        self._trials += 1
        return Trial(str(self._directory / f"trial-{self._trials}"), str(self._directory / "source" / "cache"))

    def survives(self, trial: Trial) -> list[str]:
        """What is wrong after the trial's run has been resumed until it was done."""
        ended = trial.finish()
        return trial.check(self.undisturbed) if ended.code == 0 else [f"it never succeeded: {ended.text}"]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def of_part(crashes: list[str], part: int) -> Iterator[str]:
    """The crashes of one part of the test; the same ones in every run that makes the same writes."""
    for crash in crashes:
        digest = crc32(crash.encode())
        if digest % PARTS == part and digest // PARTS % SHARE == 0:
            yield crash


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_tree_survives_a_crash_at_every_write(ground: Ground, part: int) -> None:
    struck, wrong = 0, {}
    for crash in of_part(crashes_at(ground.writes), part):
        trial = ground.trial()
        trial.go_on(crash)
        struck += trial.crashes
        problems = ground.survives(trial)
        if problems:
            wrong[crash] = problems
    assert wrong == {}
    assert struck > 0, "nothing was ever killed"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("crash", ["every:root:9", "every:child:3"])
def test_a_tree_whose_processes_are_killed_again_and_again_comes_to_its_end(ground: Ground, crash: str) -> None:
    trial = ground.trial()
    for _ in range(30):
        if trial.go_on(crash).code == 0:
            break
    assert trial.crashes >= 3
    assert ground.survives(trial) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", [ITSELF, ROOT, BOTH])
def test_a_tree_survives_kills_at_random_moments(ground: Ground, victim: str) -> None:
    random = Random(f"kills of {victim}")
    trial = ground.trial()
    for _ in range(4):
        process = trial.start()
        # As many writes as it may: a moment that does not depend on how fast the machine is.
        enough = len(trial.writes()) + random.randint(2, len(ground.writes) // 2)
        while process.poll() is None and len(trial.writes()) < enough:
            time.sleep(0.001)
        while not trial.kill(process, victim, random) and process.poll() is None:
            time.sleep(0.001)
        if trial.wait(process).code == 0:
            break
    assert trial.crashes > 0
    assert ground.survives(trial) == []


def test_the_writes_of_the_tree_are_all_known_to_the_harness(ground: Ground) -> None:
    """What is written in a new way must be named here, and in the page on durability."""
    kinds = {line.rpartition(" ")[0] for line in ground.writes}
    journal = {f"root journal-{kind}" for kind in ("started", "waiting", "plan", "ended", "finished")}
    children = {f"{name} state" for name in REPOSITORIES if name != "crash/root"}
    inputs = {f"{name.replace('crash/root', 'root')} inputs" for name in REPOSITORIES}
    root = {f"root {what}" for what in ("started", "request", "alive", "state", "answers")}
    assert kinds == {*root, *journal, *children, *inputs}


def test_an_invariant_that_is_broken_is_told(ground: Ground) -> None:
    trial = ground.trial()
    trial.go_on(f"{AFTER}:{ROOT}:crash/left state 2")
    with open(trial.diary, "a", encoding="utf-8") as file:
        file.write("crash/left begin\n")

    problems = ground.survives(trial)

    assert "the completed step ('crash/left', 'begin') was run again" in problems


def test_a_crash_within_a_write_leaves_a_file_that_the_resumption_removes(ground: Ground) -> None:
    trial = ground.trial()
    trial.go_on(f"{DURING}:{BOTH}:crash/left state 2")
    run_id = trial.run_id
    assert run_id is not None
    workspace = root_workspace(trial.home, run_id)
    assert read_request(workspace.request).repo == "crash/root"
    # Its sibling may just be writing as well.
    assert list(Path(workspace.path).rglob("state.json.*.tmp"))

    assert ground.survives(trial) == []
    assert not list(Path(workspace.path).rglob("*.tmp"))
