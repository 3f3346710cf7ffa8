"""How files that an older Tako wrote are read.

Every kind of file has a schema version, which is raised only where old and new data cannot be told apart, or the old
say something in another way. A field that is added with a default needs none: the default stands in for it. When a
version is raised, a pure function is added here that makes data of the new version out of those of the old one; it
stays for ever, as do the old files under ``tests/fixtures/state``, which must load for ever. A file is brought to
today's version in memory, when it is read; the next write of its owner brings it there on the disk.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.files import Migration


def _each_event_of_a_step(data: Any) -> Any:
    """Version 1 of a state holds at most one event of a step, or null; version 2 holds a list."""
    return {**data, "steps": [_with_events(step) for step in data["steps"]]}


def _with_events(step: Any) -> Any:
    handlers = [_with_events(handler) for handler in step.get("handlers", ())]
    return {**step, "emitted": [step["emitted"]] if step["emitted"] else [], "handlers": handlers}


MIGRATIONS: Mapping[str, Mapping[int, Migration]] = {"answer": {}, "request": {}, "state": {1: _each_event_of_a_step}}
"""By the kind of file, then by the version that a function starts from."""
