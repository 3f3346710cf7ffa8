"""The one gateway for operating-system processes: starts them, listens to them, ends them with all they started.

Everything starts through ``posix_spawn``: it is safe beside threads, takes the signal dispositions and the process
group with it, and spares the child the import of ``subprocess`` (25 ms). Python ignores SIGPIPE and SIGXFSZ; what we
start gets the defaults back, and no descriptor but 0, 1 and 2: Python's own are close-on-exec (PEP 446), and
``Processes`` marks those that were inherited. What the user had ignored when Tako was started stays ignored.

A process leads a group or a session of its own, so that it can be ended together with its descendants. What left both
is found as a descendant (``tako.family``), if this process adopts orphans.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako import cgroup, family
from tako.clock import SystemClock
from tako.errors import SpawnError
from tako.household import adopted, end_all, freeze, household, is_alone, kill_all, thaw
from tako.patience import FORCE, Awake, Patience
from tako.records import record
from tako.shortage import TRIED, is_shortage, lasting_pipe, patiently
from tako.signals import Exit, Stops, exit_from_status, signal_group
from tako.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from tako.asking import Asked
    from tako.clock import Clock
    from tako.family import Relative

    Sink = Callable[[bytes], object]

GRACE_SECONDS = 5.0
"""Between asking a process to end and forcing it (SIGKILL)."""

NO_STOPS = Stops()

_LOOKS = 10
"""In a row, that find nothing, where it cannot be certain that nothing is there."""

REAP_SECONDS = 2.0
"""How often a process that waits takes note of adopted ones that have ended."""

_PYTHONS_OWN = tuple(
    number for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ") if (number := getattr(signal, name, None)) is not None
)
"""What Python ignores, whatever the user wants."""


@record
class Outcome:
    """What supervision saw."""

    exit: Exit
    stopped: bool = False
    """True if it was ended because a stop was asked for."""
    timed_out: bool = False
    """True if it was ended because its time was up."""
    forced: bool = False
    """True if SIGKILL was needed, or wanted."""
    stood_still: float = 0.0
    """Seconds in which this process was stopped itself; they do not count for a timeout."""


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

    def __init__(self, pid: int, argv: Sequence[str], *, session: bool = False, group: str | None = None) -> None:
        self.pid = pid
        self.argv = tuple(argv)
        self.session = session
        """Whether it leads a session, not only a group."""
        self.group = group
        """The control group that it enters by itself, alone with all that it starts; see ``tako.cgroup``."""
        self._exit: Exit | None = None
        self._pidfd = _pidfd(pid)

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs."""
        if self._exit is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit = exit_from_status(status)
                household.left(self.pid)
                self.close()
        return self._exit

    def wait_handle(self) -> int:
        """A descriptor that becomes readable when the process ends, or -1 where the system has none."""
        return self._pidfd

    def members(self) -> list[Relative]:
        """What is left of its group or session; psutil is asked only if there may be something."""
        return family.members(self.pid) if self.session or signal_group(self.pid, 0) else []

    def close(self) -> None:
        """Give back the descriptor."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class Processes:
    """Starts and supervises processes; pass it to whoever needs one. To be made in the main thread.

    With ``adopts`` this whole process becomes the parent of all that lose theirs below it, and ends them when what
    started them has ended. For the composition roots: in a process that has other children of its own it is not safe.
    """

    def __init__(self, clock: Clock | None = None, *, adopts: bool = False) -> None:
        self._clock = clock or SystemClock()
        self._adopts = adopts and family.adopt_orphans()
        self._reap_at = 0.0
        self._lifeline: int | None = None
        if self._adopts:
            household.open()
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
        more: Mapping[int, int] = {},
        session: bool = False,
        group: str | None = None,
        apart: bool = False,
        listens: bool = False,
    ) -> Process:
        """Start a command as leader of its own process group, or session.

        ``argv[0]`` is looked up in this process's PATH. Descriptors that are None become ``/dev/null``; ``more`` maps
        numbers from 3 on to descriptors of other numbers, which the command then has under these. ``group`` is the
        control group that the command enters by itself. One ``apart`` is none of those at work: there for all of them.
        One that ``listens`` is of our own making: SIGINT waits until it has said that it can hear it.
        What the machine lacks at the moment is waited for, some seconds. Raises ``SpawnError`` if it cannot be started.
        """
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
        for target, source in enumerate((stdin, stdout, stderr)):
            if source is None:
                actions.append((os.POSIX_SPAWN_OPEN, target, os.devnull, os.O_RDWR, 0))
            else:
                actions.append((os.POSIX_SPAWN_DUP2, source, target))
        actions += [(os.POSIX_SPAWN_DUP2, source, target) for target, source in more.items()]
        leads: dict[str, Any] = {"setsid": True} if session else {"setpgroup": 0}

        def start() -> int:
            return os.posix_spawnp(
                argv[0],
                list(argv),
                dict(env),
                file_actions=actions,
                setsigmask=[signal.SIGINT] if listens else [],
                setsigdef=_PYTHONS_OWN,
                **leads,
            )

        with _spawn_errors(f"cannot start {argv[0]!r}", where=argv[0]):
            pid = patiently(lambda: household.start(start, apart=apart), self._clock)
        return Process(pid, argv, session=session, group=group)

    def pipe(self, what: str, *, lasting: bool = False) -> tuple[int, int]:
        """A pipe: the end to read from, the end to write to. Raises ``SpawnError``, naming what it was for.

        One that is ``lasting`` leaves some descriptors for others.
        """
        with _spawn_errors(f"cannot make a pipe for {what}"):
            return patiently(lasting_pipe if lasting else os.pipe, self._clock)

    def descriptor(self, make: Callable[[], int], what: str) -> int:
        """The descriptor that ``make`` opens. Raises ``SpawnError``, naming what it was for."""
        with _spawn_errors(f"cannot make {what}"):
            return patiently(make, self._clock)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        timeout: float | None = None,
        stops: Stops = NO_STOPS,
        limit: int = 16 << 20,
    ) -> Completed:
        """Run a command to its end and return what it printed, at most ``limit`` bytes of each stream.

        Raises ``SpawnError`` if it cannot be started.
        """
        captured = {1: bytearray(), 2: bytearray()}

        def keep(stream: int) -> Sink:
            def sink(data: bytes) -> None:
                captured[stream] += data[: limit - len(captured[stream])]

            return sink

        outcome = self.run_piped(argv, env=env, on_stdout=keep(1), on_stderr=keep(2), stops=stops, timeout=timeout)
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
        on_stderr: Sink | None = None,
        stops: Stops = NO_STOPS,
        timeout: float | None = None,
        tick: Callable[[], float | None] | None = None,
    ) -> Outcome:
        """Run a command to its end, giving what it prints to functions as it comes.

        Without ``on_stderr`` it has one pipe for both, so that ``on_stdout`` gets all of it in the order in which it
        was written. ``tick`` as in ``supervise``. What it leaves running is ended with it. Raises ``SpawnError`` if it
        cannot be started.
        """
        return self._run_piped(argv, env, on_stdout, on_stderr, stops=stops, timeout=timeout, tick=tick)

    def _run_piped(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        on_stdout: Sink,
        on_stderr: Sink | None,
        *,
        stops: Stops,
        timeout: float | None,
        tick: Callable[[], float | None] | None = None,
        grace: float = GRACE_SECONDS,
        stdin: int | None = None,
        more: Mapping[int, int] = {},
        session: bool = False,
        listens: bool = False,
        whole_tree: bool = True,
    ) -> Outcome:
        sinks = (on_stdout,) if on_stderr is None else (on_stdout, on_stderr)
        with self._pipes(argv[0], len(sinks)) as pipes:
            # Of one pipe both ends are the first's and the last's.
            out, err = pipes[0][1], pipes[-1][1]
            try:
                process = self.spawn(
                    argv,
                    env=env,
                    stdin=stdin,
                    stdout=out,
                    stderr=err,
                    more=more,
                    session=session,
                    listens=listens,
                )
            finally:
                for _, write_end in pipes:
                    os.close(write_end)
            outputs = {read_end: sink for (read_end, _), sink in zip(pipes, sinks, strict=True)}
            return self.supervise(
                process, outputs, stops=stops, timeout=timeout, tick=tick, grace=grace, whole_tree=whole_tree
            )

    @contextlib.contextmanager
    def _pipes(self, what: str, count: int) -> Iterator[list[tuple[int, int]]]:
        """Some pipes, of which the caller closes the ends to write to."""
        pipes: list[tuple[int, int]] = []
        try:
            pipes.extend(self.pipe(what) for _ in range(count))
        except BaseException:
            for pipe in pipes:
                os.close(pipe[1])
                os.close(pipe[0])
            raise
        try:
            yield pipes
        finally:
            for read_end, _ in pipes:
                os.close(read_end)

    def supervise(
        self,
        process: Process,
        outputs: Mapping[int, Sink],
        *,
        stops: Stops = NO_STOPS,
        timeout: float | None = None,
        due: Callable[[], float | None] = lambda: None,
        closed: Callable[[int], object] = lambda _descriptor: None,
        tick: Callable[[], float | None] | None = None,
        grace: float = GRACE_SECONDS,
        whole_tree: bool = True,
    ) -> Outcome:
        """Wait for a process, passing on what comes out of it.

        ``outputs`` maps descriptors to read to the functions that get the bytes; one that returns False wants the
        process to end. So do ``stops``, ``timeout`` seconds, or the moment that ``due`` tells, on the clock's
        ``monotonic``: the process is asked to (SIGTERM; after Ctrl-C first SIGINT, and SIGTERM at half the time) and
        after ``grace`` seconds forced (SIGKILL). Time in which
        this process was stopped itself does not count. ``closed`` is called with a descriptor that ends early. ``tick``
        is called at each turn; it returns the seconds until it is to be called again at the latest, or None.

        With ``whole_tree`` all that it started is asked too, not only its group. What a finished process left running
        is ended in any case. A descendant that keeps a pipe open does not delay the return.
        """
        awake = Awake(self._clock)
        patience = Patience(awake.now(), timeout=timeout, grace=grace)
        watch = Watch(process, outputs, stops, closed)
        asked: Asked | None = None
        try:
            while (exit_ := process.poll()) is None:
                wait = patience.wait(awake.now(), due())
                watch.turn(self._until(wait if tick is None else _sooner(wait, tick())))
                if wait is None:
                    awake.skip()
                action = patience.decide(awake.now(), watch.seen(due()))
                if action is not None and process.poll() is None:
                    asked = asked or self._asked(process, whole_tree=whole_tree)
                    asked.urge(action)
            if exit_.signal is not None and not patience.stopped:
                # A signal to our own group, by which we are asked to stop, meets one that has not left it yet.
                watch.turn(0.0)
                seen = watch.seen(None)
                if seen.stop or seen.lost or seen.force:
                    patience.decide(awake.now(), seen)
            if asked is not None:
                asked.see_out(patience, awake, watch)
            self.end_leftovers(process, force=patience.forced, in_order=exit_.code in (0, 1))
            watch.drain()
        except BaseException:
            if process.poll() is None:
                (asked or self._asked(process, whole_tree=whole_tree)).urge(FORCE)
            # Whoever raised this may raise it again if given more to read.
            watch.ignore_all()
            while process.poll() is None:
                watch.turn(None)
            self.end_leftovers(process, force=True)
            raise
        return Outcome(
            exit=exit_,
            stopped=patience.stopped,
            timed_out=patience.timed_out,
            forced=patience.forced,
            stood_still=awake.stood_still,
        )

    def _until(self, seconds: float | None) -> float | None:
        """How long to wait, so that adopted processes that end do not pile up where only one thread waits."""
        if not self._adopts or len(household.at_work()) > 1:
            return seconds
        now = self._clock.monotonic()
        if now >= self._reap_at:
            self._reap_at = now + REAP_SECONDS
            household.orphans()
        return REAP_SECONDS if seconds is None else min(seconds, REAP_SECONDS)

    def _asked(self, process: Process, *, whole_tree: bool) -> Asked:
        from tako.asking import Asked

        return Asked(process, adopts=self._adopts, whole_tree=whole_tree)

    def end_leftovers(self, process: Process, *, force: bool = False, in_order: bool = False) -> int:
        """End what an ended process left running, and return how many processes that were; see ``end_all``.

        One that ended ``in_order`` while others are at work is believed to have left nothing if nothing is seen. Its
        control group has then nobody in it, and is removed.
        """
        if self._adopts:
            # While others are at work here nothing is certain, and many looks would cost each of them something.
            looks = 1 if in_order and household.at_work() else _LOOKS
            ended = end_all(adopted, self._clock, force=force, none_left=is_alone, looks=looks)
        else:
            ended = end_all(process.members, self._clock, force=force)
        if process.group is not None:
            cgroup.remove(process.group, clock=self._clock, force=not household.spares_services)
        return ended

    def lifeline(self) -> int:
        """A descriptor that becomes readable, for whoever has it as its stdin, when this process has ended."""
        if self._lifeline is None:
            # The other end stays open as long as this process is there, however it ends.
            self._lifeline = self.pipe("a lifeline")[0]
        return self._lifeline

    def reap(self, pid: int) -> None:
        """Take note of the end of a process that was started here, or adopted, and that nobody waits for."""
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                household.left(pid)

    def spare_services(self) -> None:
        """Take no keeper of a service for an orphan, from now on: one of a child may be left running."""
        household.spares_services = True

    def services(self) -> dict[int, str]:
        """The keepers of services that are children of this process: pids to the files of their records."""
        return household.services()

    def end_orphans(self) -> int:
        """End at once what nobody waits for below this process; returns how many processes that were."""
        return end_all(adopted, self._clock, force=True) if self._adopts else 0

    def kill_all(self) -> None:
        """Kill everything below this process: for one that is about to end itself."""
        kill_all(self._clock)

    def freeze(self) -> None:
        """Stop everything that was started here, with all below (SIGSTOP), until ``thaw``."""
        if self._adopts:
            freeze(self._clock)

    def thaw(self) -> None:
        """Let everything go on that was started here."""
        if self._adopts:
            thaw()


@contextlib.contextmanager
def _spawn_errors(what: str, *, where: str = "") -> Iterator[None]:
    """Turn what keeps a process from being started, tried patiently, into a ``SpawnError``."""
    try:
        yield
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        passing = is_shortage(error)
        tried = f" ({TRIED})" if passing else ""
        raise SpawnError(f"{what}: {reason}{tried}", where=where, number=number, passing=passing) from error


def _sooner(one: float | None, other: float | None) -> float | None:
    """The shorter of two times, in seconds; None is for ever."""
    return min((each for each in (one, other) if each is not None), default=None)


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
