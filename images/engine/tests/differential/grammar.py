"""Random queries over ``synth.Object`` and ``synth.Source``, as hypothesis strategies of SQL text."""

from __future__ import annotations

from hypothesis import strategies as st

EXACT = ("detections", "flags", "parity", "variable", "score")
DOUBLES = ("gFlux", "rFlux", "iFlux", "rMag", "ra", "decl", "extendedness")
GROUPS = ("detections", "variable", "extendedness", "parity", "chunkId", "flags & 7", "FLOOR(decl / 15)")
AGGREGATES = ("COUNT", "SUM", "AVG", "MIN", "MAX")

Sql = st.SearchStrategy[str]

_literals: Sql = st.one_of(
    st.integers(-20, 40).map(str),
    st.decimals(-50, 50, places=2).map(str),
    st.floats(-100, 100, width=32).map(lambda value: f"{value:.6e}"),
    st.just("NULL"),
).map(lambda text: f"({text})" if text.startswith("-") else text)

_integers: Sql = st.one_of(st.sampled_from(EXACT[:4]), st.integers(-9, 30).map(lambda number: f"({number})"))


def _deeper(inner: Sql) -> Sql:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(("+", "-", "*", "/")), inner),
        st.builds("({} {} {})".format, _integers, st.sampled_from(("DIV", "%", "&", "|", "^", "<<", ">>")), _integers),
        st.builds("({} % {})".format, inner, st.integers(1, 30)),
        st.builds("{}({})".format, st.sampled_from(("ABS", "FLOOR", "CEIL", "SIGN", "-", "ROUND")), inner),
        st.builds("ROUND({}, {})".format, inner, st.integers(0, 3)),
        st.builds("ROUND({}, -1)".format, st.sampled_from(EXACT + DOUBLES)),  # of 64 bits it would overflow
        st.builds("{}({}, {})".format, st.sampled_from(("COALESCE", "IFNULL", "NULLIF")), inner, inner),
        st.builds("{}({}, {})".format, st.sampled_from(("GREATEST", "LEAST")), inner, inner),
    )


numbers: Sql = st.recursive(st.one_of(st.sampled_from(EXACT + DOUBLES), _literals), _deeper, max_leaves=4)

_comparisons = st.sampled_from(("=", "<>", "<", "<=", ">", ">=", "<=>"))
_patterns = st.sampled_from(("a%", "%A%", "_e%", "%l", "%", "", "m_31", "%\\%%"))
_words = st.sampled_from(("'gal'", "'STAR'", "'Qso '", "''", "'vega'", "NULL", "'arcturus'", "'10'"))

_tests: Sql = st.one_of(
    st.builds("{} {} {}".format, numbers, _comparisons, numbers),
    st.builds("{} {} {}".format, st.sampled_from(("name", "class")), _comparisons, _words),
    st.builds("{} {}LIKE '{}'".format, st.sampled_from(("name", "class")), st.sampled_from(("", "NOT ")), _patterns),
    st.builds("{} {}BETWEEN {} AND {}".format, numbers, st.sampled_from(("", "NOT ")), _literals, _literals),
    st.builds("{} IS {}NULL".format, numbers, st.sampled_from(("", "NOT "))),
    st.builds("{} {}IN ({}, {}, {})".format, _integers, st.sampled_from(("", "NOT ")), _literals, _integers, _literals),
)

conditions: Sql = st.recursive(
    _tests,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(("AND", "OR", "XOR")), inner),
        st.builds("NOT ({})".format, inner),
        st.builds("({}) IS {}".format, inner, st.sampled_from(("TRUE", "NOT TRUE", "FALSE", "UNKNOWN"))),
    ),
    max_leaves=3,
)

_values: Sql = st.one_of(
    numbers,
    st.builds("IF({}, {}, {})".format, conditions, numbers, numbers),
    st.builds("CASE WHEN {} THEN {} END".format, conditions, numbers),
)

rows: Sql = st.builds("SELECT objectId, {} AS a, {} AS b FROM Object WHERE {}".format, _values, _values, conditions)

ordered: Sql = st.builds(
    "SELECT objectId, {} AS a FROM Object WHERE {} ORDER BY {} {}, objectId LIMIT {} OFFSET {}".format,
    _values,
    conditions,
    st.sampled_from(DOUBLES + EXACT + ("name", "class", "firstSeen")),
    st.sampled_from(("ASC", "DESC")),
    st.integers(1, 50),
    st.integers(0, 20),
)

_aggregates: Sql = st.one_of(
    st.just("COUNT(*)"),
    st.builds("{}({})".format, st.sampled_from(AGGREGATES), _values),
    st.builds("COUNT(DISTINCT {})".format, st.sampled_from((*EXACT, "name", "class"))),
    st.builds("({} + {}({}))".format, _literals, st.sampled_from(AGGREGATES), st.sampled_from(EXACT)),
)

grouped: Sql = st.builds(
    "SELECT {0} AS k, {1} AS a, {2} AS b, COUNT(*) AS n FROM Object WHERE {3} GROUP BY {0} HAVING n > {4}".format,
    st.sampled_from(GROUPS),
    _aggregates,
    _aggregates,
    conditions,
    st.integers(0, 30),
)

totals: Sql = st.builds("SELECT {} AS a, {} AS b FROM Object WHERE {}".format, _aggregates, _aggregates, conditions)

joined: Sql = st.builds(
    "SELECT o.objectId, s.sourceId, s.psfFlux FROM Object o {} Source s ON o.objectId = s.objectId "
    "AND s.psfFlux > {} WHERE o.{} > {} AND o.chunkId < 280".format,
    st.sampled_from(("JOIN", "LEFT JOIN")),
    st.integers(1, 9000),
    st.sampled_from(("rMag", "detections", "score", "parity")),
    st.integers(0, 30),
)
