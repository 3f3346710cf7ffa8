"""The names in a run's directory."""

from __future__ import annotations

import pytest

from tako.errors import UsageError
from tako.execution.workspace import Workspace, root_workspace


def test_no_step_shares_its_log_with_the_child_process() -> None:
    workspace = Workspace("/w")
    assert workspace.child_log not in {workspace.log(step) for step in ("child", "stderr", "child.stderr")}


def test_a_child_lies_below_its_parent() -> None:
    assert Workspace("/w").child("exec-1").path == "/w/children/exec-1"


@pytest.mark.parametrize("run_id", ["..", "../x", "", "exec-1", "exec-20261123-181803-0a1b2c3d/.."])
def test_what_is_no_run_id_does_not_become_a_path(run_id: str) -> None:
    with pytest.raises(UsageError, match="not a run id"):
        root_workspace("/home", run_id)
