"""FROM and the top-level conditions of a query block, as facts that locality, restriction and fetching decide from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from qserv.sql.scope import Relation

if TYPE_CHECKING:
    from qserv.sql.nested import Nested

Origin = tuple[Relation, str]


@dataclass(eq=False)
class Condition:
    """One term of a top-level AND.

    ``uses`` are the relations that it reads; ``equal`` the two columns where it says that they are equal.
    ``nested``: it holds a subquery that is not answered beforehand, so that only the merge can decide it. ``outer``: it
    reads columns of a surrounding block. ``position_arguments`` are the four columns that ``angSep`` compares, where it
    is said to be small.
    """

    node: exp.Expr | None
    sql: str
    uses: frozenset[Relation]
    equal: tuple[Origin, Origin] | None = None
    nested: bool = False
    outer: bool = False
    position_arguments: tuple[Origin | None, ...] | None = None

    @property
    def random(self) -> bool:
        """Whether it may say something else each time that it is asked, so that it must be asked once."""
        return self.node is not None and self.node.find(exp.Rand, exp.Uuid) is not None


@dataclass(eq=False)
class Source:
    """A relation in FROM, how it is joined to those before it, and the conditions of its ON.

    ``WITH``: by an inner join in parentheses with the LEFT one before it, whose ON then holds the conditions of all.
    ``sql`` is what a derived table reads (a statement over leaves), ``query`` its query; None for tables.
    """

    relation: Relation
    join: str = "INNER"  # INNER | LEFT | RIGHT | WITH
    on: list[Condition] = field(default_factory=list)
    sql: str | None = None
    query: Nested | None = None


@dataclass
class From:
    """All sources in order, and the conditions of WHERE (with those of inner joins)."""

    sources: list[Source] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)

    def groups(self) -> list[list[Source]]:
        """The sources, those of a LEFT JOIN with a join in parentheses together."""
        found: list[list[Source]] = []
        for source in self.sources:
            if source.join == "WITH":
                found[-1].append(source)
            else:
                found.append([source])
        return found

    @property
    def relations(self) -> list[Relation]:
        return [source.relation for source in self.sources]
