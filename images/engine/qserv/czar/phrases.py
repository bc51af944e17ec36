"""The short packets of the MySQL protocol: OK, the end of rows, errors."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mysql_mimic.types import Capabilities, ServerStatus

from qserv.catalog.errors import QservError

_LONGEST_MESSAGE = 2000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """As a client of some capabilities understands them."""

    capabilities: Capabilities

    @property
    def short(self) -> bool:
        """Whether the client takes one OK after the rows, and nothing between the columns and the rows."""
        return bool(self.capabilities & Capabilities.CLIENT_DEPRECATE_EOF)

    def ok(self, warnings: int = 0, cursor: int = 0) -> bytes:
        status = ServerStatus.SERVER_STATUS_AUTOCOMMIT | cursor
        return struct.pack("<BBBHH", 0, 0, 0, status, min(warnings, 0xFFFF))

    def eof(self, warnings: int = 0, cursor: int = 0) -> bytes:
        return struct.pack("<BHH", 0xFE, min(warnings, 0xFFFF), ServerStatus.SERVER_STATUS_AUTOCOMMIT | cursor)

    def end(self, warnings: int = 0, cursor: int = 0) -> bytes:
        """What follows the last row; ``cursor``: one of the statuses that tell of a cursor."""
        return b"\xfe" + self.ok(warnings, cursor)[1:] if self.short else self.eof(warnings, cursor)

    def error(self, number: int, state: str, message: str) -> bytes:
        """An error by MySQL's number and five-character state."""
        text = message[:_LONGEST_MESSAGE].encode("utf8")
        return struct.pack("<BH", 0xFF, number) + b"#" + state.encode() + text

    def refusal(self, error: QservError) -> bytes:
        """An error of this program."""
        return self.error(error.mysql, error.sqlstate, error.message)
