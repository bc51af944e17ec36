"""The first schema.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG_TEXT = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create(name: str, *parts: sa.schema.SchemaItem) -> None:
    numbered = any(isinstance(part, sa.Column) and part.name == "id" for part in parts)
    op.create_table(
        name,
        *parts,
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        sqlite_autoincrement=numbered,  # a number is never given twice
    )


def upgrade() -> None:
    _create(
        "account",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("auth", sa.String(length=40), nullable=False),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account")),
    )
    _create(
        "backup",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("databases", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_files", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.JSON(), nullable=True),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup")),
    )
    op.create_index(op.f("ix_backup_state"), "backup", ["state"], if_not_exists=True)
    _create(
        "family",
        sa.Column("id", _ID, nullable=False),
        sa.Column("stripes", sa.Integer(), nullable=False),
        sa.Column("substripes", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.Double(), nullable=False),
        sa.Column("index_partitions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family")),
        sa.UniqueConstraint("stripes", "substripes", "overlap", name=op.f("uq_family_stripes_substripes_overlap")),
    )
    _create(
        "kill_request",
        sa.Column("id", _ID, nullable=False),
        sa.Column("czar", sa.String(length=128), nullable=False),
        sa.Column("query", sa.String(length=64), nullable=True),
        sa.Column("connection", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kill_request")),
    )
    op.create_index(op.f("ix_kill_request_czar"), "kill_request", ["czar"], if_not_exists=True)
    _create(
        "lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    _create(
        "query",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("czar", sa.String(length=128), nullable=False),
        sa.Column("connection", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("database", sa.String(length=64), nullable=True),
        sa.Column("sql", _LONG_TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("chunks", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_query")),
    )
    op.create_index(op.f("ix_query_account"), "query", ["account"], if_not_exists=True)
    op.create_index(op.f("ix_query_started"), "query", ["started"], if_not_exists=True)
    op.create_index(op.f("ix_query_state"), "query", ["state"], if_not_exists=True)
    _create(
        "setting",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    _create(
        "unit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("kind", "scope", "number", name=op.f("uq_unit_kind_scope_number")),
    )
    op.create_index(op.f("ix_unit_changed"), "unit", ["changed"], if_not_exists=True)
    _create(
        "version",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cluster", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
    )
    _create(
        "worker",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("flight", sa.String(length=255), nullable=False),
        sa.Column("http", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("domain", sa.String(length=128), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=False),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("identity", name=op.f("uq_worker_identity")),
        sa.UniqueConstraint("name", name=op.f("uq_worker_name")),
    )
    _create(
        "catalog_database",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("folded", sa.String(length=64), nullable=False),
        sa.Column("family_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["family.id"], name=op.f("fk_catalog_database_family_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_database")),
        sa.UniqueConstraint("folded", name=op.f("uq_catalog_database_folded")),
    )
    _create(
        "discard",
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("aborted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_discard_worker_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("transaction_id", "worker_id", name=op.f("pk_discard")),
    )
    _create(
        "file",
        sa.Column("id", _ID, nullable=False),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_file_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
        sa.UniqueConstraint("table_id", "unit_id", "name", name=op.f("uq_file_table_id_unit_id_name")),
    )
    op.create_index(op.f("ix_file_transaction_id"), "file", ["transaction_id"], if_not_exists=True)
    op.create_index(op.f("ix_file_unit_id"), "file", ["unit_id"], if_not_exists=True)
    _create(
        "garbage",
        sa.Column("id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_garbage_worker_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_garbage")),
    )
    op.create_index(op.f("ix_garbage_worker_id"), "garbage", ["worker_id"], if_not_exists=True)
    _create(
        "move",
        sa.Column("id", _ID, nullable=False),
        sa.Column("unit_id", _ID, nullable=False),
        sa.Column("target_id", _ID, nullable=False),
        sa.Column("drop_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["worker.id"], name=op.f("fk_move_target_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_move_unit_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_move")),
        sa.UniqueConstraint("unit_id", name=op.f("uq_move_unit_id")),
    )
    _create(
        "replica",
        sa.Column("id", _ID, nullable=False),
        sa.Column("unit_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_replica_unit_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_replica_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replica")),
        sa.UniqueConstraint("unit_id", "worker_id", name=op.f("uq_replica_unit_id_worker_id")),
    )
    op.create_index(op.f("ix_replica_worker_id"), "replica", ["worker_id"], if_not_exists=True)
    _create(
        "catalog_table",
        sa.Column("id", _ID, nullable=False),
        sa.Column("database_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("folded", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["database_id"], ["catalog_database.id"], name=op.f("fk_catalog_table_database_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_table")),
        sa.UniqueConstraint("database_id", "folded", name=op.f("uq_catalog_table_database_id_folded")),
    )
    _create(
        "ingest_transaction",
        sa.Column("id", _ID, nullable=False),
        sa.Column("database_id", _ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("failure", sa.JSON(), nullable=True),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("committing", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["database_id"], ["catalog_database.id"], name=op.f("fk_ingest_transaction_database_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ingest_transaction")),
    )
    op.create_index(
        op.f("ix_ingest_transaction_database_id"), "ingest_transaction", ["database_id"], if_not_exists=True
    )
    op.create_index(op.f("ix_ingest_transaction_state"), "ingest_transaction", ["state"], if_not_exists=True)
    _create(
        "catalog_column",
        sa.Column("table_id", _ID, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("nullable", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["table_id"], ["catalog_table.id"], name=op.f("fk_catalog_column_table_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("table_id", "ordinal", name=op.f("pk_catalog_column")),
    )
    _create(
        "contribution",
        sa.Column("id", _ID, nullable=False),
        sa.Column("transaction_id", _ID, nullable=False),
        sa.Column("table_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=True),
        sa.Column("boots", sa.JSON(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("failure", sa.JSON(), nullable=True),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ingest_transaction.id"],
            name=op.f("fk_contribution_transaction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contribution")),
        sa.UniqueConstraint("transaction_id", "name", name=op.f("uq_contribution_transaction_id_name")),
    )
    op.create_index(op.f("ix_contribution_state"), "contribution", ["state"], if_not_exists=True)
    op.create_index(op.f("ix_contribution_transaction_id"), "contribution", ["transaction_id"], if_not_exists=True)
    _create(
        "prepared_worker",
        sa.Column("transaction_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ingest_transaction.id"],
            name=op.f("fk_prepared_worker_transaction_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_prepared_worker_worker_id")),
        sa.PrimaryKeyConstraint("transaction_id", "worker_id", name=op.f("pk_prepared_worker")),
    )
