from __future__ import annotations

import pytest

from tako import ids
from tako.config.model import ArtifactSpec, EventSpec, InputSpec
from tako.errors import TakoError
from tako.execution.failure import INPUTS_INVALID
from tako.execution.request import Ancestor, RunRequest
from tako.fanout.discovery import DiscoveryManager
from tako.fanout.orchestrator import Orchestrator, find_cycle
from tako.fanout.plan import MAX_DEPTH, WARN_DEPTH, PassedOver, Plan
from tako.ids import is_run_id
from tako.repos.index import Indexed
from tests.builders import CHILD_ID, CLIENT, LIBRARY, ROOT_ID, make_event, make_request, make_root, make_workflow
from tests.fanout.planning import (
    CAUSE,
    EVENT,
    LIBRARY_RUN,
    bind,
    labels,
    orchestrator,
    plan,
    refusal,
    repository,
    subscription,
)


def test_a_planned_run_says_everything_that_a_child_needs() -> None:
    (planned,) = plan(repository(CLIENT, subscription())).runs
    path = f"/cache/repos/{CLIENT}/main"

    assert planned.failure is None
    assert planned.why == "hears library_built of my-org/go-lib:go-lib"
    assert is_run_id(planned.request.run_id)
    assert planned.request == RunRequest(
        run_id=planned.request.run_id,
        root_id=ROOT_ID,
        parent_id=ROOT_ID,
        repo=CLIENT,
        ref="main",
        source=path,
        commit=f"commit of {path}",
        private=True,
        cache_lock=f"lock of {CLIENT}:main",
        workflow=make_workflow("verify"),
        inputs={},
        config_path=f"{path}/tako.yml",
        artifacts=(ArtifactSpec("lib", "dist/*"),),
        events=(EventSpec("built"),),
        event=EVENT,
        ancestors=(Ancestor(LIBRARY, "release", None),),
    )


def test_a_run_further_down_knows_all_runs_above_it() -> None:
    emitter = make_request(event=EVENT, ancestors=(Ancestor(LIBRARY, "release", None),))
    event = make_event(run_id=CHILD_ID, source=CLIENT, artifact="default")
    (planned,) = plan(repository("my-org/app", subscription(repo=CLIENT)), event=event, emitter=emitter).runs

    assert planned.request.parent_id == CHILD_ID
    assert planned.request.root_id == ROOT_ID
    assert planned.request.depth == 2
    assert planned.request.ancestors == (Ancestor(LIBRARY, "release", None), Ancestor(CLIENT, "verify", CAUSE))


def test_nobody_subscribed_is_a_plan_without_runs() -> None:
    made = plan(repository(CLIENT), repository("my-org/other", subscription(repo="my-org/elsewhere")))

    assert made == Plan(EVENT, repositories=2)


def test_subscriptions_that_do_not_hear_are_passed_over_with_the_reason() -> None:
    made = plan(repository(CLIENT, subscription(enabled=False, line=4), subscription("nightly", line=9)))

    assert labels(made) == [f"{CLIENT}:nightly"]
    where = f"/cache/repos/{CLIENT}/main/tako.yml:4"
    assert made.passed_over == (PassedOver(CLIENT, "verify", where, "is not enabled"),)


def test_the_first_subscription_that_hears_wins_within_one_repository() -> None:
    made = plan(
        repository(
            CLIENT,
            subscription(line=1, filters=("1 == 2",), inputs={}),
            subscription(line=2),
            subscription(line=3),
            subscription("nightly", line=4),
        )
    )

    assert labels(made) == [f"{CLIENT}:verify", f"{CLIENT}:nightly"]
    assert [passed.why for passed in made.passed_over] == [
        "its filter does not hold: 1 == 2",
        "an earlier subscription, line 2, already runs this workflow",
    ]


def test_different_repositories_never_displace_each_other() -> None:
    twins = [repository(f"my-org/{name}", subscription()) for name in ("a", "b", "c")]

    made = plan(*twins)

    assert labels(made) == ["my-org/a:verify", "my-org/b:verify", "my-org/c:verify"]
    assert made.passed_over == ()
    assert len({planned.request.run_id for planned in made.runs}) == 3


# Inputs.

VERSIONED = make_workflow(inputs=(InputSpec("version", required=True), InputSpec("count", type="number")))


def test_inputs_are_rendered_from_the_event_and_converted() -> None:
    mapped = {"version": "v{{ event.payload.version }} by {{ event.source }}", "count": "{{ payload.count }}"}
    event = make_event(payload={"version": "1.2.0", "count": 3})
    (planned,) = plan(repository(CLIENT, subscription(inputs=mapped), workflows=(VERSIONED,)), event=event).runs

    assert planned.request.inputs == {"version": "v1.2.0 by my-org/go-lib", "count": 3}


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        ({}, "required input 'version' not provided"),
        ({"version": "{{ event.payload.missing }}"}, "missing"),
        ({"version": "1", "count": "many"}, "count"),
        ({"version": "1", "color": "red"}, "no input 'color'"),
    ],
)
def test_inputs_that_do_not_fit_fail_their_run_only(mapped: dict[str, str], message: str) -> None:
    made = plan(
        repository(CLIENT, subscription(inputs=mapped, line=7), workflows=(VERSIONED,)),
        repository("my-org/fine", subscription()),
    )

    misfit, fine = made.runs
    assert made.refused is None
    assert fine.failure is None
    assert misfit.failure is not None
    assert misfit.failure.kind == INPUTS_INVALID
    assert message in misfit.failure.message
    assert f"/cache/repos/{CLIENT}/main/tako.yml:7" in misfit.failure.message


# Cycles.


def test_a_run_started_by_hand_that_would_trigger_itself_is_a_cycle() -> None:
    message = refusal(plan(repository(LIBRARY, subscription("release"))))

    assert message.startswith(f"circular dependency detected: {LIBRARY} -> {LIBRARY} (")
    assert message.endswith(f"(workflows {LIBRARY_RUN} -> {LIBRARY_RUN})")


def test_a_cycle_is_refused_with_its_whole_path_and_nothing_of_that_fan_out_starts() -> None:
    emitter = make_request(event=EVENT, ancestors=(Ancestor(LIBRARY, "release", None),))
    event = make_event(run_id=CHILD_ID, source=CLIENT, artifact="default", type="verified")
    back = subscription("release", repo=CLIENT, events=("verified",))
    aside = subscription("other", repo=CLIENT, events=("verified",))

    message = refusal(plan(repository("a/b", aside), repository(LIBRARY, back), event=event, emitter=emitter))

    assert message == (
        f"circular dependency detected: {LIBRARY} -> {CLIENT} -> {LIBRARY} "
        f"(workflows {LIBRARY_RUN} -> {CLIENT}:verify -> {LIBRARY_RUN})"
    )


PATH = (Ancestor("o/top", "release", None), Ancestor("o/mid", "test", CAUSE), Ancestor("o/low", "test", "o/mid:tested"))


@pytest.mark.parametrize(
    ("repo", "workflow", "chain"),
    [
        ("o/top", "release", "(workflows o/top:release -> o/mid:test -> o/low:test -> o/top:release)"),
        ("o/mid", "test", "(workflows o/mid:test -> o/low:test -> o/mid:test)"),
        ("o/low", "test", ""),
        ("o/mid", "release", ""),
        ("o/new", "test", ""),
    ],
    ids=["started-by-hand", "same-event", "another-event", "another-workflow", "another-repository"],
)
def test_a_workflow_at_work_above_because_of_the_same_event_is_a_cycle(repo: str, workflow: str, chain: str) -> None:
    found = find_cycle(repo, workflow, EVENT, PATH)
    assert found.endswith(chain)
    assert bool(found) is bool(chain)


# Depth.


def at_depth(depth: int) -> RunRequest:
    """A run with so many fan-outs above it."""
    return make_request(ancestors=tuple(Ancestor(f"o/r{level}", "w", f"o/r{level - 1}:e") for level in range(depth)))


def plan_at(depth: int, *repositories: Indexed) -> Plan:
    return plan(*(repositories or (repository("o/next", subscription()),)), emitter=at_depth(depth))


@pytest.mark.parametrize("depth", range(MAX_DEPTH))
def test_ten_fan_outs_below_each_other_are_allowed_and_seven_warned_of(depth: int) -> None:
    made = plan_at(depth)

    assert labels(made) == ["o/next:verify"]
    expected = f"{depth + 1} fan-outs below each other; at most 10 are allowed"
    assert made.warnings == ((expected,) if depth + 1 >= WARN_DEPTH else ())
    assert (WARN_DEPTH, MAX_DEPTH) == (7, 10)


def test_the_eleventh_is_refused_with_the_way_to_it() -> None:
    message = refusal(plan_at(MAX_DEPTH))

    assert message.startswith("more than 10 fan-outs below each other: o/r0:w → o/r1:w → ")
    assert message.endswith("→ o/r9:w → my-org/client:verify → o/next:verify")


@pytest.mark.parametrize("depth", [WARN_DEPTH, MAX_DEPTH, MAX_DEPTH + 5])
def test_an_event_that_nobody_hears_is_never_too_deep(depth: int) -> None:
    made = plan_at(depth, repository("o/deaf", subscription(enabled=False)))

    assert made.refused is None
    assert made.warnings == ()


# Run ids.


def test_the_same_fan_out_planned_again_names_the_same_runs() -> None:
    repositories = [repository(f"o/r{number}", subscription()) for number in range(5)]

    first, again = (plan(*repositories) for _ in range(2))

    assert [planned.request.run_id for planned in first.runs] == [planned.request.run_id for planned in again.runs]


def test_another_event_names_other_runs() -> None:
    client = repository(CLIENT, subscription())

    (first,) = plan(client).runs
    (second,) = plan(client, event=make_event(step_id="again")).runs

    assert first.request.run_id != second.request.run_id


def test_ids_that_collide_are_told_apart_within_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two hexadecimal digits of the hash left, 40 runs collide almost for certain."""
    digest = ids._digest
    monkeypatch.setattr(ids, "_digest", lambda *parts: digest(*parts)[:2].rjust(8, "0"))
    planner = orchestrator(*(repository(f"o/r{number}", subscription()) for number in range(40)))

    made = [planner.plan(make_event(step_id=step), make_root()) for step in ("a", "b")]

    run_ids = [planned.request.run_id for one in made for planned in one.runs]
    assert len({digest(EVENT.id, f"o/r{n}", "verify", "0")[:2] for n in range(40)}) < 40
    assert len(set(run_ids)) == 80
    assert all(is_run_id(run_id) for run_id in run_ids)


def test_an_error_of_the_machine_is_not_taken_for_wrong_inputs() -> None:
    class Broken:
        def scan(self) -> tuple[Indexed, ...]:
            raise TakoError("the disk is gone")

        def at(self, repository: Indexed, ref: str) -> Indexed | None:
            raise AssertionError("nobody names another ref here")

    planner = Orchestrator(
        DiscoveryManager(Broken()), head_commit=lambda _: None, lock_path=lambda _: "", bind_inputs=bind
    )

    with pytest.raises(TakoError, match="the disk is gone"):
        planner.plan(EVENT, make_root())
