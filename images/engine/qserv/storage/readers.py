"""Input files as batches of checked rows, in bounded memory whatever the file's size.

:func:`open_rows` is the door: it brings the file here and gives batches whose columns are the declared ones (or, of
Parquet and FITS, those the file tells), cast and checked by :mod:`qserv.storage.cast`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.errors import DataError, SpecError
from qserv.catalog.model import Column
from qserv.catalog.spec import Format, SourceSpec
from qserv.storage.cast import cast_rows
from qserv.storage.csvfile import CsvFile
from qserv.storage.fitsfile import FitsFile
from qserv.storage.hats import MADE_COLUMNS
from qserv.storage.origin import Origin
from qserv.storage.schema import infer_columns
from qserv.storage.sources import LocalFile, localized, part_of

BATCH_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as the declared columns hold them, and where they came from. ``bytes``: of the file, read so far."""

    rows: pa.Table
    origin: Origin
    bytes: int


class RawFile(Protocol):
    """A file of some format. ``schema`` is None where only a declaration can tell the types."""

    @property
    def schema(self) -> pa.Schema | None: ...

    def batches(self, columns: Sequence[Column], batch_bytes: int) -> Iterator[tuple[pa.Table, Origin, int]]:
        """Uncast rows with at least ``columns``, where they come from, and the bytes of the file read so far."""
        ...


class Rows:
    """An open input file. ``columns`` are those of its batches; ``size`` its bytes."""

    def __init__(self, raw: RawFile, columns: tuple[Column, ...], size: int, batch_bytes: int) -> None:
        self.columns = columns
        self.size = size
        self._raw = raw
        self._batch_bytes = batch_bytes

    def __iter__(self) -> Iterator[Batch]:
        for rows, origin, done in self._raw.batches(self.columns, self._batch_bytes):
            yield Batch(cast_rows(rows, self.columns, origin), origin, done)


@contextmanager
def open_rows(
    url: str,
    source: SourceSpec,
    columns: Sequence[Column] | None,
    spool: Path,
    batch_bytes: int = BATCH_BYTES,
    check: Callable[[], object] = lambda: None,
) -> Iterator[Rows]:
    """Open an input file for reading.

    Parameters
    ----------
    url : a path or URL, as :func:`qserv.storage.sources.expand` gives it, or a part of one.
    source : its format.
    columns : as declared; None takes those that the file tells.
    spool : folder for copies of remote files.
    batch_bytes : roughly how much a batch of rows may hold.
    check : called with each piece of a remote file that is copied here; what it raises ends that.

    Raises
    ------
    DataError
        For a file that is missing, damaged, or has a row that its columns cannot hold; also while iterating.
    SpecError
        If ``columns`` is None and the format does not tell types.
    """
    whole, groups = part_of(url)
    with localized(whole, spool, check) as file:
        raw = _open(file, source, spool) if groups is None else ParquetFile(file, groups)
        if columns is None:
            if raw.schema is None:
                raise SpecError(f"{file.name}: a {source.format} file does not tell its types: declare 'columns'")
            columns = infer_columns(raw.schema)
            if source.format is Format.HATS:
                columns = tuple(column for column in columns if column.name not in MADE_COLUMNS)
        size = raw.size if isinstance(raw, ParquetFile) else file.size
        yield Rows(raw, tuple(columns), size, batch_bytes)


def file_columns(url: str, source: SourceSpec, spool: Path) -> tuple[Column, ...]:
    """The columns that a file tells, of a table that declares none."""
    with open_rows(url, source, None, spool) as rows:
        return rows.columns


def _open(file: LocalFile, source: SourceSpec, spool: Path) -> RawFile:
    match source.format:
        case Format.PARQUET | Format.HATS:
            return ParquetFile(file)
        case Format.CSV:
            return CsvFile(file, source)
        case Format.FITS:
            return FitsFile(file, spool)


class ParquetFile:
    """A Parquet file, or some row groups of it, read a piece of a row group at a time.

    ``size`` is in bytes; of a part, in proportion to its rows.
    """

    def __init__(self, file: LocalFile, groups: range | None = None) -> None:
        self._name = file.name
        try:
            # without pre-buffering a column is read in pieces: row groups may be larger than memory
            self._file = pq.ParquetFile(file.path, pre_buffer=False, buffer_size=1 << 20)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{file.name}: this is no whole Parquet file (was it cut short?): {error}", file=file.name
            ) from error
        facts = self._file.metadata
        if groups is not None and groups.stop > facts.num_row_groups:
            raise DataError(f"{file.name}: it has {facts.num_row_groups} row groups: was it written anew?")
        self._groups = groups if groups is not None else range(facts.num_row_groups)
        rows = [facts.row_group(number).num_rows for number in range(self._groups.stop)]
        self._before = sum(rows[: self._groups.start])
        self._total = sum(rows[self._groups.start :])
        self.size = file.size * self._total // max(facts.num_rows, 1) if groups is not None else file.size

    @property
    def schema(self) -> pa.Schema:
        return self._file.schema_arrow

    def batches(self, columns: Sequence[Column], batch_bytes: int) -> Iterator[tuple[pa.Table, Origin, int]]:
        wanted = {column.name.casefold() for column in columns}
        names = [name for name in self.schema.names if name.casefold() in wanted]
        total, wanted_rows = self._total, batch_rows(len(columns), batch_bytes)
        done = 0
        try:
            for batch in self._file.iter_batches(wanted_rows, list(self._groups), columns=names):
                origin = Origin(self._name, self._before + done)
                done += batch.num_rows
                yield pa.Table.from_batches([batch]), origin, self.size * done // max(total, 1)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self._name}: damaged after row {done}: {error}", file=self._name) from error
        if done != total:
            raise DataError(f"{self._name}: {done} of {total} rows could be read", file=self._name)


def batch_rows(columns: int, batch_bytes: int) -> int:
    """How many rows of so many columns, at some 8 bytes a value, make a batch."""
    return max(1024, min(1 << 20, batch_bytes // (8 * max(columns, 1))))
