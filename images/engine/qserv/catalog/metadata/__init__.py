"""The metadata: what the cluster knows of itself, in SQLite or MariaDB.

:class:`Metadata` is the door. Czars use its methods; the replication controller also runs the functions of the modules
beside this one (``tables``, ``units``, ``ingests``, ``workers``, ``chores``) in transactions, by :meth:`Metadata.read`
and :meth:`Metadata.write`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from qserv.catalog.metadata import migrate, people, scrubs, snapshot
from qserv.catalog.metadata.engine import Database, parse
from qserv.catalog.metadata.people import Account, KillRequest, QueryRecord, QueryState, password_auth, password_sha2
from qserv.catalog.metadata.snapshot import Snapshot
from qserv.catalog.settings import MetadataSettings

__all__ = [
    "Account",
    "KillRequest",
    "Metadata",
    "QueryRecord",
    "QueryState",
    "Snapshot",
    "password_auth",
    "password_sha2",
]

T = TypeVar("T")


class Metadata:
    """The metadata database; thread-safe and blocking.

    Every method rides out a lost connection or a restart of the database for ``patience`` seconds, and then raises
    :class:`~qserv.catalog.errors.Unavailable`.
    """

    def __init__(
        self, url: str, *, password: str | None = None, migrate_schema: bool = False, patience: float = 20.0
    ) -> None:
        """Open the database; ``migrate_schema`` makes or upgrades its schema, as only the controller does.

        Raises
        ------
        SchemaVersion
            When the schema is not this program's.
        Unavailable
            When the database cannot be reached.
        """
        self.database = Database(parse(url, password), patience)
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        try:
            if migrate_schema:
                migrate.upgrade(self.database)
            self.database.read(migrate.check)
        except BaseException:
            self.database.close()
            raise

    @classmethod
    def from_settings(cls, settings: MetadataSettings, *, migrate_schema: bool = False) -> Metadata:
        file = settings.metadata_password_file
        password = file.read_text().strip() if file is not None else None
        return cls(settings.metadata_url.get_secret_value(), password=password, migrate_schema=migrate_schema)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction that sees one state of the database."""
        return self.database.read(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction and commit it; it may run more than once, see the ``engine`` module."""
        return self.database.write(work)

    def close(self) -> None:
        self.database.close()

    def version(self) -> int:
        """The version of what all may see; it grows with each change."""
        found = self.database.glance(snapshot.VERSION)
        return found if found is not None else self.read(snapshot.version)

    def snapshot(self) -> Snapshot:
        """The catalog and placement of the present version; the same object until the version changes."""
        known = self._snapshot
        if known is not None and known.catalog.version == self.version():
            return known
        with self._lock:
            self._snapshot = self.read(partial(snapshot.load, old=self._snapshot))
            return self._snapshot

    def account(self, name: str) -> Account | None:
        return self.read(partial(people.account, name=name))

    def record_queries(self, records: Sequence[QueryRecord]) -> None:
        """Enter queries into the history as they are now, running or ended; each is named once."""
        self.write(partial(people.record_queries, records=records))

    def running_queries(self, account: str | None = None) -> list[QueryRecord]:
        """The queries that run on any czar, oldest first; of one account, or of all."""
        return self.read(partial(people.running_queries, name=account))

    def query_history(self, account: str | None = None, limit: int = 1000) -> list[QueryRecord]:
        """The newest queries, running and ended; of one account, or of all."""
        return self.read(partial(people.history, name=account, limit=limit))

    def request_kill(
        self, by: Account, *, query: str | None = None, connection: int | None = None, close: bool = False
    ) -> None:
        """Ask whichever czar runs a query, named by its id or its client's connection, to stop it.

        ``close`` asks for the whole connection to be closed.

        Raises
        ------
        NoSuchQuery
            When it does not run, or belongs to another account and ``by`` is no administrator.
        """
        self.write(partial(people.request_kill, by=by, query=query, client=connection, close=close))

    def kill_requests(self, czar: str) -> list[KillRequest]:
        """What others asked this czar to kill; each is told once."""
        none = self.database.glance(people.KILL_REQUESTS, czar) == 0
        return [] if none else self.write(partial(people.kill_requests, czar=czar))

    def report_damage(self, worker: int, paths: Sequence[str]) -> None:
        """Note files (relative to the data folder) that a worker, named by its id, did not have whole."""
        self.write(partial(scrubs.report, worker=worker, paths=paths))

    def close_queries_of(self, czar: str, error: str = "the czar stopped while the query ran") -> int:
        """At the start of a czar: end the queries that its former process left running; how many there were."""
        return self.write(partial(people.close_queries_of, czar=czar, error=error))
