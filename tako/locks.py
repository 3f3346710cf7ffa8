"""Locks between processes, kept by the kernel: they vanish with their holder, however it ends.

All are ``flock(2)`` on a file that holds nothing but the holder's name, so readers, writers and owners of the same
path see each other. Only writers go through filelock: it has no shared lock that the kernel keeps (its read-write
lock is an SQLite file), and importing it costs a child 75 ms, where ``flock`` itself costs nothing. filelock's own
lock on Unix is ``flock(LOCK_EX)`` on the whole file, which excludes our ``LOCK_SH``; a test holds that true.

A lock file is never removed: who waits for the old file and who finds the new one would both get the lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys

from tako.clock import SystemClock, duration, iso
from tako.errors import LockTimeoutError, MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tako.clock import Clock

TELL_AFTER_SECONDS = 1.0
"""How long to wait before saying so."""

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1
_PROBE_SECONDS = 0.1
"""How long ``own`` puts up with another holder: ``is_held`` is one, for some microseconds."""


@contextlib.contextmanager
def shared(path: str, *, clock: Clock, timeout: float, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock together with other readers, and with no writer.

    ``path`` is the lock file, made with its directory if need be. ``timeout`` is in seconds. ``waiting`` is called
    once, with since when it waits and who holds the lock, if it is not free after ``TELL_AFTER_SECONDS``.
    Raises ``LockTimeoutError``, or ``MachineError`` if the machine has no such lock.
    """
    descriptor = _wait(path, lambda: _try_lock(path, fcntl.LOCK_SH), clock, timeout, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(
    path: str, *, clock: Clock, timeout: float, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold a lock alone; arguments and errors as for ``shared``. For the root: importing filelock takes 75 ms."""
    from filelock import FileLock, Timeout

    _make_parent(path)
    lock = FileLock(path, thread_local=False)

    def attempt() -> FileLock | None:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        except OSError as error:
            raise _refused(path, error) from error
        return lock

    _wait(path, attempt, clock, timeout, waiting)
    try:
        with _signed(path, clock):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def directory(path: str, *, clock: Clock, timeout: float) -> Iterator[None]:
    """Hold a directory itself alone, so that nothing is written to it; else as ``shared``.

    Whoever names the same directory in another way finds the same lock. Raises ``MachineError`` on file systems that
    lock no directory, such as NFS.
    """
    descriptor = _wait(path, lambda: _try_directory(path), clock, timeout, None)
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def own(path: str, *, clock: Clock | None = None) -> Iterator[None]:
    """Claim a path alone, now or not at all: a child's hold on its own directory.

    Raises ``LockTimeoutError`` naming who has it, or ``MachineError``.
    """
    clock = clock or SystemClock()
    descriptor = _wait(path, lambda: _try_lock(path, fcntl.LOCK_EX), clock, _PROBE_SECONDS, None)
    try:
        with _signed(path, clock):
            yield
    finally:
        os.close(descriptor)


def is_held(path: str) -> bool:
    """Whether somebody holds the lock alone; makes no file. Raises ``MachineError`` if that cannot be found out."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _refused(path, error) from error
    try:
        # Shared, so that two who ask at once do not find each other.
        return not _flock(path, descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def holders(path: str) -> list[int]:
    """The pids that hold a lock, as far as the system tells."""
    return [int(pid) for pid in _kernel_holders(path)]


def holder(path: str) -> str:
    """Who holds a lock, for a reader: ``process 12 (tako exec) since 2026-11-23T18:18:03.123Z``."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            pid, command, since = file.read(1000).rstrip("\n").split("\t")
        if _is_alive(int(pid)):
            return f"process {pid} ({command}) since {since}"
    except (OSError, ValueError, OverflowError):
        pass
    pids = _kernel_holders(path)
    if not pids:
        return "another process"
    return f"process {pids[0]}" if len(pids) == 1 else f"processes {', '.join(pids)}"


if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")


def _wait(
    path: str,
    attempt: Callable[[], T | None],
    clock: Clock,
    timeout: float,
    waiting: Callable[[str], None] | None,
) -> T:
    started = clock.monotonic()
    pause = _FIRST_PAUSE
    while (got := attempt()) is None:
        waited = clock.monotonic() - started
        if waited >= timeout:
            raise LockTimeoutError(
                f"the lock was not free within {duration(timeout)}",
                where=path,
                why=f"it is held by {holder(path)}",
                cure="wait until that has ended, or end it, and try again",
            )
        if waiting is not None and waited >= TELL_AFTER_SECONDS:
            since = iso(clock.now() - waited)
            waiting(f"waiting since {since} for {path}, held by {holder(path)}")
            waiting = None
        # Never less than a millisecond: the rest of a timeout can be smaller than a clock can count.
        clock.sleep(max(min(pause, timeout - waited), _FIRST_PAUSE))
        pause = min(pause * 2, _LONGEST_PAUSE)
    return got


def _try_lock(path: str, operation: int) -> int | None:
    """A descriptor that holds the lock, or None if it is not free now."""
    descriptor = _open(path)
    try:
        if _flock(path, descriptor, operation) and _is_still_named(path, descriptor):
            held, descriptor = descriptor, -1
            return held
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return None


def _try_directory(path: str) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        if _flock(path, descriptor, fcntl.LOCK_EX):
            held, descriptor = descriptor, -1
            return held
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return None


def _open(path: str) -> int:
    _make_parent(path)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS):
            raise _refused(path, error) from error
    # A cache that belongs to somebody else can still be read under the lock.
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise _refused(path, error) from error


def _make_parent(path: str) -> None:
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from error


def _flock(path: str, descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _refused(path, error) from error
    return True


def _is_still_named(path: str, descriptor: int) -> bool:
    """Whether the path still names the locked file: somebody may have tidied it away in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _signed(path: str, clock: Clock) -> Iterator[None]:
    """Keep the holder's name in the file; a courtesy, so a full disk does not spoil the lock."""
    name = f"{os.getpid()}\t{_command()}\t{iso(clock.now())}\n"
    _write(path, name.encode("utf-8", "replace"))
    try:
        yield
    finally:
        _write(path, b"")


def _write(path: str, content: bytes) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)


def _command() -> str:
    """The program and its first argument; no more, since later ones may hold secrets."""
    words = list(sys.argv[:2]) or [sys.executable]
    directory, name = os.path.split(words[0])
    words[0] = os.path.basename(directory) if name == "__main__.py" else name
    return " ".join(" ".join(words).split())


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kernel_holders(path: str) -> list[str]:
    """The pids that hold the lock according to Linux (proc_locks(5)); readers do not write their names."""
    try:
        status = os.stat(path)
        with open("/proc/locks", encoding="ascii") as file:
            lines = file.readlines()
    except OSError:
        return []
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    fields = [line.split() for line in lines]
    return sorted({field[4] for field in fields if field[1] == "FLOCK" and field[5] == place}, key=int)


def _refused(path: str, error: OSError) -> MachineError:
    return MachineError(f"cannot lock: {error.strerror or error}", where=path, cure="check who owns its directory")
