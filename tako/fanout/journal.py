"""The root's own record of its tree: ``journal.jsonl``, one checked line an entry, only ever appended to.

What a run did is in its own ``state.json``; what only the root knows is here: what was planned, when a run was started,
how its process ended (a run that was killed cannot write that itself). Appending costs the same however large the tree
is. A last line that is not whole was being written when the root died; it says nothing, readers pass it over, and who
opens the journal to go on with it cuts it off: so a line that is not whole and not the last was damaged afterwards. The
journal of an older Tako has no ``retrying`` and no start times.

========= ================================================================= =======
entry     carries                                                           flushed
========= ================================================================= =======
plan      the event, the runs it starts, their workflows                    yes
started   run id, pid, when that process started (see ``tako.identity``)    no
waiting   run id, event id                                                  no
retrying  run id, number of the try that failed, failure, seconds, delay    no
ended     run id, status, failure, seconds, outputs, delivered by, cached,  no
          warnings
resumed   pid                                                               yes
finished  whether the whole tree succeeded                                  yes
========= ================================================================= =======
"""

from __future__ import annotations

import json
import os

from tako.errors import StateError
from tako.files import append, canonical, checksum, machine_errors, sync_directory
from tako.identity import identity_of
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.clock import Clock
    from tako.execution.failure import Failure
    from tako.fanout.plan import Plan

_HEAD, _MIDDLE, _TAIL = '{"sha256":"', '","entry":', "}"
"""What a line is made of, with the checksum and the entry between."""

_BLOCK = 1 << 20
_LAST_BYTES = 1 << 16


@record
class Entry:
    """One line of a journal."""

    type: str
    at: float
    data: Mapping[str, Any]


class Journal:
    """Appends to one root's journal; for who owns its workspace."""

    def __init__(self, path: str, clock: Clock) -> None:
        """Open a journal, and cut off a last line that is not whole. Raises ``MachineError``."""
        self._path = path
        self._clock = clock
        with machine_errors("open", path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                _cut_off_torn_line(self._descriptor)
                # Entries that are flushed are of no use in a file whose name is not on the disk.
                sync_directory(os.path.dirname(path) or ".")
            except OSError:
                os.close(self._descriptor)
                raise

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
            # What all runs of a plan have in common is said once; one that is held may have more than that.
            if not planned.joins:
                del data["event"], data["ancestors"]
            runs.append(
                {
                    **data,
                    "workflow": digest,
                    "why": planned.why,
                    "failure": to_data(planned.failure),
                    "held": planned.held,
                    "joins": planned.joins,
                    **({"lacks": list(planned.lacks)} if planned.lacks else {}),
                }
            )
        body = {
            "emitter": emitter_id,
            "event": to_data(plan.event),
            "runs": runs,
            "workflows": workflows,
            "refused": to_data(plan.refused),
            "warnings": list(plan.warnings),
            "repositories": plan.repositories,
            "looked_in": plan.looked_in,
        }
        self._append("plan", body, durable=True)

    def started(self, run_id: str, pid: int) -> None:
        """A run's process has started. Its start time is None if it is gone already."""
        process = identity_of(pid)
        self._append("started", {"run_id": run_id, "pid": pid, "started": process.started if process else None})

    def waiting(self, run_id: str, event_id: str) -> None:
        """A run waits for a fan-out."""
        self._append("waiting", {"run_id": run_id, "event_id": event_id})

    def retrying(self, run_id: str, attempt: int, failure: Failure, seconds: float, delay: float) -> None:
        """A try at a run has failed, and another one follows in ``delay`` seconds.

        ``attempt`` is the number of the try that failed, from 1, ``seconds`` how long it took.
        """
        body = {
            "run_id": run_id,
            "attempt": attempt,
            "failure": to_data(failure),
            "seconds": seconds,
            "delay": delay,
        }
        self._append("retrying", body)

    def ended(
        self,
        run_id: str,
        status: str,
        failure: Failure | None,
        seconds: float,
        outputs: Mapping[str, Any],
        *,
        delivered_by: str | None = None,
        cached: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> None:
        """A run has ended: ``success``, ``failed``, ``cancelled`` or ``skipped``.

        ``delivered_by`` is the run that did its work; ``cached`` are its steps that came from the step cache,
        ``warnings`` what a reader should know of it.
        """
        body: dict[str, Any] = {
            "run_id": run_id,
            "status": status,
            "failure": to_data(failure),
            "seconds": seconds,
            "outputs": to_data(outputs),
        }
        if delivered_by is not None:
            body["delivered_by"] = delivered_by
        if cached:
            body["cached"] = list(cached)
        if warnings:
            body["warnings"] = list(warnings)
        self._append("ended", body)

    def resumed(self) -> None:
        """The tree goes on after an end, or a crash; what had not succeeded is to be run again."""
        self._append("resumed", {"pid": os.getpid()}, durable=True)

    def finished(self, *, ok: bool, seconds: float, interrupted_by: int | None) -> None:
        """The tree has ended."""
        self._append("finished", {"ok": ok, "seconds": seconds, "interrupted_by": interrupted_by}, durable=True)

    def _append(self, type_: str, data: Mapping[str, Any], *, durable: bool = False) -> None:
        body = canonical({"type": type_, "at": self._clock.now(), "data": data})
        line = f"{_HEAD}{checksum(body)}{_MIDDLE}{body}{_TAIL}\n"
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
            entries.append(_entry(line))
        except ValueError as error:
            if number == len(lines) - 1:
                break
            raise StateError(f"the journal is damaged: {error}", where=f"{path}:{number}") from error
    return tuple(entries)


def last_entry(path: str) -> Entry | None:
    """The last entry of a journal, without reading the rest of it; None if that cannot be told so easily."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return None
    # What stands before the first line's end may be the rest of a longer one, and is then no entry.
    try:
        return _entry(lines[-2]) if len(lines) > 1 and not lines[-1] else None
    except ValueError:
        return None


def _entry(line: bytes) -> Entry:
    """The entry of a line. Raises ``ValueError`` if it is not one that was written whole, byte for byte."""
    text = line.decode("utf-8", "surrogatepass")
    start = len(_HEAD) + 64 + len(_MIDDLE)
    body = text[start : -len(_TAIL)]
    if text != f"{_HEAD}{checksum(body)}{_MIDDLE}{body}{_TAIL}":
        raise ValueError("a line's content does not match its checksum")
    try:
        return Entry(**json.loads(body))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"a line is no entry: {error}") from error


def _cut_off_torn_line(descriptor: int) -> None:
    """Bring a journal to the end of its last line that is whole, as ``read_journal`` reads it."""
    size = os.fstat(descriptor).st_size
    content = b""
    while len(content) < size:
        # From the end backwards: what is looked for is in the last block, but for the line of a large plan.
        start = max(0, size - len(content) - _BLOCK)
        content = os.pread(descriptor, size - len(content) - start, start) + content
        if content.count(b"\n") > 1:
            break
    *whole, torn = content.split(b"\n")
    kept = size - len(torn)
    if whole:
        try:
            _entry(whole[-1])
        except ValueError:
            kept -= len(whole[-1]) + 1
    if kept < size:
        os.ftruncate(descriptor, kept)
