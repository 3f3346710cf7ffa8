"""Run ids and event ids.

A run id is ``exec-YYYYMMDD-HHMMSS-xxxxxxxx``: the UTC second at which the root run began and eight
hexadecimal digits, random for a root, derived for a child, so that planning the same fan-out again names the
same children.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from tako.clock import Clock

PREFIX = "exec-"

_LEAST = f"{PREFIX}00000000-000000-00000000"


def new_run_id(clock: Clock, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh id for a root run."""
    return f"{PREFIX}{time.strftime('%Y%m%d-%H%M%S', time.gmtime(clock.now()))}-{random_bytes(4).hex()}"


def is_run_id(text: str) -> bool:
    """Whether a text has the shape of a run id; used before it becomes part of a path."""
    parts = text.split("-")
    return (
        text.isascii()
        and len(parts) == 4
        and parts[0] == "exec"
        and [len(part) for part in parts[1:]] == [8, 6, 8]
        and parts[1].isdecimal()
        and parts[2].isdecimal()
        and all(char in "0123456789abcdef" for char in parts[3])
    )


def is_run_id_prefix(text: str) -> bool:
    """Whether a text is a run id, or one that is cut off at its end."""
    return bool(text) and is_run_id(text + _LEAST[len(text) :])


def stamp_of(run_id: str) -> str:
    """Return ``YYYYMMDD-HHMMSS`` of a run id: the UTC second at which the root of its tree was started."""
    return run_id[len(PREFIX) : len(_LEAST) - len("-xxxxxxxx")]


def child_run_id(root_id: str, event_id: str, repo: str, workflow: str, taken: Container[str] = ()) -> str:
    """The id of the run that an event starts in a repository: the same for the same arguments.

    ``taken`` holds the ids already given in this tree: with 32 bits, 5,000 children collide once in 350 runs.
    """
    stamp = f"{PREFIX}{stamp_of(root_id)}"
    salt = 0
    while True:
        run_id = f"{stamp}-{_digest(event_id, repo, workflow, str(salt))[:8]}"
        if run_id not in taken:
            return run_id
        salt += 1


def event_id(run_id: str, step_id: str, generation: int = 1, number: int = 1) -> str:
    """Return the id of an event that a step of a run emits: the same each time the run comes to the step.

    ``generation`` counts how often somebody asked for the step to be run again although it had succeeded: that is
    another event, with runs of its own. ``number`` counts the events that the step emits together, from 1.
    """
    again = (str(generation),) if generation > 1 else ()
    first = f"evt-{_digest(run_id, step_id, *again)[:24]}"
    return first if number == 1 else f"{first}-{number}"


def fan_out_of(event_id: str) -> str:
    """Return the id of the fan-out that emitted an event: the id of the first event it emitted."""
    return "-".join(event_id.split("-", 2)[:2])


def _digest(*parts: str) -> str:
    from hashlib import sha256

    return sha256("\0".join(parts).encode()).hexdigest()
