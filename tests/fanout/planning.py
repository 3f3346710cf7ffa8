"""An orchestrator over repositories that are only records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tako.config import inputs
from tako.config.model import ArtifactSpec, EventSpec, RepoConfig, Subscription, WorkflowSpec
from tako.errors import ConfigError
from tako.execution.event import Event
from tako.execution.failure import PLAN_REFUSED
from tako.execution.request import RunRequest
from tako.fanout.discovery import DiscoveryManager
from tako.fanout.orchestrator import Orchestrator
from tako.fanout.plan import Plan
from tako.repos.cache import CacheEntry
from tako.repos.index import Indexed
from tests.builders import LIBRARY, make_event, make_root, make_workflow

EVENT = make_event()
LIBRARY_RUN = f"{LIBRARY}:release"
CAUSE = f"{LIBRARY}:library_built"


def subscription(workflow: str = "verify", *, line: int = 1, **changes: Any) -> Subscription:
    fields = {"repo": LIBRARY, "artifact": "go-lib", "events": ("library_built",), "workflow": workflow, "line": line}
    return Subscription(**{**fields, **changes})


def repository(name: str, *subscriptions: Subscription, workflows: tuple[WorkflowSpec, ...] = ()) -> Indexed:
    """A cached repository with these subscriptions and the workflows that they name."""
    path = f"/cache/repos/{name}/main"
    declared = workflows or tuple(make_workflow(each) for each in dict.fromkeys(s.workflow for s in subscriptions))
    config = RepoConfig(
        path=f"{path}/tako.yml",
        artifacts=(ArtifactSpec("lib", "dist/*"),),
        events=(EventSpec("built"),),
        workflows=declared,
        subscriptions=subscriptions,
    )
    return Indexed(CacheEntry(name, "main", path), config, None, name)


def unreadable(name: str) -> Indexed:
    error = ConfigError("could not unmarshal config", where=f"{name}/tako.yml:3:1")
    return Indexed(CacheEntry(name, "main", f"/cache/repos/{name}/main"), None, error, name)


class FakeIndex:
    def __init__(self, *repositories: Indexed) -> None:
        self.repositories = repositories

    def scan(self) -> tuple[Indexed, ...]:
        return self.repositories

    def at(self, repository: Indexed, ref: str) -> Indexed | None:
        raise AssertionError("nobody names another ref here")


def orchestrator(*repositories: Indexed, strict: bool = False) -> Orchestrator:
    return Orchestrator(
        DiscoveryManager(FakeIndex(*repositories)),
        head_commit=lambda path: f"commit of {path}",
        lock_path=lambda entry: f"lock of {entry.owner_name}:{entry.ref}",
        bind_inputs=bind,
        strict=strict,
    )


def bind(workflow: WorkflowSpec, given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    return inputs.bind(workflow, given, where=where)


def plan(*repositories: Indexed, event: Event = EVENT, emitter: RunRequest | None = None, strict: bool = False) -> Plan:
    return orchestrator(*repositories, strict=strict).plan(event, emitter or make_root())


def labels(made: Plan) -> list[str]:
    return [planned.request.label for planned in made.runs]


def refusal(made: Plan) -> str:
    assert made.runs == ()
    assert made.refused is not None
    assert made.refused.kind == PLAN_REFUSED
    return made.refused.message
