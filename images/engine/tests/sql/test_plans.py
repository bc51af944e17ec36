"""Queries and their plans, as pairs in ``plans/*.sql``: the statement, then the plan in comments.

``UPDATE_PLANS=1 pytest images/engine/tests/sql/test_plans.py`` writes the plans anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qserv.sql.explain import explain
from qserv.sql.planner import plan
from sql.world import World

FOLDER = Path(__file__).with_name("plans")
UPDATE = bool(os.environ.get("UPDATE_PLANS"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sql")), ids=lambda path: path.stem)
def test_plan(path: Path, world: World) -> None:
    text = path.read_text(encoding="utf-8")
    statement = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
    found = plan(statement, world.catalog, "synth")
    rows = [*explain(found), ("columns", ", ".join(found.columns))]
    written = f"{statement}\n" + "".join(f"-- {what}: {value}\n" for what, value in rows)
    if UPDATE:
        path.write_text(written, encoding="utf-8")
    else:
        assert written == text
