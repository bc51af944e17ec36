"""The reference pages are those that the models and the list of reasons make."""

from __future__ import annotations

from pathlib import Path

import pytest

from qserv_operator.reference import pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", pages())
def test_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name], "run `make crds`"
