"""What is refused, with MySQL's words; and nothing but the catalog's tables and known functions comes through."""

from __future__ import annotations

import pytest

from qserv.catalog import errors
from sql.world import World

CASES = [
    ("SELECT x FROM Object", errors.UnknownColumn, "Unknown column 'x' in 'field list'"),
    ("SELECT ra FROM Object WHERE o.ra > 1", errors.UnknownColumn, "Unknown column 'o.ra' in 'where clause'"),
    ("SELECT ra FROM Object ORDER BY nope", errors.UnknownColumn, "Unknown column 'nope' in 'order clause'"),
    ("SELECT ra FROM Object GROUP BY nope", errors.UnknownColumn, "Unknown column 'nope' in 'group statement'"),
    ("SELECT ra FROM Object HAVING nope > 1", errors.UnknownColumn, "Unknown column 'nope' in 'having clause'"),
    ("SELECT 1 FROM Object ORDER BY 2", errors.UnknownColumn, "Unknown column '2' in 'order clause'"),
    ("SELECT * FROM nope", errors.UnknownTable, "Table 'synth.nope' doesn't exist"),
    ("SELECT * FROM nope.Object", errors.UnknownDatabase, "Unknown database 'nope'"),
    ("SELECT ra FROM Object, Source", errors.AmbiguousColumn, "Column 'ra' in field list is ambiguous"),
    ("SELECT 1 FROM Object, Object", errors.NotUniqueTable, "Not unique table/alias: 'Object'"),
    ("SELECT nope(ra) FROM Object", errors.UnknownFunction, "FUNCTION nope does not exist"),
    ("SELECT ra FROM", errors.ParseError, "error in your SQL syntax"),
    ("", errors.EmptyStatement, "Query was empty"),
    ("SELECT 1; SELECT 2", errors.ParseError, "one statement"),
    ("SELECT SUM(SUM(ra)) FROM Object", errors.Unsupported, "Invalid use of group function"),
    ("SELECT percentile(ra, decl) FROM Object", errors.WrongArguments, "constant"),
    ("SELECT scisql_median(ra, decl) FROM Object", errors.WrongArguments, "parameter count"),
    ("SELECT 1 FROM Object WHERE SUM(ra) > 1", errors.Unsupported, "Invalid use of group function"),
    ("SELECT (SELECT 1, 2)", errors.WrongArguments, "1 column"),
    ("SELECT 1 UNION SELECT 1, 2", errors.SqlError, "different number of columns"),
    ("SELECT scisql_angSep(1, 2, 3)", errors.WrongArguments, "parameter count"),
    ("SELECT 1 FROM Object WHERE qserv_areaspec_box(1, 2, 3)", errors.WrongArguments, "4 arguments"),
    ("SELECT 1 FROM Object WHERE qserv_areaspec_box(0, 2, 3, ra)", errors.WrongArguments, "constant"),
    ("SELECT 1 FROM Object WHERE qserv_areaspec_circle(400, 2, 3)", errors.WrongArguments, "right ascension 400"),
    ("SELECT 1 FROM Object WHERE qserv_areaspec_circle(40, 92, 3)", errors.WrongArguments, "declination 92"),
    ("SELECT 1 FROM Filter WHERE qserv_areaspec_circle(40, 2, 3)", errors.WrongArguments, "position"),
    ("SELECT 1 FROM Object WHERE qserv_areaspec_star(40, 2, 3)", errors.UnknownFunction, "qserv_areaspec_star"),
    (
        "SELECT 1 FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.06",
        errors.RadiusAboveOverlap,
        "0.05 degrees",
    ),
    # the doors to what no query may reach
    ("SELECT * FROM read_parquet('/etc/passwd')", errors.SqlError, ""),
    ("SELECT * FROM read_text('/etc/passwd')", errors.SqlError, ""),
    ("SELECT * FROM '/etc/passwd'", errors.SqlError, ""),
    ("SELECT * FROM `/etc/passwd`", errors.UnknownTable, ""),
    ("SELECT * FROM duckdb_settings()", errors.SqlError, ""),
    ("SELECT * FROM information_schema.tables", errors.UnknownDatabase, ""),
    ("SELECT * FROM leaf0", errors.UnknownTable, ""),
    ("SELECT read_text('/etc/passwd')", errors.UnknownFunction, ""),
    ("SELECT getenv('HOME')", errors.UnknownFunction, ""),
    ("SELECT current_setting('threads')", errors.UnknownFunction, ""),
    ("SELECT LOAD_FILE('/etc/passwd')", errors.Unsupported, "refused"),
    ("SELECT SLEEP(10)", errors.Unsupported, "refused"),
    ("SELECT FOUND_ROWS()", errors.Unsupported, "ask for COUNT"),
    ("SELECT TIMEDIFF(firstSeen, lastNight) FROM Object", errors.Unsupported, "TIMESTAMPDIFF"),
    ("SELECT CONV(objectId, detections, 2) FROM Object", errors.Unsupported, "constants from 2 to 36"),
    ("SELECT SHA2(name, 512) FROM Object", errors.Unsupported, "256 bits"),
    ("SELECT YEARWEEK(lastNight, 5) FROM Object", errors.Unsupported, "modes 0 to 3"),
    ("SELECT BENCHMARK(1000000, 1)", errors.Unsupported, "refused"),
    ("SELECT ra INTO OUTFILE '/tmp/x' FROM Object", errors.SqlError, ""),
    ("SELECT ra FROM Object INTO OUTFILE '/tmp/x'", errors.SqlError, ""),
    ("SELECT ra INTO @x FROM Object", errors.SqlError, ""),
    ("SELECT ra FROM Object FOR UPDATE", errors.Unsupported, "FOR UPDATE"),
    ("SELECT @@version", errors.Unsupported, "variables"),
    ("SELECT @x", errors.Unsupported, "variables"),
    ("SELECT ?", errors.WrongArguments, "parameter"),
    ("DELETE FROM Object", errors.Unsupported, "DELETE"),
    ("INSERT INTO Object VALUES (1)", errors.Unsupported, "INSERT"),
    ("UPDATE Object SET ra = 1", errors.Unsupported, "UPDATE"),
    ("DROP TABLE Object", errors.Unsupported, "DROP"),
    ("CREATE TABLE x (a INT)", errors.Unsupported, "CREATE"),
    ("COPY Object TO '/tmp/x'", errors.SqlError, ""),
    ("ATTACH '/tmp/x'", errors.SqlError, ""),
    ("PRAGMA version", errors.SqlError, ""),
]


@pytest.mark.parametrize(("sql", "error", "words"), CASES)
def test_refused(world: World, sql: str, error: type[errors.SqlError], words: str) -> None:
    with pytest.raises(error) as caught:
        world.ask(sql, "synth")
    assert words in caught.value.message


def test_no_database(world: World) -> None:
    with pytest.raises(errors.NoDatabase):
        world.ask("SELECT 1 FROM Object", None)


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE main_1; --", "a' OR '1'='1", 'double " quote', "back\\slash", "nul\0byte", "$s0", "{FROM}"],
)
def test_a_string_stays_a_string(world: World, text: str) -> None:
    written = text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0")
    assert world.ask(f"SELECT '{written}' AS x", None).rows == [(text,)]


def test_an_alias_stays_a_name(world: World) -> None:
    sql = 'SELECT `x"; DROP TABLE y; --`.ra AS `a"b` FROM Object AS `x"; DROP TABLE y; --` WHERE chunkId = 288 LIMIT 1'
    assert world.ask(sql, "synth").columns == ('a"b',)
