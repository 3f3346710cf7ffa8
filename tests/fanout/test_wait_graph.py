"""Waiting that would never end is found before it begins, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tako.fanout.claims import RunKey
from tako.fanout.wait_graph import find_way


def run(name: str) -> RunKey:
    """``a1`` is the run 1 of the tree a."""
    return RunKey(name[0], name)


class Trees:
    """Trees and waits, as they are told."""

    def __init__(self, *runs: str) -> None:
        self.open = {run(name) for name in runs}
        self.below: dict[RunKey, list[tuple[RunKey, bool]]] = {}
        self.waits: dict[RunKey, RunKey] = {}

    def starts(self, emitter: str, child: str, *, waiting: bool = True) -> None:
        self.below.setdefault(run(emitter), []).append((run(child), waiting))

    def is_open(self, run: RunKey) -> bool:
        return run in self.open

    def waits_for(self, run: RunKey) -> RunKey | None:
        return self.waits.get(run)

    def triggered(self, run: RunKey, *, waited_for: bool) -> Iterable[RunKey]:
        return [child for child, waiting in self.below.get(run, ()) if waiting or not waited_for]

    def way(self, start: str, goal: str) -> list[str]:
        return [each.run_id for each in find_way(run(start), run(goal), self)]


def test_a_run_that_waits_for_nothing_leads_nowhere() -> None:
    trees = Trees("a1", "b1")
    assert trees.way("a1", "b1") == []


def test_an_emitter_waits_for_what_it_waits_for_and_for_all_below_that() -> None:
    trees = Trees("a1", "a3")
    trees.starts("a1", "a2")
    trees.starts("a2", "a3", waiting=False)
    assert trees.way("a1", "a3") == ["a1", "a2", "a3"]


def test_an_emitter_that_goes_on_waits_for_nobody() -> None:
    trees = Trees("a1", "a2")
    trees.starts("a1", "a2", waiting=False)
    assert trees.way("a1", "a2") == []


def test_two_trees_that_wait_for_each_other_are_a_circle() -> None:
    trees = Trees("a1", "a2", "b1", "b2")
    trees.starts("a1", "a2")
    trees.starts("b1", "b2")
    trees.waits[run("a2")] = run("b1")
    assert trees.way("a1", "b2") == ["a1", "a2", "b1", "b2"]


def test_who_has_ended_waits_for_nobody() -> None:
    trees = Trees("a1", "b1")
    trees.starts("a1", "a2")
    trees.waits[run("a2")] = run("b1")
    assert trees.way("a1", "b1") == []


NAMES = [f"{tree}{number}" for tree in "ab" for number in range(5)]


@given(
    st.sets(st.sampled_from(NAMES)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans()), max_size=12),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NAMES), max_size=4),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
)
def test_every_way_is_one_and_the_search_always_ends(
    open_runs: set[str], edges: list[tuple[str, str, bool]], waits: dict[str, str], start: str, goal: str
) -> None:
    trees = Trees(*open_runs)
    for emitter, child, waiting in edges:
        trees.starts(emitter, child, waiting=waiting)
    trees.waits = {run(waiter): run(other) for waiter, other in waits.items()}
    way = trees.way(start, goal)

    if start == goal:
        assert way == [start]
    if way:
        assert (way[0], way[-1]) == (start, goal)
        for one, other in pairwise(way):
            below = run(other) in trees.triggered(run(one), waited_for=False)
            assert below or (one in open_runs and waits.get(one) == other)
    # What surely is waited for is found: open runs that wait for an outcome, one after another.
    chain, seen = start, {start}
    while chain in open_runs and chain in waits and waits[chain] not in seen:
        chain = waits[chain]
        seen.add(chain)
        assert trees.way(start, chain)
