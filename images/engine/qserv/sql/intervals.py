"""Intervals: dates and times plus or minus some days, hours, months …"""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from qserv.catalog.errors import Unsupported, WrongArguments
from qserv.sql.arithmetic import literal_number
from qserv.sql.comparisons import as_datetime
from qserv.sql.translate import FUNCTIONS, Function, Translator, handles
from qserv.sql.values import ANY_FRACTION, DATE, DATETIME, TEXT, Kind, Value, integer

_UNITS = ("MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
CLOCK = _UNITS[:4]
"""Units that make a date one with a time."""

MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}

_MICROSECONDS = {"MICROSECOND": 1, "SECOND": 10**6, "MINUTE": 60 * 10**6, "HOUR": 3600 * 10**6, "DAY": 86_400 * 10**6}
_COMPOUND = re.compile(r"(YEAR)_(MONTH)|(DAY|HOUR|MINUTE|SECOND)_(HOUR|MINUTE|SECOND|MICROSECOND)")


def unit_of(written: str) -> str:
    unit = written.upper().removeprefix("SQL_TSI_")
    if unit not in _UNITS:
        raise Unsupported(f"the unit {written} is not supported: one of {', '.join(_UNITS)}")
    return unit


@handles(exp.TimestampAdd)
def _timestampadd(translator: Translator, node: exp.TimestampAdd) -> Value:
    return moved(translator, node.this, node.expression, node.text("unit"), "+")


@handles(exp.DateAdd, exp.DateSub)
def _date_add(translator: Translator, node: exp.Func) -> Value:
    amount = node.expression
    if isinstance(amount, exp.Interval):
        amount = amount.this
    sign = "+" if isinstance(node, exp.DateAdd) else "-"
    return moved(translator, node.this, amount, node.text("unit") or "DAY", sign)


def _days(sign: str) -> Function:
    """ADDDATE and SUBDATE: a number of days, or an interval."""

    def called(translator: Translator, arguments: list[exp.Expr]) -> Value:
        if len(arguments) != 2:
            raise WrongArguments("ADDDATE and SUBDATE take a date, and days or an interval")
        start, step = arguments
        if isinstance(step, exp.Interval):
            return moved(translator, start, step.this, step.text("unit"), sign)
        return moved(translator, start, step, "DAY", sign)

    return called


FUNCTIONS.update(adddate=_days("+"), subdate=_days("-"))


def moved(translator: Translator, node: exp.Expr, amount: exp.Expr, unit: str, sign: str) -> Value:
    """A date or time plus or minus an interval; a date stays one where the unit is days or longer."""
    found = translator.value(amount)
    if (compound := _COMPOUND.fullmatch(unit.upper())) is not None:
        return _moved(translator.value(node), *_compound(found, *filter(None, compound.groups())), sign)
    if isinstance(found.constant, str):
        written = found.constant.strip()
        negative = written.startswith("-")
        digits = written.lstrip("+-")
        if not digits.replace(".", "", 1).isdigit():
            raise Unsupported(f"INTERVAL {written!r} is not supported: write a number and one unit")
        found = literal_number(digits)
        sign = {"+": "-", "-": "+"}[sign] if negative else sign
    return _moved(translator.value(node), integer(found), unit_of(unit), sign)


def _compound(found: Value, first: str, last: str) -> tuple[str, str]:
    """An amount such as ``'1:30'`` of two units as a number of one: its numbers are those of the last units."""
    if not isinstance(found.constant, str | int):
        raise Unsupported(f"an interval of {first}_{last} takes a constant text")
    written = str(found.constant)
    names = ("YEAR", "MONTH") if first == "YEAR" else tuple(reversed(_MICROSECONDS))
    wanted = names[names.index(first) : names.index(last) + 1]
    numbers = re.findall(r"\d+", written)
    if len(numbers) > len(wanted):
        raise Unsupported(f"INTERVAL {written!r} has more numbers than {first}_{last} has units")
    sizes = {"YEAR": 12, "MONTH": 1} if first == "YEAR" else _MICROSECONDS
    given = zip(wanted[len(wanted) - len(numbers) :], numbers, strict=True)
    total = sum(sizes[name] * int(_micros(number) if name == "MICROSECOND" else number) for name, number in given)
    return str(-total if written.strip().startswith("-") else total), "MONTH" if first == "YEAR" else "MICROSECOND"


def _micros(digits: str) -> str:
    """Digits after the point of a second."""
    return digits.ljust(6, "0")[:6]


def _moved(value: Value, amount: str, unit: str, sign: str) -> Value:
    step = f"to_{unit.lower()}s({amount})" if unit != "QUARTER" else f"to_months(3 * {amount})"
    if unit not in CLOCK and value.kind is Kind.DATE:
        return Value(f"CAST(({value.sql} {sign} {step}) AS DATE)", DATE)
    moment = as_datetime(value)
    if value.kind is Kind.TEXT and unit not in CLOCK:
        shown = f"qserv_date_or_time_text({moment} {sign} {step}, {value.sql})"
        return Value(shown, TEXT)
    if value.kind is Kind.TEXT:
        return Value(f"qserv_datetime_text({moment} {sign} {step})", TEXT)
    digits = ANY_FRACTION if unit == "MICROSECOND" else value.type.scale  # a DATE has none
    return Value(f"({moment} {sign} {step})", replace(DATETIME, scale=digits))
