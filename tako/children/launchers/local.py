"""Runs children on this machine, each as the leader of a session of its own."""

from __future__ import annotations

import os
import sys

from runner_child import ENTRY
from tako import cgroup
from tako.logs import logger
from tako.secrets.handover import DESCRIPTOR, VARIABLE, hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tako.children.launchers.base import Launch
    from tako.process import Outcome, Processes

GRACE_SECONDS = 10.0
"""Longer than a step's own grace, so that a child that is asked to stop can end its step first."""


class LocalLauncher:
    """Starts ``runner_child`` with this Python.

    The child's stdin is a pipe that nothing is written to: when it closes, the root is gone (the lifeline). It is the
    same for all, and open as long as the root is there: what a child has left running has it, too.
    """

    def __init__(
        self,
        processes: Processes,
        *,
        env: Mapping[str, str],
        hidden: Collection[str] = (),
        argv: Sequence[str] = (),
        group: str | None = None,
    ) -> None:
        """``hidden`` are variables of ``env`` that no child gets; it may grow.

        ``group`` is the control group of the tree, in which each child has one of its own, if it may have any.
        """
        self._group = group
        self._processes = processes
        self._hidden = hidden
        self._env = {**env, "TAKO_LIFELINE": "1"}
        self._argv = tuple(argv) or (sys.executable, "-S", ENTRY)
        self._log = logger("launcher")

    def launch(self, launch: Launch) -> Outcome:
        """Run a child; see ``Launcher``."""
        env = {**self._inherited(), **launch.env}
        opened: list[int] = []
        try:
            for what in ("a child's stdout", "a child's stderr"):
                opened += self._processes.pipe(what, lasting=True)
            out_read, out_write, words_read, words_write = opened
            more: dict[int, int] = {}
            if launch.secrets:
                kept = self._processes.descriptor(lambda: hand_over(launch.secrets), "a file for a child's secrets")
                opened.append(kept)
                more[DESCRIPTOR] = kept
                env[VARIABLE] = str(DESCRIPTOR)
            group = self._group_of(launch.directory)
            if group is not None:
                env[cgroup.VARIABLE] = group
            process = self._processes.spawn(
                [*self._argv, launch.directory],
                env=env,
                stdin=self._processes.lifeline(),
                stdout=out_write,
                stderr=words_write,
                more=more,
                session=True,
                group=group,
                listens=True,
            )
            for descriptor in (out_write, words_write, *more.values()):
                os.close(descriptor)
                opened.remove(descriptor)
            self._log.debug("started", child=process.pid, argv=process.argv)
            outcome = self._processes.supervise(
                process,
                {out_read: launch.on_output, words_read: launch.on_words},
                stops=launch.stops,
                due=launch.due,
                closed=lambda descriptor: launch.on_closed() if descriptor == out_read else None,
                grace=GRACE_SECONDS + launch.more_grace,
                whole_tree=False,
            )
            self._log.debug("ended", child=process.pid, how=outcome.exit.describe(), stopped=outcome.stopped)
            return outcome
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _group_of(self, directory: str) -> str | None:
        """The control group of a child, made; None where there is none to be had."""
        if self._group is None:
            return None
        group = os.path.join(self._group, os.path.basename(directory))
        return group if cgroup.make(group) else None

    def _inherited(self) -> Mapping[str, str]:
        if not self._hidden:
            return self._env
        return {name: value for name, value in self._env.items() if name not in self._hidden}
