"""Recorded paths after the Tako home was moved."""

from __future__ import annotations

import pytest
from hypothesis import given

from tako.execution.event import ArtifactRef
from tako.execution.moved import Place
from tako.execution.state import ExecutionState, StepRecord
from tako.execution.workspace import Workspace
from tests.builders import CHILD_ID, CLIENT, EVENTS, ROOT_ID, make_event, make_request

OLD = f"/old/home/workspaces/{ROOT_ID}"
NEW = f"/new/place/workspaces/{ROOT_ID}"


def ref(path: str) -> ArtifactRef:
    return ArtifactRef("my-org/go-lib", "go-lib", path, "aa")


def place(path: str = NEW) -> Place:
    return Place(Workspace(path), ROOT_ID)


@pytest.mark.parametrize("workspace", [NEW, f"{NEW}/children/{CHILD_ID}"])
@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        (f"{OLD}/artifacts/a/b/lib.tar", f"{NEW}/artifacts/a/b/lib.tar"),
        (f"{OLD}/children/{CHILD_ID}/artifacts/x", f"{NEW}/children/{CHILD_ID}/artifacts/x"),
        (f"{NEW}/artifacts/x", f"{NEW}/artifacts/x"),
        ("/elsewhere/lib.tar", "/elsewhere/lib.tar"),
        (OLD, OLD),
    ],
)
def test_what_lies_in_the_tree_is_where_the_tree_is_now(workspace: str, recorded: str, now: str) -> None:
    assert place(workspace).path(recorded) == now


def test_all_that_a_run_knows_of_artifacts_is_moved() -> None:
    old, new = ((ref(f"{root}/artifacts/x"),) for root in (OLD, NEW))
    told = make_event(artifacts=old)
    moved = make_event(artifacts=new)
    step = StepRecord("a", "success", 1.0, 2.0, artifacts=old, emitted=(told,))
    state = ExecutionState(CHILD_ID, CLIENT, "verify", "running", 5.0, steps=(step,))

    request = place().request(make_request(event=told, heard=(told, told)))
    (found,) = place().state(state).steps

    assert (request.event, request.heard) == (moved, (moved, moved))
    assert (found.artifacts, found.emitted) == (new, (moved,))


@given(EVENTS)
def test_what_was_not_moved_is_the_very_same(event: object) -> None:
    request = make_request(event=event, heard=(event,))
    step = StepRecord("a", "success", 1.0, 2.0, emitted=(event,))  # type: ignore[arg-type]
    state = ExecutionState(CHILD_ID, CLIENT, "verify", "running", 5.0, steps=(step,))

    assert place().request(request) is request
    assert place().state(state) is state
