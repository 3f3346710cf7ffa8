"""``dependents``: whose workflows run by the emitter's own word, and what is said of those that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tako.config import inputs
from tako.config.model import Dependent, InputSpec, RepoConfig, StepSpec, Subscription, WorkflowSpec
from tako.errors import ConfigError
from tako.execution.event import Event
from tako.execution.failure import INPUTS_INVALID, PLAN_REFUSED
from tako.execution.request import RunRequest, read_request, write_request
from tako.fanout.discovery import DiscoveryManager
from tako.fanout.orchestrator import Orchestrator
from tako.fanout.plan import PassedOver, Plan
from tako.fanout.preview import preview
from tako.fanout.reach import Reach
from tako.records import replace
from tako.repos.cache import CacheEntry
from tako.repos.index import Indexed
from tests.builders import CLIENT, LIBRARY, make_event, make_root, make_workflow

EVENT = make_event()
WHERE = "tako.yml:7"


def dependent(repo: str = CLIENT, **changes: Any) -> Dependent:
    return Dependent(**{"repo": repo, "artifacts": ("go-lib",), "workflows": ("verify",), "line": 7, **changes})


def repository(
    name: str = CLIENT, *workflows: WorkflowSpec, hears: tuple[Subscription, ...] = (), **config: Any
) -> Indexed:
    path = f"/cache/repos/{name}/main"
    declared = workflows or (make_workflow("verify"),)
    made = RepoConfig(f"{path}/tako.yml", workflows=declared, subscriptions=hears, **config)
    return Indexed(CacheEntry(name, "main", path, other_refs=("dev",)), made, None, name)


class FakeIndex:
    def __init__(self, *repositories: Indexed) -> None:
        self.repositories = repositories

    def scan(self) -> tuple[Indexed, ...]:
        return self.repositories

    def at(self, repository: Indexed, ref: str) -> Indexed | None:
        entry = CacheEntry(repository.entry.owner_name, ref, f"/cache/repos/{repository.identity}/{ref}")
        return replace(repository, entry=entry)


def bind(workflow: WorkflowSpec, given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    return inputs.bind(workflow, given, where=where)


def plan(
    *repositories: Indexed, said: tuple[Dependent, ...] = (dependent(),), event: Event = EVENT, **run: Any
) -> Plan:
    planner = Orchestrator(
        DiscoveryManager(FakeIndex(*repositories)),
        head_commit=lambda _: None,
        lock_path=lambda entry: f"lock of {entry.ref}",
        bind_inputs=bind,
    )
    return planner.plan(event, make_root(dependents=said, **run))


def started(made: Plan) -> list[str]:
    return [f"{planned.request.label}@{planned.request.ref}" for planned in made.runs]


def test_a_dependent_runs_as_if_it_had_subscribed_and_knows_its_own_dependents() -> None:
    below = (dependent("my-org/app"),)
    made = plan(repository(dependents=below))

    assert started(made) == [f"{CLIENT}:verify@main"]
    assert made.runs[0].why == f"is a dependent of {LIBRARY}, which says so itself"
    assert made.runs[0].request.event == EVENT
    assert made.runs[0].request.dependents == below
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("artifacts", "about", "runs"),
    [
        (("go-lib",), "go-lib", True),
        (("go-lib", "docs"), "docs", True),
        (("docs",), "go-lib", False),
        ((), "go-lib", True),
        (("docs",), "default", True),
    ],
)
def test_it_hears_of_the_artifacts_that_it_depends_on_whatever_the_event(
    artifacts: tuple[str, ...], about: str, runs: bool
) -> None:
    event = make_event(artifact=about, type="anything")
    assert bool(plan(repository(), said=(dependent(artifacts=artifacts),), event=event).runs) is runs


def subscription(**changes: Any) -> Subscription:
    fields = {"repo": LIBRARY, "artifact": "go-lib", "events": ("library_built",), "workflow": "verify", "line": 3}
    return Subscription(**{**fields, **changes})


def test_a_subscription_that_starts_the_same_workflow_wins() -> None:
    own = subscription(coalesce=True)
    made = plan(repository(hears=(own,)))

    assert started(made) == [f"{CLIENT}:verify@main"]
    assert made.runs[0].why.startswith("hears library_built")
    assert made.runs[0].held


def test_a_subscription_wins_also_over_another_ref() -> None:
    assert started(plan(repository(hears=(subscription(),)), said=(dependent(ref="dev"),))) == [f"{CLIENT}:verify@main"]


@pytest.mark.parametrize("changes", [{"filters": ("false",)}, {"enabled": False}, {"workflow": "other"}])
def test_a_subscription_that_does_not_start_it_changes_nothing(changes: dict[str, Any]) -> None:
    client = repository(CLIENT, make_workflow("verify"), make_workflow("other"), hears=(subscription(**changes),))
    assert f"{CLIENT}:verify@main" in started(plan(client))


def test_each_workflow_runs_once_however_often_it_is_named() -> None:
    client = repository(CLIENT, make_workflow("verify"), make_workflow("lint"))
    said = (dependent(workflows=("verify", "lint")), dependent(artifacts=()), dependent(ref="main"))
    assert started(plan(client, said=said)) == [f"{CLIENT}:verify@main", f"{CLIENT}:lint@main"]


def test_a_dependent_runs_at_the_ref_that_is_named() -> None:
    made = plan(repository(), said=(dependent(ref="dev"),))
    assert started(made) == [f"{CLIENT}:verify@dev"]
    assert made.runs[0].request.source.endswith("/dev")
    assert made.runs[0].request.cache_lock == "lock of dev"


def missing(why: str) -> Plan:
    return Plan(
        EVENT,
        passed_over=(PassedOver(CLIENT, "verify", WHERE, why),),
        warnings=(f"{WHERE}: {CLIENT}:verify does not run: {why}",),
        repositories=1,
    )


def test_a_dependent_that_is_nearly_in_the_cache_is_named() -> None:
    made = plan(repository("my-org/clients"))

    assert made.passed_over[0].why == "it is a dependent that is not in the cache; did you mean my-org/clients?"


def test_what_cannot_run_is_told_with_the_reason() -> None:
    other, bare = repository("my-org/other"), replace(repository(), config=None)
    assert plan(other) == missing("it is a dependent that is not in the cache")
    assert plan(bare) == missing("it is a dependent without a tako.yml")
    assert plan(repository(CLIENT, make_workflow("x"))) == missing("it is a dependent that has no such workflow")
    nowhere = plan(repository(), said=(dependent(ref="gone"),))
    assert nowhere == missing("it is a dependent that is not in the cache at gone, but at main, dev")
    broken = plan(replace(bare, error=ConfigError("could not unmarshal config")))
    assert (
        broken.warnings[1] == f"{WHERE}: {CLIENT}:verify does not run: it is a dependent whose tako.yml cannot be read"
    )


def test_inputs_that_a_dependent_cannot_be_given_fail_its_run_only() -> None:
    needs = make_workflow("verify", inputs=(InputSpec("version", required=True),))
    made = plan(repository(CLIENT, needs), repository("my-org/app"), said=(dependent(), dependent("my-org/app")))

    first, second = made.runs
    assert first.failure is not None
    assert first.failure.kind == INPUTS_INVALID
    assert WHERE in first.failure.message
    assert second.failure is None


def test_a_dependent_that_comes_back_to_itself_is_a_cycle() -> None:
    made = plan(repository(LIBRARY, make_workflow("release")), said=(dependent(LIBRARY, workflows=("release",)),))
    assert made.refused is not None
    assert made.refused.kind == PLAN_REFUSED


def test_what_a_file_says_of_its_dependents_is_in_the_request(tmp_path: Any) -> None:
    asked: RunRequest = make_root(dependents=(dependent(ref="dev"), dependent(artifacts=())))
    path = str(tmp_path / "request.json")
    write_request(path, asked)
    assert read_request(path) == asked


def test_a_dry_run_follows_dependents_too() -> None:
    tell = StepSpec(id="tell", uses="tako/fan-out@v1", params={"event_type": "built", "artifact": "go-lib"})
    client = repository(CLIENT, make_workflow("verify", (tell,)), dependents=(dependent("my-org/app", artifacts=()),))
    root = make_root(dependents=(dependent(),), workflow=make_workflow("release", (tell,)))

    steps = preview(root, DiscoveryManager(FakeIndex(client, repository("my-org/app"))))

    (fan_out,) = steps[0].fan_outs
    (run,) = fan_out.runs
    assert (run.repo, run.where, run.certain) == (CLIENT, WHERE, True)
    (inner,) = run.steps[0].fan_outs
    assert [below.repo for below in inner.runs] == ["my-org/app"]


def test_what_dependents_may_come_to_is_reached() -> None:
    tell = StepSpec(id="tell", uses="tako/fan-out@v1", params={"event_type": "built"})
    client = repository(CLIENT, make_workflow("verify", (tell,))).config
    assert client is not None
    said = [(LIBRARY, (dependent(),)), (CLIENT, (dependent("my-org/app"),))]
    reach = Reach([(CLIENT, client)], said)

    assert reach.of(LIBRARY, frozenset({"any"})) == {(CLIENT, "verify"), ("my-org/app", "verify")}
    assert reach.of(LIBRARY, frozenset()) == frozenset()
    quiet = Reach([(CLIENT, RepoConfig("p", workflows=(make_workflow("verify"),)))], said)
    assert quiet.of(LIBRARY, frozenset({"any"})) == {(CLIENT, "verify")}
