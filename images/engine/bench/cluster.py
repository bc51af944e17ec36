"""A cluster of real processes on this machine, on free ports, in a folder of its own.

It is ``qserv local`` taken apart, so that each process can be measured, killed and started again by itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pymysql
from pydantic import SecretStr
from pymysql.connections import Connection

from qserv.catalog.resources import AccountWish
from qserv.catalog.rest import Controller
from qserv.catalog.settings import CzarSettings
from qserv.catalog.trust import Trust
from qserv.ingest.load import Load, Loaded
from qserv.ingest.specfile import read_spec

START_SECONDS = 60.0
USER = "scientist"
PROGRAM = (sys.executable, "-m", "qserv.cli.main")


@dataclass
class Process:
    """One process of the cluster: how it is started, and the one that runs now."""

    name: str
    command: str
    environment: Mapping[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self.running is None:
            raise RuntimeError(f"{self.name} does not run")
        return self.running.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [*PROGRAM, self.command], env={**os.environ, **self.environment}, stdout=log, stderr=log
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.running is not None:
            self.running.send_signal(number)
            self.running.wait(timeout=START_SECONDS)
            self.running = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


@dataclass
class Cluster:
    """Processes by name: ``replication``, ``czar``, ``worker-0`` …"""

    folder: Path
    ports: dict[str, int]
    secret_file: Path
    password: str
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def trust(self) -> Trust:
        settings = CzarSettings(
            secret_file=self.secret_file, metadata_url=SecretStr("sqlite://"), result_dir=self.folder / "czar"
        )
        return Trust.from_settings(settings)

    @contextmanager
    def controller(self) -> Iterator[Controller]:
        client = Controller([f"http://127.0.0.1:{self.ports['replication']}"], self.trust, patience=START_SECONDS)
        try:
            yield client
        finally:
            client.close()

    def connect(self, database: str | None = None, **options: object) -> Connection:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.ports["czar"],
            user=USER,
            password=self.password,
            database=database,
            charset="utf8mb4",
            **options,
        )

    def client_command(self, database: str) -> tuple[str, ...]:
        """MariaDB's own C client, connected to the czar; its password comes from a file."""
        options = self.folder / "client.cnf"
        options.touch(mode=0o600)
        options.write_text(f"[client]\nuser={USER}\npassword={self.password}\n")
        address = ("--protocol=tcp", "--host=127.0.0.1", f"--port={self.ports['czar']}")
        return ("mariadb", f"--defaults-file={options}", *address, database)

    def load(self, spec: Path) -> Loaded:
        with self.controller() as controller:
            return Load(controller, read_spec(spec), spec.parent).run()

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def pids(self) -> list[int]:
        """The processes that answer a query: czar and workers."""
        return [process.pid for name, process in self.processes.items() if name != "replication"]

    def workers(self) -> list[str]:
        return [name for name in self.processes if name.startswith("worker")]

    def main_files(self, database: str, table: str, *, all_replicas: bool = False) -> list[Path]:
        """The files of a table's main rows, each once, or with all its replicas."""
        found: dict[str, Path] = {}
        for worker in self.workers():
            data = self.folder / worker
            for path in sorted((data / database / table).glob("*/main-*.parquet")):
                found[str(path if all_replicas else path.relative_to(data))] = path
        return list(found.values())

    def restart_workers(self) -> None:
        for name in self.workers():
            self.processes[name].stop()
            self.processes[name].start()
        self.await_workers()

    def await_workers(self) -> None:
        """Until the controller has heard of all of them."""
        with self.controller() as controller:
            wanted = {self.processes[name].pid for name in self.workers()}
            await_true(lambda: len(_online(controller)) >= len(wanted), "the workers did not come up", self.logs)

    def logs(self) -> str:
        return "\n".join(
            f"--- {name}\n{process.log.read_text()[-2000:]}" for name, process in self.processes.items()
        )


def _online(controller: Controller) -> list[str]:
    return [worker.name for worker in controller.status().workers if worker.state == "online"]


def await_true(happened: Callable[[], bool], otherwise: str, logs: Callable[[], str] = lambda: "") -> None:
    """Wait until something has happened; RuntimeError if it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise}\n{logs()}")
        time.sleep(0.05)


@contextmanager
def running(folder: Path, *, workers: int = 3, factor: int = 2, **settings: str) -> Iterator[Cluster]:
    """A cluster with one czar and an account that may read all.

    ``settings`` are further environment variables, such as ``QSERV_WORKER_THREADS="1"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(token_hex(32))
    names = ["replication", "czar", "czar-http", "czar-flight"]
    names += [f"worker-{number}{kind}" for number in range(workers) for kind in ("", "-http")]
    cluster = Cluster(folder, dict(zip(names, _free_ports(len(names)), strict=True)), secret, token_hex(8))
    metadata = f"sqlite:///{folder / 'metadata.sqlite'}"
    common = {"METADATA_URL": metadata, "SECRET_FILE": str(secret)}
    _add(cluster, "replication", "REPLICATION", {**common, "PORT": _port(cluster, "replication"), "FACTOR": str(factor)}, settings)
    for number in range(workers):
        _add(cluster, f"worker-{number}", "WORKER", _worker(cluster, f"worker-{number}"), settings)
    czar = {
        **common,
        "MYSQL_PORT": _port(cluster, "czar"),
        "HTTP_PORT": _port(cluster, "czar-http"),
        "FLIGHT_PORT": _port(cluster, "czar-flight"),
        "RESULT_DIR": str(folder / "czar"),
    }
    _add(cluster, "czar", "CZAR", czar, settings)
    try:
        _start(cluster)
        yield cluster
    finally:
        for process in cluster.processes.values():
            process.stop()


def _start(cluster: Cluster) -> None:
    """The controller first: it makes the metadata's schema, without which no czar starts."""
    cluster.processes["replication"].start()
    with cluster.controller() as controller:
        await_true(lambda: _answers(controller), "the controller did not come up", cluster.logs)
        controller.set_account(USER, AccountWish(password=SecretStr(cluster.password), grants=("*",)))
    for name, process in cluster.processes.items():
        if name != "replication":
            process.start()
    cluster.await_workers()
    await_true(lambda: _open(cluster.ports["czar"]), "the czar did not come up", cluster.logs)


def _answers(controller: Controller) -> bool:
    return controller.status().version >= 0


def _worker(cluster: Cluster, name: str) -> dict[str, str]:
    return {
        "NAME": name,
        "DATA_DIR": str(cluster.folder / name),
        "SECRET_FILE": str(cluster.secret_file),
        "FLIGHT_PORT": _port(cluster, name),
        "HTTP_PORT": _port(cluster, f"{name}-http"),
        "CONTROLLERS": json.dumps([f"http://127.0.0.1:{cluster.ports['replication']}"]),
    }


def _port(cluster: Cluster, name: str) -> str:
    return str(cluster.ports[name])


def _add(cluster: Cluster, name: str, kind: str, own: Mapping[str, str], settings: Mapping[str, str]) -> None:
    environment = {f"QSERV_{kind}_{key}": value for key, value in own.items()}
    cluster.processes[name] = Process(
        name, kind.lower(), {**environment, **settings}, cluster.folder / f"{name}.log"
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
