"""CSV and its kin as batches of text columns; types are the business of the cast that follows."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pacsv

from qserv.catalog.errors import DataError
from qserv.catalog.model import Column
from qserv.catalog.spec import SourceSpec
from qserv.storage.origin import Origin
from qserv.storage.sources import LocalFile

csv.field_size_limit(sys.maxsize)  # a value has the bytes that Arrow lets it have

_COMPRESSION = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


class CsvFile:
    """A text file of one record a line, or more where a quoted value holds line ends. Blank lines are passed over."""

    schema: None = None

    def __init__(self, file: LocalFile, source: SourceSpec) -> None:
        self._file = file
        self._source = source
        self._compression = _COMPRESSION.get(_suffix(file))

    def batches(self, columns: Sequence[Column], batch_bytes: int) -> Iterator[tuple[pa.Table, Origin, int]]:
        first = 0
        wrong: list[pacsv.InvalidRow] = []
        with self._opened() as (stream, raw):
            try:
                for batch in self._reader(stream, columns, batch_bytes, wrong):
                    yield pa.Table.from_batches([batch]), Origin(self._file.name, first, self._line_of), raw.tell()
                    first += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise self._error(error, wrong) from error

    @contextmanager
    def _opened(self) -> Iterator[tuple[pa.NativeFile, pa.NativeFile]]:
        """The text, and the file below it whose position tells how much was read."""
        with pa.OSFile(str(self._file.path), "rb") as raw:
            stream = raw if self._compression is None else pa.CompressedInputStream(raw, self._compression)
            yield stream, raw

    def _reader(
        self, stream: pa.NativeFile, columns: Sequence[Column], batch_bytes: int, wrong: list[pacsv.InvalidRow]
    ) -> pacsv.CSVStreamingReader:
        def refuse(row: pacsv.InvalidRow) -> str:
            wrong.append(row)
            return "error"

        source = self._source
        return pacsv.open_csv(
            stream,
            pacsv.ReadOptions(
                block_size=max(1 << 20, batch_bytes // 4),
                column_names=None if source.header else [column.name for column in columns],
                use_threads=False,
            ),
            pacsv.ParseOptions(
                delimiter=source.delimiter,
                quote_char=source.quote,
                newlines_in_values=True,
                invalid_row_handler=refuse,
            ),
            pacsv.ConvertOptions(
                default_column_type=pa.string(),
                null_values=[source.null],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _error(self, error: Exception, wrong: list[pacsv.InvalidRow]) -> DataError:
        name = self._file.name
        if not wrong:
            return DataError(f"{name}: cannot be read: {error}", file=name)
        row = wrong[0]
        line = self._line_of((row.number or 1) - self._source.header)
        return DataError(
            f"{name}, line {line}: {row.actual_columns} values where there are {row.expected_columns} columns: "
            f"{row.text[:80]!r}",
            file=name,
            line=line,
        )

    def _line_of(self, row: int) -> int:
        """The line, from 1, where a row begins, found by reading the file again."""
        wanted = row + self._source.header
        with self._opened() as (stream, _):
            text = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8", errors="replace", newline="")
            lines = csv.reader(text, delimiter=self._source.delimiter, quotechar=self._source.quote)
            before, seen = 0, 0
            for record in lines:
                seen += bool(record)
                if seen == wanted:
                    return before + 1
                before = lines.line_num
        return before + 1


def _suffix(file: LocalFile) -> str:
    return "." + file.name.lower().rpartition(".")[2]
