"""Which chunks a leaf is asked of, and of which workers: values in, values out.

A full-sky survey has some 150,000 chunks and a query may need all of them, so what is done for each chunk is little:
one look at its files, one at its replicas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from qserv.catalog.errors import ChunkUnavailable
from qserv.catalog.model import ChunkFiles, FileKind, Placement, WorkerState
from qserv.sql.plan import Leaf, Source

NAMED = 10
"""How many chunks an error names."""

Refused = Mapping[int, frozenset[int]]
"""By chunk, the workers that failed to answer for it."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The chunks that one worker is asked for; none: a leaf of replicated tables, answered once."""

    worker: int
    chunks: tuple[int, ...]


def names(files: ChunkFiles, kind: FileKind) -> tuple[str, ...]:
    return files.overlap if kind is FileKind.OVERLAP else files.main


def chunks_of(leaf: Leaf, placement: Placement, chosen: Collection[int] | None) -> tuple[int, ...]:
    """The chunks that can give rows to a leaf of partitioned tables, in order.

    ``chosen`` are the chunks that the restriction and its look-ups left (None: any). A chunk counts where each required
    source has files; where none is required, where any source has.
    """
    sources = [source for source in leaf.sources if source.table.partitioned]
    required = [leaf.sources[index] for index in leaf.required if leaf.sources[index].table.partitioned]
    if required:
        found = _with_files(required[0], placement, chosen)
        for source in required[1:]:
            found = _with_files(source, placement, found)
    else:
        found = set()
        for source in sources:
            found |= _with_files(source, placement, chosen)
    return tuple(sorted(found))


def _with_files(source: Source, placement: Placement, chosen: Collection[int] | None) -> set[int]:
    units = placement.files.get(source.table.id, {})
    if chosen is None or len(chosen) > len(units):
        allowed = units.items() if chosen is None else ((n, f) for n, f in units.items() if n in chosen)
        return {number for number, files in allowed if names(files, source.kind)}
    return {number for number in chosen if number in units and names(units[number], source.kind)}


def weight(leaf: Leaf, placement: Placement, chunks: Iterable[int]) -> int:
    """Bytes of the files that a leaf reads of chunks."""
    tables = {source.table.id for source in leaf.sources if source.table.partitioned}
    units = [placement.files.get(table, {}) for table in tables]
    return sum(files[number].bytes for files in units for number in chunks if number in files)


def assign(leaf: Leaf, placement: Placement, chunks: Iterable[int], refused: Refused) -> tuple[Assignment, ...]:
    """Chunks by the worker that is asked for them: any replica, the least laden first, suspects only where no other is.

    Raises
    ------
    ChunkUnavailable
        Naming chunks that no worker can answer for.
    """
    if leaf.family is None:
        raise ValueError("a leaf of replicated tables is answered by one worker: see assign_full")
    able = _able(leaf, placement)
    replicas = placement.replicas.get(leaf.family.id, {})
    sizes = [placement.files.get(table, {}) for table in {s.table.id for s in leaf.sources if s.table.partitioned}]
    load = dict.fromkeys(able, 0)
    grouped: dict[int, list[int]] = {}
    missing: list[int] = []
    for chunk in chunks:
        best = _choose(replicas.get(chunk, ()), able, load, refused.get(chunk))
        if best is None:
            missing.append(chunk)
            continue
        load[best] += 1 + sum(files[chunk].bytes for files in sizes if chunk in files)
        if best in grouped:
            grouped[best].append(chunk)
        else:
            grouped[best] = [chunk]
    if missing:
        raise _unavailable(missing)
    return tuple(Assignment(worker, tuple(found)) for worker, found in grouped.items())


def assign_full(leaf: Leaf, placement: Placement, refused: Collection[int]) -> Assignment:
    """The worker that answers a leaf of replicated tables."""
    able = _able(leaf, placement)
    usable = [worker for worker in able if worker not in refused]
    if not usable:
        tables = ", ".join(f"{source.table.database}.{source.table.name}" for source in leaf.sources)
        raise ChunkUnavailable(f"no worker that can be reached holds {tables}: wait for its repair, or start a worker")
    return Assignment(min(usable, key=lambda worker: (able[worker], worker)), ())


def _able(leaf: Leaf, placement: Placement) -> dict[int, int]:
    """Workers that can answer for the leaf, with 1 for the suspect ones: those holding all its replicated tables."""
    found = {
        worker.id: int(worker.state is WorkerState.SUSPECT)
        for worker in placement.workers.values()
        if worker.state is not WorkerState.LOST
    }
    for source in leaf.sources:
        if not source.table.partitioned:
            held = placement.full_replicas.get(source.table.id, ())
            found = {worker: rank for worker, rank in found.items() if worker in held}
    return found


def _choose(
    replicas: tuple[int, ...], able: Mapping[int, int], load: Mapping[int, int], refused: frozenset[int] | None
) -> int | None:
    best: int | None = None
    rank = (2, 0)
    for worker in replicas:
        if worker in able and (refused is None or worker not in refused):
            this = (able[worker], load[worker])
            if this < rank:
                best, rank = worker, this
    return best


def _unavailable(chunks: list[int]) -> ChunkUnavailable:
    shown = ", ".join(map(str, chunks[:NAMED])) + (f" and {len(chunks) - NAMED} more" if len(chunks) > NAMED else "")
    return ChunkUnavailable(
        f"no worker that can be reached answers for chunk{'s' if len(chunks) > 1 else ''} {shown}: "
        "try again, and look at `qserv status` for lost workers",
        chunks=chunks[:100],
    )
