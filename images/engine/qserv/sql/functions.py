"""How every DuckDB of the engine is set up: with scisql's functions, and with what MySQL does otherwise than DuckDB.

Angles are degrees, sizes of ellipses arc seconds, fluxes erg/cm²/s/Hz (``nanojansky``: nJy), magnitudes AB.
"""

from __future__ import annotations

from pathlib import Path


def _crc32_table() -> list[int]:
    """The remainders of all bytes by the polynomial of CRC-32 (IEEE 802.3), lowest bit first."""
    table = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xEDB88320 if remainder & 1 else 0)
        table.append(remainder)
    return table


_CRC32 = f"""
CREATE OR REPLACE MACRO qserv_crc32(data) AS CASE WHEN data IS NOT NULL THEN CAST(xor(4294967295, list_reduce(
    list_prepend(4294967295::BIGINT, list_transform(range(1, octet_length(data) + 1),
        lambda i: CAST('0x' || hex(data[i:i]) AS BIGINT))),
    lambda sum, byte: xor(sum >> 8, list_extract({_crc32_table()}::BIGINT[], (xor(sum, byte) & 255) + 1))))
    AS UBIGINT) END;
"""

_DIVISION = """
SET GLOBAL ieee_floating_point_ops = false;
SET GLOBAL error_on_division_by_zero = false;
"""
"""Division by zero is NULL, of all numbers: half the cost of asking for a zero first. Logarithms and roots outside of
their domain are errors then, not NaN, and what is written asks for the domain before."""

SETUP: str = _DIVISION + Path(__file__).with_name("macros.sql").read_text(encoding="utf-8") + _CRC32
"""Settings and ``CREATE MACRO`` statements, run once when a DuckDB is opened, before its configuration is locked."""
