"""Workers in this process, on free ports, and a controller that places units as a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import Heartbeat, HeartbeatAnswer
from qserv.catalog.model import FileKind
from qserv.catalog.resources import IndexPartition, IndexView, UnitsAnswer, UnitsWish
from qserv.catalog.settings import WorkerSettings
from qserv.catalog.trust import Trust
from qserv.worker.worker import Worker

SECRET = "the-secret-of-this-test"
CLUSTER = "cluster-a"


class Registrar:
    """The replication controller as far as a worker talks to it, over real HTTP.

    ``place`` says which workers hold a unit; ``index`` is a director's committed index.
    """

    def __init__(self) -> None:
        self.cluster = CLUSTER
        self.beats: dict[str, Heartbeat] = {}
        self.discard: tuple[int, ...] = ()
        self.place: Callable[[FileKind, int], Sequence[str]] = lambda _kind, _number: sorted(self.beats)
        self.index: tuple[int, tuple[IndexPartition, ...]] = (4, ())
        self.beaten = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        routes = [
            Route("/api/v1/workers/{name}", self._beat, methods=["PUT"]),
            Route("/api/v1/transactions/{id:int}/units", self._units, methods=["POST"]),
            Route("/api/v1/databases/{database}/tables/{table}/index", self._index),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,  # a connection that came as its port ended keeps it for ever
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def wait_beats(self, count: int, timeout: float = 20.0) -> None:
        """Wait until that many more heartbeats have come."""
        with self.beaten:
            for _ in range(count):
                assert self.beaten.wait(timeout), "no heartbeat came"

    def wait_for(self, condition: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until a condition holds at a heartbeat."""
        with self.beaten:
            assert self.beaten.wait_for(condition, timeout), "it did not come about"

    def _addresses(self) -> dict[str, str]:
        return {name: beat.flight for name, beat in self.beats.items()}

    async def _beat(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return JSONResponse({"code": "unauthenticated", "message": "who?"}, status_code=401)
        beat = Heartbeat.model_validate_json(await request.body())
        if beat.cluster not in (None, self.cluster):
            return JSONResponse({"code": "wrong-cluster", "message": "not of this cluster"}, status_code=409)
        with self.beaten:
            self.beats[request.path_params["name"]] = beat
            self.beaten.notify_all()
        return _json(HeartbeatAnswer(cluster=self.cluster, interval=0.05, discard=self.discard))

    async def _units(self, request: Request) -> Response:
        wish = UnitsWish.model_validate_json(await request.body())
        units = tuple(tuple(self.place(wish.kind, number)) for number in wish.numbers or (0,))
        return _json(UnitsAnswer(workers=self._addresses(), units=units))

    async def _index(self, _request: Request) -> Response:
        count, partitions = self.index
        return _json(IndexView(index_partitions=count, workers=self._addresses(), partitions=partitions))


def _json(model: Any) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


class Site:
    """A folder with workers in it."""

    def __init__(self, folder: Path, registrar: Registrar) -> None:
        self.folder = folder
        self.registrar = registrar
        self._workers: dict[str, Worker] = {}
        self._clients: list[WorkerClient] = []
        self.secret_file = folder / "secret"
        self.secret_file.write_text(SECRET + "\n")

    def settings(self, name: str, **changes: Any) -> WorkerSettings:
        facts: dict[str, Any] = {
            "name": name,
            "data_dir": self.folder / name,
            "secret_file": self.secret_file,
            "controllers": (self.registrar.url,),
            "flight_port": 0,
            "http_port": 0,
            "memory_limit": 256 << 20,
            "point_memory_limit": 128 << 20,
            "source_dirs": (self.folder.parent,),
        }
        return WorkerSettings(**(facts | changes))

    def start(self, name: str, **changes: Any) -> Worker:
        """A worker that has registered."""
        worker = Worker(self.settings(name, **changes))
        self._workers[name] = worker
        if worker.failure is None and not worker.ready:
            self.registrar.wait_beats(1)
        return worker

    def stop(self, name: str) -> None:
        self._workers.pop(name).close()

    def client(self, worker: Worker, **options: Any) -> WorkerClient:
        client = WorkerClient(worker.flight, Trust.from_settings(self.settings("client")), **options)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for name in list(self._workers):
            self.stop(name)
