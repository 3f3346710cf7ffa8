"""The directories of root runs, seen from outside: how old they are, who is at work in them, and how one is removed.

What is removed is first renamed to ``.trash-<run id>``: whoever is killed in between leaves nothing that looks like a
run, and who cleans up next removes the rest.
"""

from __future__ import annotations

import contextlib
import os

from tako.directories import measure, mounts_below, remove
from tako.errors import LockTimeoutError, MachineError, UsageError
from tako.execution.alive import root_lives
from tako.execution.workspace import Workspace, workspaces_dir
from tako.files import machine_errors
from tako.locks import exclusive, holder, is_held, own
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tako.clock import Clock
    from tako.directories import Size, Unremoved

TRASH = ".trash-"
LOCK = ".clean.lock"

PATIENCE_SECONDS = 600.0
"""How long to wait for somebody else who cleans up."""


@record
class Removed:
    """What became of a directory that was to be removed."""

    freed: int
    """Bytes on the disk."""
    unremoved: tuple[Unremoved, ...] = ()


def last_active(workspace: Workspace) -> float:
    """When a run last did something, in seconds since 1970. Raises ``MachineError`` if its directory is gone."""
    times = []
    for path in (workspace.journal, workspace.state, workspace.request):
        with contextlib.suppress(OSError):
            times.append(os.stat(path).st_mtime)
    with machine_errors("look at", workspace.path):
        return max(times) if times else os.stat(workspace.path).st_mtime


def trash(home: str) -> tuple[str, ...]:
    """The directories that somebody has begun to remove, sorted."""
    directory = workspaces_dir(home)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return ()
    return tuple(os.path.join(directory, name) for name in sorted(names) if name.startswith(TRASH))


@contextlib.contextmanager
def cleaning(home: str, *, clock: Clock, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Be the only one who cleans up. ``waiting`` is told if somebody else does for long; without it nobody waits.

    Raises ``LockTimeoutError``, or ``MachineError``.
    """
    path = os.path.join(workspaces_dir(home), LOCK)
    if waiting is None:
        with own(path, clock=clock):
            yield
        return
    with exclusive(path, clock=clock, timeout=PATIENCE_SECONDS, waiting=waiting):
        yield


def who_works(home: str, workspace: Workspace) -> str | None:
    """Who is at work in a run's directory; None if nobody is. Raises ``MachineError`` if that cannot be found out."""
    if is_held(workspace.run_lock):
        return holder(workspace.run_lock)
    return _who_else(home, workspace)


def discard(home: str, workspace: Workspace, *, clock: Clock) -> Removed:
    """Remove a run's directory. For who is the only one to clean up.

    Nobody can resume the run meanwhile. Raises ``UsageError`` if somebody is at work in it, ``MachineError`` if it
    could not be begun to be removed; it is then whole.
    """
    run_id = os.path.basename(workspace.path)
    if not os.path.isdir(workspace.path):
        # Taking its lock would make it.
        return Removed(0)
    # Before the lock is taken, which puts a name into its file.
    size = measure(workspace.path)
    try:
        with own(workspace.run_lock, clock=clock):
            worker = _who_else(home, workspace)
            if worker is not None:
                raise _alive(run_id, worker)
            mounted = mounts_below(workspace.path)
            if mounted:
                raise MachineError(
                    f"cannot remove {run_id}: something is mounted at {mounted[0]}",
                    where=workspace.path,
                    cure=f"unmount it: umount {mounted[0]}",
                )
            away = _name_in_trash(home, run_id)
            with machine_errors("remove", workspace.path):
                os.rename(workspace.path, away)
            return _removed(away, size)
    except LockTimeoutError as error:
        raise _alive(run_id, holder(workspace.run_lock)) from error


def empty(path: str) -> Removed:
    """Remove what is in the trash."""
    return _removed(path, measure(path))


def _removed(path: str, size: Size) -> Removed:
    unremoved = remove(path)
    left = measure(path).disk if unremoved else 0
    return Removed(max(size.disk - left, 0), unremoved)


def _name_in_trash(home: str, run_id: str) -> str:
    path = os.path.join(workspaces_dir(home), f"{TRASH}{run_id}")
    number = 1
    while os.path.lexists(path):
        # What is left of this one's could not be removed, and somebody has brought the run back.
        number += 1
        path = os.path.join(workspaces_dir(home), f"{TRASH}{run_id}-{number}")
    return path


def _alive(run_id: str, worker: str) -> UsageError:
    return UsageError(
        f"{run_id} is alive: {worker} is at work in it",
        cure=f"wait until it has ended, or end it with `tako cancel {run_id}`",
    )


def _who_else(home: str, workspace: Workspace) -> str | None:
    """Who is at work in a run's directory beside the holder of its lock: its root, or a child that was run by hand."""
    if root_lives(home, os.path.basename(workspace.path)):
        return "the process that registered it"
    for lock in _locks_below(workspace):
        if is_held(lock):
            return holder(lock)
    return None


def _locks_below(workspace: Workspace) -> Iterator[str]:
    pending = [workspace]
    while pending:
        parent = pending.pop()
        try:
            names = os.listdir(os.path.join(parent.path, "children"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise MachineError(f"cannot look for runs that are alive: {error.strerror}", where=parent.path) from error
        for name in names:
            child = parent.child(name)
            yield child.run_lock
            pending.append(child)
