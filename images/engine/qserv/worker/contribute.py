"""Reading one input file: its rows are decoded, placed, cut by unit, and sent to the primaries of their units.

Decoding runs in a thread of its own, one batch ahead of the cutting; sending waits for the receivers. So there are a
few batches in memory at any time, whatever the file's size.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from qserv.catalog.errors import QueryKilled, SpecError
from qserv.catalog.messages import Contribute, ContributionState, TableFacts
from qserv.catalog.model import FileKind, TableKind
from qserv.catalog.spec import Format, SourceSpec
from qserv.sky.chunker import Partitioning, partitioning
from qserv.storage.blocks import Cut, Director, cut_director, cut_placed
from qserv.storage.origin import Origin
from qserv.storage.readers import open_rows
from qserv.storage.schema import spec_columns
from qserv.storage.sources import part_of
from qserv.worker import metrics
from qserv.worker.declared import with_declared
from qserv.worker.places import DirectorIndex, Placer
from qserv.worker.routes import Routes

T = TypeVar("T")

_COPIES = 8
"""Of a batch, roughly: decoded ahead, being cut, its blocks, and what is on its way to the primaries."""

_SUFFIXES = {".csv": Format.CSV, ".tsv": Format.CSV, ".txt": Format.CSV, ".fits": Format.FITS, ".fit": Format.FITS}


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch of rows ready to be sent; those of a replicated table are not cut."""

    cut: Cut | pa.Table
    dropped: int = 0


Cutter = Callable[[pa.Table, Origin], Piece]
Report = Callable[[ContributionState], None]


class Contributor:
    """Carries one contribution out.

    Parameters
    ----------
    index : opens the index of a director, by database and table.
    spool : folder for copies of remote files.
    memory : bytes that its rows may hold.
    report : is told how far it is.
    cancelled : set when it is to stop.
    """

    def __init__(
        self,
        wish: Contribute,
        routes: Routes,
        index: Callable[[str, str], DirectorIndex],
        *,
        spool: Path,
        memory: int,
        report: Report,
        cancelled: threading.Event,
    ) -> None:
        self._wish = wish
        self._facts = with_declared(wish.table)
        self._routes = routes
        self._index = index
        self._spool = spool
        self._batch_bytes = max(1 << 20, memory // _COPIES)
        self._report = report
        self._cancelled = cancelled

    def run(self) -> ContributionState:
        """Read the file to its end; answers the final state. Raises what stops it.

        Raises
        ------
        DataError
            For rows that cannot be loaded, with file, line or row, and column.
        QueryKilled
            When it was cancelled.
        """
        spec = self._facts.spec
        source = spec.source or SourceSpec(path=self._wish.url, format=_format_of(part_of(self._wish.url)[0]))
        state = ContributionState(state="running")
        try:
            with (
                ExitStack() as parts,
                open_rows(
                    self._wish.url, source, spec_columns(spec), self._spool, self._batch_bytes, self._check
                ) as rows,
            ):
                state = state.model_copy(update={"total_bytes": rows.size})
                cutter = self._cutter(parts)
                for batch in _ahead(iter(rows), self._cancelled):
                    piece = cutter(batch.rows, batch.origin)
                    self._send(piece)
                    state = _progress(state, batch.rows.num_rows, batch.bytes, piece)
                    self._report(state)
            self._routes.finish()
        except BaseException:
            self._routes.abandon()
            raise
        workers = self._routes.workers
        return state.model_copy(update={"state": "done", "bytes": state.total_bytes, "workers": workers})

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise QueryKilled("the contribution was cancelled")

    def _send(self, piece: Piece) -> None:
        self._check()
        cut = piece.cut
        if isinstance(cut, pa.Table):
            self._routes.send_whole(cut)
            return
        self._routes.send(FileKind.MAIN, cut.main)
        if cut.overlap is not None:
            self._routes.send(FileKind.OVERLAP, cut.overlap)
        if cut.index is not None:
            self._routes.send(FileKind.INDEX, cut.index)

    def _cutter(self, parts: ExitStack) -> Cutter:
        kind = self._facts.spec.kind
        if kind is TableKind.REPLICATED:
            return lambda rows, _origin: Piece(rows)
        sphere = _partitioning(self._facts)
        if kind is TableKind.DIRECTOR:
            director = _director(self._facts, sphere)
            return lambda rows, origin: Piece(cut_director(rows, director, origin))
        return self._placing_cutter(sphere, parts)

    def _placing_cutter(self, sphere: Partitioning, parts: ExitStack) -> Cutter:
        spec = self._facts.spec
        director = self._wish.director
        key = spec.keys[0] if spec.keys is not None else spec.key
        if director is None or key is None:
            raise SpecError(f"table {spec.name}: its rows are placed by a director, which is not known")
        index = parts.enter_context(self._index(director.database, director.spec.name))
        placer = Placer(index, sphere, key, spec.position, drop=spec.orphans == "drop")

        def cut(rows: pa.Table, origin: Origin) -> Piece:
            placed = placer.place(rows, origin)
            return Piece(
                cut_placed(placed.rows, placed.chunk, placed.subchunk, sphere, spec.position, origin), placed.dropped
            )

        return cut


def _progress(state: ContributionState, rows: int, done: int, piece: Piece) -> ContributionState:
    metrics.LOADED_ROWS.inc(rows)
    margin = piece.cut.margin if isinstance(piece.cut, Cut) else 0.0
    return state.model_copy(
        update={
            "rows": state.rows + rows - piece.dropped,
            "bytes": done,
            "dropped": state.dropped + piece.dropped,
            "margin": max(state.margin, margin),
        }
    )


def _director(facts: TableFacts, sphere: Partitioning) -> Director:
    spec = facts.spec
    if spec.key is None or spec.position is None or facts.overlap is None or facts.index_partitions is None:
        raise SpecError(f"table {spec.name}: a director needs a key, a position and a family")
    return Director(sphere, facts.overlap, spec.key, spec.position, facts.index_partitions)


def _partitioning(facts: TableFacts) -> Partitioning:
    if facts.stripes is None or facts.substripes is None:
        raise SpecError(f"table {facts.spec.name}: a {facts.spec.kind} table needs its database's family")
    return partitioning(facts.stripes, facts.substripes)


def _format_of(url: str) -> Format:
    """By the file's name, where the spec tells no source."""
    name = Path(url.partition("?")[0])
    suffixes = [suffix.lower() for suffix in name.suffixes if suffix.lower() not in (".gz", ".zst")]
    return _SUFFIXES.get(suffixes[-1] if suffixes else "", Format.PARQUET)


class _End:
    """Marks the end of what a thread decoded, or the error that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _ahead(items: Iterator[T], cancelled: threading.Event) -> Iterator[T]:
    """The same items, each made in another thread while the one before is used."""
    ready: queue.Queue[T | _End] = queue.Queue(1)
    stopped = threading.Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set() or cancelled.is_set():
                    break
            put(_End())
        except BaseException as error:
            put(_End(error))

    thread = threading.Thread(target=work, name="decode", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                if cancelled.is_set():
                    raise QueryKilled("the contribution was cancelled")
                return
            yield item
    finally:
        stopped.set()
        thread.join()
