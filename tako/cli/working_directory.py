"""Lets one run at a time work in a directory: two would run over each other's files."""

from __future__ import annotations

import contextlib
import math
import os

from tako.clock import iso
from tako.errors import LockTimeoutError, MachineError, RunAliveError, TakoError
from tako.execution.alive import alive_runs
from tako.execution.request import read_request
from tako.execution.workspace import root_workspace
from tako.family import parent_of
from tako.locks import directory, holders
from tako.records import record
from tako.stdio import say_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tako.wiring import Wiring


@contextlib.contextmanager
def alone_in(path: str, wiring: Wiring, *, wait: bool) -> Iterator[bool]:
    """Be the only run that works in a directory. Yields whether that took waiting, so that its files may have changed.

    A run that the holder itself started, in a step, does not wait for it: both would wait for ever. Raises
    ``RunAliveError`` if the directory is in use and ``wait`` is false, ``KeyboardInterrupt`` for who stops waiting.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(directory(path, clock=wiring.clock, timeout=0.0))
            waited = False
        except MachineError as error:
            say_line(f"warning: {error}; another run in this directory would run over this one")
            waited = False
        except LockTimeoutError as error:
            waited = _is_to_wait(path, wiring, error, wait=wait)
            if waited:
                held.enter_context(directory(path, clock=wiring.clock, timeout=math.inf))
        yield waited


def _is_to_wait(path: str, wiring: Wiring, error: LockTimeoutError, *, wait: bool) -> bool:
    """Say for whom, or why not."""
    holder = _holder(path, wiring.settings.home)
    if not holder.pids.isdisjoint(_ancestors()):
        say_line(f"{path} is in use by {holder}, which started this run; not waiting for it")
        return False
    if not wait:
        stop = f", stop it with `tako cancel {holder.run_id}`" if holder.run_id else ""
        raise RunAliveError(
            f"{path} is in use by {holder}", cure=f"wait until that has ended{stop}, or run without --no-wait"
        ) from error
    say_line(f"{path} is in use; waiting for {holder}")
    return True


@record
class _Holder:
    """Who works in a directory."""

    pids: frozenset[int]
    run_id: str = ""
    """Empty if it is no run of this Tako home."""
    since: float = 0.0

    def __str__(self) -> str:
        if not self.pids:
            return "another process"
        processes = f"process {' and '.join(map(str, sorted(self.pids)))}"
        return f"{self.run_id} ({processes}, since {iso(self.since)})" if self.run_id else processes


def _holder(path: str, home: str) -> _Holder:
    pids = frozenset(holders(path))
    for run in alive_runs(home):
        pid = run.root.pid if run.root is not None else 0
        # Not every file system has its locks listed under the number that its files tell.
        if pid in pids or (not pids and pid and _works_in(path, home, run.run_id)):
            return _Holder(frozenset({pid}), run.run_id, run.started_at)
    return _Holder(pids)


def _works_in(path: str, home: str, run_id: str) -> bool:
    try:
        request = read_request(root_workspace(home, run_id).request)
        return not request.private and os.path.samefile(request.source, path)
    except (OSError, TakoError):
        return False


def _ancestors() -> set[int]:
    found: set[int] = set()
    pid = os.getppid()
    while pid > 0 and pid not in found:
        found.add(pid)
        pid = parent_of(pid)
    return found
