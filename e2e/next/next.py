"""A table that no program asks for, after whatever the newest migration is.

Revision ID: next
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = max(file.name[:4] for file in Path(__file__).parent.glob("[0-9]*.py"))
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("next", sa.Column("id", sa.Integer(), primary_key=True))
