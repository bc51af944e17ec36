"""``PREPARE``, ``EXECUTE`` and ``DEALLOCATE PREPARE``: prepared statements by name, in text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from qserv.catalog.errors import UnknownStatement, Unsupported, WrongArguments
from qserv.czar import statements
from qserv.czar.statements import Value

MOST = 1000
"""Named statements that a session may hold."""

_NAME = r"(`[^`]+`|[\w$]+)"
_PREPARE = re.compile(rf"\s*PREPARE\s+{_NAME}\s+FROM\s+(.+)", re.I | re.S)
_EXECUTE = re.compile(rf"\s*EXECUTE\s+{_NAME}(?:\s+USING\s+(@[\w.$]+(?:\s*,\s*@[\w.$]+)*))?", re.I)
_DEALLOCATE = re.compile(rf"\s*(?:DEALLOCATE|DROP)\s+PREPARE\s+{_NAME}", re.I)


@dataclass(frozen=True, slots=True)
class Execution:
    """A statement to be run instead of ``EXECUTE``, and the text it was prepared from."""

    statement: exp.Expression | None
    sql: str


@dataclass(slots=True)
class Named:
    """A session's statements by name, case-folded: their trees, texts and numbers of parameters."""

    _held: dict[str, tuple[exp.Expression | None, str, int]] = field(default_factory=dict)

    def read(self, sql: str, own: Mapping[str, Value]) -> Execution | bool:
        """Carry out a statement of these kinds: what to run now, or True; False where it is of no such kind.

        ``own`` are the session's ``@variables``, by case-folded name.

        Raises
        ------
        UnknownStatement, WrongArguments, Unsupported, ParseError
        """
        sql = statements.bare(sql)
        if found := _PREPARE.fullmatch(sql):
            self._prepare(_bare(found[1]), _text(found[2], own))
            return True
        if found := _EXECUTE.fullmatch(sql):
            names = [name.strip().removeprefix("@").casefold() for name in (found[2] or "").split(",") if name.strip()]
            return self._execute(_bare(found[1]), [own.get(name) for name in names])
        if found := _DEALLOCATE.fullmatch(sql):
            if self._held.pop(_bare(found[1]), None) is None:
                raise _unknown(_bare(found[1]), "DEALLOCATE PREPARE")
            return True
        return False

    def _prepare(self, name: str, sql: str) -> None:
        self._held.pop(name, None)
        if len(self._held) >= MOST:
            raise Unsupported(f"a session may hold {MOST} prepared statements: deallocate some")
        statement, count = statements.prepare(sql)
        self._held[name] = (statement, sql, count)

    def _execute(self, name: str, values: list[Value]) -> Execution:
        if name not in self._held:
            raise _unknown(name, "EXECUTE")
        statement, sql, count = self._held[name]
        if len(values) != count:
            raise WrongArguments(f"Incorrect arguments to EXECUTE: {name} has {count} parameters, not {len(values)}")
        return Execution(statements.bind(statement, values) if statement is not None else None, sql)


def _unknown(name: str, command: str) -> UnknownStatement:
    return UnknownStatement(f"Unknown prepared statement handler ({name}) given to {command}")


def _bare(name: str) -> str:
    return name.strip("`").casefold()


def _text(source: str, own: Mapping[str, Value]) -> str:
    """The statement's text: a string, or what a variable holds."""
    if source.startswith("@"):
        return str(own.get(source[1:].casefold()) or "")
    node = statements.parse(f"SELECT {source}")
    literal = node.expressions[0] if isinstance(node, exp.Select) and len(node.expressions) == 1 else None
    if not isinstance(literal, exp.Literal) or not literal.is_string:
        raise WrongArguments("PREPARE takes a string or a @variable that holds one")
    return str(literal.this)
