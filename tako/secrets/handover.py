"""How a child gets the values of its secrets: in a file that is in memory only and has no name.

It is not in the command line, the environment, the request or on the disk. The root writes it before the child starts,
which inherits it as ``DESCRIPTOR``, reads it first of all and closes it; no step ever has it.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DESCRIPTOR = 3
VARIABLE = "TAKO_SECRETS_FD"
"""Tells the child that there is something to take."""

_ABOVE = 64
"""The root's own descriptor is at least that: one that is moved to where it is already would be closed by exec."""


def hand_over(values: Mapping[str, str]) -> int:
    """A descriptor to start the child with; the caller closes it. Raises ``OSError`` if the machine has none."""
    import fcntl

    made = os.memfd_create("tako-secrets", os.MFD_CLOEXEC)
    try:
        descriptor = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    finally:
        os.close(made)
    try:
        view = memoryview(json.dumps(dict(values)).encode())
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def take_over(number: str) -> dict[str, str]:
    """What was handed over to this process, at the descriptor that ``VARIABLE`` tells; it is closed.

    Raises ``OSError`` or ``ValueError`` if nothing was.
    """
    with open(int(number), "rb") as file:
        values = json.loads(file.read())
    if not isinstance(values, dict):
        raise ValueError("not a mapping")
    return {str(name): str(value) for name, value in values.items()}
