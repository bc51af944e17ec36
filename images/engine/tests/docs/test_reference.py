"""The generated pages are what the program says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from qserv.cli import interfaces, reference
from qserv.replication.routes import router

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


@pytest.mark.parametrize(("name", "page"), [("command-line", reference.page()), ("interfaces", interfaces.page())])
def test_the_page_is_up_to_date(name: str, page: str) -> None:
    assert (REFERENCE / f"{name}.md").read_text() == page, "run: make docs"


def test_every_route_says_what_it_does() -> None:
    assert [route.path for route in router.routes if not route.endpoint.__doc__] == []
