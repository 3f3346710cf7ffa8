"""The root runs that are alive on this machine, and what those that were killed left behind.

A root that begins puts a small file into ``<home>/alive/``, and takes it away when it ends, however it fails. Only one
that was killed in an instant (SIGKILL, a power cut) leaves its file there. Its children have a lifeline and end by
themselves; but if they were killed in the same instant, nothing of theirs has ended their steps. All processes of a
tree carry the root's id in their environment, so they can be found by it; where there are control groups, what
cleared its environment is found as well.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako import cgroup, identity
from tako.errors import LockTimeoutError, MachineError, StateError
from tako.execution.workspace import root_workspace
from tako.files import make_dirs, read_document, remove_temporaries, write_document
from tako.identity import Identity
from tako.ids import is_run_id
from tako.locks import is_held, own
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from tako.clock import Clock

    Say = Callable[[str], object]

MARK = "TAKO_ROOT_RUN_ID"
"""The variable by which every process of a tree is known."""

KIND = "alive"
SCHEMA = 1

GRACE_SECONDS = 2.0
"""Between asking what was left to end (SIGTERM) and forcing it (SIGKILL)."""

PATIENCE_SECONDS = 10.0
"""After which what still lives is only told."""

SWEEP_SECONDS = 1.0
"""For how long one may have to wait for the lock of a run whose root is gone: while what that left is being killed."""

_ASK_PAUSE = 0.02
_FORCE_PAUSE = 0.001


@record
class AliveRun:
    """A root run that is registered as alive."""

    run_id: str
    home: str
    """The Tako home in which it was found."""
    root: Identity | None
    """The process that runs it; None where the system does not tell when processes started."""
    started_at: float
    """Seconds since 1970."""
    group: str | None = None
    """The control group of its tree, which may or may not be there; None if it cannot have one."""


@record
class Swept:
    """What was done about a root run that was killed."""

    run_id: str
    ended: tuple[int, ...]
    """The pids of the processes that it had left."""
    left: tuple[int, ...] = ()
    """Those that live on, though they were forced to end: the kernel has not let them yet."""


def register(home: str, run_id: str, *, clock: Clock, group: str | None = None) -> None:
    """Say that this process is now the root of a run, whose tree is in a control group. Raises ``MachineError``."""
    make_dirs(_directory(home))
    remove_temporaries(_directory(home), f"{run_id}.")
    # Not the home: the same one may be mounted elsewhere for who reads this, and what counts is where its locks are.
    root = to_data(identity.identity_of(os.getpid()))
    entry = {"run_id": run_id, "root": root, "started_at": clock.now(), "group": group}
    write_document(_path(home, run_id), KIND, SCHEMA, entry, durable=False)


def unregister(home: str, run_id: str) -> None:
    """Say that a run has ended; one that is not registered is fine. Raises ``MachineError``."""
    try:
        os.unlink(_path(home, run_id))
    except FileNotFoundError:
        return
    except OSError as error:
        raise MachineError(f"cannot remove: {error.strerror}", where=_path(home, run_id)) from error


def alive_runs(home: str, *, say: Say | None = None) -> tuple[AliveRun, ...]:
    """The root runs of a home that are alive, the oldest first. ``say`` is told of damaged entries, a line each."""
    from tako.execution.run_order import how_started

    alive = [run for run in _registered(home, say) if not _is_dead(run)]
    return tuple(sorted(alive, key=lambda run: (how_started(home, run.run_id).number, run.run_id)))


def left_behind(home: str, *, say: Say | None = None) -> tuple[AliveRun, ...]:
    """The root runs of a home that were killed and have not been swept up after, sorted by id; ``say`` as above."""
    return tuple(run for run in _registered(home, say) if _is_dead(run))


def root_lives(home: str, run_id: str) -> bool:
    """Whether the process that registered a run is there, whoever holds the run's lock: for who holds it now.

    An entry that is damaged is taken for one of a process that is there.
    """
    if not os.path.lexists(_path(home, run_id)):
        return False
    try:
        root = _read(home, run_id).root
    except StateError:
        return os.path.lexists(_path(home, run_id))
    return root is not None and identity.is_alive(root)


def sweep(home: str, *, clock: Clock, say: Say) -> tuple[Swept, ...]:
    """End what killed root runs left running, and forget those runs.

    ``say`` is told what was done, and of damaged entries, a line each. Whoever sweeps already is left to it. Costs one
    look into a directory if no run is registered. Raises ``MachineError`` if the machine refuses a lock or a removal.
    """
    dead = left_behind(home, say=say)
    if not dead:
        return ()
    try:
        with own(os.path.join(_directory(home), "sweep.lock"), clock=clock):
            swept = [_sweep_after(run, clock) for run in dead]
    except LockTimeoutError:
        return ()
    done = tuple(each for each in swept if each is not None)
    for each in done:
        say(_told(each))
    return done


def end_left_by(home: str, run_id: str, *, clock: Clock) -> None:
    """Kill what the killed root of one run left running, unless somebody has gone on with the run meanwhile.

    The run stays known as one that was killed: who sweeps next tells of it. Raises ``MachineError`` as ``sweep``.
    """
    for run in left_behind(home):
        if run.run_id == run_id:
            with _held(run, clock) as held:
                if held:
                    _end_all_of(run, clock, grace=0.0)


def _directory(home: str) -> str:
    return os.path.join(home, "alive")


def _path(home: str, run_id: str) -> str:
    return os.path.join(_directory(home), f"{run_id}.json")


def _registered(home: str, say: Say | None) -> list[AliveRun]:
    try:
        names = os.listdir(_directory(home))
    except OSError:
        return []
    runs = []
    for run_id in sorted(name.removesuffix(".json") for name in names if name.endswith(".json")):
        if not is_run_id(run_id):
            continue
        path = _path(home, run_id)
        try:
            runs.append(_read(home, run_id))
        except StateError as error:
            # One that ended between the two looks has not been damaged.
            if say is not None and os.path.lexists(path):
                say(f"cannot tell whether {run_id} is alive: {error}; if it is not, remove that file")
    return runs


def _read(home: str, run_id: str) -> AliveRun:
    path = _path(home, run_id)
    data: dict[str, Any] = read_document(path, KIND, SCHEMA)
    try:
        root = Identity(**data["root"]) if data["root"] is not None else None
        run = AliveRun(**{**data, "root": root, "home": home})
    except (KeyError, TypeError) as error:
        raise StateError(f"the entry lacks something or has too much: {error}", where=path) from error
    numbers = (run.started_at,) if root is None else (run.started_at, root.started, root.pid)
    if (
        run.run_id != run_id
        or not all(isinstance(number, int | float) for number in numbers)
        or not isinstance(run.group, str | None)
    ):
        raise StateError("the entry is not that of its run", where=path)
    return run


def _is_dead(run: AliveRun) -> bool:
    """Neither its lock nor its process is there; whoever cannot find out takes it for alive."""
    try:
        held = is_held(root_workspace(run.home, run.run_id).run_lock)
    except MachineError:
        return False
    return not held and not (run.root is not None and identity.is_alive(run.root))


def _sweep_after(run: AliveRun, clock: Clock) -> Swept | None:
    """End what one run left, and forget it; None if it is not dead after all, or another has just done so."""
    with _held(run, clock) as held:
        if not held:
            return None
        swept = _end_all_of(run, clock)
        unregister(run.home, run.run_id)
    return swept


@contextlib.contextmanager
def _held(run: AliveRun, clock: Clock) -> Iterator[bool]:
    """Hold a dead run, so that nobody goes on with it: those processes would carry the same mark.

    False if it is not dead after all, or another has just swept up after it.
    """
    workspace = root_workspace(run.home, run.run_id)
    with contextlib.ExitStack() as held:
        # Taking the lock would make its directory, so not where somebody removed that.
        if os.path.isdir(workspace.path):
            try:
                held.enter_context(own(workspace.run_lock, clock=clock))
            except LockTimeoutError:
                yield False
                return
        yield os.path.exists(_path(run.home, run.run_id))


def _end_all_of(run: AliveRun, clock: Clock, *, grace: float = GRACE_SECONDS) -> Swept:
    """End the processes of a run: look, signal, and look again until none is left.

    Each is signalled as soon as it is found: one that keeps forking is another process a millisecond later.
    """
    began = clock.monotonic()
    asked: set[Identity] = set()
    while True:
        waited = clock.monotonic() - began
        force = waited >= grace
        found = []
        for process in _each_of(run, force=force):
            found.append(process)
            with contextlib.suppress(PermissionError):
                if force:
                    identity.send(process, signal.SIGKILL)
                elif process not in asked:
                    # Asked once only: many programs take a second SIGTERM as leave to skip their cleaning up.
                    identity.send(process, signal.SIGTERM)
                    # A stopped one hears of it only when it goes on.
                    identity.send(process, signal.SIGCONT)
        asked.update(found)
        if not found or waited >= PATIENCE_SECONDS:
            if run.group is not None:
                cgroup.remove(run.group, clock=clock, force=not found and not _is_in(run))
            return Swept(run.run_id, ended=_pids(asked.difference(found)), left=_pids(found))
        clock.sleep(_FORCE_PAUSE if force else _ASK_PAUSE)


def _each_of(run: AliveRun, *, force: bool) -> Iterator[Identity]:
    """The living processes of a run as they are found; with ``force`` the kernel kills those in its group at once."""
    if run.group is not None:
        if force and not _is_in(run):
            cgroup.kill(run.group)
        inside = filter(None, map(identity.identity_of, cgroup.members(run.group)))
        yield from (one for one in inside if one.pid != os.getpid() and identity.is_alive(one))
    yield from identity.each_marked(MARK, run.run_id)


def _is_in(run: AliveRun) -> bool:
    """Whether this process is in the run's control group: a Tako that was started by one of its steps."""
    return run.group is not None and os.getpid() in cgroup.members(run.group)


def _pids(processes: Iterable[Identity]) -> tuple[int, ...]:
    return tuple(sorted(process.pid for process in processes))


def _told(swept: Swept) -> str:
    if not swept.ended and not swept.left:
        return f"{swept.run_id} was killed; it left no processes"
    parts = []
    if swept.ended:
        processes = "1 process" if len(swept.ended) == 1 else f"{len(swept.ended)} processes"
        parts.append(f"ended {processes} that it left ({_listed(swept.ended)})")
    if swept.left:
        parts.append(f"could not end {_listed(swept.left)}")
    return f"{swept.run_id} was killed; {'; '.join(parts)}"


def _listed(pids: tuple[int, ...], most: int = 20) -> str:
    more = f" and {len(pids) - most} more" if len(pids) > most else ""
    return f"{'pid' if len(pids) == 1 else 'pids'} {', '.join(map(str, pids[:most]))}{more}"
