"""State and request files: what is written is read back, and damage is never taken for something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.model import ArtifactSpec, EventSpec, EventTemplate, InputSpec, PayloadField, Produces, StepSpec
from tako.errors import StateError
from tako.execution.answer import Answer, read_answer, write_answer
from tako.execution.request import Ancestor, read_request, request_from_data, write_request
from tako.execution.state import Announced, ExecutionState, StepRecord, read_state, write_state
from tako.execution.workspace import Workspace
from tako.files import write_document
from tako.records import to_data
from tests.builders import (
    ARTIFACTS,
    EVENTS,
    FAILURES,
    OBJECTS,
    OUTPUTS,
    SECONDS,
    TEXT,
    make_event,
    make_request,
    make_workflow,
)

STEPS = st.builds(
    StepRecord,
    id=TEXT,
    status=st.sampled_from(["success", "failed", "skipped", "suspended"]),
    started_at=SECONDS,
    seconds=SECONDS,
    outputs=OUTPUTS,
    failure=st.none() | FAILURES,
    artifacts=st.lists(ARTIFACTS, max_size=2).map(tuple),
    announced=st.lists(
        st.builds(Announced, type=TEXT, schema_version=st.none() | TEXT, payload=OBJECTS, artifact=st.none() | TEXT),
        max_size=2,
    ).map(tuple),
    emitted=st.none() | EVENTS,
)

STATES = st.builds(
    ExecutionState,
    run_id=TEXT,
    repo=TEXT,
    workflow=TEXT,
    status=st.sampled_from(["running", "suspended", "success", "failed"]),
    started_at=SECONDS,
    seconds=SECONDS,
    pid=st.none() | st.integers(1, 2**22),
    steps=st.lists(STEPS, max_size=3).map(tuple),
    failure=st.none() | FAILURES,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@given(state=STATES)
def test_a_state_that_was_written_is_read_back(directory: Path, state: ExecutionState) -> None:
    path = str(directory / "state.json")
    write_state(path, state, durable=False)
    assert read_state(path) == state


def test_a_request_that_was_written_is_read_back(tmp_path: Path) -> None:
    request = make_request(
        commit="a" * 40,
        inputs={"version": "1.2.0", "count": 3, "fast": True},
        artifacts=(ArtifactSpec("wheel", "dist/*.whl", "python", "a wheel", "make"),),
        events=(EventSpec("built", "1.0.0", (PayloadField("version", enum=("a", "b"), min=1.0),)),),
        event=make_event(),
        ancestors=(Ancestor("a/b", "release", None), Ancestor("c/d", "verify", "a/b:built")),
        workflow=make_workflow(
            inputs=(InputSpec("version", enum=("1", "2"), required=True),),
            env={"A": "b"},
            steps=(
                StepSpec(
                    id="build",
                    run="make",
                    condition="true",
                    produces=Produces(
                        "wheel", ("dist/x",), {"v": "from_stdout"}, (EventTemplate("built", "1", {"a": [1]}),)
                    ),
                ),
                StepSpec(id="tell", uses="tako/fan-out@v1", params={"event_type": "built"}),
            ),
        ),
    )
    path = str(tmp_path / "request.json")
    write_request(path, request)
    assert read_request(path) == request
    assert request_from_data(to_data(request)) == request


def test_any_changed_or_missing_byte_of_a_state_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = ExecutionState("exec-1", "a/b", "w", "success", 1.5, steps=(StepRecord("build", "success", 1.0, 2.0),))
    write_state(str(path), state)
    whole = path.read_bytes()
    damaged = [whole[:position] for position in range(len(whole) - 1)]
    damaged += [
        whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :] for position in range(len(whole) - 1)
    ]
    damaged += [b"", b"\0" * len(whole), whole + whole]
    for content in damaged:
        path.write_bytes(content)
        try:
            found = read_state(str(path))
        except StateError:
            continue
        # A changed byte of white space or of a key that nothing depends on would be harmless.
        assert found == state


@given(content=st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_whatever_is_in_a_state_file_it_is_a_state_or_an_error(directory: Path, content: bytes) -> None:
    path = directory / "any.json"
    path.write_bytes(content)
    with pytest.raises(StateError):
        read_state(str(path))


def test_a_checked_document_of_another_kind_or_version_is_refused_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "state.json")
    write_request(path, make_request())
    with pytest.raises(StateError, match="says it is 'request'"):
        read_state(path)
    document = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**document, "schema": 99}))
    with pytest.raises(StateError, match="schema version 99"):
        read_request(path)


def test_a_sound_document_with_foreign_content_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "state.json")
    foreign: list[Any] = [
        {},
        [],
        None,
        {"steps": 5},
        {**to_data(ExecutionState("a", "b", "c", "running", 0.0)), "more": 1},
    ]
    for data in foreign:
        write_document(path, "state", 1, data)
        with pytest.raises(StateError):
            read_state(path)


@given(failure=st.none() | FAILURES, total=st.integers(0, 9), succeeded=st.integers(0, 9))
def test_an_answer_reaches_only_the_event_that_it_is_about(
    directory: Path, failure: object, total: int, succeeded: int
) -> None:
    workspace = Workspace(str(directory))
    answer = Answer("evt-1", total, succeeded, failure)  # type: ignore[arg-type]
    write_answer(workspace, "tell", answer)
    assert read_answer(workspace, "tell", "evt-1") == answer
    with pytest.raises(StateError, match="evt-2"):
        read_answer(workspace, "tell", "evt-2")
