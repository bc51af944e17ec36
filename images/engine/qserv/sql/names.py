"""What the columns of a result are called: their alias, or the text of the expression as the user wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

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


@dataclass
class Names:
    """The texts of all lists of columns of a statement, by the place where their first token begins."""

    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_text(cls, statement: str) -> Names:
        """The texts of the columns of every SELECT in a statement.

        A text is found again by how its tree prints, since a tree does not know its place.
        """
        try:
            tokens = sqlglot.tokenize(statement, read="mysql")
        except sqlglot.errors.SqlglotError:
            return cls()  # the parser says what is wrong
        found = cls()
        for index, token in enumerate(tokens):
            if token.token_type is TokenType.SELECT:
                for text in _columns(statement, tokens, index + 1):
                    found._add(text)
        return found

    def _add(self, text: str) -> None:
        try:
            tree = sqlglot.parse_one(f"SELECT {text}", read="mysql")
        except sqlglot.errors.SqlglotError:
            return
        if isinstance(tree, exp.Select) and len(tree.expressions) == 1:
            self.texts.setdefault(tree.expressions[0].sql(dialect="mysql", comments=False), text)

    def of(self, node: exp.Expr) -> str:
        """The name of an unaliased column."""
        if isinstance(node, exp.Column):
            return node.name
        if isinstance(node, exp.Literal) and node.is_string:
            return str(node.this)
        printed = node.sql(dialect="mysql", comments=False)
        return self.texts.get(printed, printed)


def _columns(statement: str, tokens: list[Token], start: int) -> list[str]:
    """The texts between the commas of one SELECT."""
    found: list[str] = []
    depth, first = 0, start
    for index in range(start, len(tokens) + 1):
        token = tokens[index] if index < len(tokens) else None
        kind = token.token_type if token is not None else None
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
