"""Two controllers, as real processes on a real MariaDB: one leads, the other takes over, and never both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bench import mariadb as server
from qserv.catalog.metadata import Metadata, chores
from qserv.catalog.rest import Controller
from qserv.catalog.settings import ReplicationSettings
from qserv.catalog.trust import Trust
from qserv.cli.ports import free_ports
from replication.smallcluster import wait_for

LEASE = 2.0


class Pair:
    """Two controllers and a client that knows both."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.folder = folder
        self.socket = socket
        (folder / "secret").write_text("cluster-secret\n")
        self.url = f"mysql+pymysql://root@localhost/qserv?unix_socket={socket}"
        with server.connect(socket) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE qserv")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.database: subprocess.Popen[bytes] | None = None
        for port in free_ports(2):
            self.start(port)
        settings = ReplicationSettings(secret_file=folder / "secret", metadata_url=SecretStr(self.url))
        self.trust = Trust.from_settings(settings)
        self.client = Controller(list(self.processes), self.trust, patience=60.0, timeout=2.0)

    def start(self, port: int) -> None:
        facts = {
            "SECRET_FILE": str(self.folder / "secret"),
            "METADATA_URL": self.url,
            "PORT": str(port),
            "LEASE": str(LEASE),
        }
        environment = os.environ | {f"QSERV_REPLICATION_{name}": value for name, value in facts.items()}
        with (self.folder / f"{port}.log").open("wb") as log:
            command = [sys.executable, "-m", "qserv.cli.main", "replication"]
            self.processes[f"http://127.0.0.1:{port}"] = subprocess.Popen(command, env=environment, stderr=log)

    def leader(self) -> str:
        return self.client.status().leader

    def other(self, url: str) -> str:
        return next(one for one in self.processes if one != url)

    def answer(self, url: str) -> httpx.Response:
        return httpx.get(f"{url}/api/v1/status", headers=self.trust.headers(), timeout=30.0)

    def restart_database(self) -> None:
        """End the database's server without a word, and start it on the same data."""
        former = server.pid(self.socket)
        command = Path(f"/proc/{former}/cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(former, signal.SIGKILL)
        wait_for(lambda: ") Z " in Path(f"/proc/{former}/stat").read_text())
        with (self.folder / "database.log").open("wb") as log:
            self.database = subprocess.Popen(command, stdout=log, stderr=log)

    def close(self) -> None:
        self.client.close()
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        if self.database is not None:
            self.database.terminate()
            self.database.wait()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    if not server.installed():
        pytest.skip("mariadb-server is not installed")
    with ExitStack() as stack:
        made = Pair(tmp_path, stack.enter_context(server.private_server()))
        stack.callback(made.close)
        yield made


def test_one_leads_and_the_other_takes_over(pair: Pair) -> None:
    first = pair.leader()
    second = pair.other(first)
    wait_for(lambda: _told(pair, second, first))
    metadata = Metadata(pair.url)
    epoch = _epoch(metadata)

    pair.processes[first].send_signal(signal.SIGSTOP)
    pair.client.create_database("while_one_hangs", None)
    assert pair.leader() == second
    assert _epoch(metadata) == epoch + 1
    pair.processes[first].send_signal(signal.SIGCONT)
    wait_for(lambda: _told(pair, first, second))
    assert _epoch(metadata) == epoch + 1

    pair.restart_database()
    pair.client.create_database("after_the_database_restarted", None)

    leading = pair.leader()
    pair.processes[leading].kill()
    pair.client.create_database("after_a_death", None)
    assert pair.leader() == pair.other(leading)
    names = {view.name for view in pair.client.databases()}
    assert names == {"while_one_hangs", "after_the_database_restarted", "after_a_death"}
    metadata.close()


def _told(pair: Pair, asked: str, leader: str) -> bool:
    """Whether a controller says that another leads."""
    try:
        answer = pair.answer(asked)
    except httpx.ConnectError:
        return False
    return answer.status_code == 503 and answer.json()["details"].get("leader") == leader


def _epoch(metadata: Metadata) -> int:
    held = metadata.read(chores.lease)
    assert held is not None
    return held.epoch
