"""Databases, tables and accounts, as REST asks for them."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from qserv.catalog.errors import NotFound, SpecError, UnknownDatabase
from qserv.catalog.metadata import Account, Metadata, password_auth, password_sha2, people, tables
from qserv.catalog.resources import AccountView, AccountWish, DatabaseView, DatabaseWish, TableView
from qserv.catalog.spec import TableSpec
from qserv.replication import views
from qserv.replication.leader import Leader


class CatalogService:
    """What is thin: a transaction of the metadata, and its outcome as a view."""

    def __init__(self, metadata: Metadata, leader: Leader) -> None:
        self._metadata = metadata
        self._leader = leader

    def create_database(self, wish: DatabaseWish) -> DatabaseView:
        if wish.name.casefold() in ("information_schema", "mysql", "performance_schema", "sys"):
            raise SpecError(f"{wish.name!r} is a name of MySQL's own: choose another one")
        self._leader.write(lambda connection: tables.create_database(connection, wish.name, wish.family))
        return self.database(wish.name)

    def databases(self) -> list[DatabaseView]:
        def read(connection: Connection) -> list[DatabaseView]:
            sizes = tables.sizes(connection)
            return [
                views.database_view(row, tables.tables(connection, row), sizes) for row in tables.databases(connection)
            ]

        return self._metadata.read(read)

    def database(self, name: str) -> DatabaseView:
        folded = name.casefold()
        found = next((view for view in self.databases() if view.name.casefold() == folded), None)
        if found is None:
            raise UnknownDatabase(f"there is no database {name!r}")
        return found

    def drop_database(self, name: str) -> None:
        self._leader.write(lambda connection: tables.drop_database(connection, name))

    def create_table(self, database: str, spec: TableSpec) -> TableView:
        row = self._leader.write(lambda connection: tables.create_table(connection, database, spec))
        return views.table_view(row, {})

    def drop_table(self, database: str, table: str) -> None:
        self._leader.write(lambda connection: tables.drop_table(connection, database, table))

    def publish(self, database: str, table: str, *, published: bool) -> TableView:
        row = self._leader.write(lambda connection: tables.set_published(connection, database, table, published))
        return views.table_view(row, self._metadata.read(tables.sizes))

    def accounts(self) -> list[AccountView]:
        return [views.account_view(account) for account in self._metadata.read(people.accounts)]

    def account(self, name: str) -> AccountView:
        found = self._metadata.account(name)
        if found is None:
            raise NotFound(f"there is no account {name!r}")
        return views.account_view(found)

    def set_account(self, name: str, wish: AccountWish) -> AccountView:
        """Create or change an account; a new one needs a password."""

        def work(connection: Connection) -> Account:
            there = people.account(connection, name)
            if there is None and wish.password is None:
                raise SpecError(f"account {name!r} is new: give it a password")
            base = there or Account(name, "")
            if wish.password is not None:
                password = wish.password.get_secret_value()
                base = replace(base, auth=password_auth(password), sha2=password_sha2(password))
            wanted = replace(
                base,
                grants=wish.grants if wish.grants is not None else base.grants,
                admin=wish.admin if wish.admin is not None else base.admin,
            )
            people.set_account(connection, wanted)
            return wanted

        return views.account_view(self._leader.write(work))

    def remove_account(self, name: str) -> None:
        self._leader.write(lambda connection: people.remove_account(connection, name))
