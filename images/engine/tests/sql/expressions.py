"""Random expressions over the synthetic Object, as MySQL text."""

from __future__ import annotations

from hypothesis import strategies as st

_INTEGERS = ["detections", "flags", "parity", "variable", "0", "1", "-3", "7", "1000"]
_EXACT = ["score", "1.5", "-0.25", "2.50"]
_DOUBLES = ["ra", "decl", "gFlux", "rFlux", "iFlux", "extendedness", "1e-3"]
_TEXTS = ["name", "class", "'Vega'", "'algol '", "'10'", "'2.5e1 mag'", "''", "NULL"]
_DATES = ["lastNight", "firstSeen", "'2026-03-01'"]

_COMPARISONS = ["=", "<>", "<", "<=", ">", ">=", "<=>"]


def _leaf(names: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


def _joined(left: st.SearchStrategy[str], signs: list[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda a, sign, b: f"({a} {sign} {b})", left, st.sampled_from(signs), right)


def _called(pattern: str, *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(pattern.format, *arguments)


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _joined(inner, ["+", "-", "*", "/", "%", "DIV"], inner),
        _called("ABS({})", inner),
        _called("FLOOR({})", inner),
        _called("CEIL({})", inner),
        _called("SIGN({})", inner),
        _called("COALESCE({}, {})", inner, inner),
        _called("NULLIF({}, {})", inner, inner),
        _called("GREATEST({}, {})", inner, inner),
        _called("LEAST({}, {})", inner, inner),
        _called("SQRT({})", inner),
        _called("LN({})", inner),
        _called("-({})", inner),
        _called("CAST({} AS DECIMAL(30,4))", inner),
        _called("IF({}, {}, {})", conditions(), inner, inner),
        _called("CASE WHEN {} THEN {} ELSE {} END", conditions(), inner, inner),
    )


def numbers() -> st.SearchStrategy[str]:
    return st.recursive(_leaf(_INTEGERS + _EXACT + _DOUBLES), _numbers, max_leaves=4)


def integers() -> st.SearchStrategy[str]:
    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            _joined(inner, ["+", "-", "DIV", "%", "&", "|"], inner),
            _called("({} ^ {})", inner, inner),
            _called("({} << {})", inner, st.sampled_from(["0", "3", "70"])),
            _called("({} >> {})", inner, st.sampled_from(["1", "64"])),
            _called("CAST({} AS SIGNED)", inner),
            _called("BIT_COUNT({})", inner),
        )

    return st.recursive(_leaf(_INTEGERS), more, max_leaves=3)


def texts() -> st.SearchStrategy[str]:
    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            _called("CONCAT({}, {})", inner, inner),
            _called("UPPER({})", inner),
            _called("LOWER({})", inner),
            _called("LEFT({}, 3)", inner),
            _called("RIGHT({}, 2)", inner),
            _called("SUBSTRING({}, 2, 3)", inner),
            _called("SUBSTRING({}, -2)", inner),
            _called("REPLACE({}, 'a', 'b')", inner),
            _called("TRIM({})", inner),
            _called("REVERSE({})", inner),
            _called("LPAD({}, 6, '*')", inner),
            _called("IFNULL({}, {})", inner, inner),
            _called("IF({}, {}, {})", conditions(), inner, inner),
            _called("CONCAT({}, {})", inner, _leaf(["detections", "parity", "score"])),
        )

    return st.recursive(_leaf(_TEXTS), more, max_leaves=3)


def conditions() -> st.SearchStrategy[str]:
    """Predicates: comparisons of like and unlike values, and their combinations."""
    numeric = _leaf(_INTEGERS + _EXACT + _DOUBLES)
    textual = _leaf(_TEXTS)
    simple = st.one_of(
        _joined(numeric, _COMPARISONS, numeric),
        _joined(textual, _COMPARISONS, textual),
        _joined(textual, _COMPARISONS, numeric),
        _joined(_leaf(_DATES), _COMPARISONS, _leaf(_DATES)),
        _called("({} IS NULL)", st.one_of(numeric, textual)),
        _called("({} IN ({}, {}))", numeric, numeric, numeric),
        _called("({} NOT IN ({}, {}))", textual, textual, textual),
        _called("({} BETWEEN {} AND {})", numeric, numeric, numeric),
        _called("({} LIKE {})", textual, st.sampled_from(["'v%'", "'_lgol%'", "'%e%'", "'a_b'"])),
        _called("({} NOT LIKE 'v%')", textual),
    )

    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            _joined(inner, ["AND", "OR", "XOR", "&&", "||"], inner),
            _called("(NOT {})", inner),
            _called("({} IS TRUE)", inner),
            _called("({} = {})", inner, inner),
        )

    return st.recursive(simple, more, max_leaves=3)
