"""For many chunks: indexes that count a unit's files and a commit's, of garbage by unit; when files gave way to others.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    again = op.get_bind().dialect.name == "mysql"  # see the migrations' package
    replaced = sa.Column("replaced", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("unit", replaced, if_not_exists=again)
    counted = ["unit_id", "table_id", "kind", "version"]
    op.create_index(op.f("ix_file_unit_id_table_id_kind_version"), "file", counted, if_not_exists=True)
    committed = ["transaction_id", "unit_id"]
    op.create_index(op.f("ix_file_transaction_id_unit_id"), "file", committed, if_not_exists=True)
    op.create_index(op.f("ix_garbage_unit_id"), "garbage", ["unit_id"], if_not_exists=True)
    # These are beginnings of other indexes, or nobody asks by them.
    op.drop_index(op.f("ix_file_unit_id"), "file", if_exists=True)
    op.drop_index(op.f("ix_file_transaction_id"), "file", if_exists=True)
    op.drop_index(op.f("ix_contribution_transaction_id"), "contribution", if_exists=True)
    op.drop_index(op.f("ix_contribution_state"), "contribution", if_exists=True)
