"""CSV and its kin as batches of text columns; types are the business of the cast that follows."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa
import pyarrow.csv as pacsv

from qserv.catalog.errors import DataError
from qserv.catalog.model import Column
from qserv.catalog.spec import SourceSpec
from qserv.storage.origin import Origin
from qserv.storage.sources import LocalFile

csv.field_size_limit(sys.maxsize)  # a value has the bytes that Arrow lets it have

_OTHERS = {b"PAR1\x15": "Parquet", b"SIMPLE  =": "FITS"}
"""How files of other formats begin; a byte that is no text tells Parquet from a column named PAR1."""

_COMPRESSION = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


class _Records(Protocol):
    """What ``csv.reader`` makes. ``line_num``: lines that were read."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...


class _Counted:
    """A stream for Arrow to read, whose quotes are counted as they pass."""

    closed = False

    def __init__(self, stream: pa.NativeFile, quote: str) -> None:
        self._stream = stream
        self._quote = quote.encode()
        self.quotes = 0

    def read(self, size: int) -> bytes:
        data = bytes(self._stream.read(size))
        self.quotes += data.count(self._quote)
        return data


class CsvFile:
    """A text file of one record a line, or more where a quoted value holds line ends. Blank lines are passed over.

    Arrow takes the rest of a file for the value whose quote is not closed, or all up to the next quote. An odd number
    of quotes tells that it may have done so; then the file is read again, by a reader that minds it.
    """

    schema: None = None

    def __init__(self, file: LocalFile, source: SourceSpec) -> None:
        self._file = file
        self._source = source
        self._compression = _COMPRESSION.get(_suffix(file))

    def batches(self, columns: Sequence[Column], batch_bytes: int) -> Iterator[tuple[pa.Table, Origin, int]]:
        first = 0
        wrong: list[pacsv.InvalidRow] = []
        self._refuse_others()
        with self._opened() as (stream, raw):
            counted = _Counted(stream, self._source.quote)
            try:
                for batch in self._reader(counted, columns, batch_bytes, wrong):
                    yield pa.Table.from_batches([batch]), Origin(self._file.name, first, self._line_of), raw.tell()
                    first += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise self._error(error, wrong) from error
            if counted.quotes % 2 and (line := self._unpaired()):
                raise self._quotes(line)

    def _refuse_others(self) -> None:
        """Raises DataError for a file of another format, by its first bytes: as text its lines would be blamed."""
        with self._file.path.open("rb") as file:
            head = file.read(max(map(len, _OTHERS)))
        for begin, kind in _OTHERS.items():
            if head.startswith(begin):
                name = self._file.name
                raise DataError(f"{name}: this is a {kind} file, not text: say `format: {kind.lower()}`", file=name)

    @contextmanager
    def _opened(self) -> Iterator[tuple[pa.NativeFile, pa.NativeFile]]:
        """The text, and the file below it whose position tells how much was read."""
        with pa.OSFile(str(self._file.path), "rb") as raw:
            stream = raw if self._compression is None else pa.CompressedInputStream(raw, self._compression)
            yield stream, raw

    def _reader(
        self, stream: _Counted, columns: Sequence[Column], batch_bytes: int, wrong: list[pacsv.InvalidRow]
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
            line = self._unpaired() if "straddl" in str(error) else None  # of blocks: a value that is longer than they
            if line:
                return self._quotes(line)
            line = self._not_utf8() if "UTF8" in str(error) else None
            where = f"{name}, line {line}: it is not text in UTF-8" if line else f"{name}: cannot be read: {error}"
            return DataError(where, file=name, **({"line": line} if line else {}))
        row = wrong[0]
        line = self._line_of((row.number or 1) - self._source.header)
        if self._unpaired() == line:
            return self._quotes(line)
        return DataError(
            f"{name}, line {line}: {row.actual_columns} values where there are {row.expected_columns} columns: "
            f"{row.text[:80]!r}",
            file=name,
            line=line,
        )

    def _quotes(self, line: int) -> DataError:
        return DataError(
            f"{self._file.name}, line {line}: the quotes {self._source.quote} of the record that begins here do not"
            " pair: is one not closed? Within a quoted value a quote is written twice",
            file=self._file.name,
            line=line,
        )

    def _unpaired(self) -> int | None:
        """The line of the first record with a quote that is not closed, or that is closed in the midst of a value."""
        begin = 1
        with self._lines(strict=True) as lines:
            try:
                for _ in lines:
                    begin = lines.line_num + 1
            except csv.Error:
                return begin
            except OSError:
                return None  # it cannot be read to there
        return None

    def _not_utf8(self) -> int | None:
        """The first line that is not text in UTF-8."""
        with self._opened() as (stream, _):
            for number, line in enumerate(io.BufferedReader(stream), start=1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return None

    def _line_of(self, row: int) -> int:
        """The line, from 1, where a row begins, found by reading the file again."""
        wanted = row + self._source.header
        before, seen = 0, 0
        with self._lines() as lines:
            for record in lines:
                seen += bool(record)
                if seen == wanted:
                    return before + 1
                before = lines.line_num
        return before + 1

    @contextmanager
    def _lines(self, *, strict: bool = False) -> Iterator[_Records]:
        """The file's records once more, to name an error."""
        source = self._source
        with self._opened() as (stream, _):
            text = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8", errors="replace", newline="")
            yield csv.reader(text, delimiter=source.delimiter, quotechar=source.quote, strict=strict)


def _suffix(file: LocalFile) -> str:
    return "." + file.name.lower().rpartition(".")[2]
