"""``qserv sql``: statements through a czar's HTTP port, and their rows in several forms."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import httpx
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from qserv.catalog.errors import Conflict, QservError, Unavailable, WorkerFailed, from_code
from qserv.cli.connect import CzarAddress

_ARROW = "application/vnd.apache.arrow.stream"
_SHOWN_ROWS = 1000
"""Rows that a table on the screen shows at most."""


class Form(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class _Body:
    """A streamed HTTP body as a file for Arrow to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        parts = [self._rest]
        have = len(self._rest)
        while size < 0 or have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        cut = len(data) if size < 0 else size
        self._rest = data[cut:]
        return data[:cut]

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a statement as they come; None of a statement that has none. ``query`` is what the czar calls it."""

    reader: pa.RecordBatchReader | None
    query: str | None


class Client:
    """Asks one czar."""

    def __init__(self, address: CzarAddress, database: str | None) -> None:
        self._address = address
        self._database = database
        login = address.login
        self._http = httpx.Client(auth=(login.user, login.password), timeout=httpx.Timeout(30.0, read=None))

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def query(self, sql: str) -> Iterator[Answer]:
        """Ask a statement; its rows are to be read inside of the ``with``.

        Raises
        ------
        QservError
            As the czar tells it; WorkerFailed where the rows break off.
        """
        body = {"sql": sql} | ({"database": self._database} if self._database else {})
        request = self._http.build_request(
            "POST", f"{self._address.url}/api/v1/query", json=body, headers={"accept": _ARROW}
        )
        try:
            answer = self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise Unavailable(f"the czar {self._address.url} cannot be reached: {error}") from error
        try:
            if not answer.is_success:
                answer.read()
                raise _refusal(answer)
            query = answer.headers.get("x-qserv-query-id")
            if _ARROW not in answer.headers.get("content-type", ""):
                answer.read()
                yield Answer(None, query)
            else:
                yield Answer(pa.ipc.open_stream(_Body(answer.iter_bytes())), query)
        except (httpx.TransportError, pa.ArrowInvalid) as error:
            raise WorkerFailed("the answer broke off: what came of it is not the whole") from error
        finally:
            answer.close()

    def chunks(self, query: str) -> int:
        """How many chunks a query touched."""
        answer = self._http.get(f"{self._address.url}/api/v1/queries/{query}")
        if not answer.is_success:
            raise _refusal(answer)
        return int(answer.json()["chunks"])


def run(client: Client, sql: str, form: Form, output: Path | None) -> None:
    """Ask, and write the rows to the screen or a file.

    Raises
    ------
    Conflict
        For Parquet without a file.
    """
    if form is Form.PARQUET and output is None:
        raise Conflict("Parquet goes to a file: give --output FILE")
    began = time.monotonic()
    with client.query(sql) as answer:
        reader = answer.reader
        if reader is None:
            Console(stderr=True).print("done", style="dim")
            return
        if form is Form.TABLE:
            _table(reader, output, began)
        elif output is None:
            _write(reader, form, sys.stdout.buffer)
        else:
            temporary = output.with_name(f".{output.name}.part")
            with temporary.open("wb") as file:
                _write(reader, form, file)
            temporary.replace(output)


def _write(reader: pa.RecordBatchReader, form: Form, file: IO[bytes]) -> None:
    if form is Form.CSV:
        with pacsv.CSVWriter(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    elif form is Form.PARQUET:
        with pq.ParquetWriter(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    else:
        for batch in reader:
            for row in batch.to_pylist():
                file.write(json.dumps(row, default=_plain, ensure_ascii=False).encode() + b"\n")
        file.flush()


def _table(reader: pa.RecordBatchReader, output: Path | None, began: float) -> None:
    shown: list[list[str]] = []
    count = 0
    for batch in reader:
        count += batch.num_rows
        left = _SHOWN_ROWS - len(shown)
        if left > 0:
            shown += texts(batch.slice(0, left))
    table = grid(reader.schema, shown)
    note = f"{count} row{'s' if count != 1 else ''} in {time.monotonic() - began:.3f} s"
    if count > len(shown):
        note += f"; the first {len(shown)} are shown: ask for --format csv to have all"
    if output is None:
        Console().print(table)
    else:
        with output.open("w") as file:
            Console(file=file, width=200).print(table)
    Console(stderr=True).print(note, style="dim")


def grid(schema: pa.Schema, rows: list[list[str]]) -> Table:
    """Rows of texts under the names of their columns, numbers to the right."""
    table = Table()
    for field in schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(field.name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def texts(rows: pa.Table | pa.RecordBatch) -> list[list[str]]:
    """Rows as texts; a floating-point number as its shortest that reads back the same."""
    columns = [
        (column.cast(pa.string()) if pa.types.is_floating(column.type) else column).to_pylist()
        for column in rows.columns
    ]
    return [[_text(value) for value in row] for row in zip(*columns, strict=True)]


def _text(value: Any) -> str:
    return "NULL" if value is None else _plain(value)


def _plain(value: Any) -> str:
    """What JSON has no form of: times as MySQL writes them, decimals exactly, bytes in hexadecimal."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _refusal(answer: httpx.Response) -> QservError:
    try:
        body = answer.json()
        return from_code(body["code"], body["message"])
    except (ValueError, KeyError):
        return Unavailable(f"{answer.request.url} answered {answer.status_code}: is it a czar?")


def prompt(client: Client, form: Form) -> None:
    """Read statements, each up to its semicolon, until the end of the input; an error ends only its statement."""
    console = Console(stderr=True)
    lines: list[str] = []
    while True:
        try:
            line = input("   -> " if lines else "qserv> ")
        except EOFError:
            return
        except KeyboardInterrupt:
            lines = []
            console.print()
            continue
        if not lines and line.strip().rstrip(";").casefold() in ("exit", "quit", "\\q"):
            return
        lines.append(line)
        if not line.rstrip().endswith(";"):
            continue
        sql, lines = "\n".join(lines).strip().rstrip(";"), []
        if not sql.strip():
            continue
        try:
            run(client, sql, form, None)
        except QservError as error:
            console.print(f"{error.code}: {error.message}", style="red", highlight=False, markup=False)
        except KeyboardInterrupt:
            console.print("stopped", style="yellow")
