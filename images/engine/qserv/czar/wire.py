"""Packets over a socket: MySQL's framing, its sequence numbers, its limits, and the change to TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from qserv.czar.encoder import MAX_PACKET, Bytes, packetise

STUCK_SECONDS = 5.0
"""How long a client that takes no rows is waited for after its query was stopped."""


class DisconnectedError(Exception):
    """The client closed the connection, or its packets make no sense."""


class TooLargeError(DisconnectedError):
    """A command is larger than the server takes."""


class WatchedReader(asyncio.StreamReader):
    """A reader that tells when the client goes away, also while nobody reads."""

    def __init__(self) -> None:
        super().__init__(limit=1 << 16)
        self.on_close: Callable[[], None] | None = None

    def feed_eof(self) -> None:
        super().feed_eof()
        self._tell()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self._tell()

    def take_unread(self) -> bytes:
        """Bytes that came and were not read; they count as read now."""
        found = bytes(self._buffer)  # type: ignore[attr-defined]
        self._buffer.clear()  # type: ignore[attr-defined]
        return found

    def _tell(self) -> None:
        if self.on_close is not None:
            self.on_close()


class Wire:
    """One client's connection as packets. ``sequence`` is the number of the next packet, either way."""

    def __init__(self, reader: WatchedReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sequence = 0
        self._unsent: list[Bytes] = []
        writer.transport.set_write_buffer_limits(high=1 << 20)

    async def read(self, limit: int) -> bytes:
        """The next whole payload.

        Raises
        ------
        DisconnectedError
            At the end of the connection, or for a packet out of sequence.
        TooLargeError
            For a payload above ``limit`` bytes.
        """
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                header = await self.reader.readexactly(4)
                length = int.from_bytes(header[:3], "little")
                if header[3] != self.sequence:
                    raise DisconnectedError(f"packet {header[3]} came where {self.sequence} was due")
                self.sequence = (self.sequence + 1) & 0xFF
                size += length
                if size > limit:
                    raise TooLargeError(f"a command of more than {limit} bytes")
                parts.append(await self.reader.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError, OSError) as error:
                raise DisconnectedError("the client closed the connection") from error
            if length < MAX_PACKET:
                return b"".join(parts)

    def put(self, payload: bytes) -> None:
        """Take a payload as packets; they go out with the next :meth:`drain`, in one write."""
        self._unsent.append(packetise(payload, self.sequence))
        self.sequence = (self.sequence + len(payload) // MAX_PACKET + 1) & 0xFF

    def put_packets(self, packets: Bytes, sequence: int) -> None:
        """Take what is framed already, like :meth:`put`; ``sequence`` is the number that comes after it."""
        self._unsent.append(packets)
        self.sequence = sequence

    @property
    def encrypted(self) -> bool:
        return bool(self.cipher)

    @property
    def cipher(self) -> str:
        """The name of TLS's cipher; empty outside of it."""
        found = self.writer.get_extra_info("cipher")
        return str(found[0]) if found else ""

    async def drain(self) -> None:
        """Send what was put, and wait until the client has taken most of it."""
        self._flush()
        try:
            await self.writer.drain()
        except (ConnectionError, OSError) as error:
            raise DisconnectedError("the client closed the connection") from error

    async def drain_unless(self, stopped: Callable[[], bool]) -> None:
        """Wait for a slow client, but not for one that takes nothing once its query was ``stopped``."""
        waiting = asyncio.ensure_future(self.drain())
        try:
            while not waiting.done():
                await asyncio.wait([waiting], timeout=STUCK_SECONDS)
                if not waiting.done() and stopped():
                    self.abort()
            await waiting
        finally:
            waiting.cancel()

    async def send(self, payload: bytes) -> None:
        self.put(payload)
        await self.drain()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS. Clients begin it right after they asked for it, so what came already is given to TLS.

        Raises
        ------
        DisconnectedError
            Where the handshake fails.
        """
        transport, unread = self.writer.transport, self.reader.take_unread()
        shaking = asyncio.ensure_future(self.writer.start_tls(context))
        try:
            while unread and not shaking.done():
                await asyncio.sleep(0)
                tls = transport.get_protocol()
                if isinstance(tls, asyncio.BufferedProtocol):
                    # Its connection_made was scheduled before this, and so comes first.
                    asyncio.get_running_loop().call_soon(_feed, tls, unread)
                    break
            await shaking
        except (OSError, ssl.SSLError) as error:
            raise DisconnectedError("the TLS handshake failed") from error

    def close(self) -> None:
        self._flush()
        self.writer.close()

    def _flush(self) -> None:
        if self._unsent:
            self.writer.write(self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent))
            self._unsent.clear()

    def abort(self) -> None:
        """Close at once, whatever was not sent yet."""
        self.writer.transport.abort()


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    while data:
        room = memoryview(protocol.get_buffer(len(data)))
        size = min(len(room), len(data))
        room[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
