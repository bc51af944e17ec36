"""Answers of prepared statements that the client fetches in portions, by ``COM_STMT_FETCH``.

The query is open as long as its cursor is, and runs ahead as far as it does for any client that takes its rows slowly.
Clients that ask for a cursor count on one: MariaDB's C library takes no rows that come unasked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from mysql_mimic.charset import CharacterSet

from qserv.catalog.errors import QservError
from qserv.czar.columns import headers
from qserv.czar.encoder import Encoded, encode
from qserv.czar.marks import Sent
from qserv.czar.session import Result

READ_ONLY = 0x01
"""The flag of ``COM_STMT_EXECUTE`` that asks for a cursor; others are not known."""


class Cursor:
    """An answer with columns ``schema``, for one thread at a time. To be closed, unless its last row was taken."""

    def __init__(self, result: Result, schema: pa.Schema, results: CharacterSet) -> None:
        self._result = result
        self._schema = schema
        self._sent = Sent(schema, binary=True)
        self._results = results
        self._batches = result.batches()
        self._rest: pa.RecordBatch | None = None
        self.ended = False

    def headers(self) -> list[bytes]:
        """Payloads: how many columns there are, and what they are."""
        return headers(self._schema, self._results)

    def rows(self, most: int, sequence: int) -> Iterator[Encoded]:
        """Packets of the next rows, ``most`` of them or all that are left; the first has the number ``sequence``."""
        while most and (batch := self._next()) is not None:
            portion = batch.slice(0, most)
            self._rest = batch.slice(portion.num_rows)
            most -= portion.num_rows
            for piece in encode(self._sent(portion), sequence, binary=True, codec=self._results.codec):
                sequence = piece.sequence
                yield piece

    def _next(self) -> pa.RecordBatch | None:
        """Rows that were not taken yet; None after the last."""
        while self._rest is None or not self._rest.num_rows:
            self._rest = next(self._batches, None)
            if self._rest is None:
                self.ended = True
                return None
        return self._rest

    @property
    def stopped(self) -> bool:
        return self._result.stopped

    def close(self, reason: QservError) -> None:
        self._result.close(reason)
