"""The sky of the differential suite, and the same rows in MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from pymysql.connections import Connection

from differential import peer
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


@pytest.fixture(scope="session")
def theirs(mariadb) -> Iterator[Connection]:  # type: ignore[no-untyped-def]
    connection = mariadb.connect()
    peer.load(connection, samples())
    yield connection
    connection.close()
