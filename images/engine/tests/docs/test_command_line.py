"""The page of commands is what the program says of itself."""

from __future__ import annotations

from pathlib import Path

from qserv.cli.reference import page

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "command-line.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: make docs"
