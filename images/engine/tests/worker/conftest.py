"""Workers in this process, on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.site import Registrar, Site


@pytest.fixture
def registrar() -> Iterator[Registrar]:
    made = Registrar()
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path, registrar: Registrar) -> Iterator[Site]:
    made = Site(tmp_path, registrar)
    yield made
    made.close()
