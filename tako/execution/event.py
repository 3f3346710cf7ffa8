"""Events, and the artifacts they bring."""

from __future__ import annotations

import os

from tako.files import canonical, checksum
from tako.records import record, replace
from tako.repos.hosts import is_caseless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

MAX_SHOWN = 200
"""Characters of a file's name that are shown."""

MAX_KEY = 256
"""Characters of an idempotency key."""


@record
class ArtifactRef:
    """A file or directory that a step produced, kept in the producer's workspace."""

    repo: str
    name: str
    path: str
    """Absolute."""
    sha256: str | None = None
    """Of a file's content, or of a directory's files (see ``tako.execution.checksums``); None from an older Tako."""
    host: str = ""
    """The host of the repository's remote; empty without one, and from an older Tako."""
    size: int | None = None
    """Bytes of all its files; None from an older Tako."""
    files: int | None = None
    """How many files it has, links included; None from an older Tako."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its names in templates: ``owner/repo:name``, also with the host, and in lower case if that is the same."""
        path = self.repo.removeprefix(f"{self.host}/") if self.host else self.repo
        repos = [self.repo, f"{self.host}/{path}"] if self.host else [self.repo]
        if is_caseless(self.host):
            repos += [repo.lower() for repo in repos]
        return tuple(f"{repo}:{self.name}" for repo in dict.fromkeys(repos))


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
    key: str | None = None
    """The idempotency key: the same source, type and key are the same thing, and delivered once."""
    host: str = ""
    """The host of the emitting repository's remote; empty without one, and from an older Tako."""

    @property
    def origin(self) -> str:
        """The emitting repository, with its host in front if that is known."""
        is_full = not self.host or self.source.startswith(f"{self.host}/")
        return self.source if is_full else f"{self.host}/{self.source}"

    @property
    def cause(self) -> str:
        """What this event and another one of the same thing have in common; without a key its id."""
        return self.id if self.key is None else f"{self.origin}:{self.type}:{self.key}"

    def scope(self) -> dict[str, Any]:
        """The event as templates and CEL see it."""
        names = ("type", "payload", "source", "artifact", "schema_version", "id", "timestamp")
        return {name: getattr(self, name) for name in names}


def event_from_data(data: Mapping[str, Any]) -> Event:
    """An event out of its plain data.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` if it is not one: the data may come from a child.
    """
    texts = ("id", "type", "source", "artifact", "timestamp", "run_id", "step_id")
    if not all(isinstance(data[name], str) for name in texts) or not isinstance(data.get("host", ""), str):
        raise ValueError("a field of the event is not text")
    if not isinstance(data["payload"], dict) or not isinstance(data["waiting"], bool):
        raise ValueError("the event's payload or its waiting flag has the wrong type")
    if not isinstance(data["schema_version"], str | None):
        raise ValueError("the event's schema version is not text")
    key = data.get("key")
    if key is not None and key_fault(key):
        raise ValueError(f"the event's idempotency key {key_fault(key)}")
    return Event(**{**data, "artifacts": tuple(artifact_from_data(item) for item in data["artifacts"])})


def key_fault(key: object) -> str:
    """Of an idempotency key: what is wrong with it, or nothing. It becomes part of an environment variable."""
    if not isinstance(key, str) or not key.strip():
        return "must be text, and not empty"
    if not key.isprintable():
        return "must not hold control characters"
    return f"has {len(key)} characters, more than {MAX_KEY}" if len(key) > MAX_KEY else ""


def with_key(event: Event) -> Event:
    """The event with a key derived from its source, type, artifact, schema version and payload, unless it has one."""
    if event.key is not None:
        return event
    what = [event.origin, event.type, event.artifact, event.schema_version, event.payload]
    return replace(event, key=f"sha256:{checksum(canonical(what))}")


def joint_cause(events: Iterable[Event]) -> str:
    """The ``cause`` of one event, or of several together, in whatever order they came."""
    causes = sorted({event.cause for event in events})
    return causes[0] if len(causes) == 1 else f"sha256:{checksum(canonical(causes))}"


def artifact_from_data(data: Mapping[str, Any]) -> ArtifactRef:
    """An artifact out of its plain data; raises ``KeyError``, ``TypeError`` or ``ValueError`` if it is not one."""
    if not all(isinstance(data[name], str) for name in ("repo", "name", "path")):
        raise ValueError("a field of the artifact is not text")
    if not isinstance(data["sha256"], str | None) or not isinstance(data.get("host", ""), str):
        raise ValueError("the artifact's checksum is not text")
    if not all(type(data.get(name)) in (int, type(None)) for name in ("size", "files")):
        raise ValueError("the artifact's size, or its number of files, is no number")
    return ArtifactRef(**data)


def sent_line(artifact: ArtifactRef) -> str:
    """What there is to say of an artifact that was sent, in printable characters; its end if it is long."""
    many = f" in {artifact.files} files" if artifact.files not in (None, 1) else ""
    size = f", {artifact.size} bytes{many}" if artifact.size is not None else ""
    name = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in os.path.basename(artifact.path)
    )
    sha256 = f", sha256:{artifact.sha256}" if artifact.sha256 is not None else ""
    return f"artifact {artifact.name}: {name[-MAX_SHOWN:]}{size}{sha256}"


def artifact_scope(artifacts: Iterable[ArtifactRef]) -> dict[str, dict[str, str | None]]:
    """Artifacts as templates see them: by name the nearest, by ``owner/repo:name`` each (see ``ArtifactRef.names``)."""
    scope: dict[str, dict[str, str | None]] = {}
    for artifact in artifacts:
        entry = {"path": artifact.path, "sha256": artifact.sha256, "repo": artifact.repo}
        scope.setdefault(artifact.name, entry)
        for name in artifact.names:
            scope.setdefault(name, entry)
    return scope
