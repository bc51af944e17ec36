"""Transactions and contributions as their clients see them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import Conflict, QservError
from qserv.catalog.messages import ContributionKey
from qserv.catalog.metadata import Metadata, ingests, progress, tables
from qserv.catalog.metadata.ingests import ContributionRow, IngestRow
from qserv.catalog.metadata.tables import DatabaseRow
from qserv.catalog.resources import ContributionView, ContributionWish, TransactionView
from qserv.replication import views
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry

log = logs.get(__name__)


class Ingest:
    """Starts, fills and ends transactions; what follows is carried on by ``Contributing`` and ``Committing``.

    ``contributed`` and ``ended`` are called when there is something new for them to do.
    """

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        calls: Calls,
        *,
        contributed: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls
        self._contributed = contributed
        self._ended = ended

    def start(self, database: str, context: dict[str, Any], request: str | None) -> TransactionView:
        """Start a transaction, once for a ``request``."""
        once = request or uuid.uuid4().hex  # the database's own transaction may be run again

        def work(connection: Connection) -> IngestRow:
            return ingests.start(connection, tables.database(connection, database).id, context, once)

        return self.transaction(self._leader.write(work).id)

    def transaction(self, transaction: int) -> TransactionView:
        def read(connection: Connection) -> TransactionView:
            row = ingests.get(connection, transaction)
            tallies = progress.tallies(connection, transaction=transaction)
            chunks = progress.chunks(connection, transaction)
            return views.transaction_view(row, _home(connection, row).name, tallies.get(transaction, ()), chunks)

        return self._metadata.read(read)

    def transactions(self, database: str | None) -> list[TransactionView]:
        def read(connection: Connection) -> list[TransactionView]:
            of = tables.database(connection, database).id if database is not None else None
            names = {row.id: row.name for row in tables.databases(connection)}
            tallies = progress.tallies(connection, database_id=of)
            return [
                views.transaction_view(row, names[row.database_id], tallies.get(row.id, ()))
                for row in ingests.ingests(connection, database_id=of)
            ]

        return self._metadata.read(read)

    def open(self) -> list[TransactionView]:
        """The transactions that have not ended."""

        def read(connection: Connection) -> list[TransactionView]:
            names = {row.id: row.name for row in tables.databases(connection)}
            rows = ingests.ingests(connection, states=("started", "committing"))
            return [
                views.transaction_view(
                    row, names[row.database_id], progress.tallies(connection, transaction=row.id)[row.id]
                )
                for row in rows
            ]

        return self._metadata.read(read)

    def contribute(self, transaction: int, wish: ContributionWish) -> ContributionView:
        def work(connection: Connection) -> None:
            # locked before it is looked for, so that one that is added twice at once is one
            home = _home(connection, ingests.lock(connection, transaction))
            table = tables.table(connection, home.name, wish.table)
            ingests.contribute(connection, transaction, table.id, wish.name, wish.url)

        self._leader.write(work)
        self._contributed()
        return self._view(transaction, wish.name)

    def contributions(self, transaction: int) -> list[ContributionView]:
        def read(connection: Connection) -> list[ContributionView]:
            home = _home(connection, ingests.get(connection, transaction))
            names = {table.id: table.spec.name for table in tables.tables(connection, home)}
            rows = self._registry.rows()
            return [views.contribution_view(row, names, rows) for row in ingests.contributions(connection, transaction)]

        return self._metadata.read(read)

    def cancel(self, transaction: int, name: str) -> ContributionView:
        row = self._leader.write(lambda connection: ingests.cancel(connection, transaction, name))
        self._calls.background(partial(self._stop, row))
        return self._view(transaction, name)

    def _stop(self, row: ContributionRow) -> None:
        """Have the worker that reads a file leave it; one that does not hear it is told when the transaction ends."""
        worker = self._registry.rows().get(row.worker_id or 0)
        if worker is None:
            return
        key = ContributionKey(contribution=row.id, attempt=row.attempt)
        try:
            self._calls.client(worker.flight).action("cancel_contribution", key)
        except QservError as error:
            log.info("a worker may not have heard a cancel", worker=worker.name, reason=error.message)

    def commit(self, transaction: int) -> TransactionView:
        """Begin to commit.

        Raises
        ------
        TransactionClosed
            When it is aborted, or about to be.
        Conflict
            When a contribution failed, or is not done yet.
        """

        def work(connection: Connection) -> None:
            row = ingests.lock(connection, transaction)
            if row.state == "started":
                _refuse_unfinished(connection, transaction)
            if row.state != "committed":
                ingests.set_state(connection, transaction, "committing", among=("started",))

        self._leader.write(work)
        self._ended()
        return self.transaction(transaction)

    def abort(self, transaction: int) -> TransactionView:
        """Begin to abort.

        Raises
        ------
        TransactionClosed
            When it is committed.
        """

        def work(connection: Connection) -> None:
            if ingests.lock(connection, transaction).state != "aborted":
                ingests.set_state(connection, transaction, "aborting", among=("started", "committing"))

        self._leader.write(work)
        self._ended()
        return self.transaction(transaction)

    def _view(self, transaction: int, name: str) -> ContributionView:
        def read(connection: Connection) -> ContributionView:
            row = ingests.contribution_in(connection, transaction, name)
            table = tables.by_id(connection, row.table_id)
            return views.contribution_view(row, {table.id: table.spec.name}, self._registry.rows())

        return self._metadata.read(read)


def _home(connection: Connection, row: IngestRow) -> DatabaseRow:
    return next(one for one in tables.databases(connection) if one.id == row.database_id)


def _refuse_unfinished(connection: Connection, transaction: int) -> None:
    rows = ingests.contributions(connection, transaction)
    failed = [row for row in rows if row.state == "failed"]
    if failed:
        told = failed[0].failure.message if failed[0].failure is not None else ""
        raise Conflict(
            f"contribution {failed[0].name!r} of transaction {transaction} failed: {told};"
            " cancel it to commit without it, or abort the transaction"
        )
    waiting = [row.name for row in rows if row.state in ("queued", "running")]
    if waiting:
        raise Conflict(
            f"{len(waiting)} contribution(s) of transaction {transaction} are not done ({waiting[0]!r}): commit later"
        )
