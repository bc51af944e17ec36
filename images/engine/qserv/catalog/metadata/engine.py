"""The door to the metadata database: one transaction a call, on SQLite or MariaDB.

Work is given as a function of a connection, so that it can be run again: on a lost connection, a restart of the
server, a deadlock or a busy file the transaction is repeated, with growing pauses, until ``patience`` seconds have
passed. A commit whose answer was lost may have happened, so what writes must bear to be done twice.

What a transaction decides from what it read is right when it commits. SQLite has one that writes at a time. MariaDB is
told to refuse a write to a row that others changed since the transaction began to read (``innodb_snapshot_isolation``),
and it is repeated: so all that end with a new version of the metadata are as if they ran one after another.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from qserv.catalog.errors import Conflict, Unavailable

T = TypeVar("T")

_SQLITE_BUSY_SECONDS = 30
_STATEMENT_SECONDS = 60

_IDLE_WRITE_SECONDS = 10
"""A process that hangs in the middle of a transaction does not hold up its successor by its locks."""

_IDLE_READ_SECONDS = 600
"""A reader holds up nobody, and may have a million rows to look at before it asks for more."""

_SESSION = "SET SESSION idle_transaction_timeout = {}, innodb_snapshot_isolation = ON"
_NO_SUCH_VARIABLE = 1193
_NEEDED = "take MariaDB 10.6.18, 10.11.8, 11.4.2 or newer"

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

_MARIADB_TRANSIENT = frozenset(
    {
        1020,  # another changed what this transaction read
        1040,  # too many connections
        1053,  # server shutdown in progress
        1205,  # lock wait timeout
        1213,  # deadlock
        1927,  # connection was killed
        2002,  # cannot connect through the socket
        2003,  # cannot connect
        2006,  # server has gone away
        2013,  # lost connection during query
        2014,
        4031,  # disconnected for inactivity
    }
)


def parse(text: str, password: str | None = None) -> URL:
    """A SQLAlchemy URL of a database that this program runs on.

    Raises
    ------
    Conflict
        For another database, or for a text that is not a URL (the text is not repeated: it may hold a password).
    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise Conflict(
            "the metadata URL cannot be read: write sqlite:///path or mysql+pymysql://user@host/db"
        ) from error
    if url.drivername in ("mysql", "mariadb", "mariadb+pymysql"):
        url = url.set(drivername="mysql+pymysql")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "mysql+pymysql"):
        raise Conflict(f"metadata on {url.drivername!r}: use sqlite:///… or mysql+pymysql://…")
    return url.set(password=password) if password is not None else url


class Database:
    """Reads and writes, each in a transaction of its own; for use by many threads.

    Parameters
    ----------
    patience : seconds for which a database that does not answer is asked again.
    statement_seconds : how long MariaDB may take for a statement; None: as long as it takes.
    """

    def __init__(self, url: URL, patience: float = 20.0, statement_seconds: int | None = _STATEMENT_SECONDS) -> None:
        self.url = url
        self.patience = patience
        if url.get_backend_name() == "sqlite":
            self._reading = self._writing = _sqlite(url)
        else:
            self._reading = _mariadb(url, _IDLE_READ_SECONDS, statement_seconds)
            self._writing = _mariadb(url, _IDLE_WRITE_SECONDS, statement_seconds)
        self._errors: type[Exception] = self._reading.dialect.loaded_dbapi.Error

    def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, run on one consistent snapshot of the database."""
        return self._run(self._reading, work, "BEGIN")

    def write(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, committed; nothing is written when it raises."""
        return self._run(self._writing, work, "BEGIN IMMEDIATE")

    def glance(self, query: str, *values: str) -> int | None:
        """The one number that a query answers, by the bare driver: a tenth of the cost of :meth:`read`.

        ``values`` stand where the query has question marks.
        None where there is no row, or where the database did not answer at once: then :meth:`read` may be patient.
        """
        if self._reading.dialect.paramstyle != "qmark":
            query = query.replace("?", "%s")
        try:
            connection = self._reading.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(query, values)
                row = cursor.fetchone()
                cursor.close()
            except BaseException:
                connection.invalidate()
                raise
            else:
                connection.close()
        except (self._errors, DBAPIError):
            return None
        return int(row[0]) if row else None

    def close(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    def _run(self, engine: Engine, work: Callable[[Connection], T], begin: str) -> T:
        deadline = time.monotonic() + self.patience
        pause = _FIRST_PAUSE
        while True:
            try:
                with engine.connect().execution_options(qserv_begin=begin) as connection, connection.begin():
                    return work(connection)
            except DBAPIError as error:
                where = self.url.render_as_string(hide_password=True)
                if error.orig is not None and error.orig.args[:1] == (_NO_SUCH_VARIABLE,):
                    told = error.orig.args[-1]
                    raise Conflict(f"the metadata database {where} is too old ({told}): {_NEEDED}") from error
                if not _transient(error):
                    raise
                if time.monotonic() + pause > deadline:
                    raise Unavailable(
                        f"the metadata database {where} did not answer for {self.patience:g} s: is it running?"
                        f" ({error.orig})"
                    ) from error
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads retries, guards nothing
            pause = min(2 * pause, _LONGEST_PAUSE)


def _transient(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    if isinstance(error, OperationalError | InterfaceError) and error.orig is not None and error.orig.args:
        return error.orig.args[0] in _MARIADB_TRANSIENT
    return False


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _SQLITE_BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(raw: sqlite3.Connection, _record: object) -> None:
        # The driver would open transactions by itself, and only before writes: reads need a snapshot too.
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("qserv_begin", "BEGIN"))

    return engine


def _mariadb(url: URL, idle_seconds: int, statement_seconds: int | None) -> Engine:
    return create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=32,
        connect_args={
            "charset": "utf8mb4",
            "connect_timeout": 5,
            "read_timeout": statement_seconds,
            "write_timeout": statement_seconds,
            "init_command": _SESSION.format(idle_seconds),
        },
    )
