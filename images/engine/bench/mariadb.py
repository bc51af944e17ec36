"""A private MariaDB: its own folder, a unix socket, no network, gone at the end."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pymysql
from pymysql.connections import Connection

START_SECONDS = 60
OPTIONS = (
    "--skip-networking",
    "--skip-grant-tables",
    "--local-infile=ON",
    "--key-buffer-size=256M",
    "--max-allowed-packet=64M",
    "--myisam-sort-buffer-size=512M",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
)


def installed() -> bool:
    return _program("mariadbd") is not None and _program("mariadb-install-db") is not None


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


@contextmanager
def private_server(parent: Path | None = None) -> Iterator[Path]:
    """Run a server; the value is its socket.

    Raises
    ------
    RuntimeError
        If the server ends before it answers; the message holds its log.
    """
    # a unix socket's path has at most some hundred characters
    folder = Path(mkdtemp(prefix="mariadb-", dir=parent))
    socket, log = folder / "s", folder / "log"
    user = "--user=root" if Path("/root").owner() == "root" else ""
    data = f"--datadir={folder / 'data'}"
    try:
        install = [
            _program("mariadb-install-db"),
            "--no-defaults",
            data,
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]
        subprocess.run([*filter(None, [*install, user])], check=True, capture_output=True)
        command = [
            _program("mariadbd"),
            "--no-defaults",
            data,
            f"--socket={socket}",
            f"--pid-file={folder / 'pid'}",
            user,
        ]
        with log.open("wb") as output:
            server = subprocess.Popen([*filter(None, command), *OPTIONS], stdout=output, stderr=output)
        try:
            _await(server, socket, log)
            yield socket
        finally:
            server.terminate()
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(server: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            pymysql.connect(unix_socket=str(socket), user="root").close()
        except pymysql.err.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB did not start: {error}; its log: {log.read_text()[-2000:]}") from error
            time.sleep(0.05)
        else:
            return


def connect(socket: Path, **options: object) -> Connection:
    return pymysql.connect(unix_socket=str(socket), user="root", local_infile=True, autocommit=True, **options)
