"""Whole directories, however deep: removed, and measured.

The path of a file 2,000 directories down is longer than the system takes (PATH_MAX, 4096 bytes), and a descriptor for
each level would be more than a process may have. So both go down one name at a time and up by ``..``, with one
descriptor, and make sure that they come out where they went in.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from tako.content import no_check
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.content import Check

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNERS = stat.S_IRWXU
_SHOWN = 300
_FILES_BETWEEN_CHECKS = 64
"""Removing so many takes a millisecond or so; a look at the stops for each would cost as much again."""


@record
class Unremoved:
    """Something that could not be removed."""

    path: str
    """Cut in the middle if it is very long."""
    why: str


@record
class Size:
    """What a directory takes."""

    apparent: int
    """Bytes that its files hold, each counted once."""
    disk: int
    """Bytes that are free when it is gone: files that are also elsewhere (hard links) do not count."""


class _Level:
    """One directory on the way down."""

    def __init__(self, name: str, status: os.stat_result) -> None:
        self.name = name
        self.identity = _identity(status)
        self.pending: list[str] = []
        """The directories in it that are still to be gone through."""
        self.whole = True
        """Whether nothing in it was refused."""


def remove(path: str, *, check: Check = no_check) -> tuple[Unremoved, ...]:
    """Remove a directory with everything in it, read-only parts included, and say what could not be removed.

    What cannot be removed does not hinder the rest, but for what is mounted below: then nothing is removed, since it
    would be somebody else's. Symbolic links are removed, not followed. A directory that is not there is fine.
    ``check`` is called often; if it raises, the rest stays.
    """
    if not os.path.lexists(path):
        return ()
    mounted = mounts_below(path)
    if mounted:
        return tuple(Unremoved(each, "something is mounted there") for each in mounted)
    remover = _Remover(check)
    remover.go(path)
    return tuple(remover.unremoved)


def measure(path: str) -> Size:
    """What a directory takes, as far as it can be read; somebody may change it meanwhile."""
    ruler = _Ruler()
    ruler.go(path)
    return ruler.size()


def mounts_below(path: str) -> tuple[str, ...]:
    """Where something is mounted in a directory, or on it; nothing where the system does not tell (proc_mounts(5))."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    place = os.fsencode(os.path.realpath(path))
    inside = place.rstrip(b"/") + b"/"
    points = (_unescaped(line.split()[4]) for line in lines)
    return tuple(sorted({os.fsdecode(each) for each in points if each == place or each.startswith(inside)}))


def _unescaped(text: bytes) -> bytes:
    for escape, byte in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        text = text.replace(escape, byte)
    return text


class _Walk:
    """Goes through a directory and all below it; what is done there is said by those that inherit from this."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        self._here = -1
        """A descriptor of the directory at the end of ``_levels``."""

    def go(self, path: str) -> None:
        """From the top down and back."""
        try:
            self._here = self._open(path, None)
        except OSError as error:
            self._refused(path, error)
            return
        try:
            self._enter(path)
            while self._levels:
                pending = self._levels[-1].pending
                if pending:
                    self._go_down(pending.pop())
                else:
                    self._go_up()
        except _LostWayError:
            return
        finally:
            os.close(self._here)

    # What there is to do, in the directory where the walk is. All of it may raise ``OSError``.

    def _open(self, name: str, directory: int | None) -> int:
        return os.open(name, _FLAGS, dir_fd=directory)

    def _visit(self, files: Sequence[str]) -> None:
        """Its entries that are no directories; before what is below it."""

    def _leave(self, name: str, directory: int | None) -> None:
        """One that is done, seen from above; only if nothing in it was refused."""

    def _refused(self, path: str, error: OSError) -> None:
        """Something could not be dealt with."""

    def _mind(self, name: str, error: OSError) -> None:
        """Something in the directory where the walk is was refused, so that is not whole any more."""
        for level in self._levels:
            level.whole = False
        self._refused(self._path(name), error)

    def _path(self, name: str = "") -> str:
        """The path of something here, or of the directory itself; cut in the middle if it is very long."""
        names = [*(level.name for level in self._levels), *([name] if name else [])]
        path = "/".join(names)
        return path if len(path) <= _SHOWN else f"{path[: _SHOWN // 2]}…{path[-_SHOWN // 2 :]}"

    def _enter(self, name: str) -> None:
        status = os.fstat(self._here)
        self._levels.append(_Level(name, status))
        files: list[str] = []
        directories: list[str] = []
        try:
            with os.scandir(self._here) as entries:
                for entry in entries:
                    (directories if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
            self._visit(files)
            self._levels[-1].pending = directories
        except OSError as error:
            self._mind("", error)

    def _go_down(self, name: str) -> None:
        inner = -1
        try:
            inner = self._open(name, self._here)
            # By a name in it, not by the descriptor: one that may be read but not searched has no way back.
            if os.stat(".", dir_fd=inner).st_dev != self._levels[0].identity[0]:
                raise OSError(errno.EXDEV, "another file system is mounted there")
        except OSError as error:
            if inner >= 0:
                os.close(inner)
            if not isinstance(error, FileNotFoundError):
                self._mind(name, error)
            return
        os.close(self._here)
        self._here = inner
        self._enter(name)

    def _go_up(self) -> None:
        level = self._levels[-1]
        above = None
        if len(self._levels) > 1:
            above = self._open_above()
            os.close(self._here)
            self._here = above
        self._levels.pop()
        if level.whole:
            try:
                self._leave(level.name, above)
            except FileNotFoundError:
                pass
            except OSError as error:
                self._mind(level.name, error)

    def _open_above(self) -> int:
        """The directory above, if it still is the one from which the walk came."""
        try:
            above = os.open("..", _FLAGS, dir_fd=self._here)
        except OSError as error:
            self._mind("", error)
            raise _LostWayError from error
        if _identity(os.fstat(above)) != self._levels[-2].identity:
            os.close(above)
            self._mind("", OSError(errno.ESTALE, "it was moved away meanwhile"))
            raise _LostWayError
        return above


class _LostWayError(Exception):
    """The way back is gone."""


class _Remover(_Walk):
    """Removes what it comes by."""

    def __init__(self, check: Check) -> None:
        super().__init__()
        self._check = check
        self.unremoved: list[Unremoved] = []

    def _open(self, name: str, directory: int | None) -> int:
        """Open a directory, and let its owner in, to read it, to change it and to come back.

        Only directories: removing a name needs no right on what it names, a symbolic link names something outside,
        and a hard-linked git object has one mode for all its names, the cache's included.
        """
        try:
            descriptor = super()._open(name, directory)
        except PermissionError:
            os.chmod(name, _OWNERS, dir_fd=directory)
            descriptor = super()._open(name, directory)
        if os.fstat(descriptor).st_mode & _OWNERS != _OWNERS:
            # One that is not ours to change may let us remove what is in it all the same.
            with contextlib.suppress(PermissionError):
                os.fchmod(descriptor, _OWNERS)
        return descriptor

    def _visit(self, files: Sequence[str]) -> None:
        self._check()
        for number, name in enumerate(files, 1):
            if number % _FILES_BETWEEN_CHECKS == 0:
                self._check()
            try:
                os.unlink(name, dir_fd=self._here)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._mind(name, error)

    def _leave(self, name: str, directory: int | None) -> None:
        os.rmdir(name, dir_fd=directory)

    def _refused(self, path: str, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self.unremoved.append(Unremoved(path, error.strerror or str(error)))


class _Ruler(_Walk):
    """Adds up what it comes by."""

    def __init__(self) -> None:
        super().__init__()
        self._apparent = 0
        self._disk = 0
        self._linked: dict[tuple[int, int], list[int]] = {}
        """By inode, for files of several names: how many names are elsewhere, and what they take together."""

    def size(self) -> Size:
        shared = sum(blocks for elsewhere, blocks in self._linked.values() if not elsewhere)
        return Size(self._apparent, self._disk + shared)

    def _visit(self, files: Sequence[str]) -> None:
        self._disk += os.fstat(self._here).st_blocks * 512
        for name in files:
            try:
                status = os.stat(name, dir_fd=self._here, follow_symlinks=False)
            except FileNotFoundError:
                continue
            self._add(status)

    def _add(self, status: os.stat_result) -> None:
        blocks = status.st_blocks * 512
        if status.st_nlink == 1:
            self._apparent += status.st_size
            self._disk += blocks
            return
        place = _identity(status)
        if place not in self._linked:
            self._apparent += status.st_size
            self._linked[place] = [status.st_nlink, blocks]
        self._linked[place][0] -= 1


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
