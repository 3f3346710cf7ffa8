"""What another terminal asks of a root: it arrives once, whole, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tako.errors import MachineError
from tako.execution.inbox import ask_to_cancel, take_cancellations
from tako.execution.workspace import Workspace
from tests.builders import CHILD_ID, ROOT_ID

OTHER_ID = "exec-20261123-181803-0000beef"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(str(tmp_path))


def test_what_was_asked_is_taken_once(workspace: Workspace) -> None:
    ask_to_cancel(workspace, CHILD_ID, by="a test")
    ask_to_cancel(workspace, OTHER_ID, by="a test")

    assert take_cancellations(workspace) == (OTHER_ID, CHILD_ID)
    assert take_cancellations(workspace) == ()
    ask_to_cancel(workspace, CHILD_ID, by="a test")
    assert take_cancellations(workspace) == (CHILD_ID,)


def test_a_run_that_nobody_asked_anything_of_gets_no_inbox(workspace: Workspace) -> None:
    assert take_cancellations(workspace) == ()
    assert list(Path(workspace.path).iterdir()) == []


def test_to_ask_twice_is_to_ask_once_and_the_first_is_named(workspace: Workspace) -> None:
    ask_to_cancel(workspace, CHILD_ID, by="the first ü")
    ask_to_cancel(workspace, CHILD_ID, by="the second")

    (file,) = Path(workspace.path, "inbox").iterdir()
    assert file.name == f"cancel-{CHILD_ID}"
    assert file.read_text() == "the first ü\n"
    assert take_cancellations(workspace) == (CHILD_ID,)


@pytest.mark.parametrize("name", ["cancel-", "cancel-me", f"cancel-{CHILD_ID}.tmp", CHILD_ID, "cancel-.."])
def test_what_is_no_request_stays_where_it_is(workspace: Workspace, name: str) -> None:
    inbox = Path(workspace.path, "inbox")
    inbox.mkdir()
    (inbox / name).write_text("")

    assert take_cancellations(workspace) == ()
    assert (inbox / name).exists()


@pytest.mark.parametrize("run_id", ["", "..", "../../x", f"{CHILD_ID}/..", "exec-20261123-181803-0A1B2C3D"])
def test_only_a_run_can_be_cancelled(workspace: Workspace, run_id: str) -> None:
    with pytest.raises(ValueError, match="is not a run id"):
        ask_to_cancel(workspace, run_id, by="a test")
    assert list(Path(workspace.path).iterdir()) == []


def test_a_run_whose_directory_is_gone_gets_none_back(tmp_path: Path) -> None:
    gone = Workspace(str(tmp_path / ROOT_ID))
    with pytest.raises(MachineError, match="No such file"):
        ask_to_cancel(gone, CHILD_ID, by="a test")
    assert not (tmp_path / ROOT_ID).exists()


def test_a_link_that_lies_in_the_inbox_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / f"cancel-{CHILD_ID}").symlink_to(tmp_path / "elsewhere")

    ask_to_cancel(workspace, CHILD_ID, by="a test")
    assert not (tmp_path / "elsewhere").exists()
    assert take_cancellations(workspace) == (CHILD_ID,)


def test_a_request_that_cannot_be_removed_is_heeded_all_the_same(workspace: Workspace) -> None:
    (Path(workspace.path) / "inbox" / f"cancel-{CHILD_ID}").mkdir(parents=True)

    assert take_cancellations(workspace) == (CHILD_ID,)
