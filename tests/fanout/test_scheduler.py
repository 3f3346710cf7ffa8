from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from types import FrameType

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from tako.fanout.scheduler import ENDED, READY, WAITING, WORKING, Scheduler

# A world that lives at random, and a second account of what must be true of it, kept the naive way.


@dataclass
class RunNode:
    cause: EventNode | None
    phase: str = READY
    failed: bool = False
    outcomes: int = 0
    events: list[EventNode] = field(default_factory=list)

    def all_ended(self) -> bool:
        return self.phase == ENDED and all(event.all_ended() for event in self.events)

    def any_failed(self) -> bool:
        return self.failed or any(event.any_failed() for event in self.events)


@dataclass
class EventNode:
    emitter: str
    waiting: bool
    refused: bool
    runs: list[RunNode]
    settled: int = 0

    def all_ended(self) -> bool:
        return all(run.all_ended() for run in self.runs)

    def any_failed(self) -> bool:
        return self.refused or any(run.any_failed() for run in self.runs)


class World:
    """Runs a tree whose members decide at random what they do, and checks every answer of the scheduler."""

    def __init__(self, cap: int, random: Random, budget: int, *, failing: float, refused: float) -> None:
        self.cap = cap
        self.random = random
        self.budget = budget
        self.failing = failing
        self.refused = refused
        self.scheduler = Scheduler(cap)
        self.runs: dict[str, RunNode] = {"root": RunNode(None)}
        self.events: dict[str, EventNode] = {}
        self.expected_fresh: deque[str] = deque(["root"])
        self.expected_woken: deque[str] = deque()
        self.wakes: dict[str, int] = {}
        self.scheduler.add_root("root")

    def live(self) -> None:
        while not self.scheduler.finished:
            working = self.in_phase(WORKING)
            if not working or self.random.random() < 0.7:
                self.start_what_may_start()
                working = self.in_phase(WORKING)
            assert working, "runs are left and none can ever start"
            self.act(self.random.choice(working))
            self.check_settled()

    def in_phase(self, phase: str) -> list[str]:
        return [run_id for run_id, run in self.runs.items() if run.phase == phase]

    def start_what_may_start(self) -> None:
        startable = self.scheduler.startable()
        assert startable == self.expected_to_start()
        for run_id in startable:
            assert self.runs[run_id].phase == READY
            self.scheduler.started(run_id)
            self.runs[run_id].phase = WORKING
        at_work = [run_id for run_id in self.in_phase(WORKING) if run_id != "root"]
        assert len(at_work) == self.scheduler.working <= self.cap

    def expected_to_start(self) -> list[str]:
        """The woken in the order of their waking, then the planned in the order of their planning."""
        room = self.cap - len([run_id for run_id in self.in_phase(WORKING) if run_id != "root"])
        chosen = []
        for queue in (self.expected_woken, self.expected_fresh):
            while queue and (room > 0 or queue[0] == "root"):
                room -= queue[0] != "root"
                chosen.append(queue.popleft())
        return chosen

    def act(self, run_id: str) -> None:
        choices: list[Callable[[str], None]] = [self.end]
        if self.budget > 0:
            choices += [self.emit_and_go_on, self.emit_and_wait, self.emit_and_wait]
        self.random.choice(choices)(run_id)

    def emit_and_go_on(self, run_id: str) -> None:
        self.emit(run_id, waiting=False)

    def emit_and_wait(self, run_id: str) -> None:
        self.emit(run_id, waiting=True)

    def emit(self, run_id: str, *, waiting: bool) -> None:
        event_id = f"{run_id}/{len(self.runs[run_id].events)}"
        refused = self.random.random() < self.refused
        # A few repositories only: the same one is triggered by several events of the tree (diamonds).
        repositories = [] if refused else self.random.sample("abcdef", self.random.randint(0, min(6, self.budget)))
        children = [f"{event_id}:{repository}" for repository in repositories]
        self.budget -= max(1, len(children))
        nodes = [RunNode(None) for _ in children]
        event = EventNode(run_id, waiting, refused, nodes)
        for child, node in zip(children, nodes, strict=True):
            node.cause = event
            self.runs[child] = node
        self.expected_fresh.extend(children)
        self.events[event_id] = event
        self.runs[run_id].events.append(event)
        if waiting:
            self.runs[run_id].phase = WAITING
        self.scheduler.emitted(run_id, event_id, children, waiting=waiting, failed=refused)
        for child in children:
            if self.random.random() < self.failing / 3:
                self.end(child, failed=True)

    def end(self, run_id: str, *, failed: bool | None = None) -> None:
        """A run ends; one that has not started does so since its inputs did not fit."""
        run = self.runs[run_id]
        if run.phase == READY:
            self.expected_fresh.remove(run_id)
        run.phase = ENDED
        run.failed = self.random.random() < self.failing if failed is None else failed
        run.outcomes += 1
        self.scheduler.ended(run_id, failed=run.failed)

    def check_settled(self) -> None:
        for event_id in self.scheduler.take_settled():
            event = self.events[event_id]
            event.settled += 1
            assert event.all_ended(), "an event was settled while a run below it was not over"
            assert self.scheduler.failed_below(event_id) == event.any_failed()
            waiter = event.emitter if event.waiting else None
            assert self.scheduler.waiter(event_id) == waiter
            if waiter is not None:
                self.wakes[event_id] = self.wakes.get(event_id, 0) + 1
                self.runs[waiter].phase = READY
                self.expected_woken.append(waiter)
        for event_id, event in self.events.items():
            assert event.settled == int(event.all_ended()), event_id
        for run_id, run in self.runs.items():
            assert self.scheduler.phase(run_id) == run.phase
        assert self.scheduler.finished == all(run.phase == ENDED for run in self.runs.values())


@given(
    cap=st.integers(1, 5),
    random=st.randoms(use_true_random=False),
    budget=st.integers(0, 40),
    failing=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    refused=st.sampled_from([0.0, 0.2]),
)
def test_every_tree_ends_with_each_run_in_one_outcome_and_the_cap_kept(
    cap: int, random: Random, budget: int, failing: float, refused: float
) -> None:
    world = World(cap, random, budget, failing=failing, refused=refused)

    world.live()

    assert {run.outcomes for run in world.runs.values()} == {1}
    assert all(world.scheduler.phase(run_id) == ENDED for run_id in world.runs)
    assert world.scheduler.working == 0
    assert world.scheduler.startable() == []
    assert world.scheduler.take_settled() == []
    assert world.wakes == {event_id: 1 for event_id, event in world.events.items() if event.waiting}
    for run_id, run in world.runs.items():
        assert world.scheduler.failed(run_id) == run.any_failed(), run_id
    note(f"runs: {len(world.runs) // 10 * 10}+")


# The same by hand.


def started(scheduler: Scheduler) -> list[str]:
    """Start what may start, and say what it was."""
    chosen = scheduler.startable()
    for run_id in chosen:
        scheduler.started(run_id)
    return chosen


def rooted(cap: int = 1) -> Scheduler:
    scheduler = Scheduler(cap)
    scheduler.add_root("root")
    assert started(scheduler) == ["root"]
    return scheduler


def test_a_chain_of_ten_waiting_fan_outs_ends_at_cap_one() -> None:
    scheduler = rooted(cap=1)
    chain = ["root", *(f"level-{number}" for number in range(1, 11))]
    for emitter, child in pairwise(chain):
        scheduler.emitted(emitter, f"event of {emitter}", [child], waiting=True)
        assert scheduler.working == 0
        assert started(scheduler) == [child]
    order = []
    for run_id in reversed(chain):
        scheduler.ended(run_id, failed=False)
        order.append(started(scheduler))

    assert order == [*([run_id] for run_id in reversed(chain[:-1])), []]
    assert scheduler.finished
    assert not scheduler.failed("root")


def test_a_tree_of_one_and_five_and_twenty_five_ends_at_cap_one() -> None:
    scheduler = rooted(cap=1)
    middle = [f"middle-{number}" for number in range(5)]
    leaves = {run_id: [f"{run_id}/leaf-{number}" for number in range(5)] for run_id in middle}
    scheduler.emitted("root", "root's", middle, waiting=True)
    emitted: set[str] = set()
    done = []
    while chosen := started(scheduler):
        (run_id,) = chosen
        assert scheduler.working == (run_id != "root")
        if run_id in leaves and run_id not in emitted:
            emitted.add(run_id)
            scheduler.emitted(run_id, f"{run_id}'s", leaves[run_id], waiting=True)
            continue
        scheduler.ended(run_id, failed=False)
        done.append(run_id)

    assert scheduler.finished
    assert len(done) == 31
    assert done[-1] == "root"
    for run_id in middle:
        assert all(done.index(leaf) < done.index(run_id) for leaf in leaves[run_id])


def test_woken_runs_go_before_planned_ones_and_each_kind_in_its_order() -> None:
    scheduler = rooted(cap=2)
    scheduler.emitted("root", "e", ["a", "b", "c", "d"], waiting=True)
    assert started(scheduler) == ["a", "b"]
    scheduler.emitted("b", "b's", [], waiting=True)
    scheduler.emitted("a", "a's", [], waiting=True)

    assert scheduler.startable() == ["b", "a"]


def test_a_waiter_wakes_only_when_the_grandchildren_nobody_waits_for_have_ended() -> None:
    scheduler = rooted(cap=2)
    scheduler.emitted("root", "e", ["child"], waiting=True)
    started(scheduler)
    scheduler.emitted("child", "aside", ["grandchild"], waiting=False)
    scheduler.ended("child", failed=False)
    assert scheduler.take_settled() == []
    assert started(scheduler) == ["grandchild"]

    scheduler.ended("grandchild", failed=False)

    assert scheduler.take_settled() == ["aside", "e"]
    assert started(scheduler) == ["root"]


def test_a_run_that_emitted_without_waiting_can_wait_for_another_event_first() -> None:
    scheduler = rooted(cap=2)
    scheduler.emitted("root", "aside", ["slow"], waiting=False)
    scheduler.emitted("root", "awaited", ["quick"], waiting=True)
    assert started(scheduler) == ["slow", "quick"]
    scheduler.ended("quick", failed=False)
    assert started(scheduler) == ["root"]
    scheduler.ended("root", failed=False)

    assert not scheduler.finished
    scheduler.ended("slow", failed=False)
    assert scheduler.finished


def test_an_event_that_starts_nothing_wakes_its_waiter_at_once() -> None:
    scheduler = rooted()
    scheduler.emitted("root", "e", [], waiting=True)

    assert scheduler.take_settled() == ["e"]
    assert started(scheduler) == ["root"]
    assert not scheduler.failed_below("e")


@pytest.mark.parametrize("waiting", [True, False])
def test_a_refused_plan_fails_its_event_and_all_above(waiting: bool) -> None:
    scheduler = rooted()
    scheduler.emitted("root", "e", ["child"], waiting=True)
    started(scheduler)
    scheduler.emitted("child", "refused", [], waiting=waiting, failed=True)
    started(scheduler)
    scheduler.ended("child", failed=False)

    assert scheduler.failed_below("refused")
    assert scheduler.failed_below("e")
    assert scheduler.failed("child")
    assert scheduler.failed("root")


def test_a_failure_far_down_fails_every_run_above_it_and_no_other() -> None:
    scheduler = rooted(cap=3)
    scheduler.emitted("root", "e", ["left", "right"], waiting=False)
    started(scheduler)
    scheduler.emitted("left", "left's", ["deep"], waiting=False)
    started(scheduler)
    scheduler.ended("deep", failed=True)
    scheduler.ended("left", failed=False)
    scheduler.ended("right", failed=False)
    scheduler.ended("root", failed=False)

    assert [run for run in ("root", "left", "right", "deep") if scheduler.failed(run)] == ["root", "left", "deep"]
    assert scheduler.failed_below("e")
    assert scheduler.failed_below("left's")
    assert scheduler.finished


def test_a_run_that_ends_without_starting_takes_no_place_and_is_not_started() -> None:
    scheduler = rooted(cap=1)
    scheduler.emitted("root", "e", ["misfit", "fine"], waiting=True)
    scheduler.ended("misfit", failed=True)

    assert started(scheduler) == ["fine"]
    scheduler.ended("fine", failed=False)
    assert started(scheduler) == ["root"]
    assert scheduler.failed("root")


def test_the_root_holds_no_place_under_the_cap() -> None:
    scheduler = rooted(cap=1)
    scheduler.emitted("root", "e", ["a", "b"], waiting=False)

    assert scheduler.working == 0
    assert started(scheduler) == ["a"]
    assert scheduler.working == 1
    assert started(scheduler) == []


def test_the_woken_root_starts_while_all_places_are_taken() -> None:
    scheduler = rooted(cap=1)
    scheduler.emitted("root", "aside", ["slow"], waiting=False)
    scheduler.emitted("root", "e", [], waiting=True)

    assert started(scheduler) == ["root", "slow"]
    scheduler.emitted("root", "f", [], waiting=True)
    assert started(scheduler) == ["root"]


class CountedId(str):
    """A run id that counts how often it is compared with another."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedId.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def operations(size: int, act: Callable[[Scheduler, list[str]], None]) -> int:
    """How many lines of the scheduler run, and ids are compared, while a fan-out of that size is acted on."""
    lines = 0
    file_name = Scheduler.__init__.__code__.co_filename

    def trace(frame: FrameType, kind: str, _argument: object) -> object:
        nonlocal lines
        if frame.f_code.co_filename != file_name:
            return None
        lines += kind == "line"
        return trace

    scheduler = rooted(cap=4)
    children: list[str] = [CountedId(f"child-{number}") for number in range(size)]
    CountedId.comparisons = 0
    previous = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        scheduler.emitted("root", "e", children, waiting=True)
        act(scheduler, children)
    finally:
        sys.settrace(previous)
    assert started(scheduler) == ["root"]
    return lines + CountedId.comparisons


def run_all(scheduler: Scheduler, _children: list[str]) -> None:
    while chosen := scheduler.startable():
        if chosen == ["root"]:
            scheduler.started("root")
            scheduler.emitted("root", "again", [], waiting=True)
            return
        for run_id in chosen:
            scheduler.started(run_id)
            scheduler.ended(run_id, failed=False)


def refuse_all_from_the_back(scheduler: Scheduler, children: list[str]) -> None:
    for run_id in reversed(children):
        scheduler.ended(run_id, failed=True)


@pytest.mark.parametrize("act", [run_all, refuse_all_from_the_back])
def test_the_work_grows_in_proportion_to_the_fan_out(act: Callable[[Scheduler, list[str]], None]) -> None:
    assert operations(2_000, act) < 10.5 * operations(200, act)


def test_a_fan_out_of_five_thousand_ends() -> None:
    scheduler = rooted(cap=64)
    scheduler.emitted("root", "e", [str(number) for number in range(5_000)], waiting=True)
    ended = 0
    while chosen := started(scheduler):
        assert len(chosen) <= 64
        for run_id in chosen:
            scheduler.ended(run_id, failed=False)
            ended += 1

    assert ended == 5_001
    assert scheduler.finished


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_below_one_is_refused(cap: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Scheduler(cap)


def suspended() -> Scheduler:
    scheduler = rooted()
    scheduler.emitted("root", "e", ["child"], waiting=True)
    return scheduler


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda: rooted().add_root("root"), "there already"),
        (lambda: rooted().started("root"), "working and cannot start"),
        (lambda: suspended().started("root"), "waiting and cannot start"),
        (lambda: suspended().ended("root", failed=False), "waiting and cannot end"),
        (lambda: suspended().emitted("root", "f", [], waiting=True), "waiting and emitted"),
        (lambda: suspended().emitted("child", "f", [], waiting=True), "ready and emitted"),
        (lambda: suspended().emitted("child", "e", [], waiting=True), "emitted before"),
    ],
)
def test_a_call_that_does_not_fit_the_phase_is_refused(misuse: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        misuse()


@pytest.mark.parametrize(
    "act",
    [
        lambda scheduler: scheduler.ended("root", failed=False),
        lambda scheduler: scheduler.started("root"),
        lambda scheduler: scheduler.emitted("root", "e", [], waiting=False),
    ],
)
def test_an_ended_run_does_nothing_more(act: Callable[[Scheduler], None]) -> None:
    scheduler = rooted()
    scheduler.ended("root", failed=False)

    with pytest.raises(ValueError, match="root is ended"):
        act(scheduler)
