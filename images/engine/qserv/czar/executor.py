"""Carries out plans: from a statement to rows.

The order of a query: its snapshot; its plan; for each leaf the chunks that its restriction leaves, by look-ups in the
director index; dispatch to the workers; then the rows go straight to the client, or through the merge.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa

from qserv.catalog.errors import QservError, SubqueryRows, Unsupported
from qserv.catalog.flight import WorkerClient
from qserv.catalog.metadata import Metadata, Snapshot
from qserv.catalog.model import Catalog, Placement, WorkerFacts
from qserv.catalog.trust import Trust
from qserv.czar import lookup
from qserv.czar.cancelling import Permit
from qserv.czar.chunks import chunks_of
from qserv.czar.damage import Damage
from qserv.czar.dispatch import Ask, Dispatch, lane_of
from qserv.czar.holding import HoldingSpace
from qserv.czar.merge import Merger, Session
from qserv.czar.queries import Queries, Query
from qserv.sql.beforehand import Given, bound
from qserv.sql.plan import Leaf, Plan

Items = Generator[pa.RecordBatch | pa.Schema]


class Workers:
    """Open connections to workers, one an address."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._lock = threading.Lock()
        self._clients: dict[str, WorkerClient] = {}

    def __call__(self, worker: WorkerFacts) -> WorkerClient:
        with self._lock:
            found = self._clients.get(worker.flight)
            if found is None:
                found = self._clients[worker.flight] = WorkerClient(worker.flight, self._trust)
            return found

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


@dataclass(frozen=True, slots=True)
class Virtual:
    """Tables that are no catalog's but made for a query, such as ``information_schema``: rows by table id (below 0)."""

    catalog: Catalog
    rows: Mapping[int, Callable[[], pa.Table]] = field(default_factory=dict)


class Answer:
    """The rows of a query, as they come. Iterated once; ``close`` ends the query, wherever it is.

    ``schema`` has the names that the client sees.
    """

    def __init__(self, query: Query, plan: Plan, items: Items, ended: Callable[[QservError | None], None]) -> None:
        self.query = query
        self.warnings = plan.warnings
        self._items = items
        self._ended = ended
        try:
            first = next(items)
        except BaseException as error:
            self._fail(error)
            raise
        if not isinstance(first, pa.Schema):
            raise TypeError("the rows of a query begin with their schema")
        self.schema = pa.schema([pa.field(name, kind.type) for name, kind in zip(plan.columns, first, strict=True)])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for item in self._items:
                if isinstance(item, pa.RecordBatch):
                    self.query.rows += item.num_rows
                    yield item.rename_columns(self.schema.names)
        except BaseException as error:
            self._fail(error)
            raise
        self._ended(None)

    def close(self, reason: QservError | None = None) -> None:
        """Stop what still runs; ``reason``: why, if the query was not through."""
        if reason is not None:
            self.query.permit.revoke(reason)
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
        self._ended(reason)

    def _fail(self, error: BaseException) -> None:
        self._ended(error if isinstance(error, QservError) else QservError(f"the query stopped: {error}"))


class Executor:
    """Answers statements over the snapshot that is current when they come."""

    def __init__(self, metadata: Metadata, workers: Workers, merger: Merger, space: HoldingSpace) -> None:
        self._metadata = metadata
        self.workers = workers
        self.merger = merger
        self.space = space
        self.damage = Damage(metadata)
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="lookup")

    def snapshot(self) -> Snapshot:
        return self._metadata.snapshot()

    def answer(
        self, query: Query, plan: Plan, placement: Placement, queries: Queries, virtual: Virtual | None = None
    ) -> Answer:
        """Begin to answer; returns when the columns are known.

        Raises
        ------
        QservError
            Whatever stops the query before its first row.
        """
        run = _Run(self, query, plan, placement, virtual)
        return Answer(query, plan, run.items(), lambda error: queries.end(query, error))

    def chunks(self, leaf: Leaf, placement: Placement, permit: Permit) -> tuple[int, ...]:
        """The chunks that a leaf is asked of, by its restriction, its look-ups and the files there are."""
        chosen = leaf.restriction.chunks
        for wanted in leaf.restriction.lookups:
            if chosen is not None and not chosen:
                break
            found = lookup.find(wanted, placement, self.workers, self._pool, self.damage, permit)
            chosen = found if chosen is None else chosen & found
        return chunks_of(leaf, placement, chosen)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.damage.close()
        self.workers.close()
        self.merger.close()


class _Run:
    """One plan being carried out."""

    def __init__(
        self, executor: Executor, query: Query, plan: Plan, placement: Placement, virtual: Virtual | None
    ) -> None:
        self._executor = executor
        self._query = query
        self._plan = plan
        self._placement = placement
        self._virtual = virtual.rows if virtual else {}

    def items(self) -> Items:
        """The answer's schema, then its rows."""
        yield from self._rows(self._bound(self._plan))

    def _bound(self, plan: Plan) -> Plan:
        """The plan with the answers of its preliminaries, which are asked for."""
        answers: list[Given] = []
        for each in plan.before:
            rows = self._at_most(each.most, bound(each.plan, answers))
            if rows is None and each.single:
                raise SubqueryRows("Subquery returns more than 1 row")
            if rows is None and plan.otherwise is not None:
                return self._bound(plan.otherwise)
            answers.append(Given.of(each, rows or []))
        return bound(plan, answers)

    def _at_most(self, most: int, plan: Plan) -> list[tuple[object, ...]] | None:
        """The rows of a plan; None where it has more than ``most``."""
        rows: list[tuple[object, ...]] = []
        with closing(self._rows(plan)) as items:
            for item in items:
                if isinstance(item, pa.RecordBatch):
                    rows += zip(*item.slice(0, most + 1).to_pydict().values(), strict=True)
                if len(rows) > most:
                    return None
        return rows

    def _rows(self, plan: Plan) -> Items:
        if plan.merge is None:
            leaf = plan.leaves[0]
            yield from _cut(self._leaf(leaf, prompt=not leaf.grouped), leaf.limit)
            return
        session = self._session()
        try:
            for leaf in plan.leaves:
                session.load(leaf.name, self._leaf(leaf, prompt=False))
            yield from session.run(plan.merge)
        finally:
            session.close()

    def _session(self) -> Session:
        return self._executor.merger.session(self._query.permit)

    def _leaf(self, leaf: Leaf, *, prompt: bool) -> Items:
        self._query.permit.check()
        mine = [source.table.id < 0 for source in leaf.sources]
        if any(mine) and not all(mine):
            raise Unsupported("information_schema is not joined with the tables of a catalog: ask for them one by one")
        if all(mine):
            yield from self._here(leaf)
            return
        chunks = () if leaf.family is None else self._executor.chunks(leaf, self._placement, self._query.permit)
        self._query.progress.chunks += len(chunks)
        if leaf.family is not None and not chunks:
            yield from self._here(leaf)
            return
        lane = lane_of(leaf, self._placement, chunks)
        ask = Ask(self._query.id, leaf, self._placement, chunks, lane, prompt=prompt)
        own = self._executor
        dispatch = Dispatch(ask, own.workers, self._query.permit, own.space, own.damage, self._query.progress)
        yield from dispatch.batches()

    def _here(self, leaf: Leaf) -> Items:
        """The leaf on the czar: over the rows of virtual tables, or over none."""
        wanted = {source.table.id for source in leaf.sources}
        tables = {number: make() for number, make in self._virtual.items() if number in wanted}
        session = self._session()
        try:
            yield from session.run_leaf(leaf, tables)
        finally:
            session.close()


def _cut(items: Items, limit: int | None) -> Items:
    """The first ``limit`` rows."""
    for item in items:
        if limit is not None and isinstance(item, pa.RecordBatch):
            yield item.slice(0, limit)
            limit -= min(limit, item.num_rows)
        else:
            yield item
