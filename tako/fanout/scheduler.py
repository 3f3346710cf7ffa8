"""Which runs of a tree may start, which wait, what is done. Pure: no process, no file, no clock.

The tree has runs and events. A run emits events, an event starts runs. A run is at work, waits for one of its events,
or has ended. An event is settled when each run that it started has ended and every event of those is settled: that is
what a waiting run waits for, and what lets the whole tree end.

Only a run that is at work holds a place under the cap, so nested fan-outs cannot block each other at any cap. The root
holds none: it is not a child.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

READY = "ready"
WORKING = "working"
WAITING = "waiting"
ENDED = "ended"


class _Run:
    __slots__ = ("cause", "counts", "failed", "open_events", "phase")

    def __init__(self, cause: str | None) -> None:
        self.cause = cause
        self.counts = cause is not None
        self.phase = READY
        self.failed = False
        self.open_events = 0


class _Event:
    __slots__ = ("emitter", "failed", "open_runs", "waiting")

    def __init__(self, emitter: str, waiting: bool) -> None:
        self.emitter = emitter
        self.waiting = waiting
        self.failed = False
        self.open_runs = 0


class Scheduler:
    """The bookkeeping of one tree; every method costs time in proportion to what it changes.

    Tell it what happened (``add_root``, ``started``, ``emitted``, ``ended``); ask it what may start
    (``startable``) and what was settled since it was last asked (``take_settled``). A call that does not fit the
    phase of a run raises ``ValueError``: it is a bug in the caller.
    """

    def __init__(self, cap: int) -> None:
        if cap < 1:
            raise ValueError(f"the cap must be at least 1, not {cap}")
        self._cap = cap
        self._runs: dict[str, _Run] = {}
        self._events: dict[str, _Event] = {}
        self._fresh: deque[str] = deque()
        self._woken: deque[str] = deque()
        self._settled: list[str] = []
        self._working = 0
        self._unfinished = 0

    @property
    def finished(self) -> bool:
        """Whether every run has ended."""
        return self._unfinished == 0

    @property
    def working(self) -> int:
        """How many children are at work, the root not counted."""
        return self._working

    def phase(self, run_id: str) -> str:
        """``ready``, ``working``, ``waiting`` or ``ended``."""
        return self._runs[run_id].phase

    def failed(self, run_id: str) -> bool:
        """Whether a run has failed, or one that it triggered, however far down."""
        return self._runs[run_id].failed

    def failed_below(self, event_id: str) -> bool:
        """Whether a run that the event started, or one further down, has failed."""
        return self._events[event_id].failed

    def add_root(self, run_id: str) -> None:
        """The run that no event started."""
        self._add(run_id, None)

    def emitted(
        self, run_id: str, event_id: str, children: Iterable[str], *, waiting: bool, failed: bool = False
    ) -> None:
        """A run emitted an event that starts these runs; none is fine. ``failed``: its plan was refused.

        A run that emits a waiting event leaves work with it, and becomes startable again when the event is settled.
        """
        run = self._runs[run_id]
        if event_id in self._events:
            raise ValueError(f"the event {event_id} was emitted before")
        if run.phase != WORKING:
            raise ValueError(f"{run_id} is {run.phase} and emitted an event")
        event = self._events[event_id] = _Event(run_id, waiting)
        event.failed = failed
        run.open_events += 1
        if waiting:
            self._leave_work(run, WAITING)
        for child in children:
            self._add(child, event_id)
            event.open_runs += 1
        if event.open_runs == 0:
            self._settle(event_id)

    def startable(self) -> list[str]:
        """The runs to start now, as many as the cap leaves room for; each is reported by ``started`` next.

        Runs that waited go first: they hold checkouts, and what they do next is what others wait for.
        """
        chosen: list[str] = []
        room = self._cap - self._working
        for queue in (self._woken, self._fresh):
            while queue:
                run = self._runs[queue[0]]
                if run.phase == ENDED:  # without having started: cheaper to pass over here than to look for there
                    queue.popleft()
                    continue
                if run.counts and room <= 0:
                    break
                room -= run.counts
                chosen.append(queue.popleft())
        return chosen

    def started(self, run_id: str) -> None:
        """A run that was startable is now at work."""
        run = self._runs[run_id]
        if run.phase != READY:
            raise ValueError(f"{run_id} is {run.phase} and cannot start")
        run.phase = WORKING
        self._working += run.counts

    def ended(self, run_id: str, *, failed: bool) -> None:
        """A run has ended; or will never start, if it was ready."""
        run = self._runs[run_id]
        if run.phase not in (WORKING, READY):
            raise ValueError(f"{run_id} is {run.phase} and cannot end")
        if run.phase == READY:
            run.phase = ENDED
        else:
            self._leave_work(run, ENDED)
        run.failed = run.failed or failed
        self._unfinished -= 1
        if run.open_events == 0:
            self._close(run)

    def take_settled(self) -> list[str]:
        """The events that were settled since the last call, in that order."""
        settled, self._settled = self._settled, []
        return settled

    def waiter(self, event_id: str) -> str | None:
        """The run that waited for an event, if one did."""
        event = self._events[event_id]
        return event.emitter if event.waiting else None

    def _add(self, run_id: str, cause: str | None) -> None:
        if run_id in self._runs:
            raise ValueError(f"the run {run_id} is there already")
        self._runs[run_id] = _Run(cause)
        self._fresh.append(run_id)
        self._unfinished += 1

    def _leave_work(self, run: _Run, phase: str) -> None:
        self._working -= run.counts
        run.phase = phase

    def _settle(self, event_id: str) -> None:
        """An event has no open run left: wake its waiter, and pass the news up as far as it goes."""
        pending: str | None = event_id
        while pending is not None:
            event = self._events[pending]
            self._settled.append(pending)
            emitter = self._runs[event.emitter]
            emitter.open_events -= 1
            emitter.failed = emitter.failed or event.failed
            if event.waiting:
                emitter.phase = READY
                self._woken.append(event.emitter)
            pending = self._cause_closed_by(emitter) if emitter.phase == ENDED and not emitter.open_events else None

    def _close(self, run: _Run) -> None:
        cause = self._cause_closed_by(run)
        if cause is not None:
            self._settle(cause)

    def _cause_closed_by(self, run: _Run) -> str | None:
        """Count a finished run off its event; return the event if that was the last one."""
        if run.cause is None:
            return None
        event = self._events[run.cause]
        event.open_runs -= 1
        event.failed = event.failed or run.failed
        return run.cause if event.open_runs == 0 else None
