"""A private MariaDB: its own folder, a unix socket, no network, gone at the end."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pymysql
from pymysql.connections import Connection

START_SECONDS = 60
OPTIONS = (
    "--skip-networking",
    "--local-infile=ON",
    "--default-time-zone=+00:00",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--max-allowed-packet=64M",
    "--key-buffer-size=256M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
)


def installed() -> bool:
    return _program("mariadbd") is not None and _program("mariadb-install-db") is not None


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


@contextmanager
def private_server(parent: Path | None = None) -> Iterator[Path]:
    """Run a server; the value is its socket, by which ``root`` needs no password.

    Raises
    ------
    RuntimeError
        If the server ends before it answers; the message holds its log.
    """
    # the path of a socket has at most 107 characters, so a test's deep folders do not do
    folder = Path(mkdtemp(prefix="qserv-mariadb-", dir=parent))
    path, log = folder / "s", folder / "log"
    common = ("--no-defaults", f"--datadir={folder / 'data'}", f"--user={getpass.getuser()}")
    try:
        install = [
            _program("mariadb-install-db"),
            *common,
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]
        subprocess.run([*filter(None, install)], check=True, capture_output=True)
        command = [_program("mariadbd"), *common, f"--socket={path}", f"--pid-file={folder / 'pid'}", *OPTIONS]
        with log.open("wb") as output:
            server = subprocess.Popen([*filter(None, command)], stdout=output, stderr=output)
        try:
            _await(server, path, log)
            yield path
        finally:
            server.terminate()
            server.wait(timeout=START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(server: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listening(path):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"MariaDB did not start; its log ends: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def _listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def connect(path: Path, database: str | None = None, **options: Any) -> Connection:
    login = {"unix_socket": str(path), "user": "root", "database": database, "charset": "utf8mb4"}
    return pymysql.connect(**login, local_infile=True, autocommit=True, **options)


def pid(path: Path) -> int:
    """The process of the server behind a socket."""
    return int((path.parent / "pid").read_text())
