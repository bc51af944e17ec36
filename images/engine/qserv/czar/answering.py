"""A statement's answer as bytes for a MySQL client: headers and rows, made in threads, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from mysql_mimic.charset import CharacterSet

from qserv.catalog.errors import QservError
from qserv.czar.columns import headers
from qserv.czar.encoder import Encoded, encode, packetise
from qserv.czar.marks import Sent
from qserv.czar.session import Result

AHEAD = 1 << 18
"""Bytes that are made before the first are sent, so that a small answer goes out in one write."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a client wants its answer. ``eof``: with a packet between the columns and the rows, as old clients do."""

    binary: bool
    results: CharacterSet
    sequence: int
    eof: bool


class Pieces:
    """The packets of an answer. ``first`` has the headers and perhaps all rows; ``take`` makes more."""

    def __init__(self, result: Result, head: bytes, sequence: int, pieces: Iterator[Encoded]) -> None:
        self._result = result
        self._pieces = pieces
        self.first = head
        self.sequence = sequence
        self.done = False

    def fill(self) -> None:
        """Make rows until there are enough to send."""
        parts = [self.first]
        size = len(self.first)
        while size < AHEAD and (piece := self.take()) is not None:
            parts.append(bytes(piece.data))
            size += len(parts[-1])
            self.sequence = piece.sequence
        self.first = b"".join(parts)

    def take(self) -> Encoded | None:
        """The next piece; None after the last."""
        piece = next(self._pieces, None)
        self.done = piece is None
        return piece

    @property
    def stopped(self) -> bool:
        return self._result.stopped

    def stop(self, reason: QservError) -> None:
        """End the query from another thread than the one that makes pieces."""
        if self._result.answer is not None:
            self._result.answer.query.permit.revoke(reason)

    def close(self, reason: QservError) -> None:
        self._result.close(reason)


def first_pieces(begin: Callable[[], Result], reply: Reply) -> Pieces | None:
    """Run a statement to the first rows of its answer; None where it has no rows to answer.

    Raises
    ------
    QservError
        What stopped it before anything was sent.
    """
    result = begin()
    if result.schema is None:
        return None
    try:
        head, sequence = _headers(result.schema, reply)
        pieces = Pieces(result, head, sequence, _rows(result, reply, sequence))
        pieces.fill()
    except BaseException as error:
        result.close(error if isinstance(error, QservError) else QservError(f"the answer failed: {error}"))
        raise
    return pieces


def _headers(schema: pa.Schema, reply: Reply) -> tuple[bytes, int]:
    payloads = headers(schema, reply.results)
    if reply.eof:
        payloads.append(b"\xfe\0\0\x02\0")
    wire = b"".join(packetise(payload, reply.sequence + place) for place, payload in enumerate(payloads))
    return wire, (reply.sequence + len(payloads)) & 0xFF


def _rows(result: Result, reply: Reply, sequence: int) -> Iterator[Encoded]:
    sent = Sent(result.schema, binary=reply.binary)
    for batch in result.batches():
        for piece in encode(sent(batch), sequence, binary=reply.binary, codec=reply.results.codec):
            sequence = piece.sequence
            yield piece
