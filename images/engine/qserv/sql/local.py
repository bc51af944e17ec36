"""FROM and WHERE of a leaf: files of a chunk, those of its overlap for satellites, cells for neighbours."""

from __future__ import annotations

from collections.abc import Mapping

from qserv.catalog.model import CHUNK_COLUMN, HOST_COLUMN, FileKind
from qserv.sql.emit import Files, columns_of, from_where
from qserv.sql.locality import Layout
from qserv.sql.neighbour import DEFAULT_DENSITY, Cells, Stats, cell_size
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From, Source
from qserv.sql.values import name

_HOST = '"q:host"'


class LocalRows:
    """Writes the rows of a block whose relations lie as ``layout`` says. ``areas`` are the predicates of
    restrictors on each."""

    def __init__(
        self, found: From, layout: Layout, files: Files, areas: Mapping[Relation, list[str]], stats: Stats
    ) -> None:
        self.found = found
        self.layout = layout
        self.files = files
        self.areas = areas
        self.cells = [
            Cells(near, number, cell_size(stats.density.get(_id(near.second), DEFAULT_DENSITY), near.radius))
            for number, near in enumerate(layout.nears)
        ]

    def sql(self) -> str:
        extra = [predicate for predicates in self.areas.values() for predicate in predicates]
        sources = {source.relation: source for source in self.found.sources}
        for satellite, host in self.layout.satellites.items():
            host.column(CHUNK_COLUMN)
            same = f"{satellite.sql_name}.{_HOST} = {host.sql_name}.{name(CHUNK_COLUMN)}"
            if satellite.optional:
                sources[satellite] = self._hosted(sources[satellite], same)
            else:
                extra.append(same)
        for cells in self.cells:
            extra += cells.predicates
        decided = {id(cells.near.condition) for cells in self.cells}
        where = [condition for condition in self.found.where if id(condition) not in decided]
        return from_where(From(list(sources.values()), where), self._read, extra)

    @staticmethod
    def _hosted(source: Source, same: str) -> Source:
        return Source(source.relation, source.join, [*source.on, Condition(None, same, frozenset())], source.sql)

    def _read(self, relation: Relation) -> str:
        firsts = [cells for cells in self.cells if cells.near.first is relation]
        seconds = [cells for cells in self.cells if cells.near.second is relation]
        if relation not in self.layout.satellites and not firsts and not seconds:
            return self.files.read(relation)
        rows = self._satellite(relation) if relation in self.layout.satellites else self._home(relation)
        for cells in firsts:
            rows = cells.first(rows)
        for cells in seconds:
            rows = cells.second(rows)
        return rows

    def _home(self, relation: Relation) -> str:
        rows = f"{self.files.read(relation)} AS {relation.sql_name}"
        return f"(SELECT {columns_of(relation)} FROM {rows}{self._own(relation)})"

    def _satellite(self, relation: Relation) -> str:
        columns, rest = columns_of(relation), f"{relation.sql_name}{self._own(relation)}"
        parts = [
            f"SELECT {columns}, {name(column)} AS {_HOST} FROM {self.files.read(relation, kind)} AS {rest}"
            for kind, column in ((FileKind.MAIN, CHUNK_COLUMN), (FileKind.OVERLAP, HOST_COLUMN))
        ]
        return f"({' UNION ALL '.join(parts)})"

    def _own(self, relation: Relation) -> str:
        """The conditions on one relation alone, which are tried before its rows are repeated."""
        if relation.optional:
            return ""
        own = [each.sql for each in self.found.where if each.uses == {relation}]
        own += self.areas.get(relation, [])
        return f" WHERE {' AND '.join(own)}" if own else ""


def _id(relation: Relation) -> int:
    return relation.table.id if relation.table is not None else 0
