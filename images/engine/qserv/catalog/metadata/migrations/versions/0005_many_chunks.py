"""Indexes: one that tells how many files a unit has, one of garbage by unit; and two that nothing used.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counted = ["unit_id", "table_id", "kind", "version"]
    op.create_index(op.f("ix_file_unit_id_table_id_kind_version"), "file", counted, if_not_exists=True)
    op.create_index(op.f("ix_garbage_unit_id"), "garbage", ["unit_id"], if_not_exists=True)
    # the first of a foreign key's columns has an index before and after
    op.drop_index(op.f("ix_file_unit_id"), "file", if_exists=True)
    op.drop_index(op.f("ix_contribution_transaction_id"), "contribution", if_exists=True)
    op.drop_index(op.f("ix_contribution_state"), "contribution", if_exists=True)
