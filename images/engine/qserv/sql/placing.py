"""Where a block runs: as a leaf on workers where its rows lie together, else over fetched tables on the czar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from qserv.catalog.errors import RadiusAboveOverlap
from qserv.catalog.messages import PairStep
from qserv.catalog.model import Family, FileKind
from qserv.sql.block import Block, Written
from qserv.sql.emit import Files, columns_of, from_where
from qserv.sql.local import LocalRows
from qserv.sql.locality import Key, Layout, home_keys, key_of, layout, overlap_of
from qserv.sql.neighbour import nears
from qserv.sql.nested import Nested
from qserv.sql.plan import Leaf, Restriction
from qserv.sql.restrict import Restrictor
from qserv.sql.rows import Local, Rows, everywhere
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From
from qserv.sql.tail import Limit

if TYPE_CHECKING:
    from qserv.sql.planner import Planner


class Placing:
    """Adds the leaves of one block to the planner, and says what the czar runs over them.

    ``start``: how many leaves there were before the block's own queries were planned. ``part``: it stands in another.
    """

    def __init__(self, planner: Planner, block: Block, start: int, *, part: bool) -> None:
        self.planner = planner
        self.block = block
        self.start = start
        self.part = part
        self.found = block.source

    def rows(self) -> Rows:
        found = self._layout() or self._answered()
        complete = found is not None and self._complete(found)
        if complete:
            self.block.complete()
        self.written = self.block.write()
        restrictor = Restrictor(self.planner, self.block)
        self.areas = {relation: restrictor.cuts(relation) for relation in self.found.relations}
        answered = found is not None and self._nested_answered(found)
        self.restriction = restrictor.restriction(found) if found is not None else Restriction()
        if found is None or not answered:
            return self._fetched(restrictor)
        local = self._local(found) if complete and self.part else None
        if self.block.scope.correlated or (self.block.windowed and not (complete or self.block.grouped)):
            return replace(self._fetched(restrictor), local=local)
        return replace(self._leaf(found), local=local)

    def _complete(self, found: Layout) -> bool:
        """Whether all rows that the block looks at together lie in one chunk."""
        if self.block.grouped and self.block.windowed:
            return False
        if found.family is None:
            return True
        if found.beside:
            return all(self.planner.unique(key) for each in found.beside for key in home_keys(each).values())
        keys = [[self._key(found, *origin) for origin in part] for part in self.block.brought_together()]
        return all(any(part) for part in keys)

    def _key(self, found: Layout, relation: Relation, column: str) -> Key | None:
        """The key that a column holds, all of whose rows lie in the chunk of the block's row."""
        key = key_of(relation, column)
        if key is None or not key[1] or relation not in found.home or relation.optional:
            return None
        return key[0] if self.planner.unique(key[0]) else None

    def _nested_answered(self, found: Layout) -> bool:
        """Whether every subquery can be answered where it stands, on workers, but for what the czar ends; or before."""
        marks, written = self.planner.marks, self.written
        inside = [*marks.of_rows(self.found), *marks.of(written.select, written.closing)]
        ending = marks.of(*written.middle) if written.middle is not None else []
        if self.block.completed:
            inside, ending = inside + ending, []
        if any(each.rows.correlated for each in ending):
            return False
        return self.planner.answer_lists([each for each in inside if not each.lies(found)])

    def _local(self, found: Layout) -> Local | None:
        """How workers answer the block as a part of another's statement; None where they cannot."""
        if found.nears or not (found.family is None or found.beside or self.block.limit == Limit()):
            return None

        def write(files: Files) -> str:
            rows, written = self._with_queries(lambda nested: _on_workers(nested, files))
            outside = f"{written.select}{written.closing}"
            inner = written.inner(LocalRows(rows, found, files, self.areas, outside).sql)
            return inner if written.plain else written.outer(f"({inner})")

        keys = {
            f"c{index}": key
            for index, origin in enumerate(self.block.origins())
            if origin is not None and (key := self._key(found, *origin)) is not None
        }
        beside = frozenset(found.beside)
        return Local(found.family, write, keys, beside, self._needed(found), self.restriction)

    def _with_queries(self, write: Callable[[Nested], str]) -> tuple[From, Written]:
        marks = self.planner.marks
        return marks.written_rows(self.found, write), marks.written_block(self.written, write)

    def _layout(self) -> Layout | None:
        """How the tables lie.

        Raises
        ------
        RadiusAboveOverlap
            Where they would lie together if the overlap were wide enough for a neighbour condition.
        """
        relations = self.found.relations
        if not relations:
            return None
        wanted = [near for near in nears(self.found) if near.first in relations and near.second in relations]
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

    def _answered(self) -> Layout | None:
        """How the tables lie where derived tables are answered before, as then these lie everywhere: those alone that
        workers cannot answer beside the others, or all."""
        derived = [each for each in self.found.sources if each.query is not None and self.planner.apart(each.query)]
        if not self.planner.lists or not derived:
            return None
        for answered in ([each for each in derived if each.relation.local is None], derived):
            before = [source.relation.local for source in answered]
            for source in answered:
                source.relation.local = everywhere("", -1)
            found = self._layout()
            if found is not None and found.family is not None:
                for source in answered:
                    self.planner.answer_derived(source)
                return found
            for source, local in zip(answered, before, strict=True):
                source.relation.local = local
        return None

    def _rows(self, sql: str, leaf: str | None = None) -> Rows:
        written, correlated = self.written, self.block.scope.correlated
        return Rows(sql, written.columns, bool(written.tail.keys), leaf, correlated=correlated)

    def _leaf(self, found: Layout) -> Rows:
        files = Files()
        ending = self.planner.marks.of(*self.written.middle or ()) if not self.block.completed else []
        kept = frozenset(leaf for nested in ending for leaf in nested.leaves)
        self.planner.drop_leaves(self.start, kept)
        found_rows, written = self._with_queries(
            lambda nested: nested.rows.sql if nested in ending else _on_workers(nested, files)
        )
        written = written.completed if self.block.completed else written
        rows = LocalRows(found_rows, found, files, self.areas, f"{written.select}{written.closing}")
        text = written.inner(rows.sql)
        leaf_name = self.planner.leaf_name()
        if found.family is None:
            text = text if written.plain else written.outer(f"({text})")
            self._add(leaf_name, text, files, None, (), Restriction(), steps=rows.steps)
            return self._rows(f"SELECT * FROM {leaf_name}", leaf_name)
        required = tuple(files.index(relation) for relation in self._needed(found))
        self._add(leaf_name, text, files, found.family, required, self.restriction, written.enough, rows.steps)
        if written.middle is None and _streams(written):
            return self._rows(f"SELECT * FROM {leaf_name}{written.tail.limit.sql}", leaf_name)
        return self._rows(written.outer(leaf_name))

    def _needed(self, found: Layout) -> tuple[Relation, ...]:
        """The tables without whose rows a chunk has nothing to answer."""
        needed: list[Relation] = []
        for relation in found.home:
            if not relation.optional:
                needed += [relation] if relation.local is None else relation.local.required
        return tuple(needed)

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
        sources, required = tuple(files.sources), tuple(dict.fromkeys(required))
        grouped = self.block.completed and self.written.middle is not None
        self.planner.leaves.append(Leaf(leaf_name, sql, sources, family, required, restriction, limit, steps, grouped))

    def _fetched(self, restrictor: Restrictor) -> Rows:
        """The block over its tables' rows, brought to the czar with their filters and columns pushed down."""
        reads: dict[Relation, str] = {}
        for source in self.found.sources:
            rows = f"({source.sql})" if source.sql is not None else self._fetch(source.relation, restrictor)
            reads[source.relation] = f"{rows} AS {source.relation.sql_name}"
        found, written = self._with_queries(lambda nested: nested.rows.sql)
        text = from_where(found, reads.__getitem__, restrictor.predicates()) if reads else _no_table(found)
        inner = written.inner(text)
        return self._rows(inner if written.plain else written.outer(f"({inner})"))

    def _fetch(self, relation: Relation, restrictor: Restrictor) -> str:
        files = Files()
        alone = [condition for condition in self._pushable(relation) if condition.uses <= {relation}]
        predicates = [each.sql for each in alone if not (each.nested or each.outer or each.random)] + restrictor.cuts(
            relation
        )
        where = f" WHERE {' AND '.join(predicates)}" if predicates else ""
        leaf_name = self.planner.leaf_name()
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


def _on_workers(nested: Nested, files: Files) -> str:
    if nested.rows.local is None:
        raise LookupError("a query that workers cannot answer")
    return nested.rows.local.write(files)


def _no_table(found: From) -> str:
    conditions = [condition.sql for condition in found.where]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _streams(written: Written) -> bool:
    """Whether any rows of the leaf, as many as asked for, are the answer."""
    tail = written.tail
    return not tail.keys and not tail.distinct and not tail.limit.offset and written.enough == tail.limit.count
