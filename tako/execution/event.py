"""Events, and the artifacts they bring."""

from __future__ import annotations

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


@record
class ArtifactRef:
    """A file or directory that a step produced, kept in the producer's workspace."""

    repo: str
    name: str
    path: str
    """Absolute."""
    sha256: str | None = None
    """Of a file's content; None for a directory."""


@record
class Event:
    """What a fan-out step tells the other repositories."""

    id: str
    type: str
    source: str
    """The emitting repository, ``owner/name``."""
    artifact: str
    schema_version: str | None
    payload: Mapping[str, Any]
    timestamp: str
    """ISO 8601, UTC."""
    run_id: str
    step_id: str
    waiting: bool = True
    """Whether the emitter waits for the subscribers."""
    artifacts: tuple[ArtifactRef, ...] = ()
    """What the emitter made, then what it had been sent: nearest first."""

    def scope(self) -> dict[str, Any]:
        """The event as templates and CEL see it."""
        names = ("type", "payload", "source", "artifact", "schema_version", "id", "timestamp")
        return {name: getattr(self, name) for name in names}


def event_from_data(data: Mapping[str, Any]) -> Event:
    """An event out of its plain data.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` if it is not one: the data may come from a child.
    """
    texts = ("id", "type", "source", "artifact", "timestamp", "run_id", "step_id")
    if not all(isinstance(data[name], str) for name in texts):
        raise ValueError("a field of the event is not text")
    if not isinstance(data["payload"], dict) or not isinstance(data["waiting"], bool):
        raise ValueError("the event's payload or its waiting flag has the wrong type")
    if not isinstance(data["schema_version"], str | None):
        raise ValueError("the event's schema version is not text")
    return Event(**{**data, "artifacts": tuple(artifact_from_data(item) for item in data["artifacts"])})


def artifact_from_data(data: Mapping[str, Any]) -> ArtifactRef:
    """An artifact out of its plain data; raises ``KeyError``, ``TypeError`` or ``ValueError`` if it is not one."""
    if not all(isinstance(data[name], str) for name in ("repo", "name", "path")):
        raise ValueError("a field of the artifact is not text")
    if not isinstance(data["sha256"], str | None):
        raise ValueError("the artifact's checksum is not text")
    return ArtifactRef(**data)


def artifact_scope(artifacts: Iterable[ArtifactRef]) -> dict[str, dict[str, str | None]]:
    """Artifacts as templates see them: by name the nearest, by ``owner/repo:name`` each."""
    scope: dict[str, dict[str, str | None]] = {}
    for artifact in artifacts:
        entry = {"path": artifact.path, "sha256": artifact.sha256, "repo": artifact.repo}
        scope.setdefault(artifact.name, entry)
        scope.setdefault(f"{artifact.repo}:{artifact.name}", entry)
    return scope
