"""The file of the delivery ledger: opened, brought to the present schema, set aside if it is damaged.

SQLite in WAL mode: readers and one writer at a time, in as many processes as there are. A commit is seen by all at once
and survives any process, however it ends; with ``durable`` it has also survived a power cut when it returns, else it
may be lost to one (``synchronous`` FULL and NORMAL, https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time

from tako.errors import MachineError, StateError
from tako.files import make_dirs, sync_directory
from tako.locks import exclusive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from tako.clock import Clock

    T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long to wait for another process that writes."""

_COMPANIONS = ("-wal", "-shm", "")
"""The files of a database, the main one last: a log that stayed behind would be taken for that of the next one."""


class ForeignRowError(Exception):
    """A row does not hold what a row of its table holds."""


# SQLite's own words about a damaged schema may hold bytes of it.
_UNREADABLE = (ForeignRowError, UnicodeDecodeError)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class LedgerFile:
    """One process's connection to a ledger. For one thread; opened when it is first used.

    ``migrations[n]`` is the SQL that makes schema version n + 1 out of version n, of nothing for 0. ``say`` is told, in
    a line, of a damaged file that was set aside: a new one is begun then, without what the old one knew.
    """

    def __init__(self, path: str, *, migrations: Sequence[str], clock: Clock, say: Callable[[str], object]) -> None:
        self.path = path
        self._migrations = migrations
        self._clock = clock
        self._say = say
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def do(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """What comes of an act with the connection; the act is repeated, on an empty ledger, if the file is damaged.

        Raises ``StateError`` if the file was written by a newer Tako; ``MachineError`` if the machine refuses
        something, or somebody else writes for longer than ``BUSY_SECONDS``.
        """
        try:
            return self._try(act)
        except _UNREADABLE as error:
            self._recover(str(error))
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise self._refused(error) from error
            self._recover(str(error))
        try:
            return self._try(act)
        except (sqlite3.Error, *_UNREADABLE) as error:
            raise self._refused(error) from error

    def _try(self, act: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._open()
        return act(self._connection)

    def _open(self) -> sqlite3.Connection:
        is_new = not os.path.exists(self.path)
        make_dirs(os.path.dirname(self.path))
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            self._use_wal(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            self._migrate(connection)
            self._inode = _inode(self.path)
            if is_new:
                sync_directory(os.path.dirname(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL mode; SQLite does not wait by itself for another process that is about to do the same."""
        deadline = self._clock.monotonic() + BUSY_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or self._clock.monotonic() >= deadline:
                    raise
                self._clock.sleep(0.01)
            else:
                return

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the schema up to date, once, whoever else is about to."""
        wanted = len(self._migrations)
        if _version(connection) == wanted:
            return
        with transaction(connection):
            found = _version(connection)
            if found > wanted:
                raise StateError(
                    f"the delivery ledger has schema version {found}, this Tako knows {wanted}",
                    where=self.path,
                    cure="use the version of Tako that wrote it",
                )
            for version in range(found, wanted):
                for statement in self._migrations[version].split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={wanted}")

    def _recover(self, why: str) -> None:
        """Set a damaged file aside, unless somebody else has; the next use begins a new one."""
        self.close()
        with exclusive(f"{self.path}.lock", clock=self._clock, timeout=BUSY_SECONDS):
            if self._is_another():
                return
            aside = self._aside()
            try:
                for companion in _COMPANIONS:
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(self.path + companion, aside + companion)
            except OSError as error:
                raise MachineError(f"cannot set the damaged ledger aside: {error.strerror}", where=self.path) from error
        self._say(
            f"warning: the delivery ledger {self.path} was damaged ({why}); it is now {aside}, and a new one was "
            "begun: what was delivered before is not known any more, so its idempotency keys count as new"
        )

    def _is_another(self) -> bool:
        """Whether the file is not the one that was found damaged, or is gone."""
        inode = _inode(self.path)
        if inode == 0 or self._inode != 0:
            return inode != self._inode
        # It was damaged before it was open: whoever has replaced it has left one that can be opened.
        try:
            self._open().close()
        except (sqlite3.Error, *_UNREADABLE):
            return False
        return True

    def _aside(self) -> str:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._clock.now()))
        name, number = f"{self.path}.damaged-{stamp}", 1
        while os.path.lexists(name):
            number += 1
            name = f"{self.path}.damaged-{stamp}-{number}"
        return name

    def _refused(self, error: Exception) -> MachineError:
        return MachineError(f"the delivery ledger cannot be used: {error}", where=self.path)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, *, durable: bool = False) -> Iterator[None]:
    """All or nothing, with nobody else writing meanwhile; ``durable`` also waits for the disk."""
    if durable:
        connection.execute("PRAGMA synchronous=FULL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        if durable:
            connection.execute("PRAGMA synchronous=NORMAL")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_damage(error: sqlite3.Error) -> bool:
    # A table or column that is not there: the file is some other database.
    foreign = str(error).startswith(("no such table", "no such column", "Could not decode"))
    return foreign or " has no column " in str(error) or _code(error) in _DAMAGE


def _code(error: sqlite3.Error) -> int:
    """The primary result code; errors of the Python module itself have none (0)."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _inode(path: str) -> int:
    """What tells a file from the next one of its name; 0 if there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0
