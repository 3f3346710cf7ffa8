"""Keeps what Tako's own process started from outliving it.

Children have a lifeline and end their steps themselves. The root's steps have Tako as their parent, and nothing runs
any code when that is killed by SIGKILL; so a shell waits beside each of them for the end of a pipe that only Tako holds
open. ``PR_SET_PDEATHSIG`` would not do: it follows the thread that started the step, and reaches no grandchildren.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako.process import GRACE_SECONDS, Processes
from tako.signals import signal_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tako.process import Outcome, Process, Sink

# A line means that the step has ended, the end of the pipe that Tako has.
_WATCH = f'read -r _ || {{ kill -s TERM -- "-$1"; sleep {GRACE_SECONDS:.0f}; kill -s KILL -- "-$1"; }} 2>/dev/null'


class GuardedProcesses(Processes):
    """Processes whose groups are ended when this process is gone, however it went."""

    def supervise(
        self,
        process: Process,
        outputs: Mapping[int, Sink],
        *,
        stop_fds: Sequence[int] = (),
        timeout: float | None = None,
        grace: float = GRACE_SECONDS,
    ) -> Outcome:
        """Wait for a process, with a guard beside it; see ``Processes.supervise``."""
        lifeline, keep = os.pipe()
        argv = ["/bin/sh", "-c", _WATCH, "tako-guard", str(process.pid)]
        try:
            guard = self.spawn(argv, env={"PATH": os.defpath}, stdin=lifeline)
        except BaseException:
            os.close(keep)
            signal_group(process.pid, signal.SIGKILL)
            super().supervise(process, {})
            raise
        finally:
            os.close(lifeline)
        try:
            return super().supervise(process, outputs, stop_fds=stop_fds, timeout=timeout, grace=grace)
        finally:
            with contextlib.suppress(BrokenPipeError):
                os.write(keep, b"\n")
            os.close(keep)
            super().supervise(guard, {})
