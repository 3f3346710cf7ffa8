"""What can come of an event, from the configurations alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.config.model import RepoConfig, StepSpec, Subscription
from tako.fanout.reach import ANY_TYPE, Reach, emissions
from tests.builders import make_workflow


def tell(event_type: str) -> StepSpec:
    return StepSpec(id=f"tell-{event_type or 'any'}", uses="tako/fan-out@v1", params={"event_type": event_type})


def repository(*emits: str, hears: Iterable[tuple[str, str]] = (), enabled: bool = True) -> RepoConfig:
    """One workflow, ``verify``, which emits some types and hears some sources' types."""
    subscriptions = tuple(
        Subscription(repo=source, artifact="default", events=(type_,), workflow="verify", enabled=enabled)
        for source, type_ in hears
    )
    workflow = make_workflow("verify", tuple(tell(type_) for type_ in emits) or (StepSpec(id="x", run="x"),))
    return RepoConfig("tako.yml", workflows=(workflow,), subscriptions=subscriptions)


def names(reach: Reach, source: str, *types: str) -> set[str]:
    return {name for name, _ in reach.of(source, frozenset(types))}


def test_the_types_of_a_workflows_fan_outs_are_what_it_may_emit() -> None:
    steps = (StepSpec(id="a", run="x"), tell("one"), tell("two"), StepSpec(id="b", uses="acme/x@v1", params={}))
    assert emissions(steps) == {"one", "two"}
    assert emissions(steps[:1]) == frozenset()


@pytest.mark.parametrize("template", ["{{ inputs.kind }}", "a-{{ x }}", "{% if a %}b{% endif %}"])
def test_a_type_that_only_a_run_can_tell_is_any(template: str) -> None:
    assert emissions([tell(template)]) == {ANY_TYPE}


CHAIN = {"b": repository("two", hears=[("a", "one")]), "c": repository(hears=[("b", "two")])}


def test_what_hears_and_what_hears_that_can_come() -> None:
    reach = Reach(CHAIN.items())
    assert names(reach, "a", "one") == {"b", "c"}
    assert names(reach, "b", "two") == {"c"}
    assert names(reach, "c", "two") == set()


def test_another_type_or_none_brings_nothing() -> None:
    reach = Reach(CHAIN.items())
    assert names(reach, "a", "other") == set()
    assert names(reach, "a") == set()


def test_any_type_is_heard_by_all_who_hear_that_repository() -> None:
    assert names(Reach(CHAIN.items()), "a", ANY_TYPE) == {"b", "c"}


def test_a_subscription_that_is_off_hears_nothing() -> None:
    reach = Reach([("b", repository(hears=[("a", "one")], enabled=False))])
    assert names(reach, "a", "one") == set()


def test_a_ring_is_walked_once() -> None:
    reach = Reach([("a", repository("x", hears=[("b", "x")])), ("b", repository("x", hears=[("a", "x")]))])
    assert names(reach, "a", "x") == {"a", "b"}


REPOSITORIES = st.sampled_from("abcd")
TYPES = st.sampled_from(["x", "y", ANY_TYPE])
WORLDS = st.dictionaries(
    REPOSITORIES,
    st.tuples(st.lists(TYPES, max_size=2), st.lists(st.tuples(REPOSITORIES, st.sampled_from("xy")), max_size=3)),
)


@given(WORLDS, REPOSITORIES, st.frozensets(TYPES, max_size=2))
def test_what_can_be_reached_is_closed_under_hearing(
    world: Mapping[str, tuple[list[str], list[tuple[str, str]]]], source: str, types: frozenset[str]
) -> None:
    # A fan-out of any type is one whose type is a template.
    configs = {
        name: repository(*(type_ or "{{ x }}" for type_ in emits), hears=hears)
        for name, (emits, hears) in world.items()
    }
    reached = names(Reach(configs.items()), source, *types)

    emitting = {(source, type_) for type_ in types}
    emitting |= {(name, type_) for name in reached for type_ in world[name][0]}
    for name, (_, hears) in world.items():
        hearing = any((heard, type_) in emitting or (heard, ANY_TYPE) in emitting for heard, type_ in hears)
        assert (name in reached) == hearing
