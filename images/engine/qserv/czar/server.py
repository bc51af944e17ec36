"""The MySQL port: takes connections, keeps count of them, and closes them."""

from __future__ import annotations

import asyncio
import secrets

from qserv.catalog import logs
from qserv.catalog.errors import Conflict
from qserv.catalog.metadata import Account
from qserv.czar import metrics
from qserv.czar.connection import Connection
from qserv.czar.door import Door
from qserv.czar.wire import WatchedReader, Wire

log = logs.get(__name__)


class MysqlServer:
    """Connections get ids whose upper half is this czar's own, so that several czars seldom give the same."""

    def __init__(self, door: Door, max_connections: int) -> None:
        self._door = door
        self._max = max_connections
        self._base = secrets.randbelow(1 << 15) << 16
        self._count = 0
        self._connections: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, chosen by the system where ``port`` is 0.

        Raises
        ------
        Conflict
            Where the port is in use.
        """
        self._loop = asyncio.get_running_loop()

        def protocol() -> asyncio.StreamReaderProtocol:
            reader = WatchedReader()
            return asyncio.StreamReaderProtocol(reader, lambda _, writer: self._accept(reader, writer))

        try:
            self._server = await self._loop.create_server(protocol, host, port, backlog=1024)
        except OSError as error:
            raise Conflict(
                f"cannot listen on {host}:{port} for MySQL ({error.strerror}): is another czar running there? "
                "Choose another QSERV_CZAR_MYSQL_PORT"
            ) from error
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def close_connection(self, identifier: int, by: Account | None) -> bool:
        """End a connection, from any thread; ``by`` None: another czar checked the right to do so."""
        connection = self._connections.get(identifier)
        if connection is None or self._loop is None:
            return False
        if by is not None and not by.admin and (connection.account is None or connection.account.name != by.name):
            return False
        self._loop.call_soon_threadsafe(connection.kill)
        return True

    async def stop(self) -> None:
        """Take no more connections and end those there are."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.kill()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    def _accept(self, reader: WatchedReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(Wire(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, wire: Wire) -> None:
        if len(self._connections) >= self._max:
            wire.put(b"\xff" + (1040).to_bytes(2, "little") + b"#08004Too many connections")
            wire.close()
            return
        connection = Connection(wire, self._door, self._new_id())
        self._connections[connection.id] = connection
        metrics.CONNECTIONS.inc()
        try:
            await connection.serve()
        except Exception:
            log.exception("a connection failed", connection=connection.id)
        finally:
            del self._connections[connection.id]
            metrics.CONNECTIONS.dec()

    def _new_id(self) -> int:
        while True:
            self._count = (self._count + 1) & 0xFFFF
            found = self._base | self._count
            if found not in self._connections and self._count:
                return found
