"""Transactions and contributions as their clients see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from qserv.catalog.errors import Conflict
from qserv.catalog.metadata import Metadata, ingests, progress, tables
from qserv.catalog.metadata.ingests import IngestRow
from qserv.catalog.metadata.tables import DatabaseRow
from qserv.catalog.resources import ContributionView, ContributionWish, TransactionView
from qserv.replication import views
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry


class Ingest:
    """Starts, fills and ends transactions; what follows is carried on by ``Contributing`` and ``Committing``.

    ``contributed`` and ``ended`` are called when there is something new for them to do.
    """

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        registry: Registry,
        *,
        contributed: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._contributed = contributed
        self._ended = ended

    def start(self, database: str, context: dict[str, Any]) -> TransactionView:
        def work(connection: Connection) -> IngestRow:
            return ingests.start(connection, tables.database(connection, database).id, context)

        return self.transaction(self._leader.write(work).id)

    def transaction(self, transaction: int) -> TransactionView:
        def read(connection: Connection) -> TransactionView:
            row = ingests.get(connection, transaction)
            tallies = progress.tallies(connection, transaction=transaction)
            return views.transaction_view(row, _home(connection, row).name, tallies.get(transaction, ()))

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
        self._leader.write(lambda connection: ingests.cancel(connection, transaction, name))
        return self._view(transaction, name)

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
