"""How dense tables are on the sky, by which the planner chooses the cells of neighbour joins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from qserv.catalog.model import Catalog, ChunkFiles, Family, Placement, Table
from qserv.sky.chunker import Partitioning


class Densities(Mapping[int, float]):
    """Rows in a square degree of chunks that have any, by the id of a partitioned table; computed when asked for."""

    def __init__(self, catalog: Catalog, placement: Placement, known: dict[tuple[int, int], float]) -> None:
        """``known`` keeps what was computed, by version of the placement and table id, for the next query."""
        self._catalog = catalog
        self._placement = placement
        self._known = known

    def __getitem__(self, table_id: int) -> float:
        key = (self._placement.version, table_id)
        if key not in self._known:
            table = next((table for table in self._tables() if table.id == table_id), None)
            if table is None or table.family is None:
                raise KeyError(table_id)
            if any(version != self._placement.version for version, _ in self._known):
                self._known.clear()
            self._known[key] = _density(table.family, self._placement.files[table_id])
        return self._known[key]

    def __iter__(self) -> Iterator[int]:
        return (table.id for table in self._tables())

    def __len__(self) -> int:
        return sum(1 for _ in self._tables())

    def _tables(self) -> Iterator[Table]:
        for database in self._catalog.databases.values():
            yield from (t for t in database.tables.values() if t.family and self._placement.files.get(t.id))


def _density(family: Family, chunks: Mapping[int, ChunkFiles]) -> float:
    rows = {chunk: files.rows for chunk, files in chunks.items() if files.rows}
    if not rows:
        return 0.0
    areas = Partitioning.of(family).areas(np.fromiter(rows, np.int64, len(rows)))
    return sum(rows.values()) / float(areas.sum())
