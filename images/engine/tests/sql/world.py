"""A small sky in DuckDB, cut as workers hold it, and an executor of plans: a stand-in for workers and czar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from differential.samples import OVERLAP, STRIPES, SUBSTRIPES, Sample, with_chunks
from qserv.catalog.model import (
    Catalog,
    Column,
    Database,
    Family,
    FileKind,
    MatchSide,
    Table,
    TableKind,
)
from qserv.catalog.spec import TableSpec
from qserv.catalog.types import SqlType
from qserv.sky.chunker import Partitioning
from qserv.sky.overlap import overlap_rows
from qserv.sql.beforehand import Given, bound
from qserv.sql.plan import KeyLookup, Leaf, Plan, Source
from qserv.sql.planner import plan
from qserv.worker.pairs import Pairs, Room

BATCHES = 5
FAMILY = Family(1, STRIPES, SUBSTRIPES, OVERLAP)

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Outcome:
    columns: tuple[str, ...]
    rows: Rows
    plan: Plan
    asked: tuple[int, ...]  # of each leaf: how many chunks


class World:
    """Tables in memory; ``main_<id>`` and ``overlap_<id>`` are what a worker's files would hold."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, samples: Iterable[Sample]) -> None:
        self.connection = connection
        self.room = Room(ThreadPoolExecutor(2), 2, 1 << 30)
        databases: dict[str, Database] = {}
        self.held: dict[int, frozenset[int]] = {}
        number = 0
        for sample in samples:
            tables: dict[str, Table] = {}
            placed = with_chunks(sample)
            for spec in sample.spec.tables:
                number += 1
                table = _table(number, sample.spec.database, spec)
                tables[table.name.casefold()] = table
                self._load(table, placed[spec.name])
            databases[sample.spec.database.casefold()] = Database(sample.spec.database, FAMILY, tables)
        self.catalog = Catalog(1, databases)

    def _load(self, table: Table, rows: pa.Table) -> None:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        self.connection.register("incoming", rows)
        self.connection.execute(f"CREATE TABLE main_{table.id} AS SELECT {names} FROM incoming")
        self.connection.unregister("incoming")
        if table.partitioned:
            self.held[table.id] = frozenset(rows["chunkId"].to_pylist())
        if table.kind is TableKind.DIRECTOR:
            assert table.position is not None
            ra, decl = (rows[name].to_numpy() for name in table.position)
            partitioning = Partitioning(STRIPES, SUBSTRIPES)
            found = overlap_rows(partitioning, ra, decl, rows["chunkId"].to_numpy(), OVERLAP)
            kept = rows.take(pa.array(found.row)).append_column("hostChunkId", pa.array(found.host.astype(np.int32)))
            self.connection.register("incoming", kept)
            self.connection.execute(f'CREATE TABLE overlap_{table.id} AS SELECT {names}, "hostChunkId" FROM incoming')
            self.connection.unregister("incoming")

    def ask(self, sql: str, database: str | None) -> Outcome:
        """The answer to a query, as a czar would give it."""
        return self.run(plan(sql, self.catalog, database))

    def run(self, found: Plan) -> Outcome:
        answers: list[Given] = []
        asked: list[int] = []
        for each in found.before:
            rows, chunks = self._rows(bound(each.plan, answers))
            answer = list(zip(*rows.to_pydict().values(), strict=True))
            asked += chunks
            if len(answer) > each.most:
                assert found.otherwise is not None, "Subquery returns more than 1 row"
                return self.run(found.otherwise)
            answers.append(Given.of(each, answer))
        rows, chunks = self._rows(bound(found, answers))
        return Outcome(found.columns, _rows(rows), found, (*asked, *chunks))

    def _rows(self, found: Plan) -> tuple[pa.Table, list[int]]:
        tables: dict[str, pa.Table] = {}
        asked = []
        for leaf in found.leaves:
            chunks = self.chunks(leaf)
            asked.append(len(chunks))
            tables[leaf.name] = self._leaf(leaf, chunks)
        if found.merge is None:
            (leaf,) = found.leaves
            return tables[leaf.name].slice(0, leaf.limit), asked
        for name, table in tables.items():
            self.connection.register(name, table)
        try:
            rows = self.connection.sql(found.merge).to_arrow_table()
        finally:
            for name in tables:
                self.connection.unregister(name)
        return rows, asked

    def chunks(self, leaf: Leaf) -> tuple[int, ...]:
        """The chunks that a leaf would be sent to."""
        if leaf.family is None:
            return ()
        found = frozenset.union(*self.held.values())
        for index in leaf.required:
            found &= self.held[leaf.sources[index].table.id] | self._overlapped(leaf, index)
        if leaf.restriction.chunks is not None:
            found &= leaf.restriction.chunks
        for lookup in leaf.restriction.lookups:
            found &= self._where(lookup)
        return tuple(sorted(found))

    def _overlapped(self, leaf: Leaf, index: int) -> frozenset[int]:
        if leaf.sources[index].kind is not FileKind.OVERLAP:
            return frozenset()
        hosts = self.connection.sql(
            f"SELECT DISTINCT hostChunkId FROM overlap_{leaf.sources[index].table.id}"
        ).fetchall()
        return frozenset(host for (host,) in hosts)

    def _where(self, lookup: KeyLookup) -> frozenset[int]:
        table, key = lookup.director, lookup.director.key
        terms = []
        if lookup.keys is not None:
            terms.append(f'"{key}" IN ({", ".join(str(each) for each in lookup.keys) or "NULL"})')
        if lookup.low is not None:
            terms.append(f'"{key}" >= {lookup.low}')
        if lookup.high is not None:
            terms.append(f'"{key}" <= {lookup.high}')
        rows = self.connection.sql(
            f"SELECT DISTINCT chunkId FROM main_{table.id} WHERE {' AND '.join(terms)}"
        ).fetchall()
        return frozenset(chunk for (chunk,) in rows)

    def _leaf(self, leaf: Leaf, chunks: tuple[int, ...]) -> pa.Table:
        if leaf.family is None:
            return self._batch(leaf, ())
        batches = [self._batch(leaf, chunks[start::BATCHES]) for start in range(min(BATCHES, len(chunks)) or 1)]
        return pa.concat_tables(batches)

    def _batch(self, leaf: Leaf, chunks: tuple[int, ...]) -> pa.Table:
        views = [_view(source, chunks) for source in leaf.sources]

        def over(sql: str) -> str:
            return re.sub(r"read_parquet\(\$s(\d+)\)", lambda match: views[int(match[1])], sql)

        steps = [
            step.model_copy(update={"first": over(step.first), "second": step.second and over(step.second)})
            for step in leaf.steps
        ]
        cursor = self.connection.cursor()
        pairs = Pairs(steps, cursor, self.room)
        pairs.begin({})
        rows = cursor.sql(over(leaf.sql)).to_arrow_table()
        pairs.close()
        cursor.close()
        return rows


def _view(source: Source, chunks: tuple[int, ...]) -> str:
    if not source.table.partitioned:
        return f"main_{source.table.id}"
    kind, column = ("overlap", "hostChunkId") if source.kind is FileKind.OVERLAP else ("main", "chunkId")
    listed = ", ".join(str(chunk) for chunk in chunks) or "NULL"
    return f'(SELECT * FROM {kind}_{source.table.id} WHERE "{column}" IN ({listed}))'


def _rows(table: pa.Table) -> Rows:
    columns = [_shown(column) for column in table.columns]
    return list(zip(*columns, strict=True))


def _shown(column: pa.ChunkedArray) -> list[object]:
    """The values as MySQL shows them: a FLOAT has six digits."""
    if pa.types.is_float32(column.type):
        return [None if value is None else float(f"{value:.6g}") for value in column.to_pylist()]
    values: list[object] = column.to_pylist()
    return values


def _table(number: int, database: str, spec: TableSpec) -> Table:
    columns = [Column(column.name, SqlType.parse(column.type)) for column in spec.columns or ()]
    if spec.kind is not TableKind.REPLICATED:
        columns += [Column(name, SqlType.parse("INT")) for name in ("chunkId", "subChunkId")]
    partitioned = spec.kind is not TableKind.REPLICATED
    return Table(
        number,
        database,
        spec.name,
        spec.kind,
        tuple(columns),
        FAMILY if partitioned else None,
        spec.key,
        spec.unique,
        spec.position,
        _named(database, spec.director) if spec.director else None,
        _sides(database, spec),
        spec.radius,
        1 / 3600 if spec.kind is TableKind.CHILD else 0.0,
    )


def _named(database: str, written: str) -> tuple[str, str]:
    first, _, second = written.rpartition(".")
    return first or database, second


def _sides(database: str, spec: TableSpec) -> tuple[MatchSide, MatchSide] | None:
    if spec.directors is None or spec.keys is None:
        return None
    one, other = (MatchSide(*_named(database, each), key) for each, key in zip(spec.directors, spec.keys, strict=True))
    return one, other
