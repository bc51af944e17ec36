"""Numbers of weeks, by MySQL's eight modes."""

from __future__ import annotations

from sqlglot import exp

from qserv.catalog.errors import Unsupported
from qserv.sql.comparisons import as_date
from qserv.sql.dates import bare
from qserv.sql.translate import Translator, function, handles
from qserv.sql.values import INT, Value


@handles(exp.Week)
def _week(translator: Translator, node: exp.Week) -> Value:
    given = node.args.get("mode")
    mode = _week_mode(translator.value(given) if given is not None else None)
    date = as_date(bare(translator, node.this))
    pivot = _week_pivot(date, mode)
    week = f"((dayofyear({pivot}) - 1) // 7 + 1)"
    if mode & 2:
        return Value(week, INT)
    before = f"((dayofyear(CAST({pivot} - to_days(7) AS DATE)) - 1) // 7 + 2)"  # the week that ends in the next year
    return Value(
        f"CASE sign(year({pivot}) - year({date})) WHEN 0 THEN {week} WHEN -1 THEN 0 WHEN 1 THEN {before} END", INT
    )


@handles(exp.WeekOfYear)
def _week_of_year(translator: Translator, node: exp.WeekOfYear) -> Value:
    return Value(f"weekofyear({as_date(bare(translator, node.this))})", INT)


@function("yearweek", least=1, most=2)
def _yearweek(value: Value, mode: Value | None = None) -> Value:
    pivot = _week_pivot(as_date(value), _week_mode(mode))
    return Value(f"(100 * year({pivot}) + (dayofyear({pivot}) - 1) // 7 + 1)", INT)


def _week_mode(mode: Value | None) -> int:
    """Bits of a mode of weeks: 1 from Monday, 2 none is 0, 4 as MySQL tells which is the first."""
    if mode is None:
        return 0
    if not isinstance(mode.constant, int):
        raise Unsupported("the mode of a week is a constant")
    return mode.constant & 7


def _week_pivot(date: str, mode: int) -> str:
    """The day of the date's week in whose year the week counts, by which its number is found.

    Where the first week is the first that begins in the year, that is the week's first day; where it is the first
    with four days or more, its fourth.
    """
    monday, first = bool(mode & 1), bool(mode & 1) is bool(mode & 4)
    back = f"(isodow({date}) - 1)" if monday else f"dayofweek({date})"
    return f"CAST({date} - to_days(CAST({back} AS INTEGER)) + to_days({0 if first else 3}) AS DATE)"
