"""Files to be removed tell the unit that they are of; those entered before are removed as they were going to be.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    again = op.get_bind().dialect.name == "mysql"  # see the migrations' package
    op.add_column("garbage", sa.Column("unit_id", sa.BigInteger(), nullable=True), if_not_exists=again)
