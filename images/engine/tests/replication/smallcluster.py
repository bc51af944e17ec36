"""A controller and workers in this process, with their real protocols, on free ports."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from qserv.catalog.metadata import Metadata
from qserv.catalog.resources import TransactionView
from qserv.catalog.rest import Controller as Client
from qserv.catalog.settings import ReplicationSettings, WorkerSettings
from qserv.catalog.trust import Trust
from qserv.cli.ports import free_ports
from qserv.replication.app import build
from qserv.replication.controller import Controller
from qserv.worker.worker import Worker


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


class Served:
    """A controller with its HTTP port, which can be ended without a word."""

    def __init__(self, settings: ReplicationSettings) -> None:
        trust = Trust.from_settings(settings)
        metadata = Metadata.from_settings(settings, migrate_schema=True)
        self.controller = Controller(settings, metadata, trust)
        config = uvicorn.Config(
            build(self.controller),
            host="127.0.0.1",
            port=settings.port,
            log_config=None,
            lifespan="off",
            # A worker's connection that came as the port ended keeps it for ever.
            timeout_graceful_shutdown=1,
            **trust.uvicorn_options(),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        self.controller.start()
        wait_for(lambda: self._server.started and self.controller.leader.leads)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.controller.stop()


@dataclass
class Cluster:
    folder: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    workers: dict[str, Worker] = field(default_factory=dict)
    tls: dict[str, Path] = field(default_factory=dict)
    lost_after: float = 600.0

    def __post_init__(self) -> None:
        self.secret = self.folder / "secret"
        self.secret.write_text("cluster-secret\n")
        self.served = Served(self.settings())
        self.client = Client([self.url], self.served.controller.trust)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def settings(self) -> ReplicationSettings:
        return ReplicationSettings(
            secret_file=self.secret,
            metadata_url=SecretStr(f"sqlite:///{self.folder / 'metadata.db'}"),
            port=self.port,
            heartbeat=0.2,
            suspect_after=3.0,
            lost_after=self.lost_after,
            lease=2.0,
            **self.tls,
        )

    def start_worker(self, name: str) -> Worker:
        flight_port, http_port = free_ports(2)
        self.workers[name] = Worker(
            WorkerSettings(
                secret_file=self.secret,
                name=name,
                data_dir=self.folder / name,
                flight_port=flight_port,
                http_port=http_port,
                controllers=(self.url,),
                threads=1,
                source_dirs=(Path("/"),),
                **self.tls,
            )
        )
        wait_for(lambda: any(view.name == name and view.state == "online" for view in self.client.workers()))
        return self.workers[name]

    def stop_worker(self, name: str) -> None:
        self.workers.pop(name).close()

    def restart_controller(self) -> None:
        self.served.close()
        self.served = Served(self.settings())

    def ended(self, transaction: int) -> TransactionView:
        wait_for(lambda: self.client.transaction(transaction).state in ("committed", "aborted"))
        return self.client.transaction(transaction)

    def files(self) -> set[str]:
        """All data files on the workers' disks, without their workers. Folders may go while they are walked."""
        return {
            str((Path(folder) / file).relative_to(self.folder / name))
            for name in self.workers
            for folder, _, files in os.walk(self.folder / name)
            for file in files
            if file.endswith((".parquet", ".arrow")) and ".qserv" not in folder
        }

    def close(self) -> None:
        for name in list(self.workers):
            self.stop_worker(name)
        self.client.close()
        self.served.close()
