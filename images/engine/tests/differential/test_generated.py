"""Random queries: MariaDB and the cluster give the same answer, or both refuse."""

from __future__ import annotations

import pymysql
from hypothesis import HealthCheck, given, settings
from pymysql.connections import Connection

from differential import grammar
from differential.compare import Answer, ask, difference

CHECKS = settings(
    max_examples=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def same(ours: Connection, theirs: Connection, sql: str, *, ordered: bool = False) -> None:
    expected, answer = _asked(theirs, sql), _asked(ours, sql)
    if isinstance(expected, Answer) and isinstance(answer, Answer):
        assert difference(answer, expected, ordered=ordered) is None, sql
    else:
        assert type(expected) is type(answer), f"{sql}\nMariaDB: {expected}\nours: {answer}"


def _asked(connection: Connection, sql: str) -> Answer | pymysql.err.MySQLError:
    try:
        return ask(connection, sql, "synth")
    except pymysql.err.MySQLError as error:
        return error


@CHECKS
@given(sql=grammar.rows)
def test_rows(ours: Connection, theirs: Connection, sql: str) -> None:
    same(ours, theirs, sql)


@CHECKS
@given(sql=grammar.ordered)
def test_rows_in_order(ours: Connection, theirs: Connection, sql: str) -> None:
    same(ours, theirs, sql, ordered=True)


@CHECKS
@given(sql=grammar.grouped)
def test_groups(ours: Connection, theirs: Connection, sql: str) -> None:
    same(ours, theirs, sql)


@CHECKS
@given(sql=grammar.totals)
def test_totals(ours: Connection, theirs: Connection, sql: str) -> None:
    same(ours, theirs, sql)


@CHECKS
@given(sql=grammar.joined)
def test_joins(ours: Connection, theirs: Connection, sql: str) -> None:
    same(ours, theirs, sql)
