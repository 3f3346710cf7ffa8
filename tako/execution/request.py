"""What a run is asked to do: the content of ``request.json``.

A request says everything: the workflow as it was planned, the inputs, where the repository is and at which commit,
the event that caused it. A child needs nothing else, so the same file runs the same thing again by hand.
"""

from __future__ import annotations

from tako.config.model import (
    ArtifactSpec,
    Dependent,
    EventSpec,
    WorkflowSpec,
    dependent_from_data,
    event_spec_from_data,
    workflow_from_data,
)
from tako.execution.event import ArtifactRef, Event, event_from_data
from tako.execution.migration import MIGRATIONS
from tako.files import foreign_content, read_document, write_document
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

KIND = "request"
SCHEMA = 1


@record
class Ancestor:
    """One run above a run, for the detection of cycles."""

    repo: str
    workflow: str
    cause: str | None
    """``source:type`` of the event that started it; None if it was started by hand."""
    host: str = ""
    """Where its repository's remote is."""


@record
class RunRequest:
    """One run of one workflow."""

    run_id: str
    root_id: str
    parent_id: str | None
    repo: str
    """``owner/name``."""
    ref: str
    source: str
    """The directory that the checkout is made from, or in which a root runs."""
    commit: str | None
    """The commit to check out; None where the source is no git repository."""
    private: bool
    """Whether the run makes a checkout of its own; False only for a root started in a working directory."""
    cache_lock: str | None
    """The lock file that protects ``source`` while it is copied."""
    workflow: WorkflowSpec
    inputs: Mapping[str, Any]
    config_path: str = ""
    artifacts: tuple[ArtifactSpec, ...] = ()
    events: tuple[EventSpec, ...] = ()
    event: Event | None = None
    heard: tuple[Event, ...] = ()
    """All events that started a run which waited for all of them, oldest first; else none."""
    literal_inputs: tuple[str, ...] = ()
    """Of a triggered run: the inputs that the subscription sets to a literal, so that no event has a say in them."""
    ancestors: tuple[Ancestor, ...] = ()
    """From the root down, this run not included."""
    idempotent: bool = False
    """Of a root: whether every event of its tree that has no idempotency key gets one."""
    no_cache: bool = False
    """Whether steps are run though the step cache knows what they come to, and nothing is put there."""
    dependents: tuple[Dependent, ...] = ()
    """Who depends on the repository, by its own word."""
    host: str = ""
    """The host of the repository's remote; empty without one, and from an older Tako."""

    @property
    def depth(self) -> int:
        """How many fan-outs lie between the root and this run."""
        return len(self.ancestors)

    @property
    def label(self) -> str:
        """``owner/name:workflow``, as messages name it."""
        return f"{self.repo}:{self.workflow.name}"

    @property
    def visible_artifacts(self) -> tuple[ArtifactRef, ...]:
        """What this run was sent."""
        return self.event.artifacts if self.event else ()

    def as_ancestor(self) -> Ancestor:
        """This run, as one above another."""
        cause = cause_of(self.event) if self.event else None
        return Ancestor(self.repo, self.workflow.name, cause, self.host)


def cause_of(event: Event) -> str:
    """What two events have in common when one is the other come round again."""
    return f"{event.source}:{event.type}"


def request_from_data(data: Mapping[str, Any]) -> RunRequest:
    """A request out of ``to_data(request)``; raises ``KeyError`` or ``TypeError`` if it is not one."""
    fields = dict(data)
    fields["workflow"] = workflow_from_data(data["workflow"])
    fields["artifacts"] = tuple(ArtifactSpec(**item) for item in data["artifacts"])
    fields["events"] = tuple(event_spec_from_data(item) for item in data["events"])
    fields["event"] = event_from_data(data["event"]) if data["event"] else None
    fields["heard"] = tuple(event_from_data(item) for item in data.get("heard", ()))
    fields["dependents"] = tuple(dependent_from_data(item) for item in data.get("dependents", ()))
    fields["literal_inputs"] = tuple(data.get("literal_inputs", ()))
    fields["ancestors"] = tuple(Ancestor(**item) for item in data["ancestors"])
    return RunRequest(**fields)


def write_request(path: str, request: RunRequest, *, durable: bool = True) -> None:
    """Write ``request.json``. Raises ``MachineError``."""
    write_document(path, KIND, SCHEMA, to_data(request), durable=durable)


def read_request(path: str) -> RunRequest:
    """Read ``request.json``. Raises ``StateError`` if it is missing or damaged."""
    data = read_document(path, KIND, SCHEMA, MIGRATIONS[KIND])
    with foreign_content(KIND, path):
        return request_from_data(data)
