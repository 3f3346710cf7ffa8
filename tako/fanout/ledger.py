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

import sqlite3

from tako.fanout.claims import Asking, Claim, Outcome, RunKey, Slot, decide, is_free
from tako.fanout.ledger_file import LedgerFile, transaction
from tako.fanout.ledger_rows import (
    EVENT_COLUMNS,
    MIGRATIONS,
    event_row,
    outcome_row,
    read_claim,
    read_recorded,
    run_values,
    slot_values,
)
from tako.fanout.wait_graph import find_way
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import Any

    from tako.clock import Clock
    from tako.fanout.claims import Decision
    from tako.fanout.ledger_rows import Recorded

NAME = "events.db"

RETENTION_SECONDS = 86_400.0
"""How long an outcome answers for its key, unless another time is asked for."""

KEPT_SECONDS = 30 * 86_400.0
"""How long events are kept for ``tako events``, at least."""


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
        row = event_row(recorded, now)
        deliveries = [
            (event.id, each.run.root_id, each.run.run_id, each.repo, each.workflow, each.workspace, now)
            for each in recorded.deliveries
        ]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection, durable=event.key is not None):
                self._tidy(connection, now)
                connection.execute(
                    f"INSERT OR IGNORE INTO events ({EVENT_COLUMNS})"  # noqa: S608
                    f" VALUES ({', '.join('?' * len(row))})",
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
        return self._file.do(lambda connection: [read_claim(connection, slot) for slot in slots])

    def unclaimed(self, slot: Slot, run: RunKey) -> list[Claim]:
        """The deliveries of a slot to other runs that have no outcome, as claims with the token 0."""
        query = (
            "SELECT d.root_id, d.run_id, d.workspace FROM events e JOIN deliveries d ON d.event_id = e.event_id"
            " WHERE e.source = ? AND e.type = ? AND e.key = ? AND d.repo = ? AND d.workflow = ?"
            " AND d.acknowledged_at IS NULL AND d.run_id != ?"
        )
        values = (*slot_values(slot), run.run_id)
        return self._file.do(
            lambda connection: [
                Claim(RunKey(root_id, run_id), workspace, 0)
                for root_id, run_id, workspace in connection.execute(query, values)
            ]
        )

    def settle(self, slot: Slot, claim: Claim, outcome: Outcome) -> None:
        """The outcome of a run whose claim was lost, unless somebody has a claim by now."""
        row = outcome_row(outcome, self._clock.now(), None)

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                if read_claim(connection, slot) is None:
                    connection.execute(_ACKNOWLEDGE, (*row, *run_values(claim.holder)))
                    (event_id,) = connection.execute(
                        "SELECT event_id FROM deliveries WHERE root_id = ? AND run_id = ?", run_values(claim.holder)
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
                claims = [read_claim(connection, slot) for slot in slots]
                decision = decide(asking, claims, now=now, retention=self._retention, dead=dead)
                if decision.wait is not None:
                    circle = _circle(connection, asking.run, decision.wait.holder)
                    if circle:
                        return replace(decision, circle=circle)
                holder = decision.wait.holder if decision.wait is not None else None
                connection.execute(
                    "UPDATE deliveries SET waits_root = ?, waits_run = ? WHERE root_id = ? AND run_id = ?",
                    (*((holder.root_id, holder.run_id) if holder else (None, None)), *run_values(asking.run)),
                )
                if decision.starts:
                    for slot, claim in zip(slots, claims, strict=True):
                        if is_free(claim, asking, now=now, retention=self._retention, dead=dead):
                            _take(connection, slot, asking.run, claim.token + 1 if claim else 1)
            return decision

        return self._file.do(take)

    def acknowledge(self, run: RunKey, outcome: Outcome, *, delivered_by: str | None = None) -> None:
        """The outcome of a run, which is on the disk elsewhere, or can be told again."""
        row = outcome_row(outcome, self._clock.now(), delivered_by)
        self._file.do(lambda connection: connection.execute(_ACKNOWLEDGE, (*row, *run_values(run))))

    def acknowledge_for(self, claim: Claim, outcome: Outcome) -> None:
        """The outcome of a run whose root died before it could say so; unless it is at work again since."""
        row = outcome_row(outcome, self._clock.now(), None)
        unless = (
            " AND acknowledged_at IS NULL"
            " AND EXISTS (SELECT 1 FROM claims WHERE root_id = ? AND run_id = ? AND token = ?)"
        )
        holder = run_values(claim.holder)
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
        keys = [run_values(run) for run in runs]

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(query, keys)

        self._file.do(write)

    # What `tako events` asks.

    def events(self, *, since: float = 0.0) -> list[Recorded]:
        """The events recorded from a time on, in seconds since 1970, the latest first, with their deliveries."""
        query = (
            f"SELECT {EVENT_COLUMNS} FROM events"  # noqa: S608
            " WHERE recorded_at >= ? ORDER BY recorded_at DESC, event_id"
        )

        def read(connection: sqlite3.Connection) -> list[Recorded]:
            rows = connection.execute(query, (since,)).fetchall()
            return [read_recorded(connection, row) for row in rows]

        return self._file.do(read)

    def event(self, event_id: str) -> Recorded | None:
        """One event with its deliveries."""
        query = f"SELECT {EVENT_COLUMNS} FROM events WHERE event_id = ?"  # noqa: S608

        def read(connection: sqlite3.Connection) -> Recorded | None:
            row = connection.execute(query, (event_id,)).fetchone()
            return read_recorded(connection, row) if row is not None else None

        return self._file.do(read)

    def ids_beginning_with(self, prefix: str) -> list[str]:
        """The ids of the events that begin with a text, the latest first."""
        query = "SELECT event_id FROM events WHERE substr(event_id, 1, ?) = ? ORDER BY recorded_at DESC"
        return self._file.do(lambda connection: [row[0] for row in connection.execute(query, (len(prefix), prefix))])

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


def _take(connection: sqlite3.Connection, slot: Slot, run: RunKey, token: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO claims (source, type, key, repo, workflow, root_id, run_id, event_id, token)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*slot_values(slot), *run_values(run), slot.event_id, token),
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
        return self._connection.execute(query, run_values(run)).fetchall()


def _circle(connection: sqlite3.Connection, run: RunKey, holder: RunKey) -> tuple[str, ...]:
    """The runs from one round to itself by way of a holder, if that waits for it; else none."""
    waits = _RecordedWaits(connection)
    way = find_way(holder, run, waits)
    return tuple(waits.label(each) for each in (run, *way)) if way else ()
