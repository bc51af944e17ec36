"""The sky of the differential suite."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from differential.samples import samples
from qserv.sql.functions import MACROS
from sql.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    connection = duckdb.connect()
    connection.execute(MACROS)
    connection.execute("SET TimeZone = 'UTC'")
    yield World(connection, samples())
    connection.close()
