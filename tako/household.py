"""Which processes below this one are whose, and how those are ended, or stopped for a while, that are nobody's.

A child of this process was started by the gateway, which waits for it; or was there before, or was started past the
gateway by a library; or it is an orphan that was adopted (``tako.family``): what a process left behind that has ended.
"""

from __future__ import annotations

import contextlib
import os
import signal

# Not threading's: importing that would take every child 10 ms.
from _thread import allocate_lock

from runner_child import SERVER, WARDEN
from tako import family
from tako.family import Relative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tako.clock import Clock

LEFTOVER_GRACE_SECONDS = 0.5
"""Between asking what was left running to end (SIGTERM) and forcing it (SIGKILL)."""

UNKILLABLE_SECONDS = 5.0
"""After which a process that SIGKILL does not end is left to the kernel: it waits for a disk or a network."""

_FREEZING_SECONDS = 1.0

_HURRIED_ROUNDS = 200
"""Of SIGKILL without a pause, since what forks again and again is met only by who is as quick."""


class Household:
    """Which of this process's children are whose: those that were started here have somebody who waits for them."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._started: set[int] = set()
        self._apart: set[int] = set()
        self._strangers: frozenset[int] | None = None
        self.spares_services = False
        """Whether there may be keepers of services among the orphans, which are none."""

    def open(self) -> None:
        """Children that are there at first are somebody else's, as after ``exec`` in a shell with jobs."""
        if self._strangers is None:
            self._strangers = frozenset(family.own_children())

    @property
    def is_open(self) -> bool:
        """Whether strangers are told from orphans."""
        return self._strangers is not None

    def start(self, spawn: Callable[[], int], *, apart: bool = False) -> int:
        """Start a process; nobody can take it for an orphan in between. One ``apart`` is none of those at work."""
        with self._lock:
            pid = spawn()
            (self._apart if apart else self._started).add(pid)
        return pid

    def left(self, pid: int) -> None:
        """A process was waited for."""
        with self._lock:
            self._started.discard(pid)
            self._apart.discard(pid)

    def at_work(self) -> list[int]:
        """The processes that were started here and have not been waited for."""
        with self._lock:
            return list(self._started)

    def orphans(self) -> list[int]:
        """The children that were adopted; those that have ended are taken note of.

        One of our own process group was started past this gateway, by a library, which waits for it itself.
        """
        with self._lock:
            children = family.own_children()
            spared = self._started | self._apart | (self._strangers or frozenset())
        if not children:
            return []
        group = os.getpgrp()
        spared |= {pid for pid in children if pid not in spared and family.group_of(pid) == group}
        alive = family.reap(children, spared)
        return [pid for pid in alive if not _serves(pid)] if self.spares_services else alive

    def services(self) -> dict[int, str]:
        """The children that keep a step that was left running, adopted or not: pids to the files of their records.

        They are no orphans: what started them may end before they do.
        """
        return {pid: record for pid in family.own_children() if (record := _serves(pid))}


def _serves(pid: int) -> str:
    """Of a keeper of a service, the file of its record; empty for any other process, and for one that has ended."""
    with contextlib.suppress(OSError):
        # A keeper leads a session. To read what all others are takes time, in which one that forks again and again is
        # another.
        if os.getsid(pid) != pid:
            return ""
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if os.fsencode(SERVER) in words:
            return os.fsdecode(words[words.index(os.fsencode(SERVER)) + 1])
    return ""


def _is_warden(pid: int) -> bool:
    with contextlib.suppress(OSError):
        if os.getsid(pid) != pid:
            return False
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(WARDEN) in file.read().split(b"\0")
    return False


household = Household()
"""That of this process; there is one, as there is one set of children."""


def is_alone() -> bool:
    """Whether this process certainly has no child of any kind, and so nothing below it that it would adopt."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def adopted() -> list[Relative]:
    """The orphans with all below them."""
    return family.descendants(household.orphans())


def end_all(
    find: Callable[[], Sequence[Relative]],
    clock: Clock,
    *,
    force: bool = False,
    grace: float = LEFTOVER_GRACE_SECONDS,
    none_left: Callable[[], bool] = lambda: False,
    looks: int = 1,
) -> int:
    """End what ``find`` finds: SIGTERM, after ``grace`` seconds SIGKILL, or that at once with ``force``.

    Looks again until there is none, since a process may be born while others are being ended. One that forks and ends
    all the time is easily missed by one look (proc_pid_tid_children(5)): it is over when ``none_left`` is certain, or
    when ``looks`` in a row have found nothing. Returns how many there were.
    """
    asked: set[int] = set()
    kill_at = clock.monotonic() + (0.0 if force else grace)
    pause, rounds = 0.001, 0
    empty = 0
    while empty < looks and not none_left():
        found = find()
        if not found:
            empty += 1
            continue
        empty = 0
        now = clock.monotonic()
        if now >= kill_at + UNKILLABLE_SECONDS:
            break
        for relative in found:
            if now >= kill_at:
                family.send(relative, signal.SIGKILL)
            elif relative.pid not in asked and family.send(relative, signal.SIGTERM):
                # Asked once only: many programs take a second SIGTERM as leave to skip their cleaning up.
                family.send(relative, signal.SIGCONT)
        asked.update(relative.pid for relative in found)
        rounds += now >= kill_at
        if not 0 < rounds < _HURRIED_ROUNDS:
            clock.sleep(pause)
            pause = min(pause * 1.5, 0.02)
    return len(asked)


def kill_all(clock: Clock) -> None:
    """Kill everything below this process at once, its own children included."""
    end_all(lambda: family.descendants(family.own_children()), clock, force=True)


def kill_ours(clock: Clock) -> None:
    """Kill what was started here, with all below, and what it has left: for a process that was torn from its waiting.

    What ends a process by an exception, wherever that strikes, may come between its start and the waiting for it.
    """
    if household.is_open:
        end_all(_all_below, clock, force=True)


def freeze(clock: Clock) -> None:
    """Stop all that was started here or adopted, with all below (SIGSTOP), until ``thaw``.

    Returns when all stand still, since what still runs may start another. A warden of a Tako that a step has started
    is left alone: it does nothing before that Tako is killed, and would not notice that if it stood still.
    """
    told: set[int] = set()
    give_up = clock.monotonic() + _FREEZING_SECONDS
    all_stand_still = False
    while clock.monotonic() < give_up:
        found = [relative for relative in _all_below() if not _is_warden(relative.pid)]
        new = [relative for relative in found if relative.pid not in told]
        if all_stand_still and not new:
            return
        for relative in new:
            family.send(relative, signal.SIGSTOP)
        told.update(relative.pid for relative in new)
        # What was born while we looked is found by another look, which begins when nobody can have children any more.
        all_stand_still = all(family.is_stopped(relative.pid) for relative in found)
        clock.sleep(0.001)


def thaw() -> None:
    """Let it all go on."""
    for relative in _all_below():
        family.send(relative, signal.SIGCONT)


def _all_below() -> list[Relative]:
    return family.descendants([*household.at_work(), *household.orphans(), *household.services()])
