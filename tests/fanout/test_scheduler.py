from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import FrameType

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from tako.fanout.scheduler import ENDED, HELD, READY, RESTING, WAITING, WORKING, KnownEvent, KnownRun, Scheduler

# A world that lives at random, and a second account of what must be true of it, kept the naive way.


@dataclass(eq=False)
class RunNode:
    cause: EventNode | None
    """The event that started it; if several did, the first of them."""
    phase: str = READY
    begun: bool = False
    failed: bool = False
    outcomes: int = 0
    events: list[EventNode] = field(default_factory=list)
    awaits: list[EventNode] = field(default_factory=list)
    awaits_again: list[EventNode] = field(default_factory=list)
    """What it will wait for when it has started: it was taken over from before its fan-out."""
    joined: list[EventNode] = field(default_factory=list)
    """The events beside the first that started it, while it was held."""

    def causes(self) -> list[EventNode]:
        return [*([self.cause] if self.cause else []), *self.joined]

    def all_ended(self) -> bool:
        return self.phase == ENDED and all(event.all_ended() for event in self.events)

    def any_failed(self) -> bool:
        return self.failed or any(event.any_failed() for event in self.events)

    def is_below(self, event: EventNode) -> bool:
        return any(cause is event or cause.emitter.is_below(event) for cause in self.causes())


@dataclass(eq=False)
class EventNode:
    emitter: RunNode
    fan_out: str
    refused: bool
    limit: int | None
    """How many runs of its fan-out may be at work."""
    runs: list[RunNode]
    settled: int = 0

    def all_ended(self) -> bool:
        return all(run.all_ended() for run in self.runs)

    def any_failed(self) -> bool:
        return self.refused or any(run.any_failed() for run in self.runs)


MOST_DEATHS = 5


@dataclass
class Chances:
    """How probable it is that something goes wrong."""

    failing: float
    refused: float
    crashing: float
    cancelling: float
    limited: float
    holding: float = 0.0
    dying: float = 0.0
    """That the whole tree dies, and another scheduler takes over what is left of it."""


class World:
    """Runs a tree whose members decide at random what they do, and checks every answer of the scheduler."""

    def __init__(self, cap: int, random: Random, budget: int, chances: Chances) -> None:
        self.cap = cap
        self.random = random
        self.budget = budget
        self.chances = chances
        self.scheduler = Scheduler(cap)
        self.runs: dict[str, RunNode] = {"root": RunNode(None)}
        self.events: dict[str, EventNode] = {}
        self.fresh: list[str] = ["root"]
        self.woken: list[str] = []
        self.deaths = 0
        self.emitted = 0
        self.scheduler.add_root("root")

    def live(self) -> None:
        while not self.scheduler.finished:
            progress = False
            if self.happens(0.7) or not self.in_phase(WORKING, RESTING, HELD):
                progress = self.start_what_may_start()
            able = self.in_phase(WORKING, RESTING, HELD)
            assert able or progress, "runs are left and none can ever start"
            if able:
                self.act(self.random.choice(able))
            self.cancel_now_and_then()
            self.check()
            if self.deaths < MOST_DEATHS and self.happens(self.chances.dying) and not self.scheduler.finished:
                self.deaths += 1
                self.take_over()
                self.check()

    def take_over(self) -> None:
        """What was at work is lost, what had failed is run again or stays so, what was refused is forgotten."""
        self.check_settled()
        for event_id in [event_id for event_id, event in self.events.items() if event.refused]:
            event = self.events.pop(event_id)
            event.emitter.events.remove(event)
        for run in self.runs.values():
            if run.phase == ENDED and run.failed and self.happens(0.8):
                run.phase, run.failed, run.outcomes = READY, False, run.outcomes - 1
            elif run.phase in (WORKING, RESTING):
                run.phase = READY
            elif run.phase == WAITING and (self.happens(0.2) or any(event.refused for event in run.awaits)):
                run.phase, run.awaits_again = READY, [event for event in run.awaits if not event.refused]
            if run.phase != WAITING:
                run.awaits = []
        ready = self.in_phase(READY)
        self.woken = [run_id for run_id in ready if self.runs[run_id].begun]
        self.fresh = [run_id for run_id in ready if not self.runs[run_id].begun]
        names = {id(event): event_id for event_id, event in self.events.items()}
        places = {id(run): run_id for run_id, run in self.runs.items()}
        self.scheduler = Scheduler(self.cap)
        self.scheduler.restore(
            [
                KnownRun(
                    run_id,
                    ended=run.phase == ENDED,
                    failed=run.phase == ENDED and run.failed,
                    begun=run.begun,
                    awaits=tuple(names[id(event)] for event in run.awaits),
                    held=run.phase == HELD,
                )
                for run_id, run in self.runs.items()
            ],
            [
                KnownEvent(
                    event_id,
                    places[id(event.emitter)],
                    tuple(places[id(run)] for run in event.runs),
                    event.limit,
                    event.fan_out,
                )
                for event_id, event in self.events.items()
            ],
        )
        for event in self.events.values():
            event.settled = 0

    def happens(self, chance: float) -> bool:
        return self.random.random() < chance

    def in_phase(self, *phases: str) -> list[str]:
        return [run_id for run_id, run in self.runs.items() if run.phase in phases]

    def start_what_may_start(self) -> bool:
        """Start it, but for what turns out at the last moment not to be worth it; whether there was any."""
        startable = self.scheduler.startable()
        assert startable == self.expected_to_start()
        for run_id in startable:
            run = self.runs[run_id]
            assert run.phase == READY
            if run_id != "root" and self.happens(self.chances.cancelling / 2):
                self.end(run_id, failed=True)
                continue
            self.scheduler.started(run_id)
            run.phase, run.begun = WORKING, True
        self.check_settled()
        return bool(startable)

    def expected_to_start(self) -> list[str]:
        """The root, the woken in the order of their waking, the planned in that of their planning, but for limits."""
        self.fresh.sort(key=list(self.runs).index)
        room = self.cap - len([run_id for run_id in self.in_phase(WORKING) if run_id != "root"])
        at_work = Counter(run.cause.fan_out for run in self.runs.values() if run.cause and run.phase == WORKING)
        chosen = []
        for run_id in sorted([*self.woken, *self.fresh], key=lambda run_id: run_id != "root"):
            event = self.runs[run_id].cause
            if event is None:
                chosen.append(run_id)
            elif room > 0 and (event.limit is None or at_work[event.fan_out] < event.limit):
                room -= 1
                at_work[event.fan_out] += 1
                chosen.append(run_id)
        for run_id in chosen:
            self.out_of_line(run_id)
        return chosen

    def out_of_line(self, run_id: str) -> None:
        for line in (self.woken, self.fresh):
            if run_id in line:
                line.remove(run_id)

    def act(self, run_id: str) -> None:
        if self.runs[run_id].phase == RESTING:
            self.scheduler.wake(run_id)
            self.runs[run_id].phase = READY
            self.woken.append(run_id)
            return
        if self.runs[run_id].phase == HELD:
            self.release(run_id)
            return
        again, self.runs[run_id].awaits_again = self.runs[run_id].awaits_again, []
        if again:
            self.wait(run_id, again)
            return
        choices: list[Callable[[str], None]] = [self.end]
        if self.budget > 0:
            choices += [self.emit_and_go_on, self.emit_and_wait, self.emit_and_wait]
            if self.happens(self.chances.crashing):
                choices = [self.rest]
        self.random.choice(choices)(run_id)

    def release(self, run_id: str) -> None:
        self.scheduler.release(run_id)
        self.runs[run_id].phase = READY
        self.fresh.append(run_id)

    def wait(self, run_id: str, events: list[EventNode]) -> None:
        self.scheduler.wait(run_id, [event_id for event_id, event in self.events.items() if event in events])
        self.runs[run_id].phase, self.runs[run_id].awaits = WAITING, events

    def rest(self, run_id: str) -> None:
        self.budget -= 1
        self.scheduler.rest(run_id)
        self.runs[run_id].phase = RESTING

    def emit_and_go_on(self, run_id: str) -> None:
        """Emit one event, or several together."""
        self.emitted += 1
        fan_out = f"{run_id}/{self.emitted}"
        limit = self.random.randint(1, 3) if self.happens(self.chances.limited) else None
        for number in range(self.random.choice((1, 1, 1, 2, 3))):
            self.emit(run_id, f"{fan_out}.{number}", fan_out, limit)

    def emit_and_wait(self, run_id: str) -> None:
        before = len(self.runs[run_id].events)
        self.emit_and_go_on(run_id)
        self.wait(run_id, self.runs[run_id].events[before:])

    def emit(self, run_id: str, event_id: str, fan_out: str, limit: int | None) -> None:
        run = self.runs[run_id]
        refused = self.happens(self.chances.refused)
        # A few repositories only: the same one is triggered by several events of the tree (diamonds).
        repositories = (
            [] if refused else self.random.sample("abcdef", self.random.randint(0, max(0, min(6, self.budget))))
        )
        children = [f"{event_id}:{repository}" for repository in repositories]
        self.budget -= max(1, len(children))
        event = EventNode(run, fan_out, refused, limit, [])
        joining = [] if refused else [held for held in self.in_phase(HELD) if self.happens(self.chances.holding)]
        held = {child for child in children if self.happens(self.chances.holding)} | set(joining)
        for child in children:
            self.runs[child] = RunNode(event, HELD if child in held else READY)
        for joined in joining:
            self.runs[joined].joined.append(event)
        self.fresh.extend(child for child in children if child not in held)
        children = [*joining, *children]
        event.runs = [self.runs[child] for child in children]
        self.events[event_id] = event
        run.events.append(event)
        self.scheduler.emitted(run_id, event_id, children, failed=refused, limit=limit, fan_out=fan_out, held=held)
        for child in children:
            if self.happens(self.chances.failing / 3):
                self.end(child, failed=True)

    def end(self, run_id: str, *, failed: bool | None = None) -> None:
        """A run ends, whatever it was doing; one that has not started does so since its inputs did not fit."""
        run = self.runs[run_id]
        self.out_of_line(run_id)
        run.phase, run.awaits = ENDED, []
        run.failed = self.happens(self.chances.failing) if failed is None else failed
        run.outcomes += 1
        self.scheduler.ended(run_id, failed=run.failed)

    def cancel_now_and_then(self) -> None:
        """One run, or all that a fan-out has left, or what it has not started."""
        self.check_settled()
        if not self.happens(self.chances.cancelling) or self.scheduler.finished:
            return
        one = self.random.choice(self.in_phase(READY, WORKING, WAITING, RESTING, HELD))
        ways: list[Callable[[], list[str]]] = [lambda: [one]]
        if self.events:
            event_id = self.random.choice(list(self.events))
            ways += [lambda: self.scheduler.open_runs(event_id), lambda: self.scheduler.not_started(event_id)]
        for run_id in self.random.choice(ways)():
            self.end(run_id, failed=True)

    def check(self) -> None:
        self.check_settled()
        at_work = [run for run in self.runs.values() if run.phase == WORKING and run.cause is not None]
        assert len(at_work) == self.scheduler.working <= self.cap
        for event_id, event in self.events.items():
            assert event.settled == int(event.all_ended()), event_id
            own = [run for run in self.runs.values() if run.cause and run.cause.fan_out == event.fan_out]
            assert event.limit is None or sum(run.phase == WORKING for run in own) <= event.limit
            assert self.scheduler.open_runs(event_id) == [
                run_id for run_id, run in self.runs.items() if run.phase != ENDED and run.is_below(event)
            ]
            assert self.scheduler.not_started(event_id) == [
                run_id
                for run_id, run in self.runs.items()
                if run.phase == READY and not run.begun and event in run.causes()
            ]
        for run_id, run in self.runs.items():
            assert self.scheduler.phase(run_id) == run.phase
        one, other = (self.random.choice(list(self.runs)) for _ in range(2))
        candidate = self.runs[other]
        waits = candidate.phase != ENDED and any(candidate.is_below(event) for event in self.runs[one].awaits)
        assert self.scheduler.waits_for_run(one, other) == waits
        assert self.scheduler.is_idle() == all(run.phase in (ENDED, WAITING, HELD) for run in self.runs.values())
        assert self.scheduler.finished == all(run.phase == ENDED for run in self.runs.values())

    def check_settled(self) -> None:
        for event_id in self.scheduler.take_settled():
            event = self.events[event_id]
            event.settled += 1
            assert event.all_ended(), "an event was settled while a run below it was not over"
            assert self.scheduler.failed_below(event_id) == event.any_failed()
        for run_id, event_ids in self.scheduler.take_answered():
            run = self.runs[run_id]
            if run.phase == ENDED:
                continue
            assert run.awaits == [self.events[event_id] for event_id in event_ids]
            assert all(event.all_ended() for event in run.awaits)
            run.phase, run.awaits = READY, []
            self.woken.append(run_id)


RISK = st.sampled_from([0.0, 0.1, 0.5])


@settings(max_examples=200)
@given(
    cap=st.integers(1, 5),
    # A seed, since a Random that hypothesis controls decides for an early end most of the time.
    seed=st.integers(0, 2**32),
    budget=st.integers(0, 40) | st.just(40),
    chances=st.builds(
        Chances,
        failing=RISK | st.just(1.0),
        refused=st.sampled_from([0.0, 0.2]),
        crashing=RISK,
        cancelling=st.sampled_from([0.0, 0.03, 0.2]),
        limited=RISK | st.just(1.0),
        holding=st.sampled_from([0.0, 0.2, 0.6]),
        dying=st.sampled_from([0.0, 0.05, 0.3]),
    ),
)
def test_every_tree_ends_with_each_run_in_one_outcome_and_the_cap_and_the_limits_kept(
    cap: int, seed: int, budget: int, chances: Chances
) -> None:
    world = World(cap, Random(seed), budget, chances)

    world.live()

    assert {run.outcomes for run in world.runs.values()} == {1}
    assert all(world.scheduler.phase(run_id) == ENDED for run_id in world.runs)
    assert world.scheduler.working == 0
    assert world.scheduler.startable() == []
    assert world.scheduler.take_settled() == []
    assert {event.settled for event in world.events.values()} <= {1}
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


def suspend(scheduler: Scheduler, run_id: str, event_id: str, children: list[str], *, limit: int | None = None) -> None:
    """Let a run emit an event and wait for it."""
    scheduler.emitted(run_id, event_id, children, limit=limit)
    scheduler.wait(run_id, [event_id])


def rooted(cap: int = 1) -> Scheduler:
    scheduler = Scheduler(cap)
    scheduler.add_root("root")
    assert started(scheduler) == ["root"]
    return scheduler


def test_the_root_goes_before_all_that_need_a_place() -> None:
    scheduler = rooted(cap=1)
    scheduler.emitted("root", "aside", ["a", "b"])
    assert started(scheduler) == ["a"]
    scheduler.rest("a")
    assert started(scheduler) == ["b"]
    scheduler.wake("a")
    suspend(scheduler, "root", "e", [])

    assert started(scheduler) == ["root"]


def test_a_chain_of_ten_waiting_fan_outs_ends_at_cap_one() -> None:
    scheduler = rooted(cap=1)
    chain = ["root", *(f"level-{number}" for number in range(1, 11))]
    for emitter, child in itertools.pairwise(chain):
        suspend(scheduler, emitter, f"event of {emitter}", [child])
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
    suspend(scheduler, "root", "root's", middle)
    emitted: set[str] = set()
    done = []
    while chosen := started(scheduler):
        (run_id,) = chosen
        assert scheduler.working == (run_id != "root")
        if run_id in leaves and run_id not in emitted:
            emitted.add(run_id)
            suspend(scheduler, run_id, f"{run_id}'s", leaves[run_id])
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
    suspend(scheduler, "root", "e", ["a", "b", "c", "d"])
    assert started(scheduler) == ["a", "b"]
    suspend(scheduler, "b", "b's", [])
    suspend(scheduler, "a", "a's", [])

    assert scheduler.startable() == ["b", "a"]


def test_a_waiter_wakes_only_when_the_grandchildren_nobody_waits_for_have_ended() -> None:
    scheduler = rooted(cap=2)
    suspend(scheduler, "root", "e", ["child"])
    started(scheduler)
    scheduler.emitted("child", "aside", ["grandchild"])
    scheduler.ended("child", failed=False)
    assert scheduler.take_settled() == []
    assert started(scheduler) == ["grandchild"]

    scheduler.ended("grandchild", failed=False)

    assert scheduler.take_settled() == ["aside", "e"]
    assert started(scheduler) == ["root"]


def test_a_run_that_emitted_without_waiting_can_wait_for_another_event_first() -> None:
    scheduler = rooted(cap=2)
    scheduler.emitted("root", "aside", ["slow"])
    suspend(scheduler, "root", "awaited", ["quick"])
    assert started(scheduler) == ["slow", "quick"]
    scheduler.ended("quick", failed=False)
    assert started(scheduler) == ["root"]
    scheduler.ended("root", failed=False)

    assert not scheduler.finished
    scheduler.ended("slow", failed=False)
    assert scheduler.finished


def test_an_event_that_starts_nothing_wakes_its_waiter_at_once() -> None:
    scheduler = rooted()
    suspend(scheduler, "root", "e", [])

    assert scheduler.take_settled() == ["e"]
    assert started(scheduler) == ["root"]
    assert not scheduler.failed_below("e")


@pytest.mark.parametrize("waiting", [True, False])
def test_a_refused_plan_fails_its_event_and_all_above(waiting: bool) -> None:
    scheduler = rooted()
    suspend(scheduler, "root", "e", ["child"])
    started(scheduler)
    scheduler.emitted("child", "refused", [], failed=True)
    if waiting:
        scheduler.wait("child", ["refused"])
    started(scheduler)
    scheduler.ended("child", failed=False)

    assert scheduler.failed_below("refused")
    assert scheduler.failed_below("e")
    assert scheduler.failed("child")
    assert scheduler.failed("root")


def test_a_failure_far_down_fails_every_run_above_it_and_no_other() -> None:
    scheduler = rooted(cap=3)
    scheduler.emitted("root", "e", ["left", "right"])
    started(scheduler)
    scheduler.emitted("left", "left's", ["deep"])
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
    suspend(scheduler, "root", "e", ["misfit", "fine"])
    scheduler.ended("misfit", failed=True)

    assert started(scheduler) == ["fine"]
    scheduler.ended("fine", failed=False)
    assert started(scheduler) == ["root"]
    assert scheduler.failed("root")


def test_the_root_holds_no_place_under_the_cap() -> None:
    scheduler = rooted(cap=1)
    scheduler.emitted("root", "e", ["a", "b"])

    assert scheduler.working == 0
    assert started(scheduler) == ["a"]
    assert scheduler.working == 1
    assert started(scheduler) == []


def test_the_woken_root_starts_while_all_places_are_taken() -> None:
    scheduler = rooted(cap=1)
    scheduler.emitted("root", "aside", ["slow"])
    suspend(scheduler, "root", "e", [])

    assert started(scheduler) == ["root", "slow"]
    suspend(scheduler, "root", "f", [])
    assert started(scheduler) == ["root"]


def test_a_full_limit_lets_other_fan_outs_pass_and_its_own_go_on_in_their_order() -> None:
    scheduler = rooted(cap=3)
    scheduler.emitted("root", "limited", ["a", "b", "c"], limit=1)
    scheduler.emitted("root", "free", ["x", "y", "z"])
    assert started(scheduler) == ["a", "x", "y"]
    scheduler.ended("x", failed=False)
    assert started(scheduler) == ["z"]
    scheduler.ended("z", failed=False)
    assert started(scheduler) == []
    scheduler.ended("a", failed=False)
    assert started(scheduler) == ["b"]
    scheduler.ended("b", failed=False)
    assert started(scheduler) == ["c"]


def test_a_limit_does_not_count_what_is_further_down_nor_who_waits_for_it() -> None:
    scheduler = rooted(cap=9)
    suspend(scheduler, "root", "e", ["a", "b"], limit=1)
    assert started(scheduler) == ["a"]
    suspend(scheduler, "a", "a's", ["deep-1", "deep-2"])

    assert started(scheduler) == ["b", "deep-1", "deep-2"]


def test_a_woken_run_goes_before_the_planned_ones_of_its_limit_and_keeps_to_the_limit() -> None:
    scheduler = rooted(cap=9)
    suspend(scheduler, "root", "e", ["a", "b", "c"], limit=1)
    assert started(scheduler) == ["a"]
    suspend(scheduler, "a", "a's", ["deep"])
    assert started(scheduler) == ["b", "deep"]
    scheduler.ended("deep", failed=False)
    assert started(scheduler) == []
    scheduler.ended("b", failed=False)

    assert started(scheduler) == ["a"]


def test_a_run_that_is_startable_and_then_not_started_leaves_its_place_to_the_next() -> None:
    scheduler = rooted(cap=9)
    suspend(scheduler, "root", "e", ["a", "b"], limit=1)
    assert scheduler.startable() == ["a"]
    scheduler.ended("a", failed=True)

    assert started(scheduler) == ["b"]


def test_a_run_that_rests_holds_no_place_and_goes_first_when_it_wakes() -> None:
    scheduler = rooted(cap=1)
    suspend(scheduler, "root", "e", ["a", "b", "c"], limit=1)
    assert started(scheduler) == ["a"]
    scheduler.rest("a")
    assert scheduler.phase("a") == RESTING
    assert scheduler.working == 0
    assert started(scheduler) == ["b"]
    scheduler.wake("a")
    assert started(scheduler) == []
    scheduler.ended("b", failed=False)

    assert started(scheduler) == ["a"]
    scheduler.ended("a", failed=False)
    assert not scheduler.failed("a")
    assert started(scheduler) == ["c"]


def test_a_run_that_ends_while_it_rests_closes_its_event() -> None:
    scheduler = rooted()
    suspend(scheduler, "root", "e", ["a"])
    started(scheduler)
    scheduler.rest("a")
    scheduler.ended("a", failed=True)

    assert scheduler.take_settled() == ["e"]
    assert scheduler.failed_below("e")
    assert started(scheduler) == ["root"]


def test_the_event_of_a_run_that_ends_while_it_waits_goes_on_and_wakes_nobody() -> None:
    scheduler = rooted(cap=2)
    suspend(scheduler, "root", "e", ["a"])
    started(scheduler)
    suspend(scheduler, "a", "a's", ["deep"])
    scheduler.ended("a", failed=True)

    assert scheduler.take_settled() == []
    assert started(scheduler) == ["deep"]
    scheduler.ended("deep", failed=False)
    assert scheduler.take_settled() == ["a's", "e"]
    assert scheduler.take_answered() == [("root", ("e",))]
    assert scheduler.phase("a") == ENDED
    assert started(scheduler) == ["root"]
    assert not scheduler.failed_below("a's")
    assert scheduler.failed_below("e")


@pytest.mark.parametrize("phase", [READY, WORKING, RESTING])
def test_woken_run_is_answered_however_it_ends(phase: str) -> None:
    scheduler = rooted()
    suspend(scheduler, "root", "e", [])
    if phase != READY:
        started(scheduler)
    if phase == RESTING:
        scheduler.rest("root")
    assert scheduler.phase("root") == phase
    scheduler.ended("root", failed=True)

    assert scheduler.take_answered() == [("root", ("e",))]
    assert scheduler.finished


def test_run_that_ends_while_waiting_again_was_answered_once() -> None:
    scheduler = rooted()
    suspend(scheduler, "root", "first", [])
    started(scheduler)
    suspend(scheduler, "root", "second", ["a"])
    scheduler.ended("root", failed=True)

    assert scheduler.take_answered() == [("root", ("first",))]


def test_run_waits_until_all_its_events_are_settled() -> None:
    scheduler = rooted(cap=2)
    scheduler.emitted("root", "one", ["a"])
    scheduler.emitted("root", "none", [])
    scheduler.emitted("root", "other", ["b"])
    scheduler.wait("root", ["one", "none", "other"])
    assert started(scheduler) == ["a", "b"]

    scheduler.ended("b", failed=False)
    assert (scheduler.phase("root"), scheduler.take_answered()) == (WAITING, [])
    scheduler.ended("a", failed=False)

    assert scheduler.take_settled() == ["none", "other", "one"]
    assert scheduler.take_answered() == [("root", ("one", "none", "other"))]
    assert started(scheduler) == ["root"]


def test_events_of_one_fan_out_share_its_limit() -> None:
    scheduler = rooted(cap=9)
    scheduler.emitted("root", "one", ["a", "b"], limit=2, fan_out="one")
    scheduler.emitted("root", "other", ["c", "d"], limit=2, fan_out="one")
    scheduler.emitted("root", "apart", ["e"], limit=2)
    scheduler.wait("root", ["one", "other"])

    assert started(scheduler) == ["a", "b", "e"]
    scheduler.ended("a", failed=False)
    assert started(scheduler) == ["c"]


def test_what_a_fan_out_has_left_is_told_in_planning_order_to_any_depth_and_can_be_ended_at_once() -> None:
    scheduler = rooted(cap=9)
    suspend(scheduler, "root", "e", ["a", "b", "c", "d"])
    suspend(scheduler, started(scheduler)[0], "a's", ["a/1", "a/2"])
    scheduler.emitted("c", "c's", ["c/1"])
    scheduler.ended("c", failed=False)
    scheduler.ended("b", failed=False)
    assert scheduler.open_runs("e") == ["a", "d", "a/1", "a/2", "c/1"]
    assert scheduler.open_runs("c's") == ["c/1"]

    for run_id in scheduler.open_runs("e"):
        scheduler.ended(run_id, failed=True)

    assert scheduler.open_runs("e") == []
    assert scheduler.take_settled() == ["a's", "c's", "e"]
    assert started(scheduler) == ["root"]


def test_what_an_event_has_not_started_leaves_out_who_was_at_work_before_and_who_is_further_down() -> None:
    scheduler = rooted(cap=3)
    suspend(scheduler, "root", "e", ["waits", "rests", "woken", "b", "c"])
    assert started(scheduler) == ["waits", "rests", "woken"]
    scheduler.rest("woken")
    scheduler.wake("woken")
    scheduler.rest("rests")
    suspend(scheduler, "waits", "deep", ["d"])
    assert scheduler.phase("woken") == READY

    assert scheduler.not_started("e") == ["b", "c"]
    assert scheduler.not_started("deep") == ["d"]


class CountedId(str):
    """A run id that counts how often it is compared with another."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedId.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def operations(size: int, act: Callable[[Scheduler, list[str]], None], limit: int | None) -> int:
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
        suspend(scheduler, "root", "e", children, limit=limit)
        act(scheduler, children)
    finally:
        sys.settrace(previous)
    assert started(scheduler) == ["root"]
    return lines + CountedId.comparisons


def run_all(scheduler: Scheduler, _children: list[str]) -> None:
    while chosen := scheduler.startable():
        if chosen == ["root"]:
            scheduler.started("root")
            suspend(scheduler, "root", "again", [])
            return
        for run_id in chosen:
            scheduler.started(run_id)
            scheduler.ended(run_id, failed=False)


def crash_each_once(scheduler: Scheduler, children: list[str]) -> None:
    crashed: set[str] = set()
    left = len(children)
    while left:
        for run_id in scheduler.startable():
            scheduler.started(run_id)
            if run_id in crashed:
                scheduler.ended(run_id, failed=False)
                left -= 1
            else:
                crashed.add(run_id)
                scheduler.rest(run_id)
                scheduler.wake(run_id)


def fail_fast(scheduler: Scheduler, children: list[str]) -> None:
    """The first one fails; what has not started is cancelled."""
    working = started(scheduler)
    scheduler.ended(working[0], failed=True)
    for run_id in scheduler.not_started("e"):
        scheduler.ended(run_id, failed=True)
    for run_id in scheduler.open_runs("e"):
        scheduler.ended(run_id, failed=False)


def let_another_fan_out_pass(scheduler: Scheduler, children: list[str]) -> None:
    """A fan-out without a limit runs while the other's single place is taken."""
    (first,) = started(scheduler)
    scheduler.emitted(first, "aside", [f"passing {child}" for child in children])
    while (chosen := started(scheduler)) != []:
        assert len(chosen) <= 3
        for run_id in chosen:
            scheduler.ended(run_id, failed=False)
    for run_id in scheduler.open_runs("e"):
        scheduler.ended(run_id, failed=False)


def refuse_all_from_the_back(scheduler: Scheduler, children: list[str]) -> None:
    for run_id in reversed(children):
        scheduler.ended(run_id, failed=True)


@pytest.mark.parametrize(
    ("act", "limit"),
    [
        *itertools.product([run_all, crash_each_once, refuse_all_from_the_back, fail_fast], [None, 1, 2]),
        (let_another_fan_out_pass, 1),
    ],
)
def test_the_work_grows_in_proportion_to_the_fan_out(
    act: Callable[[Scheduler, list[str]], None], limit: int | None
) -> None:
    assert operations(2_000, act, limit) < 10.5 * operations(200, act, limit)


@pytest.mark.parametrize(("limit", "most"), [(None, 64), (100, 64), (3, 3)])
def test_a_fan_out_of_five_thousand_ends(limit: int | None, most: int) -> None:
    scheduler = rooted(cap=64)
    suspend(scheduler, "root", "e", [str(number) for number in range(5_000)], limit=limit)
    ended = 0
    while chosen := started(scheduler):
        assert chosen == ["root"] or len(chosen) == most or ended + len(chosen) == 5_000
        for run_id in chosen:
            scheduler.ended(run_id, failed=False)
            ended += 1

    assert ended == 5_001
    assert scheduler.finished


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    scheduler = rooted()
    with pytest.raises(ValueError, match="at least 1"):
        suspend(scheduler, "root", "e", ["a"], limit=limit)

    suspend(scheduler, "root", "e", ["a"], limit=1)


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_below_one_is_refused(cap: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Scheduler(cap)


def suspended() -> Scheduler:
    scheduler = rooted()
    suspend(scheduler, "root", "e", ["child"])
    return scheduler


def resting() -> Scheduler:
    scheduler = rooted()
    scheduler.rest("root")
    return scheduler


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda: rooted().add_root("root"), "there already"),
        (lambda: rooted().started("root"), "working and cannot start"),
        (lambda: suspended().started("root"), "waiting and cannot start"),
        (lambda: suspended().rest("root"), "waiting and cannot rest"),
        (lambda: suspended().rest("child"), "ready and cannot rest"),
        (lambda: suspended().wake("root"), "waiting and cannot wake"),
        (lambda: rooted().wake("root"), "working and cannot wake"),
        (lambda: resting().rest("root"), "resting and cannot rest"),
        (lambda: resting().started("root"), "resting and cannot start"),
        (lambda: resting().emitted("root", "e", []), "resting and emitted"),
        (lambda: suspended().emitted("root", "f", []), "waiting and emitted"),
        (lambda: suspended().emitted("child", "f", []), "ready and emitted"),
        (lambda: suspended().emitted("child", "e", []), "emitted before"),
        (lambda: suspended().wait("root", ["e"]), "waiting and cannot wait for e"),
        (lambda: suspended().wait("child", ["e"]), "ready and cannot wait for e"),
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
        lambda scheduler: scheduler.emitted("root", "e", []),
        lambda scheduler: scheduler.rest("root"),
        lambda scheduler: scheduler.wake("root"),
    ],
)
def test_an_ended_run_does_nothing_more(act: Callable[[Scheduler], None]) -> None:
    scheduler = rooted()
    scheduler.ended("root", failed=False)

    with pytest.raises(ValueError, match="root is ended"):
        act(scheduler)
