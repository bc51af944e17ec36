"""What is kept of passwords for caching_sha2_password; accounts of before have it once their password is set anew.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    again = op.get_bind().dialect.name == "mysql"  # see the migrations' package
    op.add_column("account", sa.Column("sha2", sa.String(64), nullable=True), if_not_exists=again)
