"""Runs children on this machine, each as the leader of a session of its own."""

from __future__ import annotations

import os
import sys

from runner_child import ENTRY
from tako.errors import MachineError
from tako.execution.workspace import Workspace
from tako.logs import logger
from tako.signals import StopSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tako.process import Processes
    from tako.signals import Exit

GRACE_SECONDS = 10.0
"""Longer than a step's own grace, so that a child that is asked to stop can end its step first."""


class LocalLauncher:
    """Starts ``runner_child`` with this Python.

    The child's stdin is a pipe that nothing is written to: when it closes, the root is gone (the lifeline).
    """

    def __init__(self, processes: Processes, *, env: Mapping[str, str], argv: Sequence[str] = ()) -> None:
        self._processes = processes
        self._env = {**env, "TAKO_LIFELINE": "1"}
        self._argv = tuple(argv) or (sys.executable, "-S", ENTRY)
        self._log = logger("launcher")

    def launch(self, directory: str, *, on_output: Callable[[bytes], bool], stop_fd: int) -> Exit:
        """Run the child of a directory; see ``Launcher``."""
        obey = StopSignal()

        def take(data: bytes) -> None:
            if not on_output(data):
                obey.set()

        lifeline, keep = os.pipe()
        out_read, out_write = os.pipe()
        log = self._open_log(Workspace(directory).child_log)
        try:
            try:
                process = self._processes.spawn(
                    [*self._argv, directory],
                    env=self._env,
                    stdin=lifeline,
                    stdout=out_write,
                    stderr=log,
                    session=True,
                )
            finally:
                for descriptor in (lifeline, out_write, log):
                    os.close(descriptor)
            self._log.debug("started", child=process.pid, argv=process.argv)
            outcome = self._processes.supervise(
                process, {out_read: take}, stop_fds=(stop_fd, obey.fd), grace=GRACE_SECONDS
            )
            self._log.debug("ended", child=process.pid, how=outcome.exit.describe(), stopped=outcome.stopped)
            left = self._processes.end_session(process.pid)
            if left:
                self._log.debug("ended what it left", child=process.pid, pids=left)
            return outcome.exit
        finally:
            os.close(keep)
            os.close(out_read)
            obey.close()

    def _open_log(self, path: str) -> int:
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise MachineError(f"cannot open the child's log: {error.strerror}", where=path) from error
