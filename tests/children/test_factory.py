"""The directory of a child: made once, kept for when it goes on, its logs set aside before another try."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tako.children.base import ChildRequest
from tako.children.factory import ChildRunnerFactory
from tako.errors import MachineError
from tako.execution.request import read_request
from tako.execution.workspace import Workspace
from tako.records import replace
from tests.builders import make_request

REQUEST = make_request()


@pytest.fixture
def child(tmp_path: Path) -> ChildRequest:
    return ChildRequest(REQUEST, Workspace(str(tmp_path)).child(REQUEST.run_id))


def prepare(child: ChildRequest) -> Workspace:
    return Workspace(ChildRunnerFactory().prepare(child))


def goes_on(child: ChildRequest) -> ChildRequest:
    """The same child after it has waited."""
    Path(child.workspace.state).touch()
    return replace(child, resumed=True)


def logs(workspace: Workspace, attempt: int | None = None) -> list[str]:
    return sorted(os.listdir(workspace.logs if attempt is None else workspace.attempt(attempt)))


def test_a_new_child_has_its_request_and_the_directories_of_every_run(child: ChildRequest) -> None:
    workspace = prepare(child)

    assert workspace == child.workspace
    assert read_request(workspace.request) == REQUEST
    assert sorted(os.listdir(workspace.path)) == ["locks", "logs", "request.json", "tmp"]


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"{}"])
def test_a_damaged_request_is_made_again(child: ChildRequest, content: bytes) -> None:
    Path(prepare(child).request).write_bytes(content)

    assert read_request(prepare(goes_on(child)).request) == REQUEST


def test_a_child_that_goes_on_finds_its_logs_where_they_were(child: ChildRequest) -> None:
    Path(prepare(child).log("build")).write_text("built\n")

    assert logs(prepare(goes_on(child))) == ["build.log"]


def test_a_child_that_waited_and_whose_directory_has_vanished_does_not_begin_anew(child: ChildRequest) -> None:
    with pytest.raises(MachineError, match="vanished while it waited") as caught:
        prepare(replace(child, resumed=True))

    assert caught.value.where == child.workspace.state
    assert not os.path.exists(child.workspace.path)


def test_each_try_begins_with_no_logs_and_those_before_are_kept(child: ChildRequest) -> None:
    for attempt in (1, 2, 3):
        workspace = prepare(replace(child, attempt=attempt))
        assert logs(workspace) == []
        Path(workspace.log(f"at-{attempt}")).touch()

    assert (logs(workspace, 1), logs(workspace, 2), logs(workspace)) == (["at-1.log"], ["at-2.log"], ["at-3.log"])


def test_a_second_try_that_goes_on_after_it_waited_keeps_its_own_logs(child: ChildRequest) -> None:
    Path(prepare(child).log("first")).touch()
    second = replace(child, attempt=2)
    Path(prepare(second).log("second")).touch()
    workspace = prepare(goes_on(second))

    assert (logs(workspace), logs(workspace, 1)) == (["second.log"], ["first.log"])


def test_a_child_that_begins_anew_has_the_request_of_now(child: ChildRequest) -> None:
    prepare(child)
    changed = replace(REQUEST, commit="0" * 40)
    prepare(replace(child, run=changed))
    assert read_request(child.workspace.request) == REQUEST

    prepare(replace(child, run=changed, fresh=True))
    assert read_request(child.workspace.request) == changed


def test_a_child_whose_source_was_moved_is_told_where_it_is(child: ChildRequest) -> None:
    prepare(child)
    moved = replace(REQUEST, source="/moved/client")

    prepare(replace(child, run=moved))

    assert read_request(child.workspace.request) == moved


def test_a_directory_that_cannot_be_made_is_refused_by_the_machine(child: ChildRequest) -> None:
    os.makedirs(os.path.dirname(child.workspace.path))
    Path(child.workspace.path).write_text("in the way")

    with pytest.raises(MachineError, match=REQUEST.run_id):
        prepare(child)
