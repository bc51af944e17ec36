"""A client's text as one statement: parsed, its session functions answered, its parameters put in as values."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # they are made by its compiled part

from qserv.catalog.errors import ParseError, Unsupported, WrongArguments
from qserv.sql.names import Names, spaced

Value = bool | int | float | str | bytes | Decimal | dt.date | dt.datetime | dt.timedelta | None

MARK = "qserv_parameter_"
"""Names of the placeholders that stand for ``?`` in a prepared statement, by position."""

_LEADING = re.compile(r"\A(?:\s+|/\*(?!!).*?\*/|(?:--\s|#)[^\n]*(?:\n|\Z))+", re.S)
"""Comments before a statement, in which libraries say who they are."""

_SPELLINGS = (
    (
        re.compile(r"^(\s*SHOW\s+)(?:EXTENDED\s+)?(FULL\s+)?(?:FIELDS|COLUMNS)\s+(?:FROM|IN)\b", re.I),
        r"\1\2COLUMNS FROM",
    ),
    (re.compile(r"^(\s*SHOW\s+(?:FULL\s+)?COLUMNS\s+FROM\s+\S+\s+)IN\b", re.I), r"\1FROM"),
    (re.compile(r"^(\s*SHOW\s+(?:FULL\s+)?(?:TABLES|TABLE\s+STATUS|TRIGGERS|EVENTS)\s+)IN\b", re.I), r"\1FROM"),
    (re.compile(r"^(\s*SHOW\s+)(?:EXTENDED\s+)?(?:KEYS|INDEXES|INDEX)\s+(?:FROM|IN)\b", re.I), r"\1INDEX FROM"),
    (re.compile(r"^(\s*SHOW\s+GRANTS)\s+FOR\s+CURRENT_USER(?:\s*\(\s*\))?$", re.I), r"\1"),
    (re.compile(r"^(\s*SHOW\s+COLLATION\s+WHERE\s+)`?Charset`?", re.I), r"\1`Charset`"),
    (
        re.compile(r"^(\s*SHOW\s+CREATE\s+)(?:DATABASE|SCHEMA)\s+(?:IF\s+NOT\s+EXISTS\s+)?", re.I),
        r"\1DATABASE ",
    ),
    (re.compile(r"^\s*START\s+TRANSACTION\s+WITH\s+CONSISTENT\s+SNAPSHOT\b", re.I), "START TRANSACTION"),
    (re.compile(r"^\s*(?:RELEASE\s+)?SAVEPOINT\s+(?:`[^`]+`|\w+)$", re.I), "START TRANSACTION"),
    (re.compile(r"^\s*SHOW\s+COUNT\s*\(\s*\*\s*\)\s+WARNINGS$", re.I), "SELECT @@warning_count"),
    (
        re.compile(
            r"^\s*(?:DESCRIBE|DESC|EXPLAIN)\s+(?!SELECT\b|WITH\b|FORMAT\b|EXTENDED\b|ANALYZE\b)"
            r"((?:`[^`]+`|\w+)(?:\s*\.\s*(?:`[^`]+`|\w+))?)\s+(?:'([^']*)'|`?(\w+)`?)$",
            re.I,
        ),
        r"SHOW COLUMNS FROM \1 LIKE '\2\3'",
    ),
)
"""Spellings that MySQL takes and the parser does not, as ones that it does."""


_COMMA_AT_END = re.compile(r",\s*(?:\)|;|$|(?:FROM|WHERE|GROUP|ORDER|HAVING|LIMIT|UNION)\b)", re.I)
_ENDS = frozenset(
    {
        TokenType.R_PAREN,
        TokenType.SEMICOLON,
        TokenType.FROM,
        TokenType.WHERE,
        TokenType.GROUP_BY,
        TokenType.ORDER_BY,
        TokenType.HAVING,
        TokenType.LIMIT,
        TokenType.UNION,
    }
)
"""What may follow the last of a list, and so never a comma."""


def parse(sql: str) -> exp.Expression | None:
    """The statement; None where the text holds none but comments.

    Raises
    ------
    ParseError
        Where the text is no statement of MySQL.
    Unsupported
        Where it holds several.
    """
    sql = bare(_LEADING.sub("", sql))
    for pattern, spelling in _SPELLINGS:
        sql = pattern.sub(spelling, sql)
    try:
        trees = sqlglot.parse(spaced(sql), dialect="mysql")
        found = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    except SqlglotError as error:
        raise _parse_error(sql, error) from None
    except RecursionError:
        raise ParseError("the statement is nested too deeply") from None
    if len(found) > 1:
        raise Unsupported("one statement at a time: send them one by one")
    if not found:
        return None
    _refuse_trailing_comma(sql)
    if isinstance(found[0], exp.Alias | exp.Column | exp.Command) or not isinstance(found[0], exp.Expression):
        raise _parse_error(sql, None)
    return found[0]


def bare(sql: str) -> str:
    """A statement without the semicolon and the spaces at its end.

    Patterns that have these at their end would look at a long row of spaces once for each of them.
    """
    return sql.rstrip().removesuffix(";").rstrip()


def _refuse_trailing_comma(sql: str) -> None:
    """A list that ends with a comma, which the parser takes and MySQL does not."""
    if _COMMA_AT_END.search(sql) is None:
        return
    tokens = _tokens(sql)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type is TokenType.COMMA and (after is None or after.token_type in _ENDS):
            near = sql[token.start :].strip()[:80]
            raise ParseError(f"You have an error in your SQL syntax; a list ends with a comma near '{near}'")


def _parse_error(sql: str, error: SqlglotError | None) -> ParseError | Unsupported:
    details = getattr(error, "errors", None) or [{}]
    near = details[0].get("highlight") or ""
    line = details[0].get("line") or 1
    after = details[0].get("end_context") or ""
    place = (near + after).strip()[:80] or sql.strip()[:80]
    if place.upper().startswith(("INTO OUTFILE", "INTO DUMPFILE")):
        what = " ".join(place.split()[:2])
        return Unsupported(f"{what} is refused: write the answer where you are, as 'qserv sql --output' does")
    return ParseError(
        "You have an error in your SQL syntax; check the SQL reference for what is answered "
        f"near '{place}' at line {line}"
    )


def prepare(sql: str) -> tuple[exp.Expression | None, int]:
    """A statement with ``?`` for parameters, parsed, and how many there are.

    Raises
    ------
    ParseError
        Where the text is no statement of MySQL.
    """
    places = [token.start for token in _tokens(sql) if token.token_type is TokenType.PLACEHOLDER]
    if not places:
        return parse(sql), 0
    text = sql
    for number, place in reversed(list(enumerate(places))):
        text = f"{text[:place]}:{MARK}{number}{text[place + 1 :]}"
    statement = parse(text)
    return _named(statement, text) if statement is not None else None, len(places)


def _named(statement: exp.Expression, text: str) -> exp.Expression:
    """The statement with aliases for its columns that have none: their texts, which values put in would change."""
    select = statement.this if isinstance(statement, exp.Describe) else statement
    if isinstance(select, exp.Select):
        names = Names(text).of(select)
        for node, name in zip(list(select.expressions), names, strict=True):
            if not isinstance(node, exp.Alias | exp.Column | exp.Star):
                shown = re.sub(rf":{MARK}\d+", "?", name)
                node.replace(exp.Alias(this=node.copy(), alias=exp.to_identifier(shown, quoted=True)))
    return statement


def _tokens(sql: str) -> list[Token]:
    try:
        return list(sqlglot.tokenize(sql, read="mysql"))
    except SqlglotError as error:
        raise _parse_error(sql, error) from None


def bind(statement: exp.Expression, values: Sequence[Value]) -> exp.Expression:
    """The prepared statement with values for its parameters, put into the tree: never as text."""

    def value_of(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Placeholder) and node.name.startswith(MARK):
            return literal(values[int(node.name.removeprefix(MARK))])
        return node

    return statement.transform(value_of, copy=True)


def literal(value: Value) -> exp.Expression:
    """A value as a node of the tree."""
    if value is None:
        return exp.null()
    if isinstance(value, bool):
        return exp.Literal.number(int(value))
    if isinstance(value, int | float | Decimal):
        if isinstance(value, float) and not math.isfinite(value):
            raise WrongArguments(f"the parameter {value} is no number of MySQL")
        text = str(value)
        if isinstance(value, float) and "e" not in text:
            text += "e0"  # without an exponent it would be a DECIMAL
        if text.startswith("-"):
            return exp.Paren(this=exp.Neg(this=exp.Literal.number(text[1:])))
        return exp.Literal.number(text)
    if isinstance(value, bytes):
        return exp.HexString(this=value.hex())
    if isinstance(value, dt.timedelta):
        sign = "-" if value < dt.timedelta() else ""
        minutes, rest = divmod(abs(value), dt.timedelta(minutes=1))
        seconds = f"{rest.seconds:02d}" + (f".{rest.microseconds:06d}" if rest.microseconds else "")
        return exp.Literal.string(f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{seconds}")
    return exp.Literal.string(str(value))


Functions = Mapping[str, Callable[[], Value]]

_NODES: dict[str, str] = {
    "CurrentUser": "CURRENT_USER",
    "CurrentRole": "CURRENT_ROLE",
    "SessionUser": "USER",
    "CurrentSchema": "DATABASE",
    "CurrentDatabase": "DATABASE",
    "Version": "VERSION",
    "CurrentVersion": "VERSION",
}
_SYNONYMS = {"SCHEMA": "DATABASE", "SESSION_USER": "USER", "SYSTEM_USER": "USER"}


def answer_session(
    statement: exp.Expression,
    functions: Functions,
    variable: Callable[[str], Value],
    own: Mapping[str, Value],
    text: str = "",
) -> exp.Expression:
    """The statement with ``@@variables``, ``@own`` variables and functions such as ``DATABASE()`` as their values.

    Columns that were one of these keep their names, as the statement's ``text`` has them.
    """
    if not any(isinstance(node, exp.SessionParameter | exp.Parameter | exp.Func) for node in statement.walk()):
        return statement
    statement = _named(statement, text)

    def value_of(node: exp.Expression) -> exp.Expression:
        value: Value
        if isinstance(node, exp.SessionParameter):
            value = variable(node.name)
        elif isinstance(node, exp.Parameter):
            value = own.get(node.name.casefold())
        elif isinstance(node, exp.Func):
            name = node.name.upper() if isinstance(node, exp.Anonymous) else _NODES.get(type(node).__name__, "")
            name = _SYNONYMS.get(name, name)
            if name not in functions:
                return node
            value = functions[name]()
        else:
            return node
        return literal(value)

    return statement.transform(value_of, copy=False)
