"""The schema's versions, by Alembic: which one the database has, and how it comes to the newest.

The controller upgrades the schema when it starts; all other programs refuse a schema that is not theirs.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text

from qserv.catalog.errors import SchemaOutdated, SchemaVersion
from qserv.catalog.metadata import schema
from qserv.catalog.metadata.engine import Database

_LOCK = "qserv-schema"
_LOCK_SECONDS = 600


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The schema's version that this program is written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SchemaVersion("this program carries no migrations: its installation is broken, install it again")
    return head


def _known(revision: str) -> bool:
    script = ScriptDirectory.from_config(_config())
    return any(found.revision == revision for found in script.walk_revisions())


def check(connection: Connection) -> None:
    """Refuse a schema of another version than this program's.

    Raises
    ------
    SchemaOutdated
        Where a replication controller of this program will bring the schema up.
    SchemaVersion
        Where this program is the older one.
    """
    current = MigrationContext.configure(connection).get_current_revision()
    head = newest()
    if current == head:
        return
    if current is None:
        raise SchemaOutdated(
            "the metadata database is empty: start the replication controller first, it makes the schema"
        )
    if _known(current):
        raise SchemaOutdated(
            f"the metadata's schema is {current}, this program needs {head}: start the new replication controller first"
        )
    raise SchemaVersion(
        f"the metadata's schema {current} is newer than this program, which knows up to {head}: run the newer program"
    )


def upgrade(database: Database) -> None:
    """Bring the schema to this program's version; made once where several programs ask at the same time.

    Raises
    ------
    SchemaVersion
        For a schema newer than this program.
    """
    # To wait for another program, or to make an index of many rows, takes longer than any other statement.
    patient = Database(database.url, database.patience, statement_seconds=None)
    try:
        patient.write(_upgrade)
    finally:
        patient.close()


def _upgrade(connection: Connection) -> None:
    mariadb = connection.dialect.name == "mysql"
    if mariadb:
        # MariaDB commits at every CREATE TABLE: a named lock keeps two controllers apart, SQLite's own lock suffices.
        held = connection.execute(
            text("SELECT GET_LOCK(:name, :wait)"), {"name": _LOCK, "wait": _LOCK_SECONDS}
        ).scalar()
        if held != 1:
            raise SchemaVersion(f"another program has been changing the schema for {_LOCK_SECONDS} s: look at its log")
    try:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and not _known(current):
            check(connection)
        if current != newest():
            command.upgrade(_config(connection), "head")
        if connection.execute(select(schema.version.c.id)).first() is None:
            connection.execute(insert(schema.version).values(id=1, cluster=uuid.uuid4().hex, version=1))
    finally:
        if mariadb:
            # whoever takes the lock next must see this version, not the one that is about to be committed over
            connection.execute(text("COMMIT"))
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK})
