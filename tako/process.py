"""The one gateway for operating-system processes: starts them, listens to them, ends them with all they started.

Everything starts through ``posix_spawn``: it is safe beside threads, takes the signal dispositions and the process
group with it, and spares the child the import of ``subprocess`` (25 ms). Python ignores SIGPIPE and SIGXFSZ; what we
start gets the defaults back, and no descriptor but 0, 1 and 2: Python's own are close-on-exec (PEP 446), and
``Processes`` marks those that were inherited.

A process leads a group or a session of its own, so that it can be ended together with its descendants.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako.clock import SystemClock
from tako.errors import MachineError
from tako.records import record
from tako.signals import Exit, exit_from_status, is_alive, session_members, signal_group
from tako.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from tako.clock import Clock

    Sink = Callable[[bytes], object]

GRACE_SECONDS = 5.0
"""Between asking a process to end (SIGTERM) and forcing it (SIGKILL)."""

LEFTOVER_GRACE_SECONDS = 0.5
"""The same for what a finished process left running."""

_RESTORED_SIGNALS = tuple(
    number
    for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGCHLD")
    if (number := getattr(signal, name, None)) is not None
)


@record
class Outcome:
    """What supervision saw."""

    exit: Exit
    stopped: bool = False
    """True if it was ended because a stop was asked for."""
    timed_out: bool = False


@record
class Completed:
    """A finished command with what it printed."""

    exit: Exit
    stdout: bytes
    stderr: bytes
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0 in time."""
        return self.exit.ok and not self.timed_out

    def message(self) -> str:
        """Its last words: stderr, else stdout, else how it ended."""
        text = (self.stderr.strip() or self.stdout.strip()).decode("utf-8", "replace")
        return text or self.exit.describe()


class Process:
    """A started process. Only the thread that started it waits for it."""

    def __init__(self, pid: int, argv: Sequence[str]) -> None:
        self.pid = pid
        self.argv = tuple(argv)
        self._exit: Exit | None = None
        self._pidfd = _pidfd(pid)

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs."""
        if self._exit is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit = exit_from_status(status)
                self.close()
        return self._exit

    def wait_handle(self) -> int:
        """A descriptor that becomes readable when the process ends, or -1 where the system has none."""
        return self._pidfd

    def close(self) -> None:
        """Give back the descriptor."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class Processes:
    """Starts and supervises processes; pass it to whoever needs one. To be made in the main thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        _keep_inherited_descriptors()
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            # Whoever started us so would have the kernel forget how our children ended (wait(2)).
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        session: bool = False,
    ) -> Process:
        """Start a command as leader of its own process group, or session.

        ``argv[0]`` is looked up in this process's PATH. Descriptors that are None become ``/dev/null``.
        Raises ``MachineError`` if it cannot be started.
        """
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
        for target, source in enumerate((stdin, stdout, stderr)):
            if source is None:
                actions.append((os.POSIX_SPAWN_OPEN, target, os.devnull, os.O_RDWR, 0))
            else:
                actions.append((os.POSIX_SPAWN_DUP2, source, target))
        leads: dict[str, Any] = {"setsid": True} if session else {"setpgroup": 0}
        try:
            pid = os.posix_spawnp(
                argv[0],
                list(argv),
                dict(env),
                file_actions=actions,
                setsigmask=[],
                setsigdef=_RESTORED_SIGNALS,
                **leads,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise MachineError(f"cannot start {argv[0]!r}: {reason}", where=argv[0]) from error
        return Process(pid, argv)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        timeout: float | None = None,
        stop_fds: Sequence[int] = (),
        limit: int = 16 << 20,
    ) -> Completed:
        """Run a command to its end and return what it printed, at most ``limit`` bytes of each stream.

        Raises ``MachineError`` if it cannot be started.
        """
        captured = {1: bytearray(), 2: bytearray()}

        def keep(stream: int) -> Sink:
            def sink(data: bytes) -> None:
                captured[stream] += data[: limit - len(captured[stream])]

            return sink

        outcome = self.run_piped(
            argv, env=env, on_stdout=keep(1), on_stderr=keep(2), stop_fds=stop_fds, timeout=timeout
        )
        return Completed(
            exit=outcome.exit,
            stdout=bytes(captured[1]),
            stderr=bytes(captured[2]),
            timed_out=outcome.timed_out,
        )

    def run_piped(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        on_stdout: Sink,
        on_stderr: Sink,
        stop_fds: Sequence[int] = (),
        timeout: float | None = None,
    ) -> Outcome:
        """Run a command to its end, giving what it prints to two functions as it comes.

        What it leaves running is ended with it. Raises ``MachineError`` if it cannot be started.
        """
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        try:
            try:
                process = self.spawn(argv, env=env, stdout=out_write, stderr=err_write)
            finally:
                os.close(out_write)
                os.close(err_write)
            return self.supervise(
                process, {out_read: on_stdout, err_read: on_stderr}, stop_fds=stop_fds, timeout=timeout
            )
        finally:
            os.close(out_read)
            os.close(err_read)

    def supervise(
        self,
        process: Process,
        outputs: Mapping[int, Sink],
        *,
        stop_fds: Sequence[int] = (),
        timeout: float | None = None,
        grace: float = GRACE_SECONDS,
    ) -> Outcome:
        """Wait for a process, passing on what comes out of it.

        ``outputs`` maps descriptors to read to the functions that get the bytes. A descriptor of ``stop_fds``
        that becomes readable, or ``timeout`` seconds, end the process with its group: SIGTERM, after ``grace``
        seconds SIGKILL. What a finished process left in its group is ended too. A descendant that keeps a pipe
        open does not delay the return.
        """
        stopped = timed_out = False
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        watch = Watch(process, outputs, stop_fds)
        try:
            while (exit_ := process.poll()) is None:
                remaining = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
                stop_seen = watch.turn(remaining)
                expired = deadline is not None and self._clock.monotonic() >= deadline
                if not (stop_seen or expired):
                    continue
                if stopped or timed_out:
                    signal_group(process.pid, signal.SIGKILL)
                    deadline = None
                    continue
                stopped, timed_out = stop_seen, not stop_seen
                watch.ignore_stops()
                signal_group(process.pid, signal.SIGTERM)
                deadline = self._clock.monotonic() + grace
            self.end_group(process.pid)
            watch.drain()
        except BaseException:
            signal_group(process.pid, signal.SIGKILL)
            # Whoever raised this may raise it again if given more to read.
            watch.ignore_outputs()
            watch.ignore_stops()
            while process.poll() is None:
                watch.turn(None)
            raise
        return Outcome(exit=exit_, stopped=stopped, timed_out=timed_out)

    def end_group(self, group: int, grace: float = LEFTOVER_GRACE_SECONDS) -> None:
        """End what is left of a process group: SIGTERM, after ``grace`` seconds SIGKILL."""
        if not signal_group(group, signal.SIGTERM):
            return
        deadline = self._clock.monotonic() + grace
        pause = 0.002
        while self._clock.monotonic() < deadline:
            if not is_alive(group):
                return
            self._clock.sleep(pause)
            pause *= 2
        signal_group(group, signal.SIGKILL)

    def end_session(self, session: int, grace: float = LEFTOVER_GRACE_SECONDS) -> tuple[int, ...]:
        """End every process of a session, in whatever group; return the pids that were found.

        For a child that died without ending its own steps. Looks again until none is left, since a process
        may be born while others are being ended.
        """
        found: set[int] = set()
        deadline = self._clock.monotonic() + grace
        while alive := session_members(session):
            force = self._clock.monotonic() >= deadline
            for pid in alive:
                # Asked once only: many programs take a second SIGTERM as leave to skip their cleaning up.
                if force or pid not in found:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)
            found.update(alive)
            if self._clock.monotonic() >= deadline + GRACE_SECONDS:
                break
            self._clock.sleep(0.01)
        return tuple(sorted(found))


def _pidfd(pid: int) -> int:
    """A descriptor for a process; -1 where the system or its sandbox has none, or none is left."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _keep_inherited_descriptors() -> None:
    """Mark what we were started with beside 0, 1 and 2 close-on-exec, as all that Python opens itself is."""
    for name in os.listdir("/dev/fd"):
        # One of them was the listing's own.
        with contextlib.suppress(OSError):
            if int(name) > 2:
                os.set_inheritable(int(name), False)
