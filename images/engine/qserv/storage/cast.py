"""Values of input files as the declared MySQL columns hold them, checked as a strict MySQL checks them.

What differs from a plain Arrow cast: a number too large or a string too long for its column is an error; NaN and
infinities, which MySQL's columns do not have, become NULL; ``CHAR`` loses trailing blanks and ``BINARY`` is padded;
times are cut to the column's digits, as MariaDB cuts them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qserv.catalog.errors import DataError
from qserv.catalog.model import Column
from qserv.catalog.types import Base, SqlType
from qserv.storage.origin import Origin
from qserv.storage.schema import arrow_type, schema_of

_DIGITS = Context(prec=100, rounding=ROUND_HALF_UP)
"""More digits than a DECIMAL has; Python's own context has fewer."""

_RANGES = {Base.MEDIUMINT: (-(1 << 23), (1 << 23) - 1), Base.YEAR: (0, 2155)}


def cast_rows(rows: pa.Table, columns: Sequence[Column], origin: Origin) -> pa.Table:
    """Rows with exactly ``columns``, of their Arrow types. Columns are found by name, in any case.

    Raises
    ------
    DataError
        For a column that is not there, or twice, or a value that its column cannot hold, with file, row and column.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(rows.column_names):
        places[name.casefold()].append(index)
    arrays = []
    for column in columns:
        found = places[column.name.casefold()]
        if len(found) != 1:
            wrong = "more than one" if found else "no"
            raise DataError(
                f"{origin.file}: there is {wrong} column {column.name!r}; it has {', '.join(rows.column_names[:50])}",
                file=origin.file,
                column=column.name,
            )
        arrays.append(cast_column(rows.column(found[0]), column, origin))
    return pa.table(arrays, schema=schema_of(columns))


def cast_column(values: pa.ChunkedArray, column: Column, origin: Origin) -> pa.ChunkedArray:
    """One column's values as its declared type; see :func:`cast_rows`."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    try:
        result = _convert(values, column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, _RefusedError) as error:
        index = _first_bad(values, lambda part: _convert(part, column.type))
        shown = str(values[index].as_py())[:80]
        raise origin.error(index, column.name, f"{shown!r} is no value of {column.type}") from error
    if not column.nullable and result.null_count:
        index = int(np.flatnonzero(result.is_null().to_numpy())[0])
        raise origin.error(index, column.name, "NULL (or NaN) in a column declared NOT NULL")
    return result


class _RefusedError(Exception):
    """A value that Arrow could hold but the MySQL column cannot."""


def _first_bad(values: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], object]) -> int:
    """The first value that does not convert, by halving; some value does not."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(values.slice(low, middle - low))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, _RefusedError):
            high = middle
        else:
            low = middle
    return low


def _convert(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    if target.integer or target.base is Base.BIT:
        return _integers(values, target)
    if target.base in (Base.FLOAT, Base.DOUBLE):
        return _floats(values, target)
    if target.base is Base.DECIMAL:
        return _decimals(values, target)
    if target.text:
        return _texts(values, target)
    if target.binary:
        return _binaries(values, target)
    return _times(values, target)


def _trimmed(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Text as numbers; blanks around them and a plus are looked for only if need be, for that is dear."""
    try:
        return values.cast(target)
    except pa.ArrowInvalid:
        bare = pc.replace_substring_regex(pc.utf8_trim_whitespace(values), r"^\+(\d)", r"\1")
        return bare.cast(target)


def _hexadecimal(values: pa.ChunkedArray) -> bool:
    """Whether there is a number like 0x1F, which Arrow would take for an integer.

    A look at the bytes of all texts at once tells that there is none ten times as fast as one at each text.
    """
    data = [chunk.buffers()[2] for chunk in values.chunks]
    if not any((np.frombuffer(part, np.uint8) | 0x20 == ord("x")).any() for part in data if part):
        return False
    return bool(pc.any(pc.match_substring(values, "x", ignore_case=True)).as_py())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _integers(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    kind = arrow_type(target)
    if _is_text(values.type):
        if _hexadecimal(values):
            raise _RefusedError
        if target.base is Base.BOOL and not _all_digits(values):
            values = values.cast(pa.bool_())
        values = _trimmed(values, kind)
    elif pa.types.is_floating(values.type):
        values = _finite(values)
    values = values.cast(kind)
    low, high = _RANGES.get(target.base, (None, None))
    if target.base is Base.BIT:
        low, high = 0, (1 << (target.length or 1)) - 1
    elif target.base is Base.MEDIUMINT and target.unsigned:
        low, high = 0, (1 << 24) - 1
    if low is not None and high is not None:
        _within(values, low, high)
    return values


def _all_digits(values: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, r"^\s*[+-]?\d+\s*$"), min_count=0).as_py())


def _within(values: pa.ChunkedArray, low: int, high: int) -> None:
    bounds = pc.min_max(values)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if least is not None and (least < low or most > high):
        raise _RefusedError


def _floats(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    kind = arrow_type(target)
    wide = _trimmed(values, pa.float64()) if _is_text(values.type) else values
    if wide is not values:
        _told_infinite(values, wide)
    if pa.types.is_integer(wide.type) or pa.types.is_decimal(wide.type) or pa.types.is_boolean(wide.type):
        wide = wide.cast(pa.float64(), safe=False)
    wide = _finite(wide)
    narrow = wide.cast(kind)
    if kind == pa.float32() and wide.type == pa.float64() and not pc.all(pc.is_finite(narrow), min_count=0).as_py():
        raise _RefusedError
    return narrow


def _told_infinite(texts: pa.ChunkedArray, values: pa.ChunkedArray) -> None:
    """Refuse a number that is infinite because it has too many digits."""
    infinite = pc.is_inf(values)
    if not pc.any(infinite).as_py():
        return
    if not pc.all(pc.match_substring(texts.filter(infinite), "inf", ignore_case=True)).as_py():
        raise _RefusedError


def _finite(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """NULL in place of NaN and infinities."""
    good = pc.is_finite(values)
    if pc.all(good, min_count=0).as_py():
        return values
    return pc.if_else(good, values, pa.scalar(None, values.type))


def _decimals(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    kind = arrow_type(target)
    try:
        return _finite(values).cast(kind) if pa.types.is_floating(values.type) else values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _rounded(values, target)


def _rounded(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    """Digits beyond the scale are rounded half away from zero, as MySQL does, and NaN is NULL; Arrow refuses both."""
    unit = Decimal(1).scaleb(-(target.scale or 0))
    limit = Decimal(10) ** ((target.length or 10) - (target.scale or 0))
    found: list[Decimal | None] = []
    for value in values.to_pylist():
        if value is None:
            found.append(None)
            continue
        try:
            number = Decimal(str(value).strip())
            if number.is_finite():
                number = number.quantize(unit, context=_DIGITS)
        except InvalidOperation as error:
            raise _RefusedError from error
        if number.is_finite() and number.copy_abs() >= limit:
            raise _RefusedError
        found.append(number if number.is_finite() else None)
    return pa.chunked_array([pa.array(found, arrow_type(target))])


def _texts(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        values = values.cast(pa.large_string())  # checks that it is UTF-8
    values = values.cast(pa.string())
    if target.base is Base.CHAR:
        values = pc.utf8_rtrim(values, " ")
    if target.base is not Base.TEXT:
        # a CHAR without a length holds one character
        _fits(pc.utf8_length(values), target.length or 1)
    return values


def _fits(lengths: pa.ChunkedArray, limit: int) -> None:
    longest = pc.max(lengths).as_py()
    if longest is not None and longest > limit:
        raise _RefusedError


def _binaries(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    values = values.cast(pa.binary())
    if target.base is Base.BLOB:
        return values
    limit = target.length or 1
    _fits(pc.binary_length(values), limit)
    if target.base is Base.BINARY and (pc.min(pc.binary_length(values)).as_py() or limit) < limit:
        padded = [None if value is None else value.ljust(limit, b"\0") for value in values.to_pylist()]
        return pa.chunked_array([pa.array(padded, pa.binary())])
    return values


def _times(values: pa.ChunkedArray, target: SqlType) -> pa.ChunkedArray:
    kind = arrow_type(target)
    if _is_text(values.type):
        values = _parsed_times(pc.utf8_trim_whitespace(values), kind)
    elif pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = values.cast(pa.timestamp(values.type.unit, "UTC")).cast(pa.timestamp(values.type.unit))
    elif not (pa.types.is_temporal(values.type) or pa.types.is_null(values.type)):
        raise _RefusedError
    values = values.cast(kind, safe=False)
    digits = 6 if target.base is Base.DATE else (target.length or 0)
    if digits >= 6:
        return values
    return pc.floor_temporal(values, multiple=10 ** (6 - digits), unit="microsecond")


def _parsed_times(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_time(kind):
        day = pc.binary_join_element_wise("1970-01-01", values, " ")
        return day.cast(pa.timestamp("us")).cast(kind)
    if pa.types.is_date(kind):
        return values.cast(kind)
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return values.cast(pa.timestamp("us", "UTC")).cast(kind)  # times that name their zone
