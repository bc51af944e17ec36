"""What a chunk costs: choosing, grouping and encoding a query over a whole survey's chunks, without any worker."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from qserv.catalog.errors import ChunkUnavailable
from qserv.catalog.messages import QuerySource, QueryTask
from qserv.catalog.model import (
    ChunkFiles,
    Column,
    Family,
    Placement,
    Table,
    TableKind,
    WorkerFacts,
    WorkerState,
)
from qserv.catalog.types import SqlType
from qserv.czar.chunks import NAMED, assign, assign_full, chunks_of, weight
from qserv.czar.dispatch import POINT_BYTES, POINT_CHUNKS, Ask, lane_of, task
from qserv.sql.plan import KeyLookup, Leaf, Restriction, Source

FAMILY = Family(1, 340, 3, 0.01667)
OBJECT = Table(1, "sky", "Object", TableKind.DIRECTOR, (Column("objectId", SqlType.parse("BIGINT")),), FAMILY)
FILTER = Table(2, "sky", "Filter", TableKind.REPLICATED, (Column("id", SqlType.parse("INT")),))
LEAF = Leaf("l0", "SELECT 1", (Source(OBJECT),), FAMILY, (0,))


def placement(chunks: int, workers: int = 30, states: dict[int, WorkerState] | None = None) -> Placement:
    held = {chunk: (chunk % workers, (chunk * 7 + 1) % workers) for chunk in range(chunks)}
    files = {chunk: ChunkFiles((f"main-{chunk}-0123abcd.parquet",), rows=1, bytes=10 + chunk % 5) for chunk in held}
    facts = {
        number: WorkerFacts(number, f"w{number}", f"h{number}:1", "", (states or {}).get(number, WorkerState.ONLINE))
        for number in range(workers)
    }
    return Placement(1, {1: files, 2: {2: ChunkFiles(("main-1-0.parquet",))}}, {}, {1: held}, {}, {2: (3, 4)}, facts)


@pytest.mark.parametrize("chunks", [1_000, 150_000])
def test_all_chunks_are_asked_once_and_evenly(chunks: int, record_property: pytest.RecordProperty) -> None:
    where = placement(chunks)
    began = time.perf_counter()
    wanted = chunks_of(LEAF, where, None)
    bytes_asked = weight(LEAF, where, wanted)
    found = assign(LEAF, where, wanted, {})
    messages = [task(Ask("q", LEAF, where, wanted, "scan"), assignment).encode() for assignment in found]
    record_property("seconds", time.perf_counter() - began)
    assert sorted(chunk for assignment in found for chunk in assignment.chunks) == list(range(chunks))
    assert bytes_asked == sum(files.bytes for files in where.files[1].values())
    sizes = [len(assignment.chunks) for assignment in found]
    assert max(sizes) <= 1.25 * min(sizes) + 2
    told = QueryTask.model_validate_json(messages[0])
    assert told.chunks == found[0].chunks
    assert told.sources[0].by_chunk == QuerySource.names(where.files[1][chunk].main for chunk in told.chunks)


def test_suspect_workers_are_asked_last_and_lost_ones_never() -> None:
    states = dict.fromkeys(range(15), WorkerState.SUSPECT) | {20: WorkerState.LOST}
    where = placement(1000, states=states)
    replicas = where.replicas[1]
    usable = [chunk for chunk in range(1000) if set(replicas[chunk]) != {20}]
    for assignment in assign(LEAF, where, usable, {}):
        assert assignment.worker != 20
        if assignment.worker < 15:
            assert all(
                min(replicas[chunk]) < 15 and not set(replicas[chunk]) & set(range(15, 20))
                for chunk in assignment.chunks
            )


def test_refusals_and_missing_replicas_name_the_chunks() -> None:
    where = placement(100)
    refused = {5: frozenset(where.replicas[1][5])}
    with pytest.raises(ChunkUnavailable, match="chunk 5:"):
        assign(LEAF, where, range(100), refused)
    gone = dict.fromkeys(range(30), WorkerState.LOST)
    with pytest.raises(ChunkUnavailable, match=f"and {100 - NAMED} more"):
        assign(LEAF, placement(100, states=gone), range(100), {})


def test_replicated_tables_are_asked_of_those_who_hold_them() -> None:
    where = placement(10)
    leaf = Leaf("l0", "SELECT 1", (Source(FILTER),), None, ())
    assert assign_full(leaf, where, frozenset()).worker == 3
    assert assign_full(leaf, where, {3}).worker == 4
    with pytest.raises(ChunkUnavailable, match=r"sky\.Filter"):
        assign_full(leaf, where, {3, 4})
    joined = Leaf("l0", "SELECT 1", (Source(OBJECT), Source(FILTER)), FAMILY, (0,))
    near = [chunk for chunk in range(10) if set(where.replicas[1][chunk]) & {3, 4}]
    assert {assignment.worker for assignment in assign(joined, where, near, {})} <= {3, 4}


def test_chunks_without_a_required_sources_files_are_not_asked() -> None:
    where = placement(10)
    other = Table(3, "sky", "Source", TableKind.CHILD, OBJECT.columns, FAMILY)
    files = {**where.files, 3: {4: ChunkFiles(("main-1-a.parquet",)), 7: ChunkFiles()}}
    where = Placement(1, files, {}, where.replicas, {}, {}, where.workers)
    both = Leaf("l0", "", (Source(OBJECT), Source(other)), FAMILY, (0, 1))
    assert chunks_of(both, where, None) == (4,)
    assert chunks_of(Leaf("l0", "", both.sources, FAMILY, (0,)), where, {4, 7, 99}) == (4, 7)
    told = task(
        Ask("q", Leaf("l0", "", both.sources, FAMILY, (0,)), where, (4, 7), "point"), assign(LEAF, where, (4,), {})[0]
    )
    assert told.sources[1].schema_ipc is None
    sparse = task(Ask("q", both, where, (7,), "point"), assign(LEAF, where, (7,), {})[0])
    assert sparse.sources[1].schema_ipc is not None


def test_keys_in_few_chunks_are_points_whatever_the_files_bytes() -> None:
    where = placement(100)
    keyed = replace(LEAF, restriction=Restriction(lookups=(KeyLookup(OBJECT, keys=(1,)),)))
    between = replace(LEAF, restriction=Restriction(lookups=(KeyLookup(OBJECT, low=1, high=9),)))
    large = replace(where, files={1: {3: ChunkFiles(("main-1-0.parquet",), rows=1, bytes=POINT_BYTES + 1)}})
    assert lane_of(LEAF, where, (3,)) == lane_of(keyed, where, (3,)) == "point"
    assert lane_of(keyed, large, (3,)) == "point"
    assert lane_of(between, large, (3,)) == lane_of(LEAF, large, (3,)) == "scan"
    assert lane_of(keyed, where, tuple(range(POINT_CHUNKS + 1))) == "scan"
