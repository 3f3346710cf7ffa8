"""The names in a run's directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tako.errors import UsageError
from tako.execution.workspace import Workspace, remove_checkout, root_workspace
from tako.steps.base import RunInterruptedError


def test_no_step_shares_its_log_with_the_child_process() -> None:
    workspace = Workspace("/w")
    assert workspace.child_log not in {workspace.log(step) for step in ("child", "stderr", "child.stderr")}


def test_a_child_lies_below_its_parent() -> None:
    assert Workspace("/w").child("exec-1").path == "/w/children/exec-1"


@pytest.mark.parametrize("run_id", ["..", "../x", "", "exec-1", "exec-20261123-181803-0a1b2c3d/.."])
def test_what_is_no_run_id_does_not_become_a_path(run_id: str) -> None:
    with pytest.raises(UsageError, match="not a run id"):
        root_workspace("/home", run_id)


def test_half_removed_checkout_is_no_checkout(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "file").touch()

    def check() -> None:
        raise RunInterruptedError

    with pytest.raises(RunInterruptedError):
        remove_checkout(workspace, check=check)

    assert [path.name for path in tmp_path.iterdir()] == ["repo.removing"]
    remove_checkout(workspace)
    assert not list(tmp_path.iterdir())
