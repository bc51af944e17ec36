"""The process ``qserv czar``: wires the parts together, opens the ports, and ends cleanly on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import uvicorn

from qserv.catalog import logs
from qserv.catalog.errors import Conflict, SchemaOutdated, Unavailable
from qserv.catalog.metadata import Metadata
from qserv.catalog.settings import CzarSettings
from qserv.catalog.trust import Trust
from qserv.czar.door import Door
from qserv.czar.executor import Executor, Workers
from qserv.czar.flight import SqlFlight
from qserv.czar.holding import HoldingSpace
from qserv.czar.http import make_app
from qserv.czar.merge import Merger
from qserv.czar.queries import Queries
from qserv.czar.server import MysqlServer
from qserv.czar.session import Czar

log = logs.get(__name__)

_SPARE_THREADS = 16
_PAUSE = 1.0

_HELD_PART = 16
"""Rows that wait for their batch to be whole may take this part of what merges may, beside it."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a czar listens."""

    mysql: int
    http: int
    flight: int


def run(settings: CzarSettings) -> None:
    """Serve until SIGTERM or SIGINT, from when the metadata is there: a controller may start later than a czar.

    Raises
    ------
    Conflict
        Where a port is in use.
    SchemaVersion
        Where the metadata's schema is newer than this program.
    """
    logs.configure(settings.name, settings.log_level)
    asyncio.run(_run(settings))
    os._exit(0)  # threads of calls that did not end are not waited for


async def _run(settings: CzarSettings) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    metadata = await _metadata(settings, stop)
    if metadata is None:
        return
    async with serving(settings, metadata) as ports:
        log.info("czar ready", mysql=ports.mysql, http=ports.http, flight=ports.flight)
        await stop.wait()
        log.info("czar stopping")


async def _metadata(settings: CzarSettings, stop: asyncio.Event) -> Metadata | None:
    """The metadata once it is there and has this program's schema; None when ``stop`` came first."""
    while not stop.is_set():
        try:
            return await asyncio.to_thread(Metadata.from_settings, settings)
        except (SchemaOutdated, Unavailable) as error:
            log.warning("waiting for the metadata", reason=error.message)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PAUSE)
    return None


@contextlib.asynccontextmanager
async def serving(settings: CzarSettings, metadata: Metadata) -> AsyncIterator[Ports]:
    """A czar with its ports open, ports of 0 are chosen by the system; it closes the metadata at its end."""
    settings.result_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    trust = Trust.from_settings(settings)
    queries = Queries(metadata, settings.name)
    space = HoldingSpace(settings.result_dir, settings.memory_limit // _HELD_PART, settings.spill_limit)
    executor = Executor(metadata, Workers(trust), Merger(settings), space)
    czar = Czar(executor, queries, settings.query_timeout, _facts(settings))
    pool = ThreadPoolExecutor(settings.max_connections + _SPARE_THREADS, thread_name_prefix="statement")
    mysql = MysqlServer(Door(czar, metadata, trust, pool), settings.max_connections)
    queries.close_connection = mysql.close_connection
    try:
        async with contextlib.AsyncExitStack() as stack:
            http_port = await stack.enter_async_context(_http(settings, czar, metadata, trust))
            flight = SqlFlight(czar, metadata, trust, f"{settings.host}:{settings.flight_port}")
            stack.push_async_callback(asyncio.to_thread, flight.end)
            mysql_port = await mysql.start(settings.host, settings.mysql_port)
            czar.facts["port"] = mysql_port
            stack.push_async_callback(mysql.stop)
            stack.push_async_callback(asyncio.to_thread, queries.close)
            yield Ports(mysql_port, http_port, flight.port)
    finally:
        await asyncio.to_thread(queries.close)
        pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(executor.close)
        metadata.close()


def _facts(settings: CzarSettings) -> dict[str, str | int]:
    tls = "YES" if settings.tls_cert else "DISABLED"
    return {"port": settings.mysql_port, "hostname": socket.gethostname(), "have_ssl": tls, "have_openssl": tls}


@contextlib.asynccontextmanager
async def _http(settings: CzarSettings, czar: Czar, metadata: Metadata, trust: Trust) -> AsyncIterator[int]:
    listening = _listen(settings.host, settings.http_port)
    config = uvicorn.Config(
        make_app(czar, metadata),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=2,
        **trust.uvicorn_options(),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn as a part of a process that handles its signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise Conflict(
            f"cannot listen on {host}:{port} for HTTP ({error.strerror}): is another process running there? "
            "Choose another QSERV_CZAR_HTTP_PORT"
        ) from error
    return found
