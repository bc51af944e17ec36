"""The SQL macros that every DuckDB of the engine has: scisql's functions, and what MySQL does otherwise than DuckDB.

Angles are degrees, sizes of ellipses arc seconds, fluxes erg/cm²/s/Hz (``nanojansky``: nJy), magnitudes AB.
"""

from __future__ import annotations

from pathlib import Path

MACROS: str = Path(__file__).with_name("macros.sql").read_text(encoding="utf-8")
"""``CREATE MACRO`` statements, run once when a DuckDB is opened, before its configuration is locked."""
