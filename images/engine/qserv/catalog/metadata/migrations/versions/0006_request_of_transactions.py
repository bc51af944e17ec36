"""A transaction knows the request that started it, so that one that is sent again finds it.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    again = op.get_bind().dialect.name == "mysql"  # see the migrations' package
    op.add_column("ingest_transaction", sa.Column("request", sa.String(64), nullable=True), if_not_exists=again)
    named = op.f("ix_ingest_transaction_request")
    op.create_index(named, "ingest_transaction", ["request"], unique=True, if_not_exists=True)
