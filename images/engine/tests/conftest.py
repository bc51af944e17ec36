"""Servers that tests share: a real MariaDB on a private socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection

START_SECONDS = 60


@dataclass(frozen=True)
class MariaDb:
    """A MariaDB server of this test run alone. ``root`` has no password: only the socket leads to it."""

    socket: Path

    def connect(self, database: str | None = None) -> Connection:
        return pymysql.connect(unix_socket=str(self.socket), user="root", database=database, charset="utf8mb4")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A server with MariaDB's default ``sql_mode`` and ``utf8mb4_general_ci``, in UTC; skipped where none is installed."""
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("mariadb-server is not installed: nothing to compare with")
    # the path of a socket may have 107 characters only, so pytest's deep folders do not do
    folder = Path(tempfile.mkdtemp(prefix="qserv-mariadb-"))
    data, socket = folder / "data", folder / "s"
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", f"--user={user}", "--auth-root-authentication-method=normal",
         "--skip-test-db"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process = subprocess.Popen(
        [server, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--user={user}", "--skip-networking",
         "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci", "--default-time-zone=+00:00",
         "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", f"--log-error={folder / 'log'}"],
    )  # fmt: skip
    try:
        yield _started(MariaDb(socket), process, folder / "log")
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _started(found: MariaDb, process: subprocess.Popen[bytes], log: Path) -> MariaDb:
    """The server once it answers."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            found.connect().close()
        except pymysql.err.OperationalError:
            time.sleep(0.1)
        else:
            return found
    raise RuntimeError(f"MariaDB did not start:\n{log.read_text() if log.exists() else ''}")
