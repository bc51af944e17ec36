"""Plans carried out over a small sky give MariaDB's answers."""

from __future__ import annotations

from datetime import date, datetime, time

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql.connections import Connection
from pymysql.err import DataError, OperationalError

from differential.cases import Case, cases
from differential.compare import Answer, ask, difference
from qserv.sql.values import Type
from sql import expressions
from sql.world import Outcome, World

EXAMPLES = 25

BY_OTHERS = {
    "everything of one row": "BIT columns leave a MySQL server as bytes: the czar writes them so",
    "USING shows its column once": "BIT columns leave a MySQL server as bytes: the czar writes them so",
}


def on_the_wire(found: Outcome) -> Answer:
    """The answer as a MySQL client sees it."""
    types = found.plan.types
    return Answer(found.columns, [tuple(map(_sent, row, types)) for row in found.rows])


def _sent(value: object, type_: Type) -> object:
    if not isinstance(value, time | datetime):
        return value.isoformat() if isinstance(value, date) else value
    digits = type_.fraction if type_.fraction is not None else 6 * bool(value.microsecond)
    text = value.isoformat(" ", "microseconds") if isinstance(value, datetime) else value.isoformat("microseconds")
    return text[: digits - 6 or None] if digits else text[:-7]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_cases(case: Case, world: World, theirs: Connection) -> None:
    if case.title in BY_OTHERS:
        pytest.skip(BY_OTHERS[case.title])
    expected = ask(theirs, case.peer_sql, case.database)
    found = world.ask(case.sql, case.database)
    assert difference(on_the_wire(found), expected, ordered=case.ordered) is None


def _same(expression: str, world: World, theirs: Connection) -> None:
    sql = f"SELECT objectId, {expression} AS x FROM Object WHERE objectId % 61 = 3"
    try:
        expected = ask(theirs, sql, "synth")
    except (OperationalError, DataError):
        with pytest.raises(duckdb.Error):
            world.ask(sql, "synth")
        return
    found = world.ask(sql, "synth")
    assert difference(on_the_wire(found), expected, ordered=False) is None, sql


_SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_SETTINGS
@given(st.one_of(expressions.numbers(), expressions.integers()))
def test_numbers(world: World, theirs: Connection, expression: str) -> None:
    _same(expression, world, theirs)


@_SETTINGS
@given(expressions.texts())
def test_texts(world: World, theirs: Connection, expression: str) -> None:
    _same(expression, world, theirs)


@_SETTINGS
@given(expressions.conditions())
def test_conditions(world: World, theirs: Connection, expression: str) -> None:
    _same(expression, world, theirs)


def test_an_overflow_is_an_error(world: World) -> None:
    with pytest.raises(Exception, match=r"(?i)out of range|overflow"):
        world.ask("SELECT 9223372036854775807 + flags FROM Object WHERE flags > 0", "synth")


def test_medians_and_percentiles(world: World) -> None:
    """scisql's statistics, which MariaDB lacks: as numpy's linear interpolation, NULLs left out."""
    found = world.ask(
        "SELECT detections AS k, scisql_median(gFlux) AS m, percentile(gFlux, 90) - 1 AS p, COUNT(*) AS n "
        "FROM Object GROUP BY k HAVING MEDIAN(gFlux) IS NOT NULL ORDER BY k",
        "synth",
    )
    fluxes = world.ask("SELECT detections, gFlux FROM Object WHERE gFlux IS NOT NULL", "synth").rows
    assert len(found.rows) > 30
    for group, median, percentile, _ in found.rows:
        mine = [flux for detections, flux in fluxes if detections == group]
        assert np.allclose((median, percentile), (np.median(mine), np.percentile(mine, 90) - 1), rtol=1e-12)
    assert world.ask("SELECT MEDIAN(gFlux) FROM Object WHERE 1 = 0", "synth").rows == [(None,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1e308 * 10",
        "SELECT POW(10, 400)",
        "SELECT gFlux * 1e308 FROM Object WHERE gFlux > 10",
        "SELECT SUM(gFlux * 1e304) FROM Object",
    ],
)
def test_there_is_no_infinity(world: World, theirs: Connection, sql: str) -> None:
    with pytest.raises((OperationalError, DataError), match="out of range"):
        ask(theirs, sql, "synth")
    with pytest.raises(duckdb.ConversionException, match="out of range"):
        world.ask(sql, "synth")


def test_a_restriction_keeps_all_rows(world: World) -> None:
    """Asking few chunks gives what asking all of them gives."""
    few = world.ask("SELECT objectId FROM Object WHERE qserv_areaspec_circle(267.5, -29.5, 0.4)", "synth")
    everywhere = "SELECT objectId FROM Object WHERE scisql_s2PtInCircle(ra, decl, 267.5 + 0 * flags, -29.5, 0.4) = 1"
    all_ = world.ask(everywhere, "synth")
    assert sorted(few.rows) == sorted(all_.rows)
    assert few.asked[0] < all_.asked[0]


@pytest.mark.parametrize(
    ("sql", "chunks"),
    [
        ("SELECT COUNT(*) FROM Object WHERE objectId = 433327840430132", 1),
        ("SELECT COUNT(*) FROM Source WHERE objectId IN (433327840430132)", 1),
        ("SELECT COUNT(*) FROM Object o JOIN Source s USING (objectId) WHERE o.objectId = 433327840430132", 1),
        ("SELECT COUNT(*) FROM Object WHERE chunkId = 288", 1),
        ("SELECT COUNT(*) FROM Object WHERE chunkId BETWEEN 286 AND 288 AND 288 <= chunkId", 1),
        ("SELECT COUNT(*) FROM Object WHERE objectId = 433327840430132 AND objectId = 433327840428102", None),
        ("SELECT COUNT(*) FROM Object WHERE objectId IN (1, 2)", 0),
    ],
)
def test_chunks_that_are_asked(world: World, sql: str, chunks: int | None) -> None:
    found = world.ask(sql, "synth")
    assert chunks is None or found.asked[0] == chunks
    assert len(found.rows) == 1
