"""Which chunks can hold rows of the answer: by areas, director keys and chunk numbers in the conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsst import sphgeom
from sqlglot import exp

from qserv.catalog.errors import UnknownFunction, WrongArguments
from qserv.catalog.model import Family, TableKind
from qserv.sky import regions
from qserv.sky.chunker import partitioning
from qserv.sql.block import Block
from qserv.sql.constants import constant_number, constant_numbers
from qserv.sql.locality import CHUNK, Layout, home_keys
from qserv.sql.plan import KeyLookup, Restriction
from qserv.sql.scope import Relation
from qserv.sql.source import Condition
from qserv.sql.translate import AREASPEC, Translator
from qserv.sql.values import Kind

if TYPE_CHECKING:
    from qserv.sql.planner import Planner

_SLACK = 1e-9
"""Degrees by which bounds are widened against rounding."""
_POINT_IN = ("s2ptinbox", "s2ptincircle", "s2ptinellipse", "s2ptincpoly")


@dataclass(frozen=True)
class Area:
    """A restrictor of WHERE: its region, and the scisql function with its arguments that says the same of a row."""

    region: sphgeom.Region
    function: str
    arguments: list[exp.Expr]


class Restrictor:
    """Reads the restricting conditions of a block."""

    def __init__(self, planner: Planner, block: Block) -> None:
        self.block = block
        self.translator = Translator(block.scope, planner, "where clause")
        self.areas = [self._area(node) for node in block.areas]
        self.targets = self._targets() if self.areas else []

    def _area(self, node: exp.Anonymous) -> Area:
        kind = node.name.lower().removeprefix(AREASPEC)
        if kind not in {each.value for each in regions.Shape}:
            raise UnknownFunction(f"FUNCTION {node.name} does not exist")
        constants = constant_numbers(node.expressions)
        if constants is None:
            raise WrongArguments(f"{node.name} takes constant numbers alone")
        function = {"poly": "scisql_s2PtInCPoly"}.get(kind, f"scisql_s2PtIn{kind.capitalize()}")
        return Area(regions.region(regions.Shape(kind), constants), function, node.expressions)

    def _targets(self) -> list[Relation]:
        """The relations whose rows an area cuts: directors, else what has a position."""
        placed = [each for each in self.block.source.relations if each.table is not None and each.position]
        directors = [each for each in placed if each.table and each.table.kind is TableKind.DIRECTOR]
        children = [each for each in placed if each.table and each.table.kind is TableKind.CHILD]
        found = directors or children or placed
        if not found:
            raise WrongArguments("an area restricts tables with a position; none of FROM has one")
        return found

    def cuts(self, relation: Relation) -> list[str]:
        """The predicates that areas are for the rows of one relation, after the bounds of declination of all its
        regions: these are redundant, but the statistics of Parquet files can use them."""
        return [*self._declinations(relation), *self._area_of(relation)]

    def _declinations(self, relation: Relation) -> Iterator[str]:
        if relation.table is None or relation.table.position is None:
            return
        for region in self._regions(relation):
            latitudes = region.getBoundingBox().getLat()
            low, high = latitudes.getA().asDegrees() - _SLACK, latitudes.getB().asDegrees() + _SLACK
            decl = relation.column(relation.table.position[1])
            if decl is not None and decl.kind is Kind.DOUBLE and (low > -90 or high < 90):
                yield f"({decl.sql} BETWEEN {low!r} AND {high!r})"

    def _area_of(self, relation: Relation) -> list[str]:
        if relation not in self.targets or relation.table is None or relation.table.position is None:
            return []
        ra, decl = relation.table.position
        columns = [exp.column(each, table=relation.alias, db=relation.database, quoted=True) for each in (ra, decl)]
        found = []
        for area in self.areas:
            call = exp.Anonymous(this=area.function, expressions=[*columns, *(each.copy() for each in area.arguments)])
            found.append(f"({self.translator.value(call).sql} = 1)")
        return found

    def predicates(self) -> list[str]:
        return [predicate for relation in self.block.source.relations for predicate in self.cuts(relation)]

    def restriction(self, found: Layout) -> Restriction:
        """The chunks of a leaf whose relations lie as ``found`` says."""
        chunks: frozenset[int] | None = None
        lookups: list[KeyLookup] = []
        if found.family is None:
            return Restriction()
        for relation in found.home:
            if not relation.optional:
                chunks = _both(chunks, self._chunks(relation, found.family, 0.0))
                lookups += self._lookups(relation)
            if not relation.optional and relation.local is not None:
                chunks = _both(chunks, relation.local.restriction.chunks)
                lookups += relation.local.restriction.lookups
        for relation in found.satellites:
            if not relation.optional:
                chunks = _both(chunks, self._region_chunks(relation, found.family, found.family.overlap))
        return Restriction(chunks, tuple(dict.fromkeys(lookups)))

    def alone(self, relation: Relation) -> Restriction:
        """The chunks of one table that is fetched."""
        if relation.optional or relation.table is None or relation.table.family is None:
            return Restriction()
        return Restriction(
            self._chunks(relation, relation.table.family, 0.0), tuple(dict.fromkeys(self._lookups(relation)))
        )

    def _chunks(self, relation: Relation, family: Family, margin: float) -> frozenset[int] | None:
        chunks = self._region_chunks(relation, family, margin)
        for condition in self._own(relation):
            chunks = _both(chunks, self._numbered(condition, relation, family))
        return chunks

    def _region_chunks(self, relation: Relation, family: Family, margin: float) -> frozenset[int] | None:
        chunks: frozenset[int] | None = None
        cut = partitioning(family.stripes, family.substripes)
        for region in self._regions(relation):
            chunks = _both(chunks, regions.chunks(cut, region, margin + relation.base.margin))
        return chunks

    def _regions(self, relation: Relation) -> Iterator[sphgeom.Region]:
        if relation in self.targets:
            yield from (area.region for area in self.areas)
        for condition in self._own(relation):
            region = self._point_in(condition.node, relation)
            if region is not None:
                yield region

    def _own(self, relation: Relation) -> list[Condition]:
        return [each for each in self.block.source.where if each.uses == {relation} and not (each.nested or each.outer)]

    def _point_in(self, node: exp.Expr | None, relation: Relation) -> sphgeom.Region | None:
        """The region of ``scisql_s2PtIn…(ra, decl, constants) = 1`` on the relation's own position."""
        if isinstance(node, exp.EQ):
            sides = (node.this.unnest(), node.expression.unnest())
            call = next((side for side in sides if isinstance(side, exp.Anonymous)), None)
            if call is None or constant_number(sides[1] if call is sides[0] else sides[0]) != 1:
                return None
        elif isinstance(node, exp.Anonymous):
            call = node
        else:
            return None
        kind = call.name.lower().removeprefix("scisql_")
        if kind not in _POINT_IN or relation.table is None or relation.table.position is None:
            return None
        first = [self._origin(each) for each in call.expressions[:2]]
        wanted = [(relation, each) for each in relation.table.position]
        if [(each[0], each[1].casefold()) for each in first if each] != [(r, c.casefold()) for r, c in wanted]:
            return None
        constants = constant_numbers(call.expressions[2:])
        if constants is None:
            return None
        return regions.region(regions.Shape(kind.removeprefix("s2ptin").replace("cpoly", "poly")), constants)

    def _origin(self, node: exp.Expr) -> tuple[Relation, str] | None:
        if not isinstance(node.unnest(), exp.Column):
            return None
        return self.translator.value(node).origin

    def _numbered(self, condition: Condition, relation: Relation, family: Family) -> frozenset[int] | None:
        """The chunks that a condition on ``chunkId`` names."""
        columns = [column for column, key in home_keys(relation).items() if key == CHUNK]
        bounds = next((found for each in columns if (found := self._bounds(condition.node, relation, each))), None)
        if bounds is None:
            return None
        if bounds.values is not None:
            return frozenset(bounds.values)
        chunker = partitioning(family.stripes, family.substripes).chunker
        return frozenset(each for each in chunker.getAllChunks() if bounds.holds(each))

    def _lookups(self, relation: Relation) -> Iterator[KeyLookup]:
        for column, key in home_keys(relation).items():
            director = self.translator.planner.catalog.table(*key)
            for condition in self._own(relation) if director is not None else ():
                bounds = self._bounds(condition.node, relation, column)
                if bounds is not None and director is not None:
                    yield KeyLookup(director, bounds.values, bounds.low, bounds.high)
            for condition in self.block.source.where if director is not None else ():
                answer = self._answer(condition, relation, column)
                if answer is not None and director is not None:
                    yield KeyLookup(director, answer=answer)

    def _answer(self, condition: Condition, relation: Relation, column: str) -> tuple[int, int] | None:
        """The preliminary's number and column that a key is equal to: of a derived table, a value or a list."""
        key = (relation, column.casefold())
        for (one, name), (other, wanted) in (condition.equal, condition.equal[::-1]) if condition.equal else ():
            if (one, name.casefold()) == key and other.local is not None and other.local.answer is not None:
                return other.local.answer, int(wanted.removeprefix("c"))
        if condition.outer or condition.uses & set(self.block.source.relations) - {relation}:
            return None
        for side, number in self._answered(condition):
            origin = self._origin(side)
            if number is not None and origin is not None and (origin[0], origin[1].casefold()) == key:
                return number, 0
        return None

    def _answered(self, condition: Condition) -> Iterator[tuple[exp.Expr, int | None]]:
        """What a condition says to be equal to the value, or to one of the rows, of a preliminary; and which."""
        node, planner = condition.node, self.translator.planner
        if isinstance(node, exp.EQ):
            yield node.this, planner.answer_of(node.expression)
            yield node.expression, planner.answer_of(node.this)
        elif isinstance(node, exp.In):
            for nested in planner.marks.of(condition.sql):
                yield node.this, nested.rows.local.answer if nested.rows.local is not None else None

    def _bounds(self, node: exp.Expr | None, relation: Relation, column: str) -> Bounds | None:
        """What a condition says of an integer column."""
        found = _compared(node)
        if found is None:
            return None
        subject, bounds = found
        origin = self._origin(subject)
        if origin is None or origin[0] is not relation or origin[1].casefold() != column.casefold():
            return None
        return bounds


@dataclass(frozen=True)
class Bounds:
    """Whole numbers that a column may have: one of ``values``, or from ``low`` to ``high`` (None: open)."""

    values: tuple[int, ...] | None = None
    low: int | None = None
    high: int | None = None

    def holds(self, number: int) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.GT,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.GTE: exp.LTE,
}


def _compared(node: exp.Expr | None) -> tuple[exp.Expr, Bounds] | None:
    """The side of a comparison that is compared with whole constants, and with which."""
    if isinstance(node, exp.In) and node.args.get("query") is None:
        values = [constant_number(each) for each in node.expressions]
        whole = tuple(each for each in values if isinstance(each, int))
        return (node.this.unnest(), Bounds(tuple(dict.fromkeys(whole)))) if len(whole) == len(values) else None
    if isinstance(node, exp.Between):
        low, high = constant_number(node.args["low"]), constant_number(node.args["high"])
        return (node.this.unnest(), Bounds(None, low, high)) if isinstance(low, int) and isinstance(high, int) else None
    if type(node) not in _FLIPPED or node is None:
        return None
    kind, subject, other = type(node), node.this, node.expression
    if constant_number(subject) is not None:
        kind, subject, other = _FLIPPED[kind], other, subject
    constant = constant_number(other)
    if not isinstance(constant, int):
        return None
    return subject.unnest(), _of_comparison(kind, constant)


def _of_comparison(kind: type[exp.Expr], constant: int) -> Bounds:
    if kind is exp.EQ:
        return Bounds((constant,))
    if kind in (exp.LT, exp.LTE):
        return Bounds(None, None, constant - (kind is exp.LT))
    return Bounds(None, constant + (kind is exp.GT), None)


def _both(first: frozenset[int] | None, second: frozenset[int] | None) -> frozenset[int] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
