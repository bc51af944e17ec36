"""From a MySQL expression to DuckDB SQL with the same value, directed by types.

Closed by construction: only the kinds of node and the functions that a handler is registered for come through; all
else is refused. Literals are made anew from their values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from sqlglot import exp

from qserv.catalog.errors import UnknownFunction, Unsupported, WrongArguments
from qserv.sql.scope import Scope
from qserv.sql.values import BOOL, Kind, Value

if TYPE_CHECKING:
    from qserv.sql.planner import Planner

Node = TypeVar("Node", bound=exp.Expr)
Handler = Callable[["Translator", exp.Expr], Value]
Function = Callable[["Translator", list[exp.Expr]], Value]

HANDLERS: dict[type[exp.Expr], Handler] = {}
FUNCTIONS: dict[str, Function] = {}
"""MySQL functions that the parser leaves as plain calls, by lower-case name."""

AREASPEC = "qserv_areaspec_"

_REFUSED = {
    "load_file": "it would read a file of the server",
    "sleep": "it would only hold a worker",
    "benchmark": "it would only hold a worker",
    "get_lock": "there are no locks",
    "release_lock": "there are no locks",
}


def handles(*kinds: type[exp.Expr]) -> Callable[[Callable[[Translator, Node], Value]], Callable[..., Value]]:
    """Register the translation of some kinds of node."""

    def register(function: Callable[[Translator, Node], Value]) -> Callable[..., Value]:
        for kind in kinds:
            HANDLERS[kind] = cast(Handler, function)
        return function

    return register


def function(
    *names: str, least: int, most: int | None = None
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Register a plain function that takes from ``least`` to ``most`` (default: the same) values."""
    limit = least if most is None else most

    def register(body: Callable[..., Value]) -> Callable[..., Value]:
        def called(translator: Translator, arguments: list[exp.Expr], shown: str) -> Value:
            if not least <= len(arguments) <= limit:
                raise WrongArguments(f"Incorrect parameter count in the call to native function '{shown}'")
            return body(*(translator.value(each) for each in arguments))

        for each in names:
            FUNCTIONS[each] = lambda translator, arguments, shown=each: called(translator, arguments, shown)  # type: ignore[misc]
        return body

    return register


class Translator:
    """Translates the expressions of one query block.

    ``substitute`` is asked first for every node: it answers those that were computed already, such as an aggregate or
    a group's key. ``clause`` names the part of the statement for errors.
    """

    def __init__(
        self,
        scope: Scope,
        planner: Planner,
        clause: str = "field list",
        substitute: Callable[[exp.Expr], Value | None] | None = None,
    ) -> None:
        self.scope = scope
        self.planner = planner
        self.clause = clause
        self.substitute = substitute

    def value(self, node: exp.Expr | None) -> Value:
        """The node's value.

        Raises
        ------
        UnknownFunction, Unsupported, WrongArguments, UnknownColumn, AmbiguousColumn
        """
        if node is None:
            raise WrongArguments(f"a value is missing in the {self.clause}")
        if self.substitute is not None and (found := self.substitute(node)) is not None:
            return found
        handler = HANDLERS.get(type(node))
        if handler is not None:
            return handler(self, node)
        if isinstance(node, exp.AggFunc):
            raise Unsupported(f"Invalid use of group function {node.sql_name()} in the {self.clause}")
        if isinstance(node, exp.Func):
            raise unknown_function(node.sql_name())
        raise Unsupported(f"{node.sql(dialect='mysql')[:80]!r} is not supported in the {self.clause}")

    def values(self, nodes: list[exp.Expr]) -> list[Value]:
        return [self.value(node) for node in nodes]


def unknown_function(called: str) -> UnknownFunction | Unsupported:
    if called.lower() in _REFUSED:
        return Unsupported(f"function {called} is refused: {_REFUSED[called.lower()]}")
    if called.lower().startswith(AREASPEC):
        return Unsupported(
            f"{called} cuts the whole query: write it in WHERE itself, joined by AND;"
            " inside of an expression write scisql_s2PtIn…(ra, decl, …) = 1"
        )
    return UnknownFunction(f"FUNCTION {called} does not exist")


@handles(exp.Anonymous)
def _call(translator: Translator, node: exp.Anonymous) -> Value:
    called = node.name
    found = FUNCTIONS.get(called.lower())
    if found is None:
        raise unknown_function(called)
    return found(translator, node.expressions)


@handles(exp.Column)
def _column(translator: Translator, node: exp.Column) -> Value:
    if isinstance(node.this, exp.Star):
        raise Unsupported("* stands only alone in a list of columns, or in COUNT(*)")
    return translator.scope.resolve(node, translator.clause)


@handles(exp.Paren)
def _paren(translator: Translator, node: exp.Paren) -> Value:
    return translator.value(node.this)


@handles(exp.Subquery, exp.Select, exp.SetOperation)
def _scalar_subquery(translator: Translator, node: exp.Expr) -> Value:
    rows = translator.planner.scalar(node, translator.scope)
    if len(rows.columns) != 1:
        raise WrongArguments("Operand should contain 1 column(s)")
    return Value(f"({rows.sql})", rows.columns[0][1])


@handles(exp.Exists)
def _exists(translator: Translator, node: exp.Exists) -> Value:
    return Value(translator.planner.exists(node.this, translator.scope), BOOL)


@handles(exp.Parameter, exp.SessionParameter)
def _variable(translator: Translator, node: exp.Expr) -> Value:
    raise Unsupported(f"{node.sql(dialect='mysql')}: variables cannot be used in a query over tables; write the value")


@handles(exp.Placeholder)
def _placeholder(translator: Translator, node: exp.Placeholder) -> Value:
    raise WrongArguments("a parameter (?) of a prepared statement has no value")


def constant(translator: Translator, node: exp.Expr | None) -> Value:
    """A literal, perhaps with a sign."""
    value = translator.value(node)
    if value.constant is None and value.kind is not Kind.NULL:
        raise Unsupported(f"a constant is needed instead of {node.sql(dialect='mysql') if node else ''!r}")
    return value
