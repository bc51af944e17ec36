"""Rows of a transaction: staged, written, copied, discarded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.catalog.errors import DataError, DuplicateKey, FileMissing, QueryKilled, TransactionClosed, Unavailable
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import (
    ChunkLookup,
    Discard,
    Fetch,
    Inventory,
    LookupHeader,
    Prepare,
    Prepared,
    StagedUnit,
    StagePut,
    TableFacts,
    Verified,
    Verify,
)
from qserv.catalog.model import FileKind, TableKind, UnitKind
from qserv.catalog.spec import ColumnSpec, TableSpec
from qserv.sky.chunker import partitioning
from qserv.storage.blocks import Director, cut_director
from qserv.storage.files import StoredFile
from qserv.storage.publishing import Batch
from qserv.worker.prepare import Budget
from qserv.worker.staging import Staging
from qserv.worker.store import Store
from qserv.worker.transfer import Pace
from worker.chunks import answer, failure, task
from worker.site import Site

SPHERE = partitioning(18, 3)
DIRECTOR = Director(SPHERE, 0.5, "id", ("ra", "dec"), 2)
COLUMNS = tuple(
    ColumnSpec(name=name, type=kind) for name, kind in (("id", "BIGINT"), ("ra", "DOUBLE"), ("dec", "DOUBLE"))
)
FACTS = TableFacts(
    id=7,
    database="sky",
    spec=TableSpec(name="Object", kind=TableKind.DIRECTOR, key="ID", position=("ra", "dec"), columns=COLUMNS),
    stripes=18,
    substripes=3,
    overlap=0.5,
    index_partitions=2,
)


def rows(first: int, count: int) -> pa.Table:
    ids = range(first, first + count)
    return pa.table(
        {"id": pa.array(ids), "ra": [(key * 0.37) % 40.0 for key in ids], "dec": [(key * 0.11) % 20.0 for key in ids]}
    )


def stage(
    client: WorkerClient, table: pa.Table, *, transaction: int = 1, contribution: int = 1, attempt: int = 1
) -> None:
    cut = cut_director(table, DIRECTOR)
    for kind, block in ((FileKind.MAIN, cut.main), (FileKind.OVERLAP, cut.overlap), (FileKind.INDEX, cut.index)):
        put = StagePut(
            transaction=transaction,
            database="sky",
            table="Object",
            kind=kind,
            contribution=contribution,
            attempt=attempt,
        )
        assert block is not None
        rows = block.take(block.order()).combine_chunks()
        writer = client.put(put, rows.schema)
        for batch in rows.to_batches(max_chunksize=64):
            writer.write(batch)
        writer.close()


def prepare(client: WorkerClient, *contributions: tuple[int, int], transaction: int = 1, **more: object) -> Prepared:
    wish = Prepare(transaction=transaction, tables=(FACTS,), contributions=contributions, **more)
    return client.action("prepare", wish, Prepared, timeout=60)


def of_kind(prepared: Prepared, kind: FileKind) -> list[StagedUnit]:
    return [file for file in prepared.files if file.kind is kind]


def read(root: Path, files: list[StagedUnit]) -> pa.Table:
    return pa.concat_tables([pq.read_table(root / file.path, partitioning=None) for file in files])


def inventory(client: WorkerClient) -> list[str]:
    found = client.action("inventory", Inventory(), Inventory)
    return [path for path, _ in found.files]


def test_staged_rows_become_files_that_answer_queries_on_another_worker(site: Site, tmp_path: Path) -> None:
    first, second = site.start("w0"), site.start("w1")
    source, target = site.client(first), site.client(second)
    stage(source, rows(0, 300))
    stage(source, rows(300, 200), contribution=2)
    prepared = prepare(source, (1, 1), (2, 1))

    main = of_kind(prepared, FileKind.MAIN)
    assert sum(file.rows for file in main) == 500
    assert {(file.table, file.unit) for file in main} == {(7, UnitKind.CHUNK)}
    assert {file.number for file in main} <= {file.number for file in of_kind(prepared, FileKind.OVERLAP)}
    assert sorted(read(tmp_path / "w0", main).column("id").to_pylist()) == list(range(500))

    fetch = Fetch(source=first.flight, files=tuple((file.path, file.sha256, file.bytes) for file in prepared.files))
    target.action("fetch", fetch, timeout=60)
    target.action("fetch", fetch, timeout=60)
    sums = target.action("verify", Verify(paths=tuple(file.path for file in prepared.files)), Verified)
    assert sums.sums == {file.path: file.sha256 for file in prepared.files}

    files = {file.number: StoredFile(file.path, file.sha256, file.bytes) for file in main}
    found, _ = answer(target, task("SELECT id, chunkId, subChunkId FROM read_parquet($s0)", files))
    assert sorted(found.column("id").to_pylist()) == list(range(500))
    index = tuple(file.path for file in of_kind(prepared, FileKind.INDEX))
    places = target.lookup(LookupHeader(runs=((3, index),)), pa.array([3, 444, 10_000]))
    expected = {row["id"]: row["chunkId"] for row in found.to_pylist()}
    assert {row["key"]: row["chunkId"] for row in places.to_pylist()} == {3: expected[3], 444: expected[444]}
    between = target.chunks_of(ChunkLookup(paths=index, low=10, high=12))
    assert between == tuple(sorted({expected[key] for key in (10, 11, 12)}))
    assert target.chunks_of(ChunkLookup(paths=index, keys=(444, 3, 10_000))) == tuple(
        sorted({expected[3], expected[444]})
    )


def test_prepared_twice_gives_the_same_files(site: Site) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 200))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: prepare(client, (1, 1)), range(3)))
    assert found[0] == found[1] == found[2] == prepare(client, (1, 1))
    assert sorted(inventory(client)) == sorted(file.path for file in found[0].files)


def test_rows_of_an_attempt_that_failed_are_not_written(site: Site, tmp_path: Path) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 100), attempt=1)
    stage(client, rows(0, 150), attempt=2)
    main = of_kind(prepare(client, (1, 2)), FileKind.MAIN)
    assert sorted(read(tmp_path / "w0", main).column("id").to_pylist()) == list(range(150))


def test_files_are_sorted_by_subchunk_then_key(site: Site, tmp_path: Path) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 500).take(pa.array(range(499, -1, -1))))
    for file in of_kind(prepare(client, (1, 1)), FileKind.MAIN):
        table = pq.read_table(tmp_path / "w0" / file.path, partitioning=None)
        order = list(zip(table.column("subChunkId").to_pylist(), table.column("id").to_pylist(), strict=True))
        assert order == sorted(order)


def test_a_key_twice_is_refused(site: Site) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 50))
    stage(client, rows(49, 10), contribution=2)
    error = failure(lambda: prepare(client, (1, 1), (2, 1)))
    assert isinstance(error, DuplicateKey)
    assert error.details["keys"] == [49]


def test_a_key_that_the_table_has_is_refused(site: Site) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 50))
    index = of_kind(prepare(client, (1, 1)), FileKind.INDEX)
    existing = {f"7/{file.number}": (file.path,) for file in index}
    stage(client, rows(49, 10), transaction=2, contribution=2)
    error = failure(lambda: prepare(client, (2, 1), transaction=2, existing_index=existing))
    assert isinstance(error, DuplicateKey)
    assert error.details["keys"] == [49]


def test_an_aborted_transaction_leaves_nothing(site: Site, tmp_path: Path) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 50))
    kept = prepare(client, (1, 1))
    stage(client, rows(50, 50), transaction=2, contribution=2)
    prepare(client, (2, 1), transaction=2)
    for _ in range(2):
        client.action("discard", Discard(transaction=2))
    assert sorted(inventory(client)) == sorted(file.path for file in kept.files)
    assert [path.name for path in (tmp_path / "w0" / ".qserv" / "staging").iterdir()] == ["1"]
    assert isinstance(failure(lambda: stage(client, rows(0, 1), transaction=2)), TransactionClosed)


def test_rows_that_come_beside_a_discard_are_told_that_it_is_closed(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "staging")
    batch = pa.record_batch({"chunkId": pa.array([1], pa.int32())})
    failures: list[Exception] = []

    def send(put: StagePut) -> None:
        try:
            while True:
                staging.append(put, batch)
        except Exception as error:
            failures.append(error)

    for number in range(100):
        put = StagePut(transaction=number, database="sky", table="T", kind=FileKind.MAIN, contribution=1, attempt=1)
        staging.append(put, batch)
        senders = [threading.Thread(target=send, args=(put,)) for _ in range(2)]
        for sender in senders:
            sender.start()
        staging.discard(number)
        for sender in senders:
            sender.join()
    assert {type(error) for error in failures} == {TransactionClosed}
    assert not list((tmp_path / "staging").iterdir())


def test_what_is_written_beside_a_discard_is_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with Batch(tmp_path) as batch:
        made = [
            batch.write("sky/Object/1", FileKind.MAIN, number, lambda file: file.write(b"rows") and None)
            for number in (7, 8)
        ]
        store.discard(7)
        assert isinstance(failure(lambda: store.finish(batch)), QueryKilled)
    assert [path for path, _ in store.list()] == [made[1].path]
    assert store.space().used == made[1].bytes


def test_staged_rows_of_a_committed_transaction_go_alone(site: Site, tmp_path: Path) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 50))
    kept = prepare(client, (1, 1))
    client.action("discard", Discard(staged=1))
    assert sorted(inventory(client)) == sorted(file.path for file in kept.files)
    assert not list((tmp_path / "w0" / ".qserv" / "staging").iterdir())


def test_a_restart_keeps_files_and_voids_what_was_staged(site: Site, tmp_path: Path) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 50))
    kept = sorted(file.path for file in prepare(client, (1, 1)).files)
    stage(client, rows(50, 50), transaction=2, contribution=2)
    leftover = tmp_path / "w0" / "sky" / "Object" / ".tmp-half-written"
    leftover.write_bytes(b"half")
    site.stop("w0")
    client = site.client(site.start("w0"))
    assert sorted(inventory(client)) == kept
    assert not leftover.exists()
    assert not prepare(client, (2, 1), transaction=2).files
    client.action("discard", Discard(transaction=1))
    assert not inventory(client)


def test_a_damaged_copy_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    first = site.start("w0")
    source, target = site.client(first), site.client(site.start("w1"))
    stage(source, rows(0, 50))
    file = of_kind(prepare(source, (1, 1)), FileKind.MAIN)[0]
    path = tmp_path / "w0" / file.path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    wish = Fetch(source=first.flight, files=((file.path, file.sha256, file.bytes),))
    assert isinstance(failure(lambda: target.action("fetch", wish)), DataError)
    path.unlink()
    error = failure(lambda: target.action("fetch", wish))
    assert isinstance(error, FileMissing)
    site.stop("w0")
    assert isinstance(failure(lambda: target.action("fetch", wish)), Unavailable)
    assert not inventory(target)
    assert not [found for found in (tmp_path / "w1").rglob("*") if found.name.startswith(".tmp")]


def test_named_files_are_removed(site: Site) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 50))
    paths = [file.path for file in prepare(client, (1, 1)).files]
    client.action("discard", Discard(paths=(paths[0], "sky/Object/5/main-1-00000000.parquet")))
    assert sorted(inventory(client)) == sorted(paths[1:])
    assert isinstance(failure(lambda: client.action("discard", Discard(paths=("../secret",)))), DataError)


def test_rows_with_other_columns_are_refused(site: Site) -> None:
    client = site.client(site.start("w0"))
    stage(client, rows(0, 5))
    put = StagePut(transaction=1, database="sky", table="Object", kind=FileKind.MAIN, contribution=1, attempt=1)
    batch = pa.record_batch([pa.array([1]), pa.array([2], pa.int32())], names=["id", "chunkId"])
    writer = client.put(put, batch.schema)

    def send() -> None:
        writer.write(batch)
        writer.close()

    assert isinstance(failure(send), DataError)


def test_many_senders_stage_at_once(site: Site, tmp_path: Path) -> None:
    client = site.client(site.start("w0"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: stage(client, rows(part * 100, 100), contribution=part), range(8)))
    main = of_kind(prepare(client, *((part, 1) for part in range(8))), FileKind.MAIN)
    assert sorted(read(tmp_path / "w0", main).column("id").to_pylist()) == list(range(800))


@pytest.mark.parametrize(
    ("bandwidth", "busy", "expected"), [(0, False, 0.0), (1000, False, 0.5), (1000, True, 2.0), (0, True, 0.0)]
)
def test_copies_keep_to_the_bandwidth_and_give_way_to_queries(bandwidth: int, busy: bool, expected: float) -> None:
    now = 100.0
    pace = Pace(bandwidth, lambda: busy, lambda: now)
    assert pace.delay(500) == pytest.approx(expected)
    now += 10.0
    assert pace.delay(500) == pytest.approx(max(0.0, expected - 0.1))


def test_what_is_written_at_a_time_keeps_to_a_budget() -> None:
    budget, lock, held, seen = Budget(100), threading.Lock(), set[int](), []

    def write(number: int) -> None:
        size = (40, 500, 60, 30, 200, 10)[number % 6]
        with budget.hold(size):
            with lock:
                held.add(number)
                seen.append(len(held) == 1 or sum((40, 500, 60, 30, 200, 10)[one % 6] for one in held) <= 100)
            with lock:
                held.discard(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(300)))
    assert len(seen) == 300
    assert all(seen)


def test_a_discard_beside_a_prepare_loses_no_file(site: Site) -> None:
    """Both make and remove files in the same folders."""
    client = site.client(site.start("w0"))
    for number in range(2, 8):
        stage(client, rows(0, 60), transaction=number, contribution=number)
        prepare(client, (number, 1), transaction=number)
    stage(client, rows(0, 60))
    others = threading.Thread(
        target=lambda: [client.action("discard", Discard(transaction=number)) for number in range(2, 8)]
    )
    others.start()
    prepared = prepare(client, (1, 1))
    others.join()
    assert sorted(inventory(client)) == sorted(file.path for file in prepared.files)
