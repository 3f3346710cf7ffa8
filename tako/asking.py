"""Asks a process to end together with what it started, and waits for all of it once it was asked."""

from __future__ import annotations

import signal

from tako import cgroup, family
from tako.household import adopted, household
from tako.patience import ASK, FORCE, INTERRUPT
from tako.signals import signal_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.family import Relative
    from tako.patience import Awake, Patience
    from tako.process import Process
    from tako.watch import Watch

_NUMBERS = {INTERRUPT: signal.SIGINT, ASK: signal.SIGTERM, FORCE: signal.SIGKILL}

_LOOK_SECONDS = 0.02


class Asked:
    """One process, and what was asked with it."""

    def __init__(self, process: Process, *, adopts: bool, whole_tree: bool) -> None:
        """``adopts`` says whether this process adopts orphans, ``whole_tree`` whether all below is asked, too."""
        self._process = process
        self._adopts = adopts
        self._whole_tree = whole_tree
        self._below: set[int] = set()
        """The pids of those outside the process's group that were asked."""

    def urge(self, action: str) -> None:
        """Ask or force; what is stopped can only be forced, so it is woken when it is asked."""
        number, process = _NUMBERS[action], self._process
        if action == FORCE and process.group is not None and not household.spares_services:
            # Services are asked first, each by itself.
            cgroup.kill(process.group)
        below = family.descendants([process.pid]) if self._whole_tree and self._adopts else []
        signal_group(process.pid, number)
        signal_group(process.pid, signal.SIGCONT)
        for relative in below:
            if family.group_of(relative.pid) != process.pid and family.send(relative, number):
                family.send(relative, signal.SIGCONT)
                self._below.add(relative.pid)

    def see_out(self, patience: Patience, awake: Awake, watch: Watch) -> None:
        """Give what was asked the rest of its time, though the process itself has ended.

        A shell dies of a signal at once; what it ran is cleaning up. What was never asked, a daemon that was adopted
        before, is not waited for here.
        """
        if not self._whole_tree:
            return
        while not patience.forced and (left := self._left()):
            if all(family.ignores(relative.pid, signal.SIGINT) for relative in left):
                # As what a shell starts in the background does: nothing comes of waiting.
                patience.hurry(awake.now())
            action = patience.decide(awake.now(), watch.seen(None))
            for relative in left if action is not None else ():
                if family.send(relative, _NUMBERS[str(action)]):
                    family.send(relative, signal.SIGCONT)
            if action is None:
                watch.turn(_LOOK_SECONDS)

    def _left(self) -> Sequence[Relative]:
        if not self._adopts:
            return self._process.members()
        group = self._process.pid
        return [each for each in adopted() if each.pid in self._below or family.group_of(each.pid) == group]
