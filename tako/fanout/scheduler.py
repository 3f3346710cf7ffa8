"""Which runs of a tree may start, which wait, what is done. Pure: no process, no file, no clock.

The tree has runs and events. A run emits events, an event starts runs. A run is at work, waits for events of its own,
rests between two tries, or has ended. An event is settled when each run that it started has ended and every event of
those is settled: that is what a waiting run waits for, and what lets the whole tree end.

Only a run that is at work holds a place, under the cap and under the limit of the fan-out that started it, so nested
fan-outs cannot block each other at any cap or limit. The root holds none: it is not a child.
"""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush

from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

READY = "ready"
WORKING = "working"
WAITING = "waiting"
RESTING = "resting"
HELD = "held"
ENDED = "ended"

_Turn = tuple[bool, int, str]
"""A place in a line, least first: whether it is a child that was never at work, a number, the run's id."""


class _Limit:
    """How many of one fan-out's runs may be at work; those that are ready and may not stand aside, out of the line."""

    __slots__ = ("aside", "most", "working")

    def __init__(self, most: int) -> None:
        self.most = most
        self.working = 0
        self.aside: list[_Turn] = []


class _Run:
    __slots__ = ("awaits", "begun", "causes", "counts", "events", "failed", "limit", "number", "open_events", "phase")

    def __init__(self, number: int, cause: str | None, limit: _Limit | None) -> None:
        self.number = number
        self.causes = [] if cause is None else [cause]
        self.counts = cause is not None
        self.limit = limit
        self.phase = READY
        self.begun = False
        self.failed = False
        self.events: list[str] = []
        self.open_events = 0
        self.awaits: tuple[str, ...] = ()


class _Event:
    __slots__ = ("emitter", "failed", "open_runs", "runs")

    def __init__(self, emitter: str) -> None:
        self.emitter = emitter
        self.failed = False
        self.runs: list[str] = []
        self.open_runs = 0


@record
class KnownRun:
    """A run of a tree that is taken over."""

    id: str
    ended: bool = False
    failed: bool = False
    """Whether it stays failed."""
    begun: bool = False
    """Whether it was at work before."""
    awaits: tuple[str, ...] = ()
    """The events of its own that it waits for."""
    held: bool = False


@record
class KnownEvent:
    """An event of a tree that is taken over."""

    id: str
    emitter: str
    runs: tuple[str, ...]
    limit: int | None = None
    fan_out: str | None = None
    """What it shares its limit with; with no other event by default."""


class Scheduler:
    """The bookkeeping of one tree.

    Every method costs time in proportion to what it changes (but for the logarithm of a heap), or else says so.

    Tell it what happened (``add_root``, ``started``, ``emitted``, ``wait``, ``rest``, ``wake``, ``ended``); ask it what
    may start (``startable``), and what was settled (``take_settled``) and who need not wait any longer
    (``take_answered``) since it was last asked. A call that does not fit the phase of a run raises ``ValueError``: it
    is a bug in the caller.
    """

    def __init__(self, cap: int) -> None:
        if cap < 1:
            raise ValueError(f"the cap must be at least 1, not {cap}")
        self._cap = cap
        self._runs: dict[str, _Run] = {}
        self._events: dict[str, _Event] = {}
        self._line: list[_Turn] = []
        self._numbers = 0
        self._settled: list[str] = []
        self._answered: list[tuple[str, tuple[str, ...]]] = []
        self._limits: dict[str, _Limit] = {}
        self._working = 0
        self._unfinished = 0

    @property
    def finished(self) -> bool:
        """Whether every run has ended."""
        return self._unfinished == 0

    @property
    def working(self) -> int:
        """How many places under the cap are taken; the root needs none."""
        return self._working

    def phase(self, run_id: str) -> str:
        """``ready``, ``working``, ``waiting``, ``resting``, ``held`` or ``ended``."""
        return self._runs[run_id].phase

    def failed(self, run_id: str) -> bool:
        """Whether a run has failed, or one that it triggered, however far down."""
        return self._runs[run_id].failed

    def failed_below(self, event_id: str) -> bool:
        """Whether a run that the event started, or one further down, has failed."""
        return self._events[event_id].failed

    def add_root(self, run_id: str) -> None:
        """The run that no event started."""
        self._add(run_id, None, None)

    def restore(self, runs: Sequence[KnownRun], events: Iterable[KnownEvent]) -> None:
        """Take over a tree that is to go on, its runs and events in the order of their planning. For an empty one."""
        known = tuple(events)
        self._restore_runs(runs, known)
        for event in known:
            emitter = self._runs[event.emitter]
            made = self._events[event.id] = _Event(event.emitter)
            made.runs, made.open_runs = list(event.runs), len(event.runs)
            emitter.events.append(event.id)
            emitter.open_events += 1
        for given in runs:
            self._runs[given.id].awaits = given.awaits
        for event in known:
            if not event.runs:
                self._settle(event.id)
        for run in tuple(self._runs.values()):
            # One that has emitted something is closed when the last of that is settled.
            if run.phase == ENDED and not run.events:
                self._close(run)

    def _restore_runs(self, runs: Iterable[KnownRun], events: Iterable[KnownEvent]) -> None:
        limits: dict[str, _Limit | None] = {}
        causes: dict[str, list[str]] = {}
        for event in events:
            limit = self._limit(event.fan_out or event.id, event.limit)
            for run_id in event.runs:
                limits.setdefault(run_id, limit)
                causes.setdefault(run_id, []).append(event.id)
        for given in runs:
            own = causes.get(given.id, [])
            run = self._runs[given.id] = _Run(self._next_number(), own[0] if own else None, limits.get(given.id))
            run.causes, run.begun, run.failed = own, given.begun, given.failed
            if given.ended:
                run.phase = ENDED
                continue
            self._unfinished += 1
            if given.held or given.awaits:
                run.phase = HELD if given.held else WAITING
            else:
                heappush(self._line, (run.counts and not run.begun, run.number if run.counts else 0, given.id))

    def wait(self, run_id: str, event_ids: Sequence[str]) -> None:
        """A run at work waits for events of its own, and leaves work until all of them are settled."""
        run, events = self._runs[run_id], [self._events[event_id] for event_id in event_ids]
        if run.phase != WORKING or any(event.emitter != run_id for event in events):
            raise ValueError(f"{run_id} is {run.phase} and cannot wait for {', '.join(event_ids)}")
        self._leave(run, WAITING)
        run.awaits = tuple(event_ids)
        self._go_on_if_settled(run_id, run)

    def emitted(
        self,
        run_id: str,
        event_id: str,
        children: Iterable[str],
        *,
        failed: bool = False,
        limit: int | None = None,
        fan_out: str | None = None,
        held: Container[str] = (),
    ) -> None:
        """A run emitted an event that starts these runs; none is fine. ``failed``: its plan was refused.

        Those of them that are ``held`` start only after ``release``; one of these may be there already, because of
        another event, and then has both as its causes.

        ``limit``: at most so many of these runs, and of those that other events of the same ``fan_out`` start, are at
        work at once; runs further down do not count.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"the limit must be at least 1, not {limit}")
        run = self._runs[run_id]
        if event_id in self._events:
            raise ValueError(f"the event {event_id} was emitted before")
        if run.phase != WORKING:
            raise ValueError(f"{run_id} is {run.phase} and emitted an event")
        event = self._events[event_id] = _Event(run_id)
        event.failed = failed
        run.events.append(event_id)
        run.open_events += 1
        shared = self._limit(fan_out or event_id, limit)
        for child in children:
            if child in held and child in self._runs:
                self._join(child, event_id)
            else:
                self._add(child, event_id, shared, held=child in held)
            event.runs.append(child)
            event.open_runs += 1
        if event.open_runs == 0:
            self._settle(event_id)

    def release(self, run_id: str) -> None:
        """A run that was held becomes startable."""
        run = self._runs[run_id]
        if run.phase != HELD:
            raise ValueError(f"{run_id} is {run.phase} and cannot be released")
        run.phase = READY
        heappush(self._line, (run.counts, run.number, run_id))

    def borrow(self) -> bool:
        """Take a place under the cap for something beside the runs at work; False if there is none."""
        if self._working >= self._cap:
            return False
        self._working += 1
        return True

    def give_back(self) -> None:
        """Give a place back that was taken so."""
        self._working -= 1

    def startable(self) -> list[str]:
        """The runs to start now, as many as the cap and the limits leave room for.

        Each is reported by ``started`` next, or by ``ended`` if it is not to start after all. The root goes first,
        since it needs no place; then runs that waited or rested: they hold checkouts, and what they do next is what
        others wait for. A run of an event whose limit is reached lets those behind it pass.
        """
        chosen: list[str] = []
        room = self._cap - self._working
        given: Counter[_Limit] = Counter()
        while (run_id := self._first_of(self._line)) is not None:
            run = self._runs[run_id]
            if run.counts and room <= 0:
                break
            turn = heappop(self._line)
            if run.limit is not None:
                if run.limit.working + given[run.limit] >= run.limit.most:
                    heappush(run.limit.aside, turn)
                    continue
                given[run.limit] += 1
            room -= run.counts
            chosen.append(run_id)
        return chosen

    def started(self, run_id: str) -> None:
        """A run that was startable is now at work."""
        run = self._runs[run_id]
        if run.phase != READY:
            raise ValueError(f"{run_id} is {run.phase} and cannot start")
        run.phase = WORKING
        run.begun = True
        self._working += run.counts
        if run.limit is not None:
            run.limit.working += 1

    def rest(self, run_id: str) -> None:
        """The try of a run at work has crashed, and it is to have another: it leaves work until ``wake``."""
        run = self._runs[run_id]
        if run.phase != WORKING:
            raise ValueError(f"{run_id} is {run.phase} and cannot rest")
        self._leave(run, RESTING)

    def wake(self, run_id: str) -> None:
        """A run that rested becomes startable again."""
        run = self._runs[run_id]
        if run.phase != RESTING:
            raise ValueError(f"{run_id} is {run.phase} and cannot wake")
        self._wake(run_id, run)

    def ended(self, run_id: str, *, failed: bool) -> None:
        """A run has ended; or will never start, or start again, if it was not at work.

        The events that it waited for, if it did, go on by themselves; nobody waits for them any more.
        """
        run = self._runs[run_id]
        if run.phase == ENDED:
            raise ValueError(f"{run_id} is ended and cannot end")
        run.awaits = ()
        self._leave(run, ENDED)
        run.failed = run.failed or failed
        self._unfinished -= 1
        if run.open_events == 0:
            self._close(run)

    def open_runs(self, event_id: str) -> list[str]:
        """The runs that have not ended of those that the event started, or that were started further down.

        In the order of their planning, so that parents come before their children: whoever ends them all in this
        order wakes none of them, unless one that was held was planned before its last cause. Costs time in proportion
        to all runs below the event.
        """
        found: dict[str, int] = {}
        events = [event_id]
        while events:
            for run_id in self._events[events.pop()].runs:
                run = self._runs[run_id]
                if run.phase != ENDED:
                    found[run_id] = run.number
                events += run.events
        return sorted(found, key=found.__getitem__)

    def waits_for_run(self, run_id: str, other: str) -> bool:
        """Whether a run waits for an event that cannot be settled before another run has ended."""
        return any(other in self.open_runs(event_id) for event_id in self._runs[run_id].awaits)

    def is_idle(self) -> bool:
        """Whether nothing is at work, rests or can start: all that has not ended waits, or is held."""
        return all(run.phase in (ENDED, WAITING, HELD) for run in self._runs.values())

    def not_started(self, event_id: str) -> list[str]:
        """The runs that the event itself started which are ready and were never at work, in their order.

        Costs time in proportion to all runs that the event started.
        """
        runs = ((run_id, self._runs[run_id]) for run_id in self._events[event_id].runs)
        return [run_id for run_id, run in runs if run.phase == READY and not run.begun]

    def take_settled(self) -> list[str]:
        """The events that were settled since the last call, in that order."""
        settled, self._settled = self._settled, []
        return settled

    def take_answered(self) -> list[tuple[str, tuple[str, ...]]]:
        """The runs that need not wait any longer since the last call, each with the events that it waited for."""
        answered, self._answered = self._answered, []
        return answered

    def _add(self, run_id: str, cause: str | None, limit: _Limit | None, *, held: bool = False) -> None:
        if run_id in self._runs:
            raise ValueError(f"the run {run_id} is there already")
        run = self._runs[run_id] = _Run(self._next_number(), cause, limit)
        self._unfinished += 1
        if held:
            run.phase = HELD
        else:
            heappush(self._line, (run.counts, run.number, run_id))

    def _join(self, run_id: str, cause: str) -> None:
        run = self._runs[run_id]
        if run.phase != HELD:
            raise ValueError(f"{run_id} is {run.phase} and cannot take another event")
        run.causes.append(cause)

    def _limit(self, fan_out: str, most: int | None) -> _Limit | None:
        return None if most is None else self._limits.setdefault(fan_out, _Limit(most))

    def _go_on_if_settled(self, run_id: str, run: _Run) -> None:
        """Let a waiting run start again if none of the events that it waits for has an open run."""
        if not any(self._events[event_id].open_runs for event_id in run.awaits):
            self._answered.append((run_id, run.awaits))
            run.awaits = ()
            self._wake(run_id, run)

    def _wake(self, run_id: str, run: _Run) -> None:
        run.phase = READY
        heappush(self._line, (False, self._next_number() if run.counts else 0, run_id))

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _first_of(self, line: list[_Turn]) -> str | None:
        """Who is first in a line, or aside of it.

        Who has ended without having started is passed over here: cheaper than to look for it there.
        """
        while line and self._runs[line[0][2]].phase == ENDED:
            heappop(line)
        return line[0][2] if line else None

    def _leave(self, run: _Run, phase: str) -> None:
        """A run leaves work, or will never come to it.

        One that stands aside comes back into the line for each one that leaves, and no more: so nobody is looked at
        again who still cannot start, and no place is left empty that the leaver had or was to have.
        """
        was, run.phase = run.phase, phase
        if was == WORKING:
            self._working -= run.counts
        limit = run.limit
        if limit is None:
            return
        if was == WORKING:
            limit.working -= 1
        if was in (WORKING, READY) and self._first_of(limit.aside) is not None:
            heappush(self._line, heappop(limit.aside))

    def _settle(self, event_id: str) -> None:
        """An event has no open run left: wake who waits for it, and pass the news up as far as it goes."""
        pending = [event_id]
        while pending:
            settled = pending.pop()
            event = self._events[settled]
            self._settled.append(settled)
            emitter = self._runs[event.emitter]
            emitter.open_events -= 1
            emitter.failed = emitter.failed or event.failed
            if settled in emitter.awaits:
                self._go_on_if_settled(event.emitter, emitter)
            if emitter.phase == ENDED and not emitter.open_events:
                pending += self._causes_closed_by(emitter)

    def _close(self, run: _Run) -> None:
        for cause in self._causes_closed_by(run):
            self._settle(cause)

    def _causes_closed_by(self, run: _Run) -> list[str]:
        """Count a finished run off the events that started it; return those of which it was the last one."""
        closed = []
        for cause in run.causes:
            event = self._events[cause]
            event.open_runs -= 1
            event.failed = event.failed or run.failed
            if event.open_runs == 0:
                closed.append(cause)
        return closed
