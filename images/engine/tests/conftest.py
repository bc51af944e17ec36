"""Servers that tests share: a real MariaDB on a private socket. Which tests run in one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pymysql.connections import Connection
from xdist.scheduler import LoadScopeScheduling

from bench import mariadb as server
from differential import peer
from differential.samples import samples

# The same examples in each run; new ones by --hypothesis-profile=default.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

CLUSTERS = frozenset({"backup", "czar", "differential", "faults"})
"""Folders whose tests share a cluster: made once, where they run in one process."""


class ByCluster(LoadScopeScheduling):
    """Tests of a file run in one process, and so do all files of a folder that has a cluster."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder.rpartition("/")[2] in CLUSTERS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByCluster:
    return ByCluster(config, log)


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


@pytest.fixture(scope="session")
def theirs(mariadb: MariaDb) -> Iterator[Connection]:
    """A connection to MariaDB with the sky of the differential suite."""
    with mariadb.connect() as connection:
        peer.load(connection, samples())
        yield connection
