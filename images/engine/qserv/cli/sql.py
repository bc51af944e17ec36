"""``qserv sql``: statements through a czar's HTTP port, and their rows in several forms."""

from __future__ import annotations

import importlib
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import IO, Any

import httpx
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

from qserv.catalog.errors import Conflict, QservError, Unavailable, WorkerFailed, from_code
from qserv.cli.connect import CzarAddress
from qserv.cli.told import ENDLESS, screen

_ARROW = "application/vnd.apache.arrow.stream"
_SHOWN_ROWS = 1000
"""Rows that a table on the screen shows at most."""
_USE = re.compile(r"\s*USE\s+(?P<quoted>`?)(?P<name>[^\s`;]+)(?P=quoted)\s*;?\s*", re.IGNORECASE)


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
            raise Unavailable(
                f"the czar {self._address.url} cannot be reached ({error}): {self._address.help}"
            ) from error
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
            self._remember(sql)
        except (httpx.TransportError, pa.ArrowInvalid) as error:
            raise WorkerFailed("the answer broke off: what came of it is not the whole") from error
        finally:
            answer.close()

    def _remember(self, sql: str) -> None:
        """The czar knows no session over HTTP: the database that was chosen is sent with each statement."""
        chosen = _USE.fullmatch(sql)
        if chosen is not None:
            self._database = chosen["name"]

    def chunks(self, query: str) -> int:
        """How many chunks a query touched."""
        answer = self._http.get(f"{self._address.url}/api/v1/queries/{query}")
        if not answer.is_success:
            raise _refusal(answer)
        return int(answer.json()["chunks"])


def script(client: Client, text: str, form: Form, output: Path | None) -> None:
    """Ask statements, one after the other; the first that fails ends it.

    Raises
    ------
    Conflict
        For Parquet without a file, or several statements into one.
    """
    statements, rest = split(text)
    statements += [rest] if rest else []
    if output is not None and len(statements) > 1:
        raise Conflict(f"{len(statements)} statements do not go into one file: ask them one by one")
    for statement in statements:
        run(client, statement, form, output)


def split(text: str) -> tuple[list[str], str]:
    """Statements that end with a semicolon, and what comes after the last: nothing, or a statement's beginning."""
    statements: list[str] = []
    began = 0
    try:
        tokens = MySQL().tokenize(text)
    except TokenError:  # a text or a comment that has not ended yet
        return [], text.strip()
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            statements.append(text[began : token.start].strip())
            began = token.end + 1
    left = any(token.start >= began for token in tokens)
    return [one for one in statements if one], text[began:].strip() if left else ""


def run(client: Client, sql: str, form: Form, output: Path | None) -> None:
    """Ask one statement, and write its rows to the screen or a file, which is whole or not there."""
    if form is Form.PARQUET and output is None:
        raise Conflict("Parquet goes to a file: give --output FILE")
    began = time.monotonic()
    with client.query(sql) as answer:
        reader = answer.reader
        if reader is None:
            Console(stderr=True).print("done", style="dim")
            return
        if output is None:
            _write(reader, form, sys.stdout.buffer, began)
            return
        temporary = output.with_name(f".{output.name}.part")
        try:
            with temporary.open("wb") as file:
                _write(reader, form, file, began)
            temporary.replace(output)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _write(reader: pa.RecordBatchReader, form: Form, file: IO[bytes], began: float) -> None:
    if form is Form.TABLE:
        _table(reader, file, began)
    elif form is Form.CSV:
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


def _table(reader: pa.RecordBatchReader, file: IO[bytes], began: float) -> None:
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
    if file is sys.stdout.buffer:
        screen().print(table)
    else:
        text = StringIO()
        Console(file=text, width=ENDLESS).print(table)
        file.write(text.getvalue().encode())
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
    with suppress(ImportError):  # where it is there, lines can be edited and come again
        importlib.import_module("readline")
    console = Console(stderr=True)
    console.print("End statements with ';'. 'exit' or Ctrl-D leaves, Ctrl-C stops a statement.", style="dim")
    begun = ""
    while True:
        try:
            line = input("   -> " if begun else "qserv> ")
        except EOFError:
            console.print()
            return
        except KeyboardInterrupt:
            begun = ""
            console.print()
            continue
        if not begun and line.strip().rstrip(";").casefold() in ("exit", "quit", "\\q"):
            return
        statements, begun = split(f"{begun}\n{line}")
        try:
            for statement in statements:
                run(client, statement, form, None)
        except QservError as error:
            console.print(f"{error.code}: {error.message}", style="red", highlight=False, markup=False)
        except KeyboardInterrupt:
            console.print("stopped", style="yellow")
