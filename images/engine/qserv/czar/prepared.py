"""The statements that a client of the binary protocol has prepared, with the data and the cursors of each."""

from __future__ import annotations

import struct
from concurrent.futures import Executor

from sqlglot import exp

from qserv.catalog.errors import QueryKilled, Unsupported
from qserv.czar.parameters import Prepared

MOST = 1000
"""Prepared statements that a client may hold."""


class PreparedStatements:
    """One client's. The bytes that methods take are those of a command, which begin with the statement's number.

    Parameters
    ----------
    pool : cursors are closed in its threads.
    room : bytes of data that may be sent ahead.
    """

    def __init__(self, pool: Executor, room: int) -> None:
        self._pool = pool
        self._room = room
        self._held: dict[int, Prepared] = {}
        self._next = 1

    def check_room(self) -> None:
        if len(self._held) >= MOST:
            raise Unsupported(f"a client may hold {MOST} prepared statements: close some")

    def add(self, sql: str, statement: exp.Expression | None, parameters: int) -> Prepared:
        made = Prepared(self._next, sql, statement, parameters)
        self._next += 1
        self._held[made.id] = made
        return made

    def find(self, data: bytes) -> Prepared:
        found = self._held.get(struct.unpack_from("<I", data)[0])
        if found is None:
            raise Unsupported("this prepared statement is not known (any more): prepare it again")
        return found

    def add_long_data(self, data: bytes) -> None:
        """Keep data of a parameter that is sent ahead; that of an unknown statement makes no sense, and is dropped."""
        identifier, place = struct.unpack_from("<IH", data)
        prepared = self._held.get(identifier)
        if prepared is not None:
            held = sum(other.long_bytes for other in self._held.values())
            prepared.add_long_data(place, data[6:], room=self._room - held)

    def reset(self, data: bytes) -> None:
        found = self.find(data)
        found.forget_long_data()
        self.close_cursor(found)

    def forget(self, data: bytes) -> None:
        found = self._held.pop(struct.unpack_from("<I", data)[0], None)
        if found is not None:
            self.close_cursor(found)

    def forget_all(self) -> None:
        for prepared in self._held.values():
            self.close_cursor(prepared)
        self._held.clear()

    def close_cursor(self, prepared: Prepared) -> None:
        cursor, prepared.cursor = prepared.cursor, None
        if cursor is not None:
            self._pool.submit(cursor.close, QueryKilled("the client closed its cursor before the last row"))
