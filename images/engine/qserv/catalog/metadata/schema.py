"""The tables of the metadata database, the same on SQLite and MariaDB.

What is committed is told by a version: ``file.version`` is NULL until the transaction that wrote the file commits.
``unit.changed`` is the version at which the unit's files or replicas last changed, so that a reader of an older version
reads no more than what changed since; where it is later than ``unit.replaced``, at which files of the unit last gave
way to others, that is the newer files alone. Times are seconds since 1970 (UTC), sizes are bytes.

A *unit* is what is placed on workers as a whole. ``unit.scope`` is the family's id for chunks and index partitions, and
0 for replicated tables, whose ``unit.number`` is the table's id. A *replica* is a worker that holds all committed files
of a unit; a unit without files has its replicas from the moment when it is placed. *Garbage* is a file that a worker is
to remove; with ``unit_id`` it is of a unit that still has the file, and stays until others have enough copies of that.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = BigInteger().with_variant(Integer, "sqlite")
_LONG_TEXT = Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def _table(name: str, *parts: SchemaItem) -> Table:
    # SQLite gives the number of a dropped row to a new one unless told not to, and workers know transactions by number
    numbered = any(isinstance(part, Column) and part.name == "id" for part in parts)
    return Table(
        name,
        metadata,
        *parts,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        sqlite_autoincrement=numbered,
    )


version = _table(
    "version",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("cluster", String(64), nullable=False),
    Column("version", BigInteger, nullable=False),
)

family = _table(
    "family",
    Column("id", _ID, primary_key=True),
    Column("stripes", Integer, nullable=False),
    Column("substripes", Integer, nullable=False),
    Column("overlap", Double, nullable=False),
    Column("index_partitions", Integer, nullable=False),
    UniqueConstraint("stripes", "substripes", "overlap"),
)

database = _table(
    "catalog_database",
    Column("id", _ID, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("folded", String(64), nullable=False, unique=True),
    Column("family_id", _ID, ForeignKey("family.id"), nullable=True),
)

table = _table(
    "catalog_table",
    Column("id", _ID, primary_key=True),
    Column("database_id", _ID, ForeignKey("catalog_database.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("folded", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("margin", Double, nullable=False),
    UniqueConstraint("database_id", "folded"),
)

column = _table(
    "catalog_column",
    Column("table_id", _ID, ForeignKey("catalog_table.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("nullable", Boolean, nullable=False),
)

worker = _table(
    "worker",
    Column("id", _ID, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("flight", String(255), nullable=False),
    Column("http", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("wanted", String(16), nullable=False),
    Column("boot", String(64), nullable=False),
    Column("identity", String(64), nullable=False, unique=True),
    Column("domain", String(128), nullable=False),
    Column("capacity", BigInteger, nullable=False),
    Column("free", BigInteger, nullable=False),
    Column("seen", Double, nullable=False),
)

unit = _table(
    "unit",
    Column("id", _ID, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("scope", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False, index=True),
    Column("replaced", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("kind", "scope", "number"),
)

replica = _table(
    "replica",
    Column("id", _ID, primary_key=True),
    Column("unit_id", _ID, ForeignKey("unit.id", ondelete="CASCADE"), nullable=False),
    Column("worker_id", _ID, ForeignKey("worker.id"), nullable=False, index=True),
    UniqueConstraint("unit_id", "worker_id"),
)

ingest = _table(
    "ingest_transaction",
    Column("id", _ID, primary_key=True),
    Column("database_id", _ID, ForeignKey("catalog_database.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("context", JSON, nullable=False),
    Column("request", String(64), nullable=True, unique=True, index=True),
    Column("failure", JSON, nullable=True),
    Column("started", Double, nullable=False),
    Column("committing", Double, nullable=True),
    Column("ended", Double, nullable=True),
)

contribution = _table(
    "contribution",
    Column("id", _ID, primary_key=True),
    Column("transaction_id", _ID, ForeignKey("ingest_transaction.id", ondelete="CASCADE"), nullable=False),
    Column("table_id", _ID, nullable=False),
    Column("name", String(255), nullable=False),
    Column("url", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker_id", BigInteger, nullable=True),
    Column("boots", JSON, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("margin", Double, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("failure", JSON, nullable=True),
    Column("changed", Double, nullable=False),
    UniqueConstraint("transaction_id", "name"),
)

prepared = _table(
    "prepared_worker",
    Column("transaction_id", _ID, ForeignKey("ingest_transaction.id", ondelete="CASCADE"), primary_key=True),
    Column("worker_id", _ID, ForeignKey("worker.id"), primary_key=True),
)

file = _table(
    "file",
    Column("id", _ID, primary_key=True),
    Column("table_id", BigInteger, nullable=False),
    Column("unit_id", _ID, ForeignKey("unit.id"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("name", String(128), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("transaction_id", BigInteger, nullable=False),
    Column("source_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=True),
    UniqueConstraint("table_id", "unit_id", "name"),
    Index(None, "unit_id", "table_id", "kind", "version"),
    Index(None, "transaction_id", "unit_id"),
)

discard = _table(
    "discard",
    Column("transaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("worker_id", _ID, ForeignKey("worker.id", ondelete="CASCADE"), primary_key=True),
    Column("aborted", Boolean, nullable=False),
)

garbage = _table(
    "garbage",
    Column("id", _ID, primary_key=True),
    Column("worker_id", _ID, ForeignKey("worker.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("path", String(255), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("unit_id", BigInteger, nullable=True, index=True),
)

move = _table(
    "move",
    Column("id", _ID, primary_key=True),
    Column("unit_id", _ID, ForeignKey("unit.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("target_id", _ID, ForeignKey("worker.id", ondelete="CASCADE"), nullable=False),
    Column("drop_id", BigInteger, nullable=True),
    Column("reason", String(16), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("started", Double, nullable=False),
)

backup = _table(
    "backup",
    Column("id", _ID, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("url", Text, nullable=False),
    Column("databases", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("total_files", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("failure", JSON, nullable=True),
    Column("started", Double, nullable=False),
    Column("ended", Double, nullable=True),
)

scrub = _table(
    "scrub",
    Column("id", _ID, primary_key=True),
    Column("worker_id", _ID, ForeignKey("worker.id", ondelete="CASCADE"), nullable=True),
    Column("state", String(16), nullable=False, index=True),
    Column("cursor", BigInteger, nullable=False),
    Column("total_files", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("damaged", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double, nullable=True),
)

damage_report = _table(
    "damage_report",
    Column("id", _ID, primary_key=True),
    Column("worker_id", _ID, ForeignKey("worker.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("path", String(255), nullable=False),
    Column("reported", Double, nullable=False),
)

account = _table(
    "account",
    Column("name", String(128), primary_key=True),
    Column("auth", String(40), nullable=False),
    Column("grants", JSON, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("sha2", String(64), nullable=True),
)

query = _table(
    "query",
    Column("id", String(64), primary_key=True),
    Column("czar", String(128), nullable=False),
    Column("connection", BigInteger, nullable=False),
    Column("account", String(128), nullable=False, index=True),
    Column("database", String(64), nullable=True),
    Column("sql", _LONG_TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("started", Double, nullable=False, index=True),
    Column("ended", Double, nullable=True),
    Column("rows", BigInteger, nullable=True),
    Column("chunks", BigInteger, nullable=True),
    Column("error", Text, nullable=True),
)

kill = _table(
    "kill_request",
    Column("id", _ID, primary_key=True),
    Column("czar", String(128), nullable=False, index=True),
    Column("query", String(64), nullable=True),
    Column("connection", BigInteger, nullable=False),
    Column("asked", Double, nullable=False),
)

setting = _table(
    "setting",
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

lease = _table(
    "lease",
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("address", String(255), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires", Double, nullable=False),
)
