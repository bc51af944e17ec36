"""Queries over Flight: what comes back, what is refused, and what stops them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from qserv.catalog.errors import (
    DataError,
    FileMissing,
    QueryKilled,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    WorkerFailed,
)
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import LookupHeader, QuerySource, QueryTask
from qserv.catalog.trust import Certificates, Trust
from qserv.storage.files import StoredFile
from qserv.storage.schema import encode_ipc, overlap_schema
from qserv.worker import lanes
from qserv.worker.queries import Queries
from qserv.worker.worker import Worker
from worker.chunks import CHUNK_SCHEMA, answer, chunk_rows, failure, task, write_chunks
from worker.site import Registrar, Site

CHUNKS = range(100, 140)
ROWS = 50
COUNT = "SELECT count(*) AS n FROM read_parquet($s0)"
ENDLESS = "SELECT count(*) AS n FROM read_parquet($s0) a, range(1000000000) r WHERE a.value + r.range = 0.5"

Loaded = tuple[Worker, WorkerClient, dict[int, StoredFile]]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    registrar = Registrar()
    made = Site(tmp_path_factory.mktemp("standing"), registrar)
    yield made
    made.close()
    registrar.close()


@pytest.fixture(scope="module")
def loaded(standing: Site) -> Loaded:
    """A worker for all tests that change nothing of it."""
    return load(standing)


@pytest.fixture
def own(site: Site) -> Loaded:
    """A worker for one test alone."""
    return load(site)


def load(site: Site) -> Loaded:
    files = write_chunks(site.folder / "w0", CHUNKS, ROWS)
    worker = site.start("w0")
    return worker, site.client(worker), files


def covered(done: list[tuple[int, int]]) -> list[int]:
    return sorted(chunk for first, count in done for chunk in range(first, first + count))


@pytest.mark.parametrize("lane", ["scan", "point"])
def test_every_row_comes_once_and_every_chunk_is_reported_once(loaded: Loaded, lane: str) -> None:
    _, client, files = loaded
    rows, done = answer(client, task("SELECT id FROM read_parquet($s0)", files, lane=lane))
    expected = pa.concat_tables([chunk_rows(chunk, ROWS) for chunk in CHUNKS]).column("id")
    assert sorted(rows.column("id").to_pylist()) == sorted(expected.to_pylist())
    assert covered(done) == list(range(len(CHUNKS)))


def test_chunks_may_come_in_any_order(loaded: Loaded) -> None:
    _, client, files = loaded
    order = sorted(files)
    order = order[::-2] + order[::2]
    wish = task("SELECT DISTINCT chunkId FROM read_parquet($s0)", {chunk: files[chunk] for chunk in order})
    rows, done = answer(client, wish)
    assert wish.chunks == tuple(order)
    assert set(rows.column("chunkId").to_pylist()) == set(order)
    assert covered(done) == list(range(len(wish.chunks)))


def test_an_aggregate_gives_a_row_a_batch(loaded: Loaded) -> None:
    _, client, files = loaded
    rows, _ = answer(client, task(COUNT, files))
    assert sum(rows.column("n").to_pylist()) == len(CHUNKS) * ROWS


def test_the_limit_ends_a_query_early_and_still_reports_all_chunks(loaded: Loaded) -> None:
    _, client, files = loaded
    rows, done = answer(client, task("SELECT id FROM read_parquet($s0)", files, limit=7))
    assert rows.num_rows == 7
    assert covered(done) == list(range(len(CHUNKS)))


def test_rows_that_are_waited_for_begin_with_a_small_batch(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    _, client, files = loaded
    monkeypatch.setattr(lanes, "PROMPT_BYTES", 1)
    wish = task("SELECT id FROM read_parquet($s0)", files)
    _, whole = answer(client, wish)
    rows, done = answer(client, wish.model_copy(update={"prompt": True}))
    assert [count for _, count in whole] == [len(CHUNKS)]
    assert done[0][1] == 1
    assert rows.num_rows == len(CHUNKS) * ROWS
    assert covered(done) == list(range(len(CHUNKS)))


def test_wide_rows_come_in_small_batches(loaded: Loaded) -> None:
    _, client, files = loaded
    stream = client.query(task("SELECT id, repeat('x', 4000) AS text FROM read_parquet($s0)", files))
    batches = [batch for batch, _ in stream]
    assert sum(batch.num_rows for batch in batches) == len(CHUNKS) * ROWS
    assert sum(batch.nbytes for batch in batches) > 7 * lanes.PIECE
    assert max(batch.nbytes for batch in batches) < 1.1 * lanes.PIECE


def test_few_rows_come_in_one_message(loaded: Loaded) -> None:
    _, client, files = loaded
    stream = client.query(task("SELECT id FROM read_parquet($s0)", {100: files[100]}, lane="point"))
    assert [(batch.num_rows, done is not None) for batch, done in stream] == [(ROWS, True)]


def test_a_source_without_files_reads_as_no_rows(loaded: Loaded) -> None:
    _, client, files = loaded
    overlap = QuerySource(
        database="sky",
        table="Object",
        kind="overlap",
        by_chunk=QuerySource.names([] for _ in files),
        schema_ipc=encode_ipc(overlap_schema(CHUNK_SCHEMA)),
    )
    sql = (
        "SELECT count(*) AS n, count(hostChunkId) AS m FROM read_parquet($s0) a LEFT JOIN read_parquet($s1) USING (id)"
    )
    wish = task(sql, files)
    rows, _ = answer(client, wish.model_copy(update={"sources": (*wish.sources, overlap)}))
    assert (sum(rows.column("n").to_pylist()), sum(rows.column("m").to_pylist())) == (len(CHUNKS) * ROWS, 0)


def test_a_replicated_table_without_files_reads_as_no_rows(loaded: Loaded) -> None:
    _, client, files = loaded
    none = QuerySource(database="sky", table="Filter", schema_ipc=encode_ipc(CHUNK_SCHEMA))
    sql = "SELECT count(*) AS n FROM read_parquet($s1) a JOIN read_parquet($s0) b USING (id)"
    wish = task(sql, files)
    rows, _ = answer(client, wish.model_copy(update={"sources": (none, *wish.sources)}))
    assert sum(rows.column("n").to_pylist()) == 0


def test_a_missing_file_is_named(own: Loaded, tmp_path: Path) -> None:
    _, client, files = own
    gone = files[CHUNKS[3]].path
    (tmp_path / "w0" / gone).unlink()
    error = failure(lambda: answer(client, task(COUNT, files)))
    assert isinstance(error, FileMissing)
    assert gone in error.message


def test_a_damaged_file_fails_the_query(own: Loaded, tmp_path: Path) -> None:
    _, client, files = own
    path = tmp_path / "w0" / files[CHUNKS[3]].path
    path.write_bytes(path.read_bytes()[:-100])
    error = failure(lambda: answer(client, task(COUNT, files)))
    assert isinstance(error, WorkerFailed)


def test_more_memory_than_the_limit_is_said_so(site: Site, tmp_path: Path) -> None:
    files = write_chunks(tmp_path / "w0", [1], 10)
    worker = site.start("w0", memory_limit=48 << 20, spill_limit=1 << 20)
    sql = "SELECT list(r.range::VARCHAR || a.value) AS l FROM read_parquet($s0) a, range(3000000) r"
    error = failure(lambda: answer(site.client(worker), task(sql, files)))
    assert isinstance(error, ResourceExhausted)
    assert answer(site.client(worker), task(COUNT, files))[0].num_rows == 1


@pytest.mark.parametrize("stop", ["action", "stream"])
def test_a_cancelled_query_stops(loaded: Loaded, stop: str) -> None:
    worker, client, files = loaded
    stream = client.query(task(ENDLESS, files, query="endless"))
    timer = threading.Timer(0.2, (lambda: client.cancel("endless")) if stop == "action" else stream.cancel)
    timer.start()
    assert isinstance(failure(lambda: list(stream)), QueryKilled)
    timer.join()
    assert answer(client, task(COUNT, files))[1]
    idle(worker)


def test_a_dropped_query_stops(loaded: Loaded) -> None:
    worker, client, files = loaded
    rows = iter(client.query(task("SELECT a.* FROM read_parquet($s0) a, range(100000) r", files)))
    next(rows)
    del rows
    idle(worker)


def idle(worker: Worker) -> None:
    """Wait until no query is left on the worker."""
    patience = threading.Event()
    for _ in range(200):
        if not any(worker.running.values()):
            return
        patience.wait(0.05)
    raise AssertionError("a query still runs that nobody waits for")


def test_an_answer_that_nobody_reads_stops(site: Site, tmp_path: Path) -> None:
    files = write_chunks(tmp_path / "data", [1], 10)
    queries = Queries(site.settings("w0"), tmp_path / "data", tmp_path / "scratch")
    _, rows = queries.start(task(ENDLESS, files), lambda: False)
    assert queries.running["scan"] == 1
    del rows
    assert queries.running["scan"] == 0
    queries.close()


def test_a_slow_caller_holds_up_nobody(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, client, files = loaded
    monkeypatch.setattr(lanes, "FULL", 1 << 18)
    everything = task("SELECT a.*, r.range FROM read_parquet($s0) a, range(300) r", files)
    lazy = [client.query(everything) for _ in range(4)]
    for _ in range(5):
        assert answer(client, task(COUNT, files))[1]
    assert worker.running["scan"] == 4
    for stream in lazy:
        assert sum(batch.num_rows for batch, _ in stream) == 300 * ROWS * len(CHUNKS)


def test_a_statement_that_cannot_run_fails_at_once(loaded: Loaded) -> None:
    _, client, files = loaded
    error = failure(lambda: client.query(task("SELECT nothing FROM read_parquet($s0)", files)))
    assert type(error) is WorkerFailed
    assert "nothing" in error.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd'), read_parquet($s0)",
        "SELECT * FROM read_csv('/etc/passwd', header=false), read_parquet($s0)",
        "SELECT * FROM read_parquet('https://example.org/x.parquet'), read_parquet($s0)",
        "SELECT * FROM read_parquet($s0), read_text('{secret}')",
        "SET enable_external_access = true",
        "SET memory_limit = '10TB'",
        "INSTALL httpfs",
        "ATTACH '/tmp/other.db'",
        "COPY (SELECT 1) TO '/tmp/leak.csv'",
    ],
)
@pytest.mark.parametrize("lane", ["scan", "point"])
def test_no_statement_reaches_beyond_the_data(loaded: Loaded, standing: Site, sql: str, lane: str) -> None:
    _, client, files = loaded
    wish = task(sql.format(secret=standing.secret_file), files, lane=lane)
    assert isinstance(failure(lambda: answer(client, wish)), WorkerFailed)


def test_only_the_cluster_is_answered(loaded: Loaded, standing: Site) -> None:
    worker, _, files = loaded
    stranger = WorkerClient(worker.flight, Trust(standing.secret_file, lambda: ("guess",), Certificates()))
    assert isinstance(failure(lambda: answer(stranger, task(COUNT, files))), Unauthenticated)
    assert isinstance(failure(lambda: stranger.action("ping")), Unauthenticated)
    assert isinstance(failure(lambda: list(stranger.files([files[CHUNKS[0]].path]))), Unauthenticated)
    stranger.close()
    with flight.FlightClient(f"grpc://{worker.flight}") as nobody, pytest.raises(flight.FlightUnauthenticatedError):
        list(nobody.do_action(flight.Action("inventory", b"{}")))


def test_a_rotated_secret_is_taken_up(own: Loaded, site: Site) -> None:
    worker, client, _ = own
    site.secret_file.write_text("a-newer-secret\n")
    client.action("ping")
    old = WorkerClient(worker.flight, Trust(site.secret_file, lambda: ("the-secret-of-this-test",), Certificates()))
    assert isinstance(failure(lambda: old.action("ping")), Unauthenticated)
    old.close()


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", ".qserv/identity.json", "sky/Object/100/nothing"])
def test_files_are_sent_from_the_data_folder_only(loaded: Loaded, path: str) -> None:
    _, client, _ = loaded
    assert isinstance(failure(lambda: list(client.files([path]))), DataError | FileMissing)


def test_messages_that_make_no_sense_are_refused(loaded: Loaded) -> None:
    _, client, _ = loaded
    assert isinstance(failure(lambda: client.action("dance")), DataError)
    assert isinstance(failure(lambda: client.action("prepare", QuerySource(database="a", table="b"))), DataError)
    assert isinstance(failure(lambda: client.lookup(LookupHeader(runs=()), pa.array([1]))), DataError)


def test_a_worker_that_ended_is_unavailable(site: Site, tmp_path: Path) -> None:
    files = write_chunks(tmp_path / "w0", [1], 10)
    worker = site.start("w0")
    client = site.client(worker)
    stream = client.query(task(ENDLESS, files))
    site.stop("w0")
    assert isinstance(failure(lambda: list(stream)), QueryKilled | Unavailable)
    assert isinstance(failure(lambda: client.action("ping")), Unavailable)


def test_a_query_without_chunks_reads_replicated_tables(loaded: Loaded, standing: Site) -> None:
    _, client, files = loaded
    folder = standing.folder / "w0" / "sky" / "Filter" / "full"
    folder.mkdir(parents=True)
    source = standing.folder / "w0" / files[CHUNKS[0]].path
    (folder / "main-2-00000000.parquet").write_bytes(source.read_bytes())
    filters = QuerySource(database="sky", table="Filter", shared=("main-2-00000000.parquet",))
    rows, done = answer(client, QueryTask(query="q", sql=COUNT, sources=(filters,)))
    assert (rows.column("n").to_pylist(), done) == ([ROWS], [(0, 0)])


def test_an_answer_keeps_its_columns_when_it_has_no_rows(loaded: Loaded) -> None:
    _, client, files = loaded
    rows, _ = answer(client, task("SELECT id, value FROM read_parquet($s0) WHERE id < 0", files))
    assert rows.schema.names == ["id", "value"]
    assert rows.num_rows == 0


def test_running_queries_are_counted(loaded: Loaded) -> None:
    worker, client, files = loaded
    stream = client.query(task(ENDLESS, files))
    assert worker.running == {"scan": 1, "point": 0}
    stream.cancel()
    idle(worker)
