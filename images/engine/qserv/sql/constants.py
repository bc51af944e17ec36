"""Numbers that are written in a statement."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from qserv.sql.arithmetic import literal_number


def constant_number(node: exp.Expr | None) -> int | float | None:
    """A constant number, kept whole where it is written whole; products and quotients of constants count."""
    if isinstance(node, exp.Paren):
        return constant_number(node.this)
    if isinstance(node, exp.Neg):
        inner = constant_number(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Mul | exp.Div | exp.Add | exp.Sub):
        return _combined(node)
    if isinstance(node, exp.Literal) and not node.is_string:
        constant = literal_number(str(node.this)).constant
        return constant if isinstance(constant, int | float) else None
    return None


def _combined(node: exp.Binary) -> int | float | None:
    left, right = constant_number(node.this), constant_number(node.expression)
    if left is None or right is None:
        return None
    if isinstance(node, exp.Mul):
        return left * right
    if isinstance(node, exp.Div):
        return left / right if right else None
    return left + right if isinstance(node, exp.Add) else left - right


def constant_numbers(nodes: Iterable[exp.Expr]) -> list[float] | None:
    """The nodes as numbers; None where one is not a constant."""
    found = []
    for node in nodes:
        value = constant_number(node)
        if value is None:
            return None
        found.append(float(value))
    return found
