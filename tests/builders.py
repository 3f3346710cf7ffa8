"""Values for tests: each builder makes a sensible record, of which a test changes what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tako.config.model import StepSpec, WorkflowSpec
from tako.execution.event import ArtifactRef, Event
from tako.execution.failure import KINDS, Failure
from tako.execution.request import RunRequest
from tako.ids import event_id

ROOT_ID = "exec-20261123-181803-00000000"
CHILD_ID = "exec-20261123-181803-0a1b2c3d"
LIBRARY = "my-org/go-lib"
CLIENT = "my-org/client"


def make_event(**changes: Any) -> Event:
    """An event that the library's root run emitted."""
    run_id = changes.get("run_id", ROOT_ID)
    step_id = changes.get("step_id", "fan-out")
    fields: dict[str, Any] = {
        "id": event_id(run_id, step_id),
        "type": "library_built",
        "source": LIBRARY,
        "artifact": "go-lib",
        "schema_version": "1.2.0",
        "payload": {"version": "1.2.0"},
        "timestamp": "2026-11-23T18:18:03.123Z",
        "run_id": run_id,
        "step_id": step_id,
    }
    return Event(**{**fields, **changes})


def make_workflow(name: str = "verify", steps: tuple[StepSpec, ...] | None = None, **changes: Any) -> WorkflowSpec:
    """A workflow of one step."""
    chosen = (StepSpec(id="test", run="true"),) if steps is None else steps
    return WorkflowSpec(**{"name": name, "steps": chosen, **changes})


def make_request(**changes: Any) -> RunRequest:
    """A child of the library's root run, in the client."""
    fields: dict[str, Any] = {
        "run_id": CHILD_ID,
        "root_id": ROOT_ID,
        "parent_id": ROOT_ID,
        "repo": CLIENT,
        "ref": "main",
        "source": "/cache/client",
        "commit": None,
        "private": True,
        "cache_lock": None,
        "workflow": make_workflow(),
        "inputs": {},
        "config_path": "tako.yml",
    }
    return RunRequest(**{**fields, **changes})


def make_root(**changes: Any) -> RunRequest:
    """A run of the library that was started by hand."""
    workflow = make_workflow("release", (StepSpec(id="fan-out", uses="tako/fan-out@v1"),))
    fields = {"run_id": ROOT_ID, "parent_id": None, "repo": LIBRARY, "private": False, "workflow": workflow}
    return make_request(**{**fields, **changes})


TEXT = st.text(max_size=20)
"""Any text: control characters and other alphabets included, lone surrogates not."""

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)

JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)

OBJECTS: st.SearchStrategy[Mapping[str, Any]] = st.dictionaries(TEXT, JSON, max_size=3)

SECONDS = st.floats(0, 1e9, allow_nan=False)

OUTPUTS = st.dictionaries(TEXT, TEXT, max_size=3)

FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(sorted(KINDS)),
    message=TEXT,
    step=st.none() | TEXT,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    log=st.lists(TEXT, max_size=3).map(tuple),
)

ARTIFACTS = st.builds(ArtifactRef, repo=TEXT, name=TEXT, path=TEXT, sha256=st.none() | TEXT)

EVENTS = st.builds(
    Event,
    id=TEXT,
    type=TEXT,
    source=TEXT,
    artifact=TEXT,
    schema_version=st.none() | TEXT,
    payload=OBJECTS,
    timestamp=TEXT,
    run_id=TEXT,
    step_id=TEXT,
    waiting=st.booleans(),
    artifacts=st.lists(ARTIFACTS, max_size=3).map(tuple),
)
