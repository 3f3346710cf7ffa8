"""Control groups: where this process may make some, a tree of processes is in one, and the kernel ends it all at once.

Only the unified hierarchy is used (cgroup v2, https://docs.kernel.org/admin-guide/cgroup-v2.html), and none of its
controllers: a group holds whatever its members start, however that hides, and ``cgroup.kill`` (Linux 5.14) ends all of
it, whatever forks meanwhile. Where there is no such hierarchy, or it belongs to somebody else, there are no groups, and
everybody does without.
"""

from __future__ import annotations

import contextlib
import os

# Not threading's: importing that would take every child 10 ms.
from _thread import allocate_lock, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.clock import Clock

VARIABLE = "TAKO_CGROUP"
"""The variable by which a child is told the group that it is to enter."""

_EMPTY_WITHIN_SECONDS = 1.0
"""After which a member that SIGKILL does not end is left to the kernel: it waits for a disk or a network."""

_PAUSE_SECONDS = 0.001


def group_of_tree(root_id: str) -> str | None:
    """Where the group of a root run's tree may be made: in that of this process; None if none may be made there."""
    own = own_group(_lines("/proc/self/cgroup"), _lines("/proc/self/mountinfo"))
    # Who moves a process must be allowed to write to the group that it leaves, too.
    if own is None or not all(os.access(path, os.W_OK) for path in (own, os.path.join(own, "cgroup.procs"))):
        return None
    return os.path.join(own, f"tako-{root_id}")


def own_group(groups: Sequence[str], mounts: Sequence[str]) -> str | None:
    """The directory of the group that a process is in; None if it is not to be seen from where that process is.

    ``groups`` are the lines of its ``/proc/PID/cgroup`` (cgroups(7)), ``mounts`` those of its ``mountinfo``
    (proc_pid_mountinfo(5)), of which a hierarchy's may show only a part that this process is in or not.
    """
    within = next((line[3:] for line in groups if line.startswith("0::")), None)
    if within is None or ".." in within.split("/"):
        return None
    for line in mounts:
        mount, _, kind = line.partition(" - ")
        root, mounted_at = mount.split(" ")[3:5]
        root = root.rstrip("/")
        if kind.startswith("cgroup2 ") and f"{within}/".startswith(f"{root}/"):
            return os.path.normpath(mounted_at + within[len(root) :])
    return None


def make(path: str) -> bool:
    """Make a group, with those that it is in; False where that is refused, or the kernel cannot kill a group."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        return False
    return os.path.exists(os.path.join(path, "cgroup.kill"))


class Entrance:
    """This process on its way into a group. That takes the kernel up to 15 ms, in which other work can go on."""

    def __init__(self, path: str) -> None:
        """``path`` is the group, empty for none. If it is not to be had, this process stays where it is."""
        self._open = allocate_lock()
        if not path:
            return
        self._open.acquire()
        try:
            start_new_thread(self._enter, (path,))
        except RuntimeError:
            self._enter(path)

    def wait(self) -> None:
        """Return when all that this process starts from then on is in the group."""
        with self._open:
            pass

    def _enter(self, path: str) -> None:
        try:
            _write(path, "cgroup.procs", b"0")
        finally:
            self._open.release()


def members(path: str) -> list[int]:
    """The pids of the processes in a group and in those below it; none where there is no such group."""
    found: list[int] = []
    for directory in (path, *_below(path)):
        with contextlib.suppress(OSError), open(os.path.join(directory, "cgroup.procs"), "rb") as file:
            found += map(int, file.read().split())
    return found


def kill(path: str) -> bool:
    """Kill all that is in a group and in those below it (SIGKILL); False if there is no such group."""
    return _write(path, "cgroup.kill", b"1")


def remove(path: str, *, clock: Clock, force: bool) -> bool:
    """Remove a group and those below it; False if it is still there, since somebody is in it.

    With ``force`` whoever is in it is killed first.
    """
    give_up = clock.monotonic() + _EMPTY_WITHIN_SECONDS
    while not _try_to_remove(path):
        if not force or clock.monotonic() >= give_up:
            return False
        kill(path)
        clock.sleep(_PAUSE_SECONDS)
    return True


def _try_to_remove(path: str) -> bool:
    for directory in (path, *_below(path))[::-1]:
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return not os.path.exists(path)


def _below(path: str) -> list[str]:
    """The groups below a group, each after those that it is in."""
    found: list[str] = []
    pending = [path]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            found += inner
            pending += inner
    return found


def _write(path: str, name: str, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        descriptor = os.open(os.path.join(path, name), os.O_WRONLY)
        try:
            return os.write(descriptor, content) == len(content)
        finally:
            os.close(descriptor)
    return False


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []
