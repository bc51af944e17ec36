"""A local cluster for measuring and testing: ``qserv local``, with each process at hand by its name."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import pymysql
from pymysql.connections import Connection

from qserv.catalog.rest import Controller
from qserv.cli import local, processes
from qserv.cli.home import ACCOUNT, Facts, Home
from qserv.cli.ports import HOST
from qserv.ingest.load import Load, Loaded
from qserv.ingest.specfile import read_spec

PATIENCE = 60.0
POLL = 0.05


class Cluster:
    """Processes ``replication``, ``czar``, ``worker-0`` … of a local cluster."""

    def __init__(self, home: Home, facts: Facts) -> None:
        self.home = home
        self.facts = facts

    @contextmanager
    def controller(self) -> Iterator[Controller]:
        client = local.controller(self.home, patience=PATIENCE)
        try:
            yield client
        finally:
            client.close()

    def connect(self, database: str | None = None, **options: object) -> Connection:
        """A MySQL client's connection to the czar, as the account that may read all."""
        login = {"user": ACCOUNT, "password": self.home.password(), "database": database, "charset": "utf8mb4"}
        return pymysql.connect(host=HOST, port=self.facts.mysql, **{**login, **options})

    def load(self, spec: Path) -> Loaded:
        with self.controller() as controller:
            return Load(controller, read_spec(spec), spec.parent).run()

    def workers(self) -> list[str]:
        return [f"worker-{number}" for number in range(len(self.facts.workers))]

    def pid(self, name: str) -> int:
        found = processes.known(self.home.run, name)
        if found is None or not found.alive:
            raise RuntimeError(f"{name} does not run")
        return found.pid

    def pids(self) -> list[int]:
        """The processes that answer a query: czar and workers."""
        return [self.pid(name) for name in ("czar", *self.workers())]

    def all_pids(self) -> list[int]:
        return [self.pid("replication"), *self.pids()]

    def kill(self, name: str) -> None:
        """End a process at once, as a crash would; returns when it is gone."""
        found = processes.known(self.home.run, name)
        if found is not None:
            processes.kill([found])

    def start(self) -> None:
        """Start what of the cluster does not run, and wait until it answers."""
        local.up(self.home, len(self.facts.workers), local.Ports())

    def restart_workers(self) -> None:
        found = [processes.known(self.home.run, name) for name in self.workers()]
        processes.stop([process for process in found if process is not None], PATIENCE)
        self.start()

    def data(self, worker: str) -> Path:
        return self.home.path / "workers" / worker

    def main_files(self, database: str, table: str, *, all_replicas: bool = False) -> list[Path]:
        """The files of a table's main rows, each once, or with all its replicas."""
        found: dict[str, Path] = {}
        for worker in self.workers():
            folder = self.data(worker) / database / table
            # unlike a path's own glob it passes over folders that go away meanwhile
            for name in sorted(glob("*/main-*.parquet", root_dir=folder)):  # noqa: PTH207
                found[str(folder / name) if all_replicas else name] = folder / name
        return list(found.values())


@contextmanager
def running(folder: Path, workers: int = 3, metadata: str | None = None) -> Iterator[Cluster]:
    """A cluster in a folder of its own, perhaps with its metadata elsewhere; its processes end with the context."""
    home = Home(folder)
    try:
        yield Cluster(home, local.up(home, workers, local.Ports(), metadata=metadata))
    finally:
        local.down(home)


def await_true(happened: Callable[[], bool], otherwise: str) -> None:
    """Wait until something has happened; RuntimeError if it does not."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(POLL)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
