"""What a machine lacks at one moment it may have the next: processes, memory and descriptors are asked for again."""

from __future__ import annotations

import errno
import os

from tako.errors import MachineError, SpawnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tako.clock import Clock

    T = TypeVar("T")

_PASSES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""Errors that may be gone in a moment: no process, memory or descriptor is to be had right now."""

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds to wait before trying once more."""

TRIED = f"tried for {sum(PAUSES):.0f} seconds"


_SPARED = 64
"""Descriptors that are left for files that are opened for a moment; a quarter of all, where there are few."""


def is_shortage(error: BaseException) -> bool:
    """Whether an error, or what a ``MachineError`` came of, is about what the machine lacks at the moment."""
    if isinstance(error, SpawnError):
        return error.passing
    cause = error.__cause__ if isinstance(error, MachineError) else error
    return isinstance(cause, OSError) and cause.errno in _PASSES


def patiently(attempt: Callable[[], T], clock: Clock) -> T:
    """What ``attempt`` returns: it is called again, for some seconds, as long as it raises for a shortage.

    Raises what the last attempt did, or any did that was not about a shortage.
    """
    for pause in PAUSES:
        try:
            return attempt()
        except (OSError, MachineError) as error:
            if not is_shortage(error):
                raise
        clock.sleep(pause)
    return attempt()


def lasting_pipe() -> tuple[int, int]:
    """A pipe that is open for long, as ``os.pipe`` makes it, but not of the last descriptors that there are.

    How many children are at work at once is the user's to say. Those that would take the last descriptors have to wait:
    without one, whoever has the others at work could write down nothing, read no ``tako.yml`` and find no process.
    """
    # What only a root needs.
    import resource

    ends = os.pipe()
    most, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A new descriptor has the lowest number that is free, so all below are in use.
    if most != resource.RLIM_INFINITY and max(ends) >= most - min(_SPARED, most // 4):
        for end in ends:
            os.close(end)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return ends
