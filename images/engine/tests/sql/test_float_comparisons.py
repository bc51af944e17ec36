"""A column of FLOATs beside a number is compared as FLOATs, and answers what MySQL's DOUBLEs would."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from qserv.sql.comparisons import compared
from qserv.sql.values import ALL_DECIMALS, DOUBLE, Kind, Type, Value

FLOAT_MAX = float(np.finfo(np.float32).max)
FLOAT_TINY = float(np.finfo(np.float32).smallest_subnormal)
CONSTANTS = (0, -0.0, 1, -1, 0.3, -0.3, 0.8, 16_777_217, 1 << 60, FLOAT_MAX, 3.4028236e38, -1e39, FLOAT_TINY, 1e-46)

COLUMN = Value("f", Type(Kind.DOUBLE, scale=ALL_DECIMALS, narrow=True), origin=(None, "f"))  # type: ignore[arg-type]


def _around() -> pa.Table:
    """The FLOATs next to each of the constants, and others."""
    near = np.float32(np.clip(np.array(CONSTANTS, float), -FLOAT_MAX, FLOAT_MAX))
    with np.errstate(over="ignore"):
        found = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    return pa.table({"f": pa.array([*found[np.isfinite(found)], 5.5, -1e30, None], pa.float32())})


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "=", "<>", "IS NOT DISTINCT FROM"])
@pytest.mark.parametrize("constant", CONSTANTS)
def test_as_doubles_would(constant: float, operator: str) -> None:
    number = f"{float(constant)!r}::DOUBLE"
    literal = Value(number, DOUBLE, constant=constant)
    with duckdb.connect() as con:
        con.register("rows", _around())
        for sql, plain in (
            (compared(COLUMN, literal, operator).sql, f"f::DOUBLE {operator} {number}"),
            (compared(literal, COLUMN, operator).sql, f"{number} {operator} f::DOUBLE"),
        ):
            differing = con.sql(f"SELECT f FROM rows WHERE ({sql}) IS DISTINCT FROM ({plain})").fetchall()
            assert differing == [], sql


def test_order_is_asked_of_the_column_itself() -> None:
    tenth = Value("0.1::DOUBLE", DOUBLE, constant=0.1)
    assert compared(COLUMN, tenth, ">").sql == "(f > CAST(0.09999999403953552 AS FLOAT))"
    assert compared(tenth, COLUMN, ">=").sql == "(CAST(0.09999999403953552 AS FLOAT) >= f)"
    assert compared(COLUMN, tenth, "<").sql == "(f < CAST(0.10000000149011612 AS FLOAT))"
