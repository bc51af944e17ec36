"""Where a block runs: as a leaf on workers where its rows lie together, else over fetched tables on the czar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qserv.catalog.errors import RadiusAboveOverlap
from qserv.catalog.messages import PairStep
from qserv.catalog.model import Family, FileKind
from qserv.sql.block import Block, Written
from qserv.sql.emit import Files, columns_of, from_where
from qserv.sql.local import LocalRows
from qserv.sql.locality import Layout, layout, overlap_of
from qserv.sql.neighbour import nears
from qserv.sql.plan import Leaf, Restriction
from qserv.sql.restrict import Restrictor
from qserv.sql.rows import Rows
from qserv.sql.scope import Relation
from qserv.sql.source import Condition

if TYPE_CHECKING:
    from qserv.sql.planner import Planner


class Placing:
    """Adds the leaves of one block to the planner, and says what the czar runs over them."""

    def __init__(self, planner: Planner, block: Block) -> None:
        self.planner = planner
        self.block = block
        self.found = block.source

    def rows(self) -> Rows:
        self.written = self.block.write()
        restrictor = Restrictor(self.planner, self.block)
        self.areas = {relation: restrictor.cuts(relation) for relation in self.found.relations}
        if self._single_place():
            found = self._layout()
            if found is not None:
                return self._leaf(found, restrictor)
        return self._fetched(restrictor)

    def _layout(self) -> Layout | None:
        """How the tables lie.

        Raises
        ------
        RadiusAboveOverlap
            Where they would lie together if the overlap were wide enough for a neighbour condition.
        """
        wanted = nears(self.found)
        within = [near for near in wanted if near.everywhere or near.radius <= overlap_of(near)]
        found = layout(self.found, within)
        above = [near for near in wanted if near not in within and not near.optional]
        if found is None and above and layout(self.found, wanted) is not None:
            widest = max(above, key=lambda near: near.radius)
            raise RadiusAboveOverlap(
                f"the radius {widest.radius:g} of the neighbour search is above the overlap of the chunks, "
                f"{overlap_of(widest):g} degrees: search within that"
            )
        return found

    def _single_place(self) -> bool:
        conditions = [*self.found.where, *(each for source in self.found.sources for each in source.on)]
        return (
            bool(self.found.sources)
            and not (self.block.nested or self.block.scope.correlated)
            and not (self.block.windowed and not self.block.grouped)
            and not any(condition.nested or condition.outer for condition in conditions)
        )

    def _rows(self, sql: str, leaf: str | None = None) -> Rows:
        return Rows(sql, self.written.columns, bool(self.written.tail.keys), leaf)

    def _leaf(self, found: Layout, restrictor: Restrictor) -> Rows:
        files = Files()
        written = self.written
        rows = LocalRows(self.found, found, files, self.areas, f"{written.select}{written.closing}")
        text = written.inner(rows.sql)
        leaf_name = f"leaf{len(self.planner.leaves)}"
        if found.family is None:
            text = text if written.plain else written.outer(f"({text})")
            self._add(leaf_name, text, files, None, (), Restriction(), steps=rows.steps)
            return self._rows(f"SELECT * FROM {leaf_name}", leaf_name)
        required = self._required(files, found)
        restriction = restrictor.restriction(found)
        self._add(leaf_name, text, files, found.family, required, restriction, written.enough, rows.steps)
        if written.middle is None and _streams(written):
            return self._rows(f"SELECT * FROM {leaf_name}{written.tail.limit.sql}", leaf_name)
        return self._rows(written.outer(leaf_name))

    def _required(self, files: Files, found: Layout) -> tuple[int, ...]:
        return tuple(files.index(relation) for relation in found.home if not relation.optional)

    def _add(
        self,
        leaf_name: str,
        sql: str,
        files: Files,
        family: Family | None,
        required: tuple[int, ...],
        restriction: Restriction,
        limit: int | None = None,
        steps: tuple[PairStep, ...] = (),
    ) -> None:
        sources = tuple(files.sources)
        self.planner.leaves.append(
            Leaf(leaf_name, sql, sources, family, tuple(dict.fromkeys(required)), restriction, limit, steps)
        )

    def _fetched(self, restrictor: Restrictor) -> Rows:
        """The block over its tables' rows, brought to the czar with their filters and columns pushed down."""
        reads: dict[Relation, str] = {}
        for source in self.found.sources:
            rows = f"({source.sql})" if source.sql is not None else self._fetch(source.relation, restrictor)
            reads[source.relation] = f"{rows} AS {source.relation.sql_name}"
        inner = self.written.inner(
            from_where(self.found, reads.__getitem__, restrictor.predicates()) if reads else self._no_table()
        )
        return self._rows(inner if self.written.plain else self.written.outer(f"({inner})"))

    def _no_table(self) -> str:
        conditions = [condition.sql for condition in self.found.where]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _fetch(self, relation: Relation, restrictor: Restrictor) -> str:
        files = Files()
        alone = [condition for condition in self._pushable(relation) if condition.uses <= {relation}]
        predicates = [each.sql for each in alone if not (each.nested or each.outer)] + restrictor.cuts(relation)
        where = f" WHERE {' AND '.join(predicates)}" if predicates else ""
        leaf_name = f"leaf{len(self.planner.leaves)}"
        sql = f"SELECT {columns_of(relation)} FROM {files.read(relation)} AS {relation.sql_name}{where}"
        table = relation.base
        family = table.family if table.partitioned else None
        restriction = restrictor.alone(relation) if table.partitioned else Restriction()
        required = (files.index(relation, FileKind.MAIN),) if table.partitioned else ()
        self._add(leaf_name, sql, files, family, required, restriction)
        return leaf_name

    def _pushable(self, relation: Relation) -> list[Condition]:
        """The conditions that may be tried before the relation is joined."""
        for group in self.found.groups():
            if group[0].join == "LEFT" and any(source.relation is relation for source in group):
                return [condition for source in group for condition in source.on]
        return self.found.where


def _streams(written: Written) -> bool:
    """Whether any rows of the leaf, as many as asked for, are the answer."""
    tail = written.tail
    return not tail.keys and not tail.distinct and not tail.limit.offset and written.enough == tail.limit.count
