"""The examples of the SQL reference are answered, or refused, as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qserv.catalog.errors import SqlError
from sql.world import World

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "sql.md"
BLOCKS = re.findall(r"^```sql( refused)?\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("refused", "sql"), BLOCKS)
def test_example(world: World, refused: str, sql: str) -> None:
    if refused:
        with pytest.raises(SqlError):
            world.ask(sql, "synth")
    else:
        assert world.ask(sql, "synth").rows


def test_the_page_has_examples() -> None:
    assert len(BLOCKS) > 12
