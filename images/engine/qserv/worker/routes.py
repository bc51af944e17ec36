"""Where rows go: the units' primaries, from the controller, and the writers that bring rows there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.catalog.errors import Unavailable
from qserv.catalog.flight import StageWriter
from qserv.catalog.messages import Contribute, StagePut
from qserv.catalog.model import FileKind
from qserv.catalog.resources import UnitsAnswer
from qserv.storage.blocks import Block
from qserv.worker.peers import Peers
from qserv.worker.staging import UNCUT, Staging

SLICE_BYTES = 8 << 20
"""About how many bytes go in one message."""


class Placing(Protocol):
    """What is asked of the controller: the workers of units, its primary first."""

    def __call__(self, transaction: int, table: str, kind: FileKind, numbers: list[int]) -> UnitsAnswer: ...


class Routes:
    """Sends a contribution's blocks to the primaries of their units. Used by one thread.

    Parameters
    ----------
    own : this worker's name: its rows go straight to ``staging``.
    units : asks the controller.
    """

    def __init__(self, wish: Contribute, own: str, staging: Staging, peers: Peers, units: Placing) -> None:
        self._wish = wish
        self._own = own
        self._staging = staging
        self._peers = peers
        self._units = units
        self._primaries: dict[tuple[bool, int], str] = {}
        self._addresses: dict[str, str] = {}
        self._writers: dict[tuple[str, FileKind], StageWriter] = {}
        self._used: set[str] = set()

    @property
    def workers(self) -> tuple[str, ...]:
        """The names of the workers that got rows."""
        return tuple(sorted(self._used))

    def send(self, kind: FileKind, block: Block) -> None:
        """Send a block's rows, each worker its own, sorted by unit."""
        if block.unit.size == 0:
            return
        order = block.order()
        units = block.unit[order]
        starts = np.concatenate([[0], np.flatnonzero(units[1:] != units[:-1]) + 1])
        lengths = np.diff(np.append(starts, units.size))
        names = self._primaries_of(kind, units[starts].tolist())
        for name in sorted(set(names)):
            mine = np.array([found == name for found in names])
            self._put(name, kind, block.take(order[_rows(starts[mine], lengths[mine])]))

    def send_whole(self, block: pa.Table) -> None:
        """Send rows of a replicated table."""
        if block.num_rows == 0:
            return
        answer = self._units(self._wish.transaction, self._wish.table.spec.name, FileKind.MAIN, [])
        self._addresses.update(answer.workers)
        marked = block.replace_schema_metadata({UNCUT: b"1"})
        self._put(answer.units[0][0], FileKind.MAIN, marked.combine_chunks())

    def finish(self) -> None:
        """Wait until every worker has staged what it was sent; raises the first failure."""
        while self._writers:
            _, writer = self._writers.popitem()
            writer.close()

    def abandon(self) -> None:
        """Break off what is under way; its rows are void."""
        while self._writers:
            _, writer = self._writers.popitem()
            writer.abandon()

    def _primaries_of(self, kind: FileKind, numbers: list[int]) -> list[str]:
        # Main and overlap rows of a chunk live on the same workers; partitions of the index are units of their own.
        index = kind is FileKind.INDEX
        unknown = [number for number in dict.fromkeys(numbers) if (index, number) not in self._primaries]
        if unknown:
            answer = self._units(self._wish.transaction, self._wish.table.spec.name, kind, unknown)
            self._addresses.update(answer.workers)
            for number, workers in zip(unknown, answer.units, strict=True):
                if not workers:
                    raise Unavailable(f"no worker takes unit {number}: start workers, or free space")
                self._primaries[index, number] = workers[0]
        return [self._primaries[index, number] for number in numbers]

    def _put(self, name: str, kind: FileKind, block: pa.Table) -> None:
        self._used.add(name)
        rows = max(1, min(1 << 17, SLICE_BYTES * block.num_rows // max(1, block.nbytes)))
        sink = self._sink(name, kind, block.schema)
        for batch in block.to_batches(max_chunksize=rows):
            sink(batch)

    def _sink(self, name: str, kind: FileKind, schema: pa.Schema) -> Callable[[pa.RecordBatch], None]:
        put = StagePut(
            transaction=self._wish.transaction,
            database=self._wish.table.database,
            table=self._wish.table.spec.name,
            kind=kind,
            contribution=self._wish.contribution,
            attempt=self._wish.attempt,
        )
        if name == self._own:
            return lambda batch: self._staging.append(put, batch)
        writer = self._writers.get((name, kind))
        if writer is None:
            writer = self._writers[name, kind] = self._peers.client(self._addresses[name]).put(put, schema)
        return writer.write


def _rows(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The row numbers of runs."""
    steps = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + steps
