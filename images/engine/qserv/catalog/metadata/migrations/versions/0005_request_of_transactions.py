"""A transaction knows the request that started it, so that one that is sent again finds it.

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
    op.add_column("ingest_transaction", sa.Column("request", sa.String(64), nullable=True))
    op.create_index(op.f("ix_ingest_transaction_request"), "ingest_transaction", ["request"], unique=True)
