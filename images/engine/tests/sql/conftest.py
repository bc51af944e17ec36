"""The sky of the differential suite."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from differential.samples import samples
from qserv.sql.functions import SETUP
from sql.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    connection = duckdb.connect()
    connection.execute(SETUP)
    connection.execute("SET TimeZone = 'UTC'")
    yield World(connection, samples())
    connection.close()
