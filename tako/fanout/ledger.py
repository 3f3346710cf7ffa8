"""The delivery ledger: ``<home>/events.db``, which event was delivered to whom, and what came of it.

It lets an idempotency key mean the same in every run of a home, and shows what was delivered (``tako events``). It is
no part of what a run needs to go on: that is in the journal and the states. Losing it loses only what it knows of keys.

Written when, and what a crash or a power cut just afterwards means:

============================= =================== ====================================================================
the event and its deliveries  when the journal    flushed to the disk if the event has a key, before any run starts:
                              has the plan        whatever was delivered, that it may have been is known
the claim on a key            before the run      not flushed: after a power cut nobody is at work; whoever finds a
                              starts              delivery of the same without an outcome looks into that run's state
the outcome, acknowledged     after the run's own not flushed, for the same reason: that state was on the disk before
                              state, and the      the run's result was heard
                              journal
============================= =================== ====================================================================

No process that dies alone takes anything with it that was written.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3

from tako.execution.event import Event, event_from_data
from tako.execution.failure import failure_from_data
from tako.fanout.claims import Asking, Claim, Outcome, RunKey, Slot, decide, is_free
from tako.fanout.ledger_file import ForeignRowError, LedgerFile, transaction
from tako.fanout.wait_graph import find_way
from tako.records import record, replace, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import Any

    from tako.clock import Clock
    from tako.fanout.claims import Decision

NAME = "events.db"

RETENTION_SECONDS = 86_400.0
"""How long an outcome answers for its key, unless another time is asked for."""

KEPT_SECONDS = 30 * 86_400.0
"""How long events are kept for ``tako events``, at least."""

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

_EVENT = (
    "event_id, type, source, artifact, schema_version, payload, artifacts, key, waiting, emitted_at, run_id, step_id"
)


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


class Ledger:
    """One process's view of the ledger; opened when it is first used. For one thread.

    Every method raises ``StateError`` if the file was written by a newer Tako, ``MachineError`` if it cannot be used.
    """

    def __init__(
        self, path: str, *, clock: Clock, say: Callable[[str], object], retention: float = RETENTION_SECONDS
    ) -> None:
        """``retention`` is how many seconds an outcome answers for its key; ``say`` see ``LedgerFile``."""
        self._file = LedgerFile(path, migrations=MIGRATIONS, clock=clock, say=say)
        self._clock = clock
        self._retention = retention
        self._is_tidy = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # What a run writes.

    def record(self, recorded: Recorded) -> None:
        """Write down an event with its deliveries; what is there already stays as it is."""
        event, now = recorded.event, self._clock.now()
        row = (
            *map(_text, (event.id, event.type, event.source, event.artifact, event.schema_version)),
            json.dumps(to_data(event.payload)),
            json.dumps(to_data(event.artifacts)),
            *(_text(event.key), event.waiting, _text(event.timestamp), _text(event.run_id), _text(event.step_id)),
            *(recorded.root_id, recorded.redelivers, now),
        )
        deliveries = [
            (event.id, each.run.root_id, each.run.run_id, each.repo, each.workflow, each.workspace, now)
            for each in recorded.deliveries
        ]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection, durable=event.key is not None):
                self._tidy(connection, now)
                connection.execute(
                    f"INSERT OR IGNORE INTO events ({_EVENT}, root_id, redelivers, recorded_at)"  # noqa: S608
                    f" VALUES ({_marks(row)})",
                    row,
                )
                connection.executemany(
                    "INSERT OR IGNORE INTO deliveries (event_id, root_id, run_id, repo, workflow, workspace,"
                    " delivered_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    deliveries,
                )

        self._file.do(write)

    def claims(self, slots: Sequence[Slot]) -> list[Claim | None]:
        """Who has each of some slots."""
        return self._file.do(lambda connection: [_claim(connection, slot) for slot in slots])

    def unclaimed(self, slot: Slot, run: RunKey) -> list[Claim]:
        """The deliveries of a slot to other runs that have no outcome, as claims with the token 0."""
        query = (
            "SELECT d.root_id, d.run_id, d.workspace FROM events e JOIN deliveries d ON d.event_id = e.event_id"
            " WHERE e.source = ? AND e.type = ? AND e.key = ? AND d.repo = ? AND d.workflow = ?"
            " AND d.acknowledged_at IS NULL AND d.run_id != ?"
        )
        values = (*_slot(slot), run.run_id)
        return self._file.do(
            lambda connection: [
                Claim(RunKey(root_id, run_id), workspace, 0)
                for root_id, run_id, workspace in connection.execute(query, values)
            ]
        )

    def settle(self, slot: Slot, claim: Claim, outcome: Outcome) -> None:
        """The outcome of a run whose claim was lost, unless somebody has a claim by now."""
        row = _outcome_row(outcome, self._clock.now(), None)

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                if _claim(connection, slot) is None:
                    connection.execute(_ACKNOWLEDGE, (*row, *_key(claim.holder)))
                    (event_id,) = connection.execute(
                        "SELECT event_id FROM deliveries WHERE root_id = ? AND run_id = ?", _key(claim.holder)
                    ).fetchone()
                    _take(connection, replace(slot, event_id=event_id), claim.holder, 1)

        self._file.do(write)

    def claim(self, asking: Asking, slots: Sequence[Slot], *, dead: Collection[tuple[RunKey, int]] = ()) -> Decision:
        """Take the slots for a run, if it may start; else say what answers it, or for whom it is to wait.

        ``dead`` are holders that will not end any more, with their tokens: whoever has
        taken a slot since, or taken it again, has another token, and is waited for.
        """
        now = self._clock.now()

        def take(connection: sqlite3.Connection) -> Decision:
            with transaction(connection):
                claims = [_claim(connection, slot) for slot in slots]
                decision = decide(asking, claims, now=now, retention=self._retention, dead=dead)
                if decision.wait is not None:
                    circle = _circle(connection, asking.run, decision.wait.holder)
                    if circle:
                        return replace(decision, circle=circle)
                holder = decision.wait.holder if decision.wait is not None else None
                connection.execute(
                    "UPDATE deliveries SET waits_root = ?, waits_run = ? WHERE root_id = ? AND run_id = ?",
                    (*((holder.root_id, holder.run_id) if holder else (None, None)), *_key(asking.run)),
                )
                if decision.starts:
                    for slot, claim in zip(slots, claims, strict=True):
                        if is_free(claim, asking, now=now, retention=self._retention, dead=dead):
                            _take(connection, slot, asking.run, claim.token + 1 if claim else 1)
            return decision

        return self._file.do(take)

    def acknowledge(self, run: RunKey, outcome: Outcome, *, delivered_by: str | None = None) -> None:
        """The outcome of a run, which is on the disk elsewhere, or can be told again."""
        row = _outcome_row(outcome, self._clock.now(), delivered_by)
        self._file.do(lambda connection: connection.execute(_ACKNOWLEDGE, (*row, *_key(run))))

    def acknowledge_for(self, claim: Claim, outcome: Outcome) -> None:
        """The outcome of a run whose root died before it could say so; unless it is at work again since."""
        row = _outcome_row(outcome, self._clock.now(), None)
        unless = (
            " AND acknowledged_at IS NULL"
            " AND EXISTS (SELECT 1 FROM claims WHERE root_id = ? AND run_id = ? AND token = ?)"
        )
        holder = _key(claim.holder)
        values = (*row, *holder, *holder, claim.token)
        self._file.do(lambda connection: connection.execute(_ACKNOWLEDGE + unless, values))

    # What a resumed run asks.

    def knows(self, event_id: str) -> bool:
        """Whether an event is recorded."""
        return self._file.do(
            lambda connection: (
                connection.execute("SELECT 1 FROM events WHERE event_id = ?", (event_id,)).fetchone() is not None
            )
        )

    def unacknowledged(self, root_id: str) -> frozenset[str]:
        """The runs of a tree whose outcome is not known here."""
        query = "SELECT run_id FROM deliveries WHERE root_id = ? AND acknowledged_at IS NULL"
        return self._file.do(
            lambda connection: frozenset(run_id for (run_id,) in connection.execute(query, (root_id,)))
        )

    def reopen(self, runs: Iterable[RunKey]) -> None:
        """Forget the outcomes of runs that are to be run again."""
        query = (
            "UPDATE deliveries SET outcome = NULL, failure = NULL, outputs = NULL, acknowledged_at = NULL,"
            " delivered_by = NULL WHERE root_id = ? AND run_id = ?"
        )
        keys = [_key(run) for run in runs]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(query, keys)

        self._file.do(write)

    # What `tako events` asks.

    def events(self, *, since: float = 0.0) -> list[Recorded]:
        """The events recorded from a time on, in seconds since 1970, the latest first, with their deliveries."""
        query = (
            f"SELECT {_EVENT}, root_id, redelivers, recorded_at FROM events"  # noqa: S608
            " WHERE recorded_at >= ? ORDER BY recorded_at DESC, event_id"
        )

        def read(connection: sqlite3.Connection) -> list[Recorded]:
            rows = connection.execute(query, (since,)).fetchall()
            return [_recorded(connection, row) for row in rows]

        return self._file.do(read)

    def event(self, event_id: str) -> Recorded | None:
        """One event with its deliveries."""
        query = f"SELECT {_EVENT}, root_id, redelivers, recorded_at FROM events WHERE event_id = ?"  # noqa: S608

        def read(connection: sqlite3.Connection) -> Recorded | None:
            row = connection.execute(query, (event_id,)).fetchone()
            return _recorded(connection, row) if row is not None else None

        return self._file.do(read)

    def _tidy(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what is old, once in a process's life."""
        if self._is_tidy:
            return
        self._is_tidy = True
        old = (now - max(KEPT_SECONDS, self._retention),)
        connection.execute(
            "DELETE FROM deliveries WHERE event_id IN (SELECT event_id FROM events WHERE recorded_at < ?)", old
        )
        if connection.execute("DELETE FROM events WHERE recorded_at < ?", old).rowcount:
            connection.execute(
                "DELETE FROM claims WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE"
                " d.event_id = claims.event_id AND d.repo = claims.repo AND d.workflow = claims.workflow)"
            )


_ACKNOWLEDGE = (
    "UPDATE deliveries SET outcome = ?, failure = ?, outputs = ?, acknowledged_at = ?, delivered_by = ?"
    " WHERE root_id = ? AND run_id = ?"
)


def _outcome_row(outcome: Outcome, now: float, delivered_by: str | None) -> tuple[Any, ...]:
    failure = json.dumps(to_data(outcome.failure)) if outcome.failure is not None else None
    outputs = json.dumps(to_data(outcome.outputs)) if outcome.outputs else None
    return outcome.status, failure, outputs, now, delivered_by


def _claim(connection: sqlite3.Connection, slot: Slot) -> Claim | None:
    row = connection.execute(
        "SELECT c.root_id, c.run_id, c.token, d.workspace, d.outcome, d.failure, d.outputs, d.acknowledged_at"
        " FROM claims c JOIN deliveries d ON d.event_id = c.event_id AND d.repo = c.repo AND d.workflow = c.workflow"
        " AND d.run_id = c.run_id"
        " WHERE c.source = ? AND c.type = ? AND c.key = ? AND c.repo = ? AND c.workflow = ?",
        _slot(slot),
    ).fetchone()
    if row is None:
        return None
    root_id, run_id, token, workspace, status, failure, outputs, acknowledged_at = row
    outcome = None
    if acknowledged_at is not None:
        with _foreign():
            outcome = Outcome(status, failure_from_data(_json(failure)), _outputs(outputs))
    return Claim(RunKey(root_id, run_id), workspace, token, outcome, acknowledged_at)


def _take(connection: sqlite3.Connection, slot: Slot, run: RunKey, token: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO claims (source, type, key, repo, workflow, root_id, run_id, event_id, token)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*_slot(slot), *_key(run), slot.event_id, token),
    )


def _recorded(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Recorded:
    names = [name.strip() for name in _EVENT.split(",")]
    fields: dict[str, Any] = dict(zip(names, row, strict=False))
    root_id, redelivers, recorded_at = row[len(names) :]
    query = (
        "SELECT root_id, run_id, repo, workflow, workspace, delivered_at, outcome, failure, acknowledged_at,"
        " delivered_by FROM deliveries WHERE event_id = ? ORDER BY delivered_at, repo, workflow"
    )
    deliveries = connection.execute(query, (fields["event_id"],)).fetchall()
    with _foreign():
        event = event_from_data(
            {
                **{name: value for name, value in fields.items() if name not in ("event_id", "emitted_at")},
                "id": fields["event_id"],
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
            tuple(
                Delivery(RunKey(root, run), repo, workflow, workspace, at, status, _json(failure), acknowledged, by)
                for root, run, repo, workflow, workspace, at, status, failure, acknowledged, by in deliveries
            ),
        )


class _RecordedWaits:
    """The wait graph as the ledger has it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def is_open(self, run: RunKey) -> bool:
        # A run without a delivery is a root: it ends when nothing hangs on it.
        rows = self._rows("SELECT acknowledged_at FROM deliveries WHERE root_id = ? AND run_id = ?", run)
        return any(at is None for (at,) in rows)

    def waits_for(self, run: RunKey) -> RunKey | None:
        query = "SELECT waits_root, waits_run FROM deliveries WHERE root_id = ? AND run_id = ?"
        return next((RunKey(root, other) for root, other in self._rows(query, run) if other is not None), None)

    def triggered(self, run: RunKey, *, waited_for: bool) -> list[RunKey]:
        query = (
            "SELECT DISTINCT d.root_id, d.run_id FROM events e JOIN deliveries d ON d.event_id = e.event_id"
            " WHERE e.root_id = ? AND e.run_id = ?"
        )
        rows = self._rows(query + (" AND e.waiting" if waited_for else ""), run)
        return [RunKey(*row) for row in rows]

    def label(self, run: RunKey) -> str:
        rows = self._rows("SELECT repo, workflow FROM deliveries WHERE root_id = ? AND run_id = ?", run)
        repo, workflow = rows[0] if rows else ("", "")
        return f"{repo}:{workflow} ({run.run_id})"

    def _rows(self, query: str, run: RunKey) -> list[Any]:
        return self._connection.execute(query, _key(run)).fetchall()


def _circle(connection: sqlite3.Connection, run: RunKey, holder: RunKey) -> tuple[str, ...]:
    """The runs from one round to itself by way of a holder, if that waits for it; else none."""
    waits = _RecordedWaits(connection)
    way = find_way(holder, run, waits)
    return tuple(waits.label(each) for each in (run, *way)) if way else ()


def _slot(slot: Slot) -> tuple[str | None, ...]:
    return tuple(map(_text, (slot.source, slot.type, slot.key, slot.repo, slot.workflow)))


def _key(run: RunKey) -> tuple[str, str]:
    return run.root_id, run.run_id


def _text(value: str | None) -> str | None:
    """A text as SQLite takes it: lone surrogates, which JSON may hold, are no Unicode."""
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")


def _marks(row: tuple[Any, ...]) -> str:
    return ", ".join("?" * len(row))


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
