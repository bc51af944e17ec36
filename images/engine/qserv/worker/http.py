"""The worker's HTTP port: whether it is ready, its metrics, and files that are sent to it.

Who sends a file needs the cluster's secret; the others are open, and tell neither names nor statements.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qserv.catalog.errors import Conflict, QservError
from qserv.catalog.flight import failure_of
from qserv.catalog.trust import Trust
from qserv.worker import metrics
from qserv.worker.uploads import Uploads


class HttpPort:
    """Takes its port when it is made, and answers in a thread from :meth:`start` until :meth:`close`.

    Parameters
    ----------
    port : 0 takes a free one.
    ready : whether the worker answers queries as a member of a cluster.
    running : queries by lane.
    uploads : takes files.

    Raises
    ------
    Conflict
        Where the port cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        trust: Trust,
        *,
        ready: Callable[[], bool],
        running: Callable[[], dict[str, int]],
        uploads: Uploads,
    ) -> None:
        self._trust = trust
        self._uploads = uploads
        self._ready = ready
        self._running = running
        try:
            self._socket = socket.create_server((host, port), family=_family(host), backlog=128)
        except OSError as error:
            raise Conflict(f"cannot listen on {host}:{port}: {error.strerror}: set another http_port") from None
        self.port: int = self._socket.getsockname()[1]
        routes = [Route("/health", self._health), Route("/metrics", self._metrics)]
        routes.append(Route("/uploads/{transaction:int}/{name}", self._upload, methods=["PUT"]))
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            **trust.uvicorn_options(),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )

    def start(self) -> None:
        """Answer; who has asked since the port was taken has waited."""
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    async def _health(self, _request: Request) -> Response:
        ready = self._ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def _upload(self, request: Request) -> Response:
        try:
            self._trust.check([request.headers.get("authorization", "")])
            transaction, name = request.path_params["transaction"], request.path_params["name"]
            kept = await self._uploads.receive(transaction, name, request.stream())
        except QservError as error:
            return Response(failure_of(error).encode(), status_code=error.http, media_type="application/json")
        return Response(kept.encode(), media_type="application/json")

    async def _metrics(self, _request: Request) -> Response:
        for lane, count in self._running().items():
            metrics.RUNNING.labels(lane).set(count)
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
