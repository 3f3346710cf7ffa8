"""What a run may use of the machine: limits that every process below inherits."""

from __future__ import annotations


def limit_memory(allowance: int) -> None:
    """Let this process, and each that it starts, allocate at most that many bytes; 0 is no limit.

    On Linux this is ``RLIMIT_DATA`` (getrlimit(2)): what a program allocates, not what it maps from files or only
    reserves, which garbage-collected languages do by the gigabyte. Elsewhere it is ``RLIMIT_AS``. It never raises
    a limit that is there.
    """
    if allowance <= 0:
        return
    import resource
    import sys

    kind = resource.RLIMIT_DATA if sys.platform.startswith("linux") else resource.RLIMIT_AS
    _soft, hard = resource.getrlimit(kind)
    wanted = allowance if hard == resource.RLIM_INFINITY else min(allowance, hard)
    resource.setrlimit(kind, (wanted, hard))
