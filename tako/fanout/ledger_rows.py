"""The tables of the delivery ledger, and what their rows hold."""

from __future__ import annotations

import contextlib
import json

from tako.execution.event import Event, event_from_data
from tako.execution.failure import failure_from_data
from tako.fanout.claims import Claim, Outcome, RunKey, Slot, name_and_host, name_in_ledger
from tako.fanout.ledger_file import ForeignRowError
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from typing import Any

MIGRATIONS = (
    """
    CREATE TABLE events (
        event_id TEXT PRIMARY KEY, type TEXT NOT NULL, source TEXT NOT NULL, artifact TEXT NOT NULL,
        schema_version TEXT, payload TEXT NOT NULL, artifacts TEXT NOT NULL, key TEXT, waiting INTEGER NOT NULL,
        emitted_at TEXT NOT NULL, root_id TEXT NOT NULL, run_id TEXT NOT NULL, step_id TEXT NOT NULL,
        redelivers TEXT, recorded_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX events_by_emitter ON events (root_id, run_id);
    CREATE INDEX events_by_time ON events (recorded_at);
    CREATE INDEX events_by_key ON events (source, type, key);
    CREATE TABLE deliveries (
        event_id TEXT NOT NULL, root_id TEXT NOT NULL, run_id TEXT NOT NULL,
        repo TEXT NOT NULL, workflow TEXT NOT NULL, workspace TEXT NOT NULL, delivered_at REAL NOT NULL,
        outcome TEXT, failure TEXT, outputs TEXT, acknowledged_at REAL, delivered_by TEXT,
        waits_root TEXT, waits_run TEXT,
        PRIMARY KEY (event_id, repo, workflow, run_id)
    ) WITHOUT ROWID;
    CREATE INDEX deliveries_by_run ON deliveries (root_id, run_id);
    CREATE TABLE claims (
        source TEXT NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, repo TEXT NOT NULL, workflow TEXT NOT NULL,
        root_id TEXT NOT NULL, run_id TEXT NOT NULL, event_id TEXT NOT NULL, token INTEGER NOT NULL,
        PRIMARY KEY (source, type, key, repo, workflow)
    ) WITHOUT ROWID
    """,
)

EVENT_COLUMNS = (
    "event_id, type, source, artifact, schema_version, payload, artifacts, key, waiting, emitted_at, run_id, step_id,"
    " root_id, redelivers, recorded_at"
)
"""In the order of ``event_row``, and of what ``read_recorded`` takes."""


@record
class Delivery:
    """One event for one subscriber."""

    run: RunKey
    repo: str
    workflow: str
    workspace: str
    """Of the run, below the Tako home."""
    delivered_at: float = 0.0
    """Seconds since 1970; when it was planned."""
    status: str | None = None
    """``success``, ``failed`` or ``cancelled``; None until it is acknowledged."""
    failure: Any = None
    """Why it failed, as plain data."""
    acknowledged_at: float | None = None
    delivered_by: str | None = None
    """The run that did the work, if it was another one."""


@record
class Recorded:
    """An event of the ledger."""

    event: Event
    root_id: str
    recorded_at: float
    redelivers: str | None = None
    """The event that it repeats."""
    deliveries: tuple[Delivery, ...] = ()


def event_row(recorded: Recorded, now: float) -> tuple[Any, ...]:
    """An event, recorded ``now``, as its columns are to hold it."""
    event = recorded.event
    source = name_in_ledger(event.source, event.host)
    return (
        *map(_text, (event.id, event.type, source, event.artifact, event.schema_version)),
        json.dumps(to_data(event.payload)),
        json.dumps(to_data(event.artifacts)),
        *(_text(event.key), event.waiting, _text(event.timestamp), _text(event.run_id), _text(event.step_id)),
        *(recorded.root_id, recorded.redelivers, now),
    )


def outcome_row(outcome: Outcome, now: float, delivered_by: str | None) -> tuple[Any, ...]:
    """What a delivery is to hold of an outcome: outcome, failure, outputs, acknowledged_at, delivered_by."""
    failure = json.dumps(to_data(outcome.failure)) if outcome.failure is not None else None
    outputs = json.dumps(to_data(outcome.outputs)) if outcome.outputs else None
    return outcome.status, failure, outputs, now, delivered_by


def read_claim(connection: sqlite3.Connection, slot: Slot) -> Claim | None:
    """Who has a slot. Raises ``ForeignRowError``."""
    row = connection.execute(
        "SELECT c.root_id, c.run_id, c.token, d.workspace, d.outcome, d.failure, d.outputs, d.acknowledged_at"
        " FROM claims c JOIN deliveries d ON d.event_id = c.event_id AND d.repo = c.repo AND d.workflow = c.workflow"
        " AND d.run_id = c.run_id"
        " WHERE c.source = ? AND c.type = ? AND c.key = ? AND c.repo = ? AND c.workflow = ?",
        slot_values(slot),
    ).fetchone()
    if row is None:
        return None
    root_id, run_id, token, workspace, status, failure, outputs, acknowledged_at = row
    outcome = None
    if acknowledged_at is not None:
        with _foreign():
            outcome = Outcome(status, failure_from_data(_json(failure)), _outputs(outputs))
    return Claim(RunKey(root_id, run_id), workspace, token, outcome, acknowledged_at)


def read_recorded(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Recorded:
    """The event of a row, with its deliveries. Raises ``ForeignRowError``."""
    names = [name.strip() for name in EVENT_COLUMNS.split(",")]
    fields: dict[str, Any] = dict(zip(names, row, strict=True))
    root_id, redelivers, recorded_at = (fields.pop(name) for name in ("root_id", "redelivers", "recorded_at"))
    query = (
        "SELECT root_id, run_id, repo, workflow, workspace, delivered_at, outcome, failure, acknowledged_at,"
        " delivered_by FROM deliveries WHERE event_id = ? ORDER BY delivered_at, repo, workflow"
    )
    deliveries = connection.execute(query, (fields["event_id"],)).fetchall()
    with _foreign():
        source, host = name_and_host(fields["source"])
        event = event_from_data(
            {
                **{name: value for name, value in fields.items() if name not in ("event_id", "emitted_at")},
                "id": fields["event_id"],
                "source": source,
                "host": host,
                "timestamp": fields["emitted_at"],
                "waiting": bool(fields["waiting"]),
                "payload": json.loads(fields["payload"]),
                "artifacts": json.loads(fields["artifacts"]),
            }
        )
        return Recorded(
            event,
            root_id,
            recorded_at,
            redelivers,
            tuple(_delivery(*row) for row in deliveries),
        )


def _delivery(root: str, run: str, repo: str, workflow: str, workspace: str, at: float, *outcome: Any) -> Delivery:
    """A delivery of a row; ``outcome`` is its status, its failure, when it was acknowledged, and who did the work."""
    status, failure, acknowledged, by = outcome
    shown, _ = name_and_host(repo)
    return Delivery(RunKey(root, run), shown, workflow, workspace, at, status, _json(failure), acknowledged, by)


def slot_values(slot: Slot) -> tuple[str | None, ...]:
    """What tells a slot: source, type, key, repo, workflow."""
    return tuple(map(_text, (slot.source, slot.type, slot.key, slot.repo, slot.workflow)))


def run_values(run: RunKey) -> tuple[str, str]:
    """What tells a run: root_id, run_id."""
    return run.root_id, run.run_id


def _text(value: str | None) -> str | None:
    """A text as SQLite takes it: lone surrogates, which JSON may hold, are no Unicode."""
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _outputs(text: str | None) -> dict[str, dict[str, str]]:
    return {step: dict(values) for step, values in (_json(text) or {}).items()}


@contextlib.contextmanager
def _foreign() -> Iterator[None]:
    """What a row holds is not what we write."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ForeignRowError(f"a row lacks something or has too much: {error}") from error
