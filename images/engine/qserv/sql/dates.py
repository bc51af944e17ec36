"""Functions of dates and times."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.comparisons import as_date, as_datetime, as_time
from qserv.sql.intervals import CLOCK, MONTHS, unit_of
from qserv.sql.translate import Translator, function, handles
from qserv.sql.values import (
    ANY_FRACTION,
    BIGINT,
    DATE,
    DATETIME,
    INT,
    TEMPORAL,
    TEXT,
    TIME,
    Kind,
    Value,
    double,
    integer,
    number,
    quote,
    text,
)

_PARTS: dict[type[exp.Expr], str] = {
    exp.Year: "year",
    exp.Month: "month",
    exp.Day: "day",
    exp.DayOfMonth: "day",
    exp.DayOfYear: "dayofyear",
    exp.Quarter: "quarter",
}
_TIME_PARTS: dict[type[exp.Expr], str] = {exp.Hour: "hour", exp.Minute: "minute", exp.Second: "second"}


@handles(*_PARTS)
def _part(translator: Translator, node: exp.Func) -> Value:
    return Value(f"{_PARTS[type(node)]}({as_date(bare(translator, node.this))})", INT)


def bare(translator: Translator, node: exp.Expr) -> Value:
    """The value that the parser wrapped in a conversion."""
    while isinstance(node, exp.TsOrDsToDate | exp.TsOrDsToTimestamp):
        node = node.this
    return translator.value(node)


@handles(*_TIME_PARTS)
def _time_part(translator: Translator, node: exp.Func) -> Value:
    value = bare(translator, node.this)
    return Value(f"{_TIME_PARTS[type(node)]}({_clock(value)})", INT)


def _clock(value: Value) -> str:
    """The time of the day, of a date with time or of a time alone."""
    if value.kind is Kind.TIME:
        return value.sql
    if value.kind is Kind.TEXT:
        return f"coalesce(TRY_CAST({value.sql} AS TIME), CAST(qserv_datetime({value.sql}) AS TIME))"
    return f"CAST({as_datetime(value)} AS TIME)"


@function("microsecond", least=1)
def _microsecond(value: Value) -> Value:
    return Value(f"(microsecond({_clock(value)}) % 1000000)", INT)


@handles(exp.DayOfWeek)
def _day_of_week(translator: Translator, node: exp.DayOfWeek) -> Value:
    return Value(f"(dayofweek({as_date(bare(translator, node.this))}) + 1)", INT)


@function("weekday", least=1)
def _weekday(value: Value) -> Value:
    return Value(f"(isodow({as_date(value)}) - 1)", INT)


@handles(exp.Dayname, exp.Monthname)
def _name(translator: Translator, node: exp.Func) -> Value:
    name = "dayname" if isinstance(node, exp.Dayname) else "monthname"
    return Value(f"{name}({as_date(bare(translator, node.this))})", TEXT)


@handles(exp.LastDay)
def _last_day(translator: Translator, node: exp.LastDay) -> Value:
    return Value(f"last_day({as_date(bare(translator, node.this))})", DATE)


@handles(exp.TsOrDsToDate, exp.Date)
def _date(translator: Translator, node: exp.Func) -> Value:
    return Value(as_date(bare(translator, node.this)), DATE)


@handles(exp.TsOrDsToTimestamp, exp.Timestamp)
def _timestamp(translator: Translator, node: exp.Func) -> Value:
    found = bare(translator, node.this)
    moment = Value(as_datetime(found), replace(DATETIME, scale=_fraction(found)))
    clock = node.args.get("zone")  # where the parser puts the time that is added
    return moment if clock is None else _later(moment, translator.value(clock), "+")


@handles(exp.Time)
def _time(translator: Translator, node: exp.Time) -> Value:
    return Value(_clock(translator.value(node.this)), TIME)


@handles(exp.CurrentDate, exp.UtcDate)
def _today(translator: Translator, node: exp.Func) -> Value:
    return Value("CAST(qserv_now() AS DATE)", DATE)


@handles(exp.CurrentTime, exp.UtcTime)
def _current_time(translator: Translator, node: exp.Func) -> Value:
    return Value("CAST(date_trunc('second', qserv_now()) AS TIME)", TIME)


@handles(exp.CurrentTimestamp, exp.UtcTimestamp, exp.Localtime, exp.Localtimestamp)
def _now(translator: Translator, node: exp.Func) -> Value:
    return now()


@function("now", "sysdate", "localtime", "localtimestamp", least=0)
def now() -> Value:
    """The time in UTC, which is every process's time zone."""
    return Value("date_trunc('second', qserv_now())", DATETIME)


@function("unix_timestamp", least=0, most=1)
def _unix_timestamp(value: Value | None = None) -> Value:
    if value is None:
        return Value("CAST(floor(epoch(qserv_now())) AS BIGINT)", BIGINT)
    return Value(f"CAST(floor(epoch({as_datetime(value)})) AS BIGINT)", BIGINT)


@handles(exp.UnixToTime)
def _from_unixtime(translator: Translator, node: exp.UnixToTime) -> Value:
    value = number(translator.value(node.this))
    if value.kind is Kind.DOUBLE:
        whole = f"floor({double(value)})"
        micros = f"{whole} * 1000000 + trunc(({double(value)} - {whole}) * 1000000)"
    else:
        micros = f"trunc(CAST({value.sql} AS DECIMAL(38,10)) * 1000000)"
    moment = f"make_timestamp(CAST({micros} AS BIGINT))"
    shape = node.args.get("format")
    return Value(moment, DATETIME) if shape is None else _formatted(moment, shape, "FROM_UNIXTIME")


_EPOCH_DAY = 719528
"""TO_DAYS('1970-01-01')."""


@handles(exp.DateDiff)
def _datediff(translator: Translator, node: exp.DateDiff) -> Value:
    later, earlier = (bare(translator, each) for each in (node.this, node.expression))
    if earlier.constant == "0000-01-01":  # how the parser writes TO_DAYS(x) - 1; MySQL has no such day
        return Value(f"(date_diff('day', DATE '1970-01-01', {as_date(later)}) + {_EPOCH_DAY - 1})", BIGINT)
    return Value(f"date_diff('day', {as_date(earlier)}, {as_date(later)})", BIGINT)


@handles(exp.TimestampDiff)
def _timestampdiff(translator: Translator, node: exp.TimestampDiff) -> Value:
    unit = unit_of(node.text("unit"))
    later, earlier = (as_datetime(bare(translator, each)) for each in (node.this, node.expression))
    if unit in MONTHS:
        return Value(f"(qserv_months({earlier}, {later}) // {MONTHS[unit]})", BIGINT)
    return Value(f"date_sub('{unit.lower()}', {earlier}, {later})", BIGINT)


@function("from_days", least=1)
def _from_days(days: Value) -> Value:
    return Value(f"CAST(DATE '1970-01-01' + to_days(CAST({integer(days)} - {_EPOCH_DAY} AS INTEGER)) AS DATE)", DATE)


@function("sec_to_time", least=1)
def _sec_to_time(seconds: Value) -> Value:
    return Value(f"qserv_clock({integer(seconds)} * 1000000::BIGINT)", TIME)


@handles(exp.TimeFromParts)
def _maketime(translator: Translator, node: exp.TimeFromParts) -> Value:
    hour, minute, second = (integer(translator.value(node.args[each])) for each in ("hour", "min", "sec"))
    clock = f"qserv_clock((3600 * {hour} + 60 * {minute} + {second}) * 1000000::BIGINT)"
    return Value(f"CASE WHEN {minute} BETWEEN 0 AND 59 AND {second} BETWEEN 0 AND 59 THEN {clock} END", TIME)


@function("timediff", least=2)
def _timediff(later: Value, earlier: Value) -> Value:
    dated = (Kind.DATE, Kind.DATETIME)
    if (later.kind in dated) is not (earlier.kind in dated):
        raise Unsupported("TIMEDIFF takes two times, or two dates with times")
    first, second = (as_datetime(each) if each.kind in dated else as_time(each) for each in (later, earlier))
    return Value(f"qserv_clock(epoch_us({first}) - epoch_us({second}))", TIME)


@function("addtime", least=2)
def _addtime(value: Value, step: Value) -> Value:
    return _later(value, step, "+")


@function("subtime", least=2)
def _subtime(value: Value, step: Value) -> Value:
    return _later(value, step, "-")


def _later(value: Value, step: Value, sign: str) -> Value:
    micros = f"epoch_us({as_time(step)})"
    if value.kind is Kind.TIME:
        return Value(f"qserv_clock(epoch_us({value.sql}) {sign} {micros})", TIME)
    moment = f"({as_datetime(value)} {sign} to_microseconds({micros}))"
    if value.kind in (Kind.DATE, Kind.DATETIME):
        return Value(moment, replace(DATETIME, scale=max(_fraction(value), _fraction(step))))
    clock = f"CAST(qserv_clock(epoch_us({as_time(value)}) {sign} {micros}) AS VARCHAR)"
    return Value(f"coalesce(qserv_datetime_text({moment}), {clock})", TEXT)


def _fraction(value: Value) -> int:
    """The digits after the seconds of a date, a time, or a text of one."""
    if value.kind in TEMPORAL:
        return value.type.scale
    written = str(value.constant)
    return min(len(written.partition(".")[2]), 6) if value.constant is not None else ANY_FRACTION


_CLOCK_FORMATS = {
    "H": "%H",
    "k": "%-H",
    "h": "%I",
    "I": "%I",
    "l": "%-I",
    "i": "%M",
    "s": "%S",
    "S": "%S",
    "f": "%f",
    "p": "%p",
    "T": "%H:%M:%S",
    "r": "%I:%M:%S %p",
}
"""MySQL's letters of TIME_FORMAT, as strftime's."""


@function("time_format", least=2)
def _time_format(value: Value, shape: Value) -> Value:
    if not isinstance(shape.constant, str):
        raise Unsupported("TIME_FORMAT takes a constant format")
    written = re.sub(
        "%(.?)", lambda found: _CLOCK_FORMATS.get(found[1], found[1] if found[1] != "%" else "%%"), shape.constant
    )
    return Value(f"strftime(DATE '2000-01-01' + {_clock(value)}, {quote(written)})", TEXT)


@function("to_seconds", least=1)
def _to_seconds(value: Value) -> Value:
    return Value(f"(CAST(floor(epoch({as_datetime(value)})) AS BIGINT) + {86_400 * _EPOCH_DAY})", BIGINT)


@function("period_add", least=2)
def _period_add(period: Value, months: Value) -> Value:
    sum_ = f"({_period_months(period)} + {integer(months)})"
    return Value(f"({sum_} // 12 * 100 + {sum_} % 12 + 1)", BIGINT)


@function("period_diff", least=2)
def _period_diff(one: Value, other: Value) -> Value:
    return Value(f"({_period_months(one)} - {_period_months(other)})", BIGINT)


def _period_months(period: Value) -> str:
    """The months of ``yyyymm`` or ``yymm`` since the year 0; years below 70 are of this century."""
    return f"qserv_period_months({integer(period)})"


_FORMATS = {
    "r": "%I:%M:%S %p",
    "%": "%%",
}
"""MySQL's letters of DATE_FORMAT that the parser has not yet turned into strftime's."""

_STRFTIME = frozenset("aAbBcdfHIjmMpSUwWyY")


def strftime_format(written: str) -> str:
    """A format of DATE_FORMAT for strftime. The parser has turned into strftime's those letters that it knows."""
    out, index = "", 0
    while index < len(written):
        if written[index] == "%" and index + 1 < len(written):
            letter = written[index + 1]
            if letter == "-":
                out += written[index : index + 3]
                index += 3
                continue
            if letter in "DVvXx":
                raise Unsupported(f"%{letter} in a date's format is not supported")
            out += f"%{letter}" if letter in _STRFTIME else _FORMATS.get(letter, letter)
            index += 2
        else:
            out += written[index] if written[index] != "%" else "%%"
            index += 1
    return out


@handles(exp.TimeToStr)
def _date_format(translator: Translator, node: exp.TimeToStr) -> Value:
    return _formatted(as_datetime(bare(translator, node.this)), node.args["format"], "DATE_FORMAT")


def _formatted(moment: str, shape: exp.Expr, called: str) -> Value:
    if not isinstance(shape, exp.Literal):
        raise Unsupported(f"{called} takes a constant format")
    return Value(f"strftime({moment}, {quote(strftime_format(str(shape.this)))})", TEXT)


@handles(exp.StrToDate, exp.StrToTime)
def _str_to_date(translator: Translator, node: exp.Func) -> Value:
    written = node.args["format"]
    if not isinstance(written, exp.Literal):
        raise Unsupported("STR_TO_DATE takes a constant format")
    shape = strftime_format(str(written.this))
    parsed = f"try_strptime({text(translator.value(node.this))}, {quote(shape)})"
    if any(letter in str(written.this) for letter in ("%H", "%M", "%S", "%I", "%-H", "%-I", "%f", "%r")):
        return Value(parsed, DATETIME)
    return Value(f"CAST({parsed} AS DATE)", DATE)


@handles(exp.Extract)
def _extract(translator: Translator, node: exp.Extract) -> Value:
    value = translator.value(node.expression)
    if node.name.upper() == "YEAR_MONTH":
        return Value(f"(year({as_date(value)}) * 100 + month({as_date(value)}))", INT)
    unit = unit_of(node.name)
    if unit in CLOCK:
        return Value(f"({unit.lower()}({_clock(value)}) % 1000000)", INT)
    if unit == "WEEK":
        return Value(f"CAST(strftime({as_date(value)}, '%U') AS INTEGER)", INT)
    return Value(f"{unit.lower()}({as_date(value)})", INT)


@function("makedate", least=2)
def _makedate(year: Value, day: Value) -> Value:
    first = f"make_date({integer(year)}, 1, 1)"
    return Value(f"CASE WHEN {integer(day)} > 0 THEN CAST({first} + to_days({integer(day)} - 1) AS DATE) END", DATE)


@function("time_to_sec", least=1)
def _time_to_sec(value: Value) -> Value:
    return Value(f"CAST(epoch({_clock(value)}) AS BIGINT)", BIGINT)
