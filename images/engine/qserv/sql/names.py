"""What the columns of a result are called: their alias, or the text of the expression as the user wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

_HINT = re.compile(r"/\*\+.*?\*/", re.DOTALL)
_GLUED = re.compile(
    r"""(?P<kept>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|/\*.*?\*/|(?:--\s|\#)[^\n]*)|"""
    r"""(?P<number>\b[\d.]+[eE][+-]?\d+)(?=[+-])""",
    re.DOTALL,
)
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET)
_ENDING = frozenset(
    {
        TokenType.FROM,
        TokenType.WHERE,
        TokenType.GROUP_BY,
        TokenType.HAVING,
        TokenType.ORDER_BY,
        TokenType.LIMIT,
        TokenType.UNION,
        TokenType.EXCEPT,
        TokenType.INTERSECT,
        TokenType.SEMICOLON,
        TokenType.INTO,
    }
)
_MODIFIERS = frozenset(
    {
        "DISTINCT",
        "DISTINCTROW",
        "ALL",
        "HIGH_PRIORITY",
        "STRAIGHT_JOIN",
        "SQL_SMALL_RESULT",
        "SQL_BIG_RESULT",
        "SQL_BUFFER_RESULT",
        "SQL_CACHE",
        "SQL_NO_CACHE",
        "SQL_CALC_FOUND_ROWS",
    }
)


@dataclass(frozen=True)
class Names:
    """The names of the columns of each SELECT of a statement, given as text; without one, as its tree prints them."""

    statement: str = ""

    def of(self, select: exp.Select) -> list[str]:
        """The names that columns without an alias have."""
        if all(isinstance(node, exp.Column | exp.Star | exp.Alias) for node in select.expressions):
            return [node.output_name for node in select.expressions]
        printed = _printed(select)
        texts = self._texts.get(printed, list(printed))
        return [_named(node, text) for node, text in zip(select.expressions, texts, strict=True)]

    @cached_property
    def _texts(self) -> dict[tuple[str, ...], list[str]]:
        """The texts of the columns of every SELECT, by how its tree prints them.

        A tree does not know its place in the text; two lists that print alike but are written differently share a text.
        """
        found: dict[tuple[str, ...], list[str]] = {}
        statement = _HINT.sub(lambda hint: " " * len(hint[0]), self.statement)
        try:
            tokens = sqlglot.tokenize(statement, read="mysql")
        except sqlglot.errors.SqlglotError:
            return found  # the parser says what is wrong
        for index, token in enumerate(tokens):
            if token.token_type is TokenType.SELECT:
                texts = _columns(statement, tokens, index + 1)
                printed = _reprinted(texts)
                if len(printed) == len(texts):
                    found.setdefault(printed, texts)
        return found


def spaced(statement: str) -> str:
    """The statement with a blank after each number with an exponent that a sign follows: the parser would read on."""
    return _GLUED.sub(lambda found: found["kept"] or f"{found['number']} ", statement)


def _reprinted(texts: list[str]) -> tuple[str, ...]:
    """How the tree of a list of columns prints; empty where they are none."""
    try:
        tree = sqlglot.parse_one(spaced(f"SELECT {', '.join(texts)}"), read="mysql")
    except sqlglot.errors.SqlglotError:
        return ()
    return _printed(tree) if isinstance(tree, exp.Select) else ()


def _named(node: exp.Expr, text: str) -> str:
    node = node.unnest() if isinstance(node.unnest(), exp.Column) else node
    if isinstance(node, exp.Column):
        return str(node.name)
    node = node.expression if isinstance(node, exp.Introducer) else node
    if isinstance(node, exp.National) or (isinstance(node, exp.Literal) and node.is_string):
        return str(node.this)
    if isinstance(node, exp.Concat) and text[:1] in "'\"":  # strings side by side are one
        return "".join(str(each.this) for each in node.expressions)
    return text


def _printed(select: exp.Select) -> tuple[str, ...]:
    return tuple(node.sql(dialect="mysql", comments=False) for node in select.expressions)


def _columns(statement: str, tokens: list[Token], start: int) -> list[str]:
    """The texts between the commas of one SELECT."""
    found: list[str] = []
    while start < len(tokens) and tokens[start].text.upper() in _MODIFIERS:
        start += 1
    depth, first = 0, start
    for index in range(start, len(tokens) + 1):
        kind = tokens[index].token_type if index < len(tokens) else None
        if depth == 0 and (kind is None or kind in _ENDING or kind in _CLOSING or kind is TokenType.COMMA):
            if index > first:
                found.append(statement[tokens[first].start : tokens[index - 1].end + 1])
            first = index + 1
            if kind is not TokenType.COMMA:
                break
        elif kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
    return found
