"""Values as MySQL's strict mode would store them, and errors for those that it would not."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qserv.catalog.errors import DataError, SpecError
from qserv.catalog.model import Column
from qserv.catalog.types import Base, SqlType
from qserv.storage.cast import cast_rows
from qserv.storage.origin import Origin
from qserv.storage.schema import arrow_type, decode_ipc, encode_ipc, infer_columns, schema_of, sql_type

ORIGIN = Origin("in.csv")


def cast(values: pa.Array, declared: str, nullable: bool = True) -> list[Any]:
    column = Column("c", SqlType.parse(declared), nullable)
    found: list[Any] = cast_rows(pa.table({"C": values}), [column], ORIGIN)["c"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        (["1", " 2 ", None], "INT", [1, 2, None]),
        (["-128", "127"], "TINYINT", [-128, 127]),
        (["true", "false", "1"], "BOOL", [1, 0, 1]),
        (["0", "7"], "BOOL", [0, 7]),
        (["18446744073709551615"], "BIGINT UNSIGNED", [2**64 - 1]),
        (["8388607", "-8388608"], "MEDIUMINT", [8388607, -8388608]),
        (["16777215"], "MEDIUMINT UNSIGNED", [16777215]),
        (["5"], "BIT(3)", [5]),
        (["1e300", "nan", "-inf", " 2.5"], "DOUBLE", [1e300, None, None, 2.5]),
        (["NaN", "-inf", "1.2"], "DECIMAL(5,2)", [None, None, Decimal("1.20")]),
        (["9" * 36 + ".994"], "DECIMAL(38,2)", [Decimal("9" * 36 + ".99")]),
        (["0.5"], "FLOAT", [0.5]),
        (["1.005", "2.345", "-2.345"], "DECIMAL(5,2)", [Decimal("1.01"), Decimal("2.35"), Decimal("-2.35")]),
        (["1.50"], "DECIMAL(5,2)", [Decimal("1.50")]),
        (["ab  ", "é"], "CHAR(2)", ["ab", "é"]),
        (["ab "], "VARCHAR(3)", ["ab "]),
        (["x" * 1000], "TEXT", ["x" * 1000]),
        (["2020-02-29"], "DATE", [date(2020, 2, 29)]),
        (["2020-01-02 03:04:05.678901"], "DATETIME", [datetime(2020, 1, 2, 3, 4, 5)]),
        (["2020-01-02 03:04:05.678901"], "DATETIME(3)", [datetime(2020, 1, 2, 3, 4, 5, 678000)]),
        (["2020-01-02T03:04:05.678901"], "DATETIME(6)", [datetime(2020, 1, 2, 3, 4, 5, 678901)]),
        (["2020-01-02T03:04:05Z"], "TIMESTAMP", [datetime(2020, 1, 2, 3, 4, 5)]),
        (["23:59:59"], "TIME", [time(23, 59, 59)]),
        (["2155"], "YEAR", [2155]),
    ],
)
def test_text_is_read_as_its_column(values: list[str], declared: str, expected: list[Any]) -> None:
    assert cast(pa.array(values, pa.string()), declared) == expected


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        (pa.array([1, 2], pa.int64()), "SMALLINT", [1, 2]),
        (pa.array([1.0, float("nan")]), "INT", [1, None]),
        (pa.array([2**53 + 1], pa.int64()), "DOUBLE", [float(2**53)]),
        (pa.array([float("inf"), 1.5], pa.float64()), "FLOAT", [None, 1.5]),
        (pa.array([True, None]), "BOOL", [1, None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), "CHAR(1)", ["a", "b", "a"]),
        (pa.array([b"ab"]), "BINARY(4)", [b"ab\0\0"]),
        (pa.array([b"ab"]), "VARBINARY(4)", [b"ab"]),
        (pa.array([b"\xc3\xa9"]), "TEXT", ["é"]),
        (pa.array([1_600_000_000_123_456_789], pa.timestamp("ns")), "DATETIME(6)", "2020-09-13T12:26:40.123456"),
        (pa.array([1_600_000_000], pa.timestamp("s", "Europe/Paris")), "DATETIME", "2020-09-13T12:26:40"),
        (pa.array([Decimal("1.255")]), "DECIMAL(4,2)", [Decimal("1.26")]),
        (pa.array([0.5]), "DECIMAL(4,2)", [Decimal("0.50")]),
        (pa.array([None, None]), "DOUBLE", [None, None]),
        (pa.array([None, None]), "DATETIME", [None, None]),
        (pa.array([" 1", "2"], pa.string_view()), "INT", [1, 2]),
        (pa.array(["ab"], pa.large_string()), "CHAR(2)", ["ab"]),
        (pa.array([2**63], pa.uint64()), "BIGINT UNSIGNED", [2**63]),
    ],
)
def test_typed_values_become_their_column(values: pa.Array, declared: str, expected: list[Any] | str) -> None:
    if isinstance(expected, str):
        expected = [datetime.fromisoformat(expected)]
    assert cast(values, declared) == expected


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        (["1", "x"], "INT"),
        (["1", "2.5"], "INT"),
        (["1", "0x10"], "INT"),
        (["1", "-0X1F"], "BIGINT"),
        (["1", "+-2"], "INT"),
        (["1", "0x1"], "BIT(3)"),
        (["1", "0x1"], "DOUBLE"),
        (["1", "128"], "TINYINT"),
        (["1", "-1"], "INT UNSIGNED"),
        (["1", "8388608"], "MEDIUMINT"),
        (["1", "8"], "BIT(3)"),
        (["1", "maybe"], "BOOL"),
        (["1", "1e39"], "FLOAT"),
        (["1", "1,5"], "DOUBLE"),
        (["1", "1e400"], "DOUBLE"),
        (["1", "1000"], "DECIMAL(5,2)"),
        (["1", "one"], "DECIMAL(5,2)"),
        (["ab", "abc"], "CHAR(2)"),
        (["2020-01-01", "2020-02-30"], "DATE"),
        (["2020-01-01 00:00:00", "noon"], "DATETIME"),
        (["00:00:00", "25:00:00"], "TIME"),
        (["2000", "2156"], "YEAR"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: list[str], declared: str) -> None:
    padded = pa.array([values[0]] * 5 + [values[1], values[0]], pa.string())
    with pytest.raises(DataError, match=rf"in\.csv, row 6, column 'c': .* is no value of {declared.split('(')[0]}"):
        cast(padded, declared)


def test_null_in_a_not_null_column_is_named() -> None:
    with pytest.raises(DataError, match="row 2, column 'c': NULL"):
        cast(pa.array([1.0, float("nan")]), "DOUBLE", nullable=False)


def test_columns_are_found_in_any_case_and_missing_ones_named() -> None:
    rows = pa.table({"RA": [1.0], "extra": [2]})
    column = Column("ra", SqlType(Base.DOUBLE))
    assert cast_rows(rows, [column], ORIGIN).to_pylist() == [{"ra": 1.0}]
    with pytest.raises(DataError, match="no column 'decl'; it has RA, extra"):
        cast_rows(rows, [column, Column("decl", SqlType(Base.DOUBLE))], ORIGIN)


def test_a_column_that_is_there_twice_is_refused() -> None:
    rows = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "A"])
    with pytest.raises(DataError, match=r"in\.csv: there is more than one column 'a'; it has a, A"):
        cast_rows(rows, [Column("a", SqlType.parse("INT"))], ORIGIN)


@given(st.lists(st.integers(-(2**40), 2**40) | st.none(), max_size=30))
def test_integers_fit_or_are_refused(values: list[int | None]) -> None:
    fits = all(value is None or -(2**31) <= value < 2**31 for value in values)
    if fits:
        assert cast(pa.array(values, pa.int64()), "INT") == values
    else:
        first = next(i for i, value in enumerate(values) if value is not None and not -(2**31) <= value < 2**31)
        with pytest.raises(DataError, match=f"row {first + 1},"):
            cast(pa.array(values, pa.int64()), "INT")


@pytest.mark.parametrize("base", [base for base in Base if base is not Base.DECIMAL])
def test_types_are_inferred_as_they_are_stored(base: Base) -> None:
    stored = arrow_type(SqlType(base, 8 if base is Base.BIT else None))
    assert arrow_type(sql_type(stored, "c")) == stored


def test_decimals_and_unsigned_are_inferred() -> None:
    assert str(sql_type(pa.decimal128(9, 3), "c")) == "DECIMAL(9,3)"
    assert str(sql_type(pa.uint16(), "c")) == "SMALLINT UNSIGNED"
    assert str(sql_type(pa.dictionary(pa.int8(), pa.string()), "c")) == "TEXT"


def test_a_type_without_a_column_is_refused() -> None:
    with pytest.raises(SpecError, match="'c' has the type list"):
        sql_type(pa.list_(pa.int8()), "c")


def test_inferred_columns_leave_out_what_the_engine_makes() -> None:
    schema = pa.schema([("id", pa.int64()), ("CHUNKID", pa.int32()), ("subChunkId", pa.int32())])
    assert [column.name for column in infer_columns(schema)] == ["id"]


def test_schemas_travel_as_text() -> None:
    schema = schema_of([Column("a", SqlType.parse("DECIMAL(10,2)"), False), Column("b", SqlType.parse("DATETIME(6)"))])
    assert decode_ipc(encode_ipc(schema)).equals(schema)
