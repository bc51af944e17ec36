"""Which joins are local: whether all rows that can match lie together in the files of one chunk.

Tables whose keys of one director are equal lie together (*home*). A director joined through the second key of a match
table, or by a neighbour condition, is a *satellite*: its rows are among those of the home chunk and of its overlap.
Replicated tables lie everywhere; a neighbour condition on one of them places nothing, and is local at any radius.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qserv.catalog.model import CHUNK_COLUMN, Family, Table, TableKind
from qserv.sql.neighbour import Near
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From

Key = tuple[str, str]  # the director that a key column refers to: database and table, case-folded

CHUNK: Key = ("", CHUNK_COLUMN.casefold())
"""The number of the chunk, which is a key as a director's is: rows that have it in common lie together."""


@dataclass
class Layout:
    """How the relations of a block lie. ``satellites`` maps each to the home relation whose chunk it is read beside.

    ``beside`` are relations of surrounding blocks that lie at home too, by which all the others were found.
    """

    family: Family | None
    home: list[Relation] = field(default_factory=list)
    beside: list[Relation] = field(default_factory=list)
    satellites: dict[Relation, Relation] = field(default_factory=dict)
    nears: list[Near] = field(default_factory=list)

    @property
    def partitioned(self) -> list[Relation]:
        return [*self.home, *self.satellites]


def director_key(table: Table, column: str) -> tuple[Key, bool] | None:
    """The director whose key a column holds, and whether rows lie in the chunk of that director's row."""
    folded = column.casefold()
    if table.kind is TableKind.DIRECTOR and table.key and folded == table.key.casefold():
        return (table.database.casefold(), table.name.casefold()), True
    if table.kind is TableKind.CHILD and table.director and table.key and folded == table.key.casefold():
        return (table.director[0].casefold(), table.director[1].casefold()), True
    for index, side in enumerate(table.sides or ()):
        if folded == side.key.casefold():
            return (side.database.casefold(), side.table.casefold()), index == 0
    return None


def home_keys(relation: Relation) -> Mapping[str, Key]:
    """The columns that hold a key whose rows all lie in the chunk of the relation's own row."""
    if relation.local is not None:
        return relation.local.keys
    table = relation.table
    if table is None or not table.partitioned:
        return {}
    columns = [table.key, *(side.key for side in table.sides or ())]
    found = {column: director_key(table, column) for column in columns if column}
    return {CHUNK_COLUMN: CHUNK, **{column: key[0] for column, key in found.items() if key is not None and key[1]}}


def key_of(relation: Relation, column: str) -> tuple[Key, bool] | None:
    """The key that a column holds, and whether its rows lie in the chunk of the relation's own row."""
    for each, key in home_keys(relation).items():
        if each.casefold() == column.casefold():
            return key, True
    return director_key(relation.table, column) if relation.table is not None else None


@dataclass(frozen=True)
class _Edge:
    """Two relations whose keys are equal. ``near``: the second is only among main and overlap rows of the first."""

    first: Relation
    second: Relation
    satellite: bool
    owners: frozenset[Relation]  # of a LEFT JOIN's condition: the relations that it may place; of others: none

    @property
    def allowed(self) -> bool:
        return not self.owners or self.second in self.owners


def layout(found: From, nears: list[Near]) -> Layout | None:
    """How the relations lie, or None where they do not lie together.

    First those of surrounding blocks are tried, to whose keys the block's own may be equal.
    """
    if any(relation.table is None and relation.local is None for relation in found.relations):
        return None
    partitioned = [relation for relation in found.relations if relation.family is not None]
    if not partitioned:
        return Layout(None, nears=[near for near in nears if near.everywhere])
    families = {relation.family for relation in partitioned}
    if len(families) != 1 or _replicated_first(found):
        return None
    family, edges = families.pop(), _edges(found)
    around = [edge.first for edge in edges if edge.first not in found.relations and edge.first.family == family]
    for start in (*dict.fromkeys(around), *sorted(partitioned, key=lambda relation: relation.optional)):
        attempt = _grow(start, partitioned, edges, nears)
        if attempt is not None and all(host in found.relations for host in attempt.satellites.values()):
            attempt.family = family
            attempt.beside = [relation for relation in attempt.home if relation not in found.relations]
            attempt.home = [relation for relation in attempt.home if relation in found.relations]
            return attempt
    return None


def _replicated_first(found: From) -> bool:
    """A replicated table whose every row a LEFT JOIN with a partitioned one keeps: each chunk would keep it."""
    kept = False
    for source in found.sources:
        partitioned = source.relation.family is not None
        if source.join in ("LEFT", "WITH") and kept and partitioned:
            return not any(each.relation.family is not None and each.join == "INNER" for each in found.sources)
        kept = kept or not partitioned
    return False


def _edges(found: From) -> list[_Edge]:
    edges = [edge for condition in found.where for edge in _edge(condition, frozenset())]
    for group in found.groups():
        owners = frozenset(source.relation for source in group if group[0].join == "LEFT")
        edges += [edge for source in group for condition in source.on for edge in _edge(condition, owners)]
    return edges


def _edge(condition: Condition, owners: frozenset[Relation]) -> list[_Edge]:
    if condition.equal is None:
        return []
    (left, left_column), (right, right_column) = condition.equal
    if left is right:
        return []
    first, second = key_of(left, left_column), key_of(right, right_column)
    if first is None or second is None or first[0] != second[0]:
        return []
    if first[0] == CHUNK and left.table is not None and right.table is not None:
        return []  # two tables within a chunk: rather neighbours, or a join on something else
    if first[1] and second[1]:
        return [_Edge(left, right, False, owners), _Edge(right, left, False, owners)]
    edges = []
    if not first[1] and right.table is not None and right.table.kind is TableKind.DIRECTOR:
        edges.append(_Edge(left, right, True, owners))
    if not second[1] and left.table is not None and left.table.kind is TableKind.DIRECTOR:
        edges.append(_Edge(right, left, True, owners))
    return edges


def _grow(start: Relation, wanted: list[Relation], edges: list[_Edge], nears: list[Near]) -> Layout | None:
    if start.optional:
        return None
    found = Layout(None, [start])
    grown = True
    while grown:
        grown = False
        for edge in edges:
            placed = edge.second in found.home or edge.second in found.satellites
            if edge.first in found.home and not placed and not edge.satellite and edge.allowed:
                found.home.append(edge.second)
                grown = True
    for edge in edges:
        if edge.satellite and edge.allowed and edge.first in found.home and not _placed(found, edge.second):
            found.satellites[edge.second] = edge.first
    for near in nears:
        if near.everywhere:
            found.nears.append(near if near.first.base.partitioned or near.optional else near.swapped)
            continue
        for way in (near,) if near.optional else (near, near.swapped):
            if way.first in found.home and not _placed(found, way.second) and _directors(way.first, way.second):
                found.satellites[way.second] = way.first
                found.nears.append(way)
    return found if all(_placed(found, relation) for relation in wanted) else None


def _directors(first: Relation, second: Relation) -> bool:
    return all(each.table is not None and each.table.kind is TableKind.DIRECTOR for each in (first, second))


def _placed(found: Layout, relation: Relation) -> bool:
    return relation in found.home or relation in found.satellites


def overlap_of(near: Near) -> float:
    """How wide a neighbour search may be, in degrees: 0 where the two do not lie on one family's chunks."""
    one, other = near.first.table, near.second.table
    if one is None or other is None or one.family is None or one.family != other.family:
        return 0.0
    return one.family.overlap
