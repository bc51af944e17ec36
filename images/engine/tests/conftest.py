"""Servers that tests share: a real MariaDB on a private socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymysql.connections import Connection

from bench import mariadb as server


@dataclass(frozen=True)
class MariaDb:
    """A MariaDB server of this test run alone. ``root`` has no password: only the socket leads to it."""

    socket: Path

    def connect(self, database: str | None = None) -> Connection:
        return server.connect(self.socket, database=database)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A server with its default ``sql_mode``, ``utf8mb4_general_ci``, in UTC; skipped where none is installed."""
    if not server.installed():
        pytest.skip("mariadb-server is not installed: nothing to compare with")
    with server.private_server() as socket:
        yield MariaDb(socket)
