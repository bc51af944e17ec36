"""Whether a worker answers as the others do: the same fixed queries over the same chunks on it and on a replica."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from qserv.catalog.errors import QservError, Unavailable
from qserv.catalog.messages import QuerySource, QueryTask
from qserv.catalog.metadata import Metadata, units, workers
from qserv.catalog.metadata.units import FileRow, UnitRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import FileKind, UnitKind, WorkerState
from qserv.catalog.resources import CanaryAnswer
from qserv.replication.calls import Calls
from qserv.replication.registry import Registry

CHUNKS = 32
_SQL = "SELECT count(*) AS n, bit_xor(hash(t)) AS h FROM read_parquet($s0) AS t"

Probe = tuple[UnitRow, str, tuple[str, ...]]  # a unit, "database/table", and the names of its main files


class Canary:
    """Compares a worker with its peers."""

    def __init__(self, metadata: Metadata, registry: Registry, calls: Calls) -> None:
        self._metadata = metadata
        self._registry = registry
        self._calls = calls

    def check(self, name: str) -> CanaryAnswer:
        """Ask a worker and a replica the same of up to 32 chunks; ``mismatches`` says what was not the same.

        Raises
        ------
        NotFound
            When there is no such worker.
        Unavailable
            When it or a replica cannot be reached: that says nothing of its answers.
        """
        worker = self._metadata.read(partial(workers.worker, name=name))
        rows = self._registry.rows()
        works = {}
        for unit, table, files in self._metadata.read(partial(_probes, worker=worker.id)):
            peer = next(
                (rows[other] for other in unit.workers if other != worker.id and _answers(rows.get(other))), None
            )
            if peer is not None:
                works[f"{table}/{unit.number}"] = partial(self._differ, worker, peer, unit, table, files)
        answers = self._calls.all(works)
        wrong = []
        for chunk, answer in answers.items():
            if isinstance(answer, Unavailable):
                raise answer
            if isinstance(answer, QservError):
                wrong.append(f"{chunk}: {answer.message}")
            elif answer:
                wrong.append(f"{chunk}: {answer}")
        return CanaryAnswer(ok=not wrong, checked=len(answers), mismatches=tuple(wrong))

    def _differ(self, worker: WorkerRow, peer: WorkerRow, unit: UnitRow, table: str, files: Sequence[str]) -> str:
        mine, theirs = (self._ask(one, unit, table, files) for one in (worker, peer))
        return "" if mine == theirs else f"{worker.name} answers {mine}, {peer.name} answers {theirs}"

    def _ask(self, worker: WorkerRow, unit: UnitRow, table: str, files: Sequence[str]) -> tuple[int, ...]:
        database, _, name = table.partition("/")
        task = QueryTask(
            query=f"canary-{uuid.uuid4().hex[:12]}",
            sql=_SQL,
            sources=(QuerySource(database=database, table=name, by_chunk=QuerySource.names([files])),),
            chunks=(unit.number,),
            lane="point",
        )
        stream = self._calls.client(worker.flight).query(task)
        for batch, _ in stream:
            if batch.num_rows:
                row = batch.to_pylist()[0]
                return int(row["n"]), int(row["h"] or 0)
        raise Unavailable(f"worker {worker.name} gave no rows")


def _answers(row: WorkerRow | None) -> bool:
    return row is not None and row.state not in (WorkerState.SUSPECT, WorkerState.LOST)


def _probes(connection: Connection, worker: int) -> list[Probe]:
    """The chunks to ask of, spread over all that the worker holds."""
    held = [
        unit
        for unit in units.every(connection)
        if unit.kind is UnitKind.CHUNK and unit.bytes > 0 and worker in unit.workers
    ]
    chosen = held[:: max(1, len(held) // CHUNKS)][:CHUNKS]
    by_unit = {unit.id: unit for unit in chosen}
    files: dict[tuple[int, str], list[FileRow]] = defaultdict(list)
    for file in units.files_of(connection, by_unit):
        if file.kind is FileKind.MAIN:
            files[file.unit, "/".join(file.path.split("/")[:2])].append(file)
    return [
        (by_unit[unit], table, tuple(file.path.rpartition("/")[2] for file in found))
        for (unit, table), found in sorted(files.items())
    ]
