"""The client of a worker against real Flight servers that fail in all ways."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from qserv.catalog import flight as client_module
from qserv.catalog.errors import (
    DiskFull,
    DuplicateKey,
    FileMissing,
    QservError,
    QueryKilled,
    Unavailable,
    WorkerFailed,
)
from qserv.catalog.flight import WorkerClient, failure_of, raised_by
from qserv.catalog.messages import BatchDone, QueryTask, StagePut
from qserv.catalog.model import FileKind
from qserv.catalog.trust import Certificates, Trust

SCHEMA = pa.schema([("a", pa.int64())])
ROWS = pa.record_batch([pa.array([1, 2])], schema=SCHEMA)
EMPTY = ROWS.slice(0, 0)
PUT = StagePut(transaction=1, database="d", table="t", kind=FileKind.MAIN, contribution=1, attempt=1)


def error(cause: QservError) -> flight.FlightServerError:
    return flight.FlightServerError(cause.message, failure_of(cause).encode())


class Worker(flight.FlightServerBase):  # type: ignore[misc]
    """Answers by the text of the statement."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.ended = threading.Event()
        super().__init__("grpc://127.0.0.1:0")

    def do_get(self, context: Any, ticket: Any) -> Any:
        sql = QueryTask.model_validate_json(ticket.ticket).sql
        if sql == "refuse":
            raise error(FileMissing("it is not here", path="a/b"))
        if sql == "silent":
            self.release.wait(60)
        rows = self._rows(sql, context)
        weakref.finalize(rows, self.ended.set)
        return flight.GeneratorStream(SCHEMA, rows)

    def _rows(self, sql: str, context: Any) -> Iterator[Any]:
        yield EMPTY
        yield ROWS
        if sql == "break":
            raise error(FileMissing("it is gone", path="a/b"))
        if sql == "bug":
            raise ValueError("a bug")
        while sql in ("hang", "endless") and not self.release.wait(0.05) and not context.is_cancelled():
            if sql == "endless":
                yield EMPTY
        yield EMPTY, BatchDone(first=0, count=2).encode()

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        for chunk in reader:
            if chunk.data.num_rows:
                raise error(DiskFull("no room"))


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made
        made.release.set()


@pytest.fixture
def client(worker: Worker, tmp_path: Path) -> Iterator[WorkerClient]:
    made = WorkerClient(f"127.0.0.1:{worker.port}", trust(tmp_path), silence=1.0)
    yield made
    made.close()


def trust(folder: Path) -> Trust:
    secret = folder / "secret"
    secret.write_text("s")
    return Trust(secret, lambda: ("s",), Certificates())


def query(sql: str) -> QueryTask:
    return QueryTask(query="q", sql=sql, sources=())


def test_rows_and_reports_come_and_signs_of_life_do_not(client: WorkerClient) -> None:
    stream = client.query(query("fine"))
    assert stream.schema == SCHEMA
    assert [(batch.num_rows, done) for batch, done in stream] == [(2, None), (0, BatchDone(first=0, count=2))]


@pytest.mark.parametrize("sql", ["refuse", "break"])
def test_errors_come_as_the_worker_named_them(client: WorkerClient, sql: str) -> None:
    with pytest.raises(FileMissing) as caught:
        list(client.query(query(sql)))
    assert caught.value.details == {"path": "a/b"}


def test_an_error_that_nobody_named_is_the_workers(client: WorkerClient) -> None:
    with pytest.raises(WorkerFailed):
        list(client.query(query("bug")))


def test_a_query_that_nobody_reads_ends_on_the_worker(client: WorkerClient, worker: Worker) -> None:
    stream = client.query(query("endless"))
    del stream
    assert worker.ended.wait(20)


@pytest.mark.parametrize("sql", ["silent", "hang"])
def test_a_silent_worker_is_given_up(client: WorkerClient, sql: str) -> None:
    with pytest.raises(Unavailable):
        list(client.query(query(sql)))


def test_a_slow_reader_is_not_a_silent_worker(client: WorkerClient) -> None:
    stream = client.query(query("fine"))
    rows = iter(stream)
    next(rows)
    stream.give_up_if_silent(1e12)
    assert list(rows)


def test_a_cancelled_query_ends_on_the_worker(client: WorkerClient, worker: Worker) -> None:
    stream = client.query(query("endless"))
    threading.Timer(0.1, stream.cancel).start()
    with pytest.raises(QueryKilled):
        list(stream)
    assert worker.ended.wait(20)


def test_a_dropped_query_ends_on_the_worker(client: WorkerClient, worker: Worker) -> None:
    rows = iter(client.query(query("endless")))
    next(rows)
    del rows
    assert worker.ended.wait(20)


def test_a_put_says_why_it_broke_off(client: WorkerClient) -> None:
    writer = client.put(PUT, SCHEMA)

    def send() -> None:
        for _ in range(100):
            writer.write(ROWS)
        writer.close()

    with pytest.raises(DiskFull, match=r"no room \(worker 127\.0\.0\.1:\d+\)"):
        send()


def test_the_worker_without_room_is_named_once() -> None:
    told = raised_by("b:2", error(DiskFull("no room")))
    passed_on = raised_by("a:1", error(told))
    assert told.message == passed_on.message == "no room (worker b:2)"


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    client = WorkerClient("127.0.0.1:1", trust(tmp_path))
    with pytest.raises(Unavailable):
        client.query(query("x"))
    with pytest.raises(Unavailable):
        client.action("ping")
    client.close()


def test_a_failure_is_cut_to_what_can_travel() -> None:
    long = DuplicateKey("x" * 50_000, keys=list(range(100_000)), table="t")
    sent = failure_of(long)
    assert len(sent.encode()) < client_module.LONGEST + 200
    assert sent.details == {"table": "t"}


def test_details_travel_both_ways() -> None:
    cause = DuplicateKey("twice", keys=[1, 2], table="t", secret=object())
    told = raised_by("w", flight.FlightServerError("x", failure_of(cause).encode()))
    assert isinstance(told, DuplicateKey)
    assert (told.message, told.details) == ("twice", {"keys": [1, 2], "table": "t"})
