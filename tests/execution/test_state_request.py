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
from tako.execution import answer as answer_module
from tako.execution import request as request_module
from tako.execution import state as state_module
from tako.execution.answer import Answer, read_answer, write_answer
from tako.execution.migration import MIGRATIONS
from tako.execution.request import Ancestor, read_request, request_from_data, write_request
from tako.execution.retry import StepAttempt
from tako.execution.service import Service, ServiceEnd
from tako.execution.state import Announced, ExecutionState, StepRecord, read_state, write_state
from tako.execution.workspace import Workspace
from tako.files import write_document
from tako.records import replace, to_data
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

OLD_FILES = Path(__file__).parents[1] / "fixtures" / "state"
"""What each schema version of Tako wrote. Nothing there is ever changed: those files must load for ever."""

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
    emitted=st.lists(EVENTS, max_size=2).map(tuple),
    attempts=st.lists(
        st.builds(StepAttempt, number=st.integers(1, 9), failure=FAILURES, seconds=SECONDS), max_size=2
    ).map(tuple),
    tolerated=st.booleans(),
    service=st.none() | st.builds(Service, pid=st.integers(1, 2**22), started=SECONDS),
)

ENDS = st.builds(
    ServiceEnd,
    step=TEXT,
    how=st.sampled_from(["stopped", "exited", "lost"]),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    seconds=SECONDS,
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
    pid_started=st.none() | SECONDS,
    steps=st.lists(
        st.builds(lambda step, handlers: replace(step, handlers=tuple(handlers)), STEPS, st.lists(STEPS, max_size=2)),
        max_size=3,
    ).map(tuple),
    failure=st.none() | FAILURES,
    services=st.lists(ENDS, max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@given(state=STATES)
def test_a_state_that_was_written_is_read_back(directory: Path, state: ExecutionState) -> None:
    path = str(directory / "state.json")
    write_state(path, state, durable=False)
    assert read_state(path) == state


def test_the_state_of_an_older_tako_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "state.json")
    state = ExecutionState("exec-1", "a/b", "w", "running", 1.5, pid=12)
    older = to_data(state)
    del older["pid_started"]
    write_document(path, "state", 1, older)

    assert read_state(path) == state


@pytest.mark.parametrize("version", range(1, state_module.SCHEMA + 1))
def test_the_states_of_every_version_load(version: int) -> None:
    directory = OLD_FILES / f"v{version}"
    waiting, failed = (read_state(str(directory / name)) for name in ("state.json", "failed-state.json"))

    assert (waiting.status, waiting.pid, waiting.generation) == ("suspended", 4242, 1)
    build, fan_out = waiting.steps
    assert (build.outputs, build.announced[0].artifact) == ({"version": "1.2.0"}, "go-lib")
    first, *more = fan_out.emitted
    assert [event.artifact for event in more] == [] if version == 1 else ["go-app"]
    assert first.payload["notes"] == "Grüße 🐙"
    assert first.artifacts == build.artifacts == waiting.artifacts
    assert failed.failure is not None
    assert (failed.failure.exit_code, failed.failure.log) == (1, ("FAIL test_login", "über 🐙"))
    assert [step.status for step in failed.steps] == ["skipped", "failed"]


@pytest.mark.parametrize("version", range(1, request_module.SCHEMA + 1))
def test_the_requests_of_every_version_load(version: int) -> None:
    directory = OLD_FILES / f"v{version}"
    child, root = (read_request(str(directory / name)) for name in ("request.json", "root-request.json"))

    assert (child.label, child.depth, child.inputs) == ("my-org/client:verify", 1, {"version": "1.2.0"})
    assert child.event is not None
    assert [artifact.name for artifact in child.visible_artifacts] == ["go-lib"]
    build, fan_out = root.workflow.steps
    assert build.produces is not None
    assert (build.produces.paths, build.timeout, root.workflow.mem_limit) == (("dist/lib-*.tar",), 60.0, 2**29)
    assert fan_out.params == {"event_type": "library_built", "wait_for_children": True}
    assert root.events[0].payload[0].required


@pytest.mark.parametrize("version", range(1, answer_module.SCHEMA + 1))
def test_the_answers_of_every_version_load(version: int, tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "fan-out.json").write_bytes((OLD_FILES / f"v{version}" / "answer.json").read_bytes())
    event_id = json.loads((tmp_path / "answers" / "fan-out.json").read_text())["data"]["event_id"]

    answer = read_answer(workspace, "fan-out", event_id)
    assert answer.outputs() == {"children": "2", "succeeded": "1", "failed": "1"}


def test_every_version_of_every_kind_can_be_read() -> None:
    today = {module.KIND: module.SCHEMA for module in (state_module, request_module, answer_module)}

    assert {kind: set(migrations) for kind, migrations in MIGRATIONS.items()} == {
        kind: set(range(1, schema)) for kind, schema in today.items()
    }


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
        {"steps": "text"},
        {**to_data(ExecutionState("a", "b", "c", "completed", 0.0))},
        {**to_data(ExecutionState("a", "b", "c", "success", 0.0, steps=(StepRecord("a", "done", 0.0, 0.0),)))},
        {**to_data(ExecutionState("a", "b", "c", "success", 0.0)), "failure": "none"},
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
