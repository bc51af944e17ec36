"""Neighbour joins: pairs of rows whose angular separation is below a radius, as equi-joins on cells of the sky."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from qserv.sql.scope import Relation


@dataclass(frozen=True)
class Stats:
    """What is known of the data: rows of each director table in a square degree, by table id."""

    density: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Near:
    """``angSep(first's position, second's position) < radius`` (degrees)."""

    first: Relation
    second: Relation
    radius: float

    @property
    def swapped(self) -> Near:
        return Near(self.second, self.first, self.radius)


def angular_separation(node: exp.Expr) -> exp.Anonymous | None:
    found = node.unnest()
    if isinstance(found, exp.Anonymous) and found.name.lower() in ("scisql_angsep", "angsep"):
        return found
    return None
