"""Neighbour conditions: pairs of rows whose angular separation is below a radius.

A worker finds such pairs by a tree over the rows of a chunk and of its overlap (:mod:`qserv.sql.pairs` writes how, and
:mod:`qserv.sky.neighbours` finds them).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from qserv.catalog.errors import WrongArguments
from qserv.sql.constants import constant_number
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From, Origin, Source


@dataclass(frozen=True)
class Near:
    """``angSep(first's position, second's position) < radius`` (degrees).

    ``optional``: the condition of a LEFT JOIN, which keeps the rows of the first that have no neighbour.
    """

    first: Relation
    second: Relation
    radius: float
    condition: Condition
    optional: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether one side is a replicated table, so that any radius finds all pairs."""
        return any(not each.base.partitioned for each in (self.first, self.second))

    @property
    def swapped(self) -> Near:
        return replace(self, first=self.second, second=self.first)


def nears(found: From) -> list[Near]:
    """The neighbour conditions of WHERE and of inner joins, then those by which a LEFT JOIN can be made.

    Raises
    ------
    WrongArguments
        For a radius that is negative.
    """
    inner = [near for condition in found.where if (near := _near(condition)) is not None]
    return inner + [near for group in found.groups() if (near := _left(group)) is not None]


def _left(group: list[Source]) -> Near | None:
    """The neighbour condition of ``first LEFT JOIN second ON near AND …``, where the rest is about the second alone."""
    source = group[0]
    if source.join != "LEFT" or len(group) > 1:
        return None
    found = [near for condition in source.on if (near := _near(condition)) is not None]
    if len(found) != 1:
        return None
    near = found[0] if found[0].second is source.relation else found[0].swapped
    rest = [condition for condition in source.on if condition is not near.condition]
    if near.first.optional or any(condition.uses - {source.relation} for condition in rest):
        return None
    return replace(near, optional=True)


_BELOW: dict[type[exp.Expr], bool] = {exp.LT: True, exp.LTE: True, exp.GT: False, exp.GTE: False}


def _near(condition: Condition) -> Near | None:
    node = condition.node
    if node is None or type(node) not in _BELOW or condition.position_arguments is None:
        return None
    below = _BELOW[type(node)]
    radius = constant_number(node.expression if below else node.this)
    if radius is None:
        return None
    first, second = _relation(condition.position_arguments[:2]), _relation(condition.position_arguments[2:])
    if first is None or second is None or first is second:
        return None
    if radius < 0:
        raise WrongArguments(f"the radius of a neighbour search cannot be below 0: {radius:g}")
    return Near(first, second, float(radius), condition)


def _relation(pair: tuple[Origin | None, ...]) -> Relation | None:
    """The relation whose own position the pair of columns is."""
    ra, decl = pair
    if ra is None or decl is None or ra[0] is not decl[0] or ra[0].table is None or ra[0].table.position is None:
        return None
    names = tuple(each[1].casefold() for each in (ra, decl))
    return ra[0] if names == tuple(each.casefold() for each in ra[0].table.position) else None


def angular_separation(node: exp.Expr) -> exp.Anonymous | None:
    """The call of angSep on the side of a comparison that is said to be small."""
    if type(node) not in _BELOW:
        return None
    side = (node.this if _BELOW[type(node)] else node.expression).unnest()
    if isinstance(side, exp.Anonymous) and side.name.lower() in ("scisql_angsep", "angsep"):
        return side if len(side.expressions) == 4 else None
    return None
