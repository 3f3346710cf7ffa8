"""Faults on purpose: what strikes a child, or the root, at the start of a step that was named for it.

With them people see whether their workflows can be repeated, and our tests see what our users see. A fault is written
``KIND@STEP`` or ``KIND@STEP,PROBABILITY``; several travel to the children in one environment variable, with ``;``
between them. Nothing here is imported unless a fault is wanted.
"""

from __future__ import annotations

import contextlib
import os
import signal

from tako.config.names import id_fault
from tako.errors import UsageError
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    from tako.clock import Clock

VARIABLE = "TAKO_CHAOS"
"""The environment variable with the faults for the children."""

KILL_CHILD = "kill-child"
KILL_ROOT = "kill-root"
SEGFAULT = "segfault"
HANG = "hang"
GARBAGE_STDOUT = "garbage-stdout"
SLOW_START = "slow-start"

KINDS = (KILL_CHILD, KILL_ROOT, SEGFAULT, HANG, GARBAGE_STDOUT, SLOW_START)

SLOW_SECONDS = 2.0
"""How long a slow start takes."""

_GARBAGE = b'\x00\xff\xfe rubbish {"that is": no frame\n'
_LONG = 3600.0
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@record
class Fault:
    """What strikes, at which step, and how often: a ``probability`` above 0 and at most 1."""

    kind: str
    step: str
    probability: float = 1.0


def parse(text: str) -> Fault:
    """A fault out of ``KIND@STEP[,PROBABILITY]``. Raises ``UsageError``."""
    kind, _at, rest = (part.strip() for part in text.partition("@"))
    if kind not in KINDS:
        raise UsageError(f"{text!r} is not a fault: there is no kind {kind!r}", cure=_cure(kind))
    step, comma, number = (part.strip() for part in rest.partition(","))
    if not step:
        raise UsageError(f"{text!r} is not a fault: it names no step", cure=f"write it as {kind}@STEP[,PROBABILITY]")
    problem = id_fault(step)
    if problem:
        raise UsageError(
            f"{text!r} is not a fault: {step!r} is no step's id",
            why=f"an id {problem}",
            cure=f"name one step, as in {kind}@test,0.5",
        )
    probability = _probability(number) if comma else 1.0
    if probability is None:
        raise UsageError(
            f"{text!r} is not a fault: {number!r} is no probability",
            cure=f"give a number above 0 and at most 1, as in {kind}@{step},0.5",
        )
    return Fault(kind, step, probability)


def encode(faults: Iterable[Fault]) -> str:
    """Faults as the value of ``TAKO_CHAOS``; ``decode`` gives them back."""
    return ";".join(
        f"{fault.kind}@{fault.step}" + (f",{fault.probability!r}" if fault.probability != 1 else "") for fault in faults
    )


def decode(text: str) -> tuple[Fault, ...]:
    """The faults in a value of ``TAKO_CHAOS``, none in an empty one. Raises ``UsageError``."""
    return tuple(parse(part) for part in text.split(";") if part.strip())


def wanted(
    faults: Iterable[Fault], step_id: str, random_bytes: Callable[[int], bytes] = os.urandom
) -> tuple[Fault, ...]:
    """The faults that strike at the start of a step, this time; ``random_bytes`` gives as many as it is asked for."""
    return tuple(fault for fault in faults if fault.step == step_id and _share(random_bytes(7)) < fault.probability)


def strike(
    fault: Fault,
    *,
    root_pid: int | None,
    write_frames: Callable[[bytes], object] | None,
    sleep: Callable[[float], object],
) -> None:
    """Let a fault happen to this process, after a line about it on stderr. Returns if there is an after.

    ``root_pid`` is the root's process, None if it is not known or out of reach. ``write_frames`` writes to the
    parent; None says that this process is the root, which only a slow start and its own killing can strike: for the
    others, and for a root that is not known, nothing happens and nothing is said. From the main thread only.
    """
    act = _act(fault.kind, root_pid, write_frames, sleep)
    if act is None:
        return
    with contextlib.suppress(OSError):
        os.write(2, f"chaos: {fault.kind} at step '{fault.step}'\n".encode())
    act()


def _act(
    kind: str,
    root_pid: int | None,
    write_frames: Callable[[bytes], object] | None,
    sleep: Callable[[float], object],
) -> Callable[[], object] | None:
    """What a fault does to this process; None if it is not for this one."""
    if kind == SLOW_START:
        return lambda: sleep(SLOW_SECONDS)
    if kind == KILL_ROOT:
        # A child whose root has gone may have been told of pid 1, and 0 and -1 mean whole groups of processes.
        if root_pid is None or root_pid <= 1 or (write_frames is None and root_pid != os.getpid()):
            return None
        return lambda: _kill(root_pid)
    if write_frames is None:
        return None
    return {
        KILL_CHILD: lambda: _kill(os.getpid()),
        SEGFAULT: _segfault,
        HANG: lambda: _hang(sleep),
        GARBAGE_STDOUT: lambda: write_frames(_GARBAGE),
    }[kind]


def _kill(pid: int) -> None:
    # The root may have ended in the meantime.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _segfault() -> None:
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang(sleep: Callable[[float], object]) -> NoReturn:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    while True:
        sleep(_LONG)


def _probability(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def _share(data: bytes) -> float:
    """Seven random bytes as a number from 0 up to, not including, 1: the 53 bits that a float holds exactly."""
    return (int.from_bytes(data, "big") >> 3) / (1 << 53)


def _cure(kind: str) -> str:
    from difflib import get_close_matches

    nearest = get_close_matches(kind.casefold(), KINDS, n=1)
    meant = f"did you mean {nearest[0]}? " if nearest else ""
    return f"{meant}write it as {nearest[0] if nearest else KILL_CHILD}@STEP[,0.5]; the kinds are {', '.join(KINDS)}"


def strike_at(
    step_id: str,
    faults: Iterable[Fault],
    *,
    root_pid: int | None,
    write_frames: Callable[[bytes], object] | None,
    clock: Clock,
) -> None:
    """Let those faults strike that are to do so at the start of a step; see ``wanted`` and ``strike``."""
    for fault in wanted(faults, step_id):
        strike(fault, root_pid=root_pid, write_frames=write_frames, sleep=clock.sleep)
