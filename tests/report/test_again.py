"""The command that runs a run again is one that works where it is pasted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tako.fanout.result import ChildOutcome
from tako.report.again import pasteable, replay_command, resume_command, status_command, tako_command

ROOT_ID = "exec-20261123-181803-0a1b2c3d"


def outcome(home: str, run_id: str = ROOT_ID) -> ChildOutcome:
    below = "" if run_id == ROOT_ID else f"/children/{run_id}"
    return ChildOutcome(
        run_id=run_id,
        root_id=ROOT_ID,
        parent_id=None,
        event_id=None,
        repo="o/a",
        workflow="w",
        status="failed",
        depth=0,
        seconds=1.0,
        started_at=None,
        ended_at=None,
        workspace=f"{home}/workspaces/{ROOT_ID}{below}",
    )


def script(directory: Path) -> Path:
    directory.mkdir()
    path = directory / "tako"
    path.touch(mode=0o755)
    return path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script that started this Tako."""
    path = script(tmp_path / "own bin")
    monkeypatch.setattr(sys, "argv", [str(path), "exec"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own bin" / "python"))
    return path


def test_tako_on_path_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(own.parent))
    assert tako_command() == "tako"


def test_link_to_this_tako_is_this_tako(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tako").symlink_to(own)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert tako_command() == "tako"


def test_other_tako_on_path_is_not_named(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script(tmp_path / "other").parent))
    assert tako_command() == f"'{own}'"


def test_module_is_named_without_any_script(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.unlink()
    monkeypatch.setenv("PATH", "")
    assert tako_command() == f"'{sys.executable}' -P -m tako"


def test_home_is_named_unless_it_is_default(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(own.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert replay_command(outcome(f"{tmp_path}/.tako")) == f"tako replay {ROOT_ID}"
    assert replay_command(outcome("/my runs", "c")) == f"TAKO_HOME='/my runs' tako replay {ROOT_ID} --child c"


def test_commands_for_a_tree_name_its_home(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(own.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resume_command(outcome(f"{tmp_path}/.tako")) == f"tako exec --resume {ROOT_ID}"
    assert resume_command(outcome("/my runs")) == f"TAKO_HOME='/my runs' tako exec --resume {ROOT_ID}"
    assert status_command(outcome("/my runs")) == f"TAKO_HOME='/my runs' tako status {ROOT_ID}"


def test_cure_completes_only_commands_that_name_a_run(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(own.parent))
    cure = f"`tako ps` lists them; `tako cancel {ROOT_ID} --force` kills one, `kill 1` another"
    assert pasteable(cure, "/h") == cure.replace("`tako cancel", "`TAKO_HOME=/h tako cancel")


def test_home_of_any_bytes_can_be_pasted(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = os.fsencode(tmp_path) + b"/it's \\ \xff \xc3\xa9"
    monkeypatch.setenv("PATH", str(own.parent))
    variable, _, _ = replay_command(outcome(os.fsdecode(home))).partition(" tako ")
    monkeypatch.undo()
    ran = subprocess.run(["bash", "-c", f'{variable}; printf %s "$TAKO_HOME"'], capture_output=True, check=True)
    assert ran.stdout == home
