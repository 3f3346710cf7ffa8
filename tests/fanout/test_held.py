"""When runs that are held come free."""

from __future__ import annotations

from tako.config.model import RepoConfig, StepSpec, Subscription
from tako.execution.request import RunRequest
from tako.fanout.held import HeldRuns, Joined
from tako.fanout.plan import PlannedRun
from tako.fanout.reach import Reach
from tako.fanout.speakers import Speaker
from tako.records import replace
from tests.builders import make_event, make_request, make_workflow


def hearing(*sources: str) -> RepoConfig:
    subscriptions = tuple(
        Subscription(repo=source, artifact="default", events=("made",), workflow="verify") for source in sources
    )
    steps = (StepSpec(id="tell", uses="tako/fan-out@v1", params={"event_type": "made"}),)
    return RepoConfig("tako.yml", workflows=(make_workflow("verify", steps),), subscriptions=subscriptions)


REACH = Reach([("bottom", hearing("left", "right")), ("right", hearing("above"))])
MADE = frozenset({"made"})


def request(repo: str, run_id: str | None = None) -> RunRequest:
    return make_request(run_id=run_id or f"run of {repo}", repo=repo)


def planned(repo: str) -> PlannedRun:
    return PlannedRun(request(repo), "hears it", held=True)


def holding(*repos: str) -> HeldRuns:
    held = HeldRuns()
    for repo in repos:
        held.add(planned(repo))
    return held


def speaker(repo: str, types: frozenset[str] = MADE) -> Speaker:
    return Speaker(f"run of {repo}", repo, types)


def nobody(_run_id: str, _other: str) -> bool:
    return False


def released(held: HeldRuns, *speakers: Speaker) -> list[str]:
    return [each.request.repo for each in held.release(REACH, speakers, nobody)]


def test_a_held_run_is_known_by_its_workflow_until_it_is_forgotten() -> None:
    held = holding("bottom")

    assert held
    assert held.last("bottom", "verify") == Joined(planned("bottom"), is_held=True)
    assert held.last("bottom", "other") is None
    held.forget("another")
    assert held
    held.forget("run of bottom")
    assert not held
    assert held.last("bottom", "verify") == Joined(planned("bottom"), is_held=False)


def test_one_more_event_replaces_what_was_held() -> None:
    held = holding("bottom")
    joined = replace(planned("bottom"), request=replace(request("bottom"), heard=(make_event(),)), joins=True)
    held.add(joined)

    assert held.last("bottom", "verify") == Joined(joined, is_held=True)
    assert held.release(REACH, (), nobody) == [joined]
    assert not held


def test_it_is_held_while_somebody_can_trigger_it_from_near_or_far() -> None:
    held = holding("bottom")

    assert released(held, speaker("left")) == []
    assert released(held, speaker("above")) == []
    assert released(held, speaker("elsewhere"), speaker("left", frozenset())) == ["bottom"]


def test_it_does_not_hold_itself() -> None:
    ring = Reach([("ring", hearing("ring"))])
    assert holding("ring").release(ring, [speaker("ring")], nobody)


def test_who_waits_for_it_does_not_hold_it() -> None:
    held = holding("bottom")
    asked = []

    def waits(run_id: str, other: str) -> bool:
        asked.append((run_id, other))
        return True

    assert [each.request.repo for each in held.release(REACH, [speaker("left")], waits)] == ["bottom"]
    assert asked == [("run of left", "run of bottom")]


def test_two_that_hold_each_other_come_free_one_after_the_other() -> None:
    ring = Reach([("ping", hearing("pong")), ("pong", hearing("ping"))])
    held = holding("ping", "pong")
    speakers = [speaker("ping"), speaker("pong")]

    assert held.release(ring, speakers, nobody) == []
    assert [each.request.repo for each in held.release_first()] == ["ping"]
    assert [each.request.repo for each in held.release(ring, speakers[:1], nobody)] == []
    assert [each.request.repo for each in held.release(ring, speakers[1:], nobody)] == ["pong"]
    assert held.release_first() == []


def test_one_that_lacks_an_event_comes_free_last() -> None:
    held = HeldRuns()
    held.add(replace(planned("ping"), lacks=("pong did not emit made",)))
    held.add(planned("pong"))

    assert [each.request.repo for each in held.release_first()] == ["pong"]
    assert [each.request.repo for each in held.release_first()] == ["ping"]
