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


class Server:
    """A server in a folder of its own, by whose ``socket`` ``root`` needs no password.

    Raises
    ------
    RuntimeError
        If it ends before it answers; the message holds its log.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self._log = folder / "log"
        self._common = ("--no-defaults", f"--datadir={folder / 'data'}", f"--user={getpass.getuser()}")
        self._pid = folder / "pid"
        install = [
            _program("mariadb-install-db"),
            *self._common,
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]
        subprocess.run([*filter(None, install)], check=True, capture_output=True)
        self.start()

    def start(self) -> None:
        """Run it, with what was committed before, and wait until it answers."""
        own = (f"--socket={self.socket}", f"--pid-file={self._pid}")
        command = [_program("mariadbd"), *self._common, *own, *OPTIONS]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen([*filter(None, command)], stdout=output, stderr=output)
        try:
            _await(self._process, self.socket, self._log)
        except RuntimeError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=START_SECONDS)


@contextmanager
def private(parent: Path | None = None) -> Iterator[Server]:
    """A server that ends with the context."""
    # the path of a socket has at most 107 characters, so a test's deep folders do not do
    folder = Path(mkdtemp(prefix="qserv-mariadb-", dir=parent))
    try:
        server = Server(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def private_server(parent: Path | None = None) -> Iterator[Path]:
    """As :func:`private`; the value is its socket."""
    with private(parent) as server:
        yield server.socket


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
