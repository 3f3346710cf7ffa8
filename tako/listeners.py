"""Which processes listen at an address of this machine, as far as Linux tells (proc(5), ``/proc/net/tcp``)."""

from __future__ import annotations

import contextlib
import os

from tako import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTENS = "0A"
_ANY_4, _ANY_6 = "00000000", "0" * 32


def listens_below(pid: int, address: str, port: int) -> bool | None:
    """Whether a process, or one below it, listens at a loopback address and a port.

    None where the system does not tell whether anybody does.
    """
    sockets = set(_sockets(address, port))
    if not sockets:
        return None
    return any(not sockets.isdisjoint(_open_in(relative.pid)) for relative in family.descendants([pid]))


def _sockets(address: str, port: int) -> Iterator[str]:
    """What the sockets that listen there are called among the open files of their processes."""
    wanted = _spellings(address)
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            for line in file:
                fields = line.split()
                if len(fields) < 10 or fields[3] != _LISTENS:
                    continue
                local, _, at = fields[1].partition(":")
                if int(at, 16) == port and local in wanted:
                    yield f"socket:[{fields[9]}]"


def _spellings(address: str) -> frozenset[str]:
    """The addresses at which a connection to this one arrives: itself, and any."""
    if ":" in address:
        return frozenset([_ANY_6, "00000000000000000000000001000000"])
    digits = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    return frozenset([digits, _ANY_4, _ANY_6, f"0000000000000000FFFF0000{digits}"])


def _open_in(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(f"/proc/{pid}/fd/{name}")
