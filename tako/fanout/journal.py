"""The root's own record of its tree: ``journal.jsonl``, one checked line an entry, only ever appended to.

What a run did is in its own ``state.json``; what only the root knows is here: what was planned, when a run was started,
how its process ended (a run that was killed cannot write that itself). Appending costs the same however large the tree
is. A last line that is not complete was being written when the root died; it says nothing and is passed over.

========= ================================================================= =======
entry     carries                                                           flushed
========= ================================================================= =======
plan      the event, the runs it starts, their workflows                    yes
started   run id, pid                                                       no
waiting   run id, event id                                                  no
ended     run id, status, failure, seconds, outputs                         no
finished  whether the whole tree succeeded                                  yes
========= ================================================================= =======
"""

from __future__ import annotations

import json
import os

from tako.errors import StateError
from tako.files import append, canonical, checksum
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.clock import Clock
    from tako.execution.failure import Failure
    from tako.fanout.plan import Plan


@record
class Entry:
    """One line of a journal."""

    type: str
    at: float
    data: Mapping[str, Any]


class Journal:
    """Appends to one root's journal."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def planned(self, plan: Plan, emitter_id: str) -> None:
        """A plan; on the disk when this returns, so that nothing starts that is not known afterwards."""
        workflows: dict[str, Any] = {}
        runs = []
        for planned in plan.runs:
            data = to_data(planned.request)
            workflow = data.pop("workflow")
            digest = checksum(canonical(workflow))
            workflows[digest] = workflow
            for shared in ("event", "ancestors"):
                del data[shared]
            runs.append({**data, "workflow": digest, "why": planned.why, "failure": to_data(planned.failure)})
        body = {
            "emitter": emitter_id,
            "event": to_data(plan.event),
            "runs": runs,
            "workflows": workflows,
            "refused": to_data(plan.refused),
            "warnings": list(plan.warnings),
        }
        self._append("plan", body, durable=True)

    def started(self, run_id: str, pid: int) -> None:
        """A run's process has started."""
        self._append("started", {"run_id": run_id, "pid": pid})

    def waiting(self, run_id: str, event_id: str) -> None:
        """A run waits for a fan-out."""
        self._append("waiting", {"run_id": run_id, "event_id": event_id})

    def ended(
        self, run_id: str, status: str, failure: Failure | None, seconds: float, outputs: Mapping[str, Any]
    ) -> None:
        """A run has ended."""
        body = {
            "run_id": run_id,
            "status": status,
            "failure": to_data(failure),
            "seconds": seconds,
            "outputs": to_data(outputs),
        }
        self._append("ended", body)

    def finished(self, *, ok: bool, seconds: float, interrupted_by: int | None) -> None:
        """The tree has ended."""
        self._append("finished", {"ok": ok, "seconds": seconds, "interrupted_by": interrupted_by}, durable=True)

    def _append(self, type_: str, data: Mapping[str, Any], *, durable: bool = False) -> None:
        body = canonical({"type": type_, "at": self._clock.now(), "data": data})
        line = f'{{"sha256":"{checksum(body)}","entry":{body}}}\n'
        append(self._descriptor, line.encode("utf-8", "surrogatepass"), self._path, durable=durable)


def read_journal(path: str) -> tuple[Entry, ...]:
    """The entries of a journal; none if there is no file.

    Raises ``StateError`` naming the line if one is damaged that is not the last.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StateError(f"cannot read the journal: {error.strerror}", where=path) from error
    entries = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            outer = json.loads(line.decode("utf-8", "surrogatepass"))
            if checksum(canonical(outer["entry"])) != outer["sha256"]:
                raise ValueError("its content does not match its checksum")
            entries.append(Entry(**outer["entry"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number == len(lines) - 1:
                break
            raise StateError(f"the journal is damaged: {error}", where=f"{path}:{number}") from error
    return tuple(entries)
