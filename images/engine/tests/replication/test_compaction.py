"""Small files become one: the same rows, while they are read, and whatever ends in the middle."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection

from qserv.catalog.errors import DuplicateKey, QservError, WorkerFailed
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import Compact, Fetch, Merge, Prepared
from qserv.catalog.metadata import compactions, tables, units
from qserv.catalog.metadata.people import QueryRecord
from qserv.catalog.metadata.units import FileRow
from qserv.catalog.model import FileKind, UnitKind
from qserv.catalog.resources import SettingsWish
from qserv.ingest.load import Load
from qserv.replication import views
from qserv.replication.compacting import MERGED_BYTES, SMALL_BYTES, choose
from qserv.worker.compact import Compactor
from qserv.worker.transfer import Copier
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars

LOADS = 4
ROWS = 60


@pytest.fixture
def many(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that was loaded in several transactions, with small files that stay as they are."""
    cluster.client.set_settings(SettingsWish(compact_files=0))
    name = request.node.name.replace("test_", "")[:40]
    for load in range(LOADS):
        stars(tmp_path, f"{load}.csv", range(ROWS * load, ROWS * (load + 1)))
        Load(cluster.client, spec(name, f"{load}.csv"), tmp_path, append=load > 0).run()
    yield name
    cluster.client.set_settings(SettingsWish(compact_files=0))
    cluster.client.drop_database(name)


def files_of(cluster: Cluster, name: str) -> list[FileRow]:
    def read(connection: object) -> list[FileRow]:
        return [file for file in units.every_file(connection) if file.path.startswith(f"{name}/")]  # type: ignore[arg-type]

    return cluster.served.controller.metadata.read(read)


def most(cluster: Cluster, name: str) -> int:
    """The most files that a unit has of one kind."""
    return max(Counter((file.unit, file.kind) for file in files_of(cluster, name)).values())


def keys_on_disk(cluster: Cluster, name: str) -> list[int]:
    """The keys in the main files that are committed, as the disks have them now."""
    found: list[int] = []
    for file in files_of(cluster, name):
        if file.kind is FileKind.MAIN:
            path = next(path for path in cluster.folder.glob(f"worker-*/{file.path}"))
            found += pq.ParquetFile(path).read(["id"]).column("id").to_pylist()
    return sorted(found)


def compacted(cluster: Cluster, name: str) -> None:
    cluster.client.set_settings(SettingsWish(compact_files=2))
    wait_for(lambda: most(cluster, name) == 1)


def test_rows_are_the_same_in_fewer_files(cluster: Cluster, many: str, tmp_path: Path) -> None:
    before = files_of(cluster, many)
    compacted(cluster, many)
    after = files_of(cluster, many)
    assert len(after) < len(before)
    assert keys_on_disk(cluster, many) == list(range(LOADS * ROWS))
    assert rows_of(cluster, many) == LOADS * ROWS
    for kind in FileKind:
        assert sum(file.rows for file in after if file.kind is kind) == sum(
            file.rows for file in before if file.kind is kind
        )
    wait_for(lambda: not cluster.files() & {file.path for file in before} - {file.path for file in after})
    state = cluster.client.status()
    assert state.chunks.under_replicated == state.chunks.lost == 0
    assert cluster.client.canary("worker-1").ok
    stars(tmp_path, "again.csv", range(3))
    with pytest.raises(DuplicateKey):
        Load(cluster.client, spec(many, "again.csv"), tmp_path, append=True).run()


def test_files_stay_until_the_queries_that_read_them_have_ended(cluster: Cluster, many: str) -> None:
    metadata = cluster.served.controller.metadata
    before = {file.path for file in files_of(cluster, many)}
    query = QueryRecord(
        id=f"pin-{many}",
        czar="czar-0",
        connection=1,
        account="admin",
        database=many,
        sql="SELECT 1",
        version=metadata.version(),
        started=time.time(),
    )
    metadata.record_queries((query,))
    compacted(cluster, many)
    time.sleep(7.0)  # longer than files are kept that nothing reads
    assert before <= cluster.files()
    metadata.record_queries((replace(query, state="done", ended=time.time()),))
    wait_for(lambda: not cluster.files() & (before - {file.path for file in files_of(cluster, many)}))


def test_what_a_controller_leaves_in_the_middle_is_removed(cluster: Cluster, many: str) -> None:
    """All new files are written, and nobody says so any more: the old ones count, the new ones go."""
    controller = cluster.served.controller
    before = files_of(cluster, many)
    name, worker = next(iter(cluster.workers.items()))
    row = next(one for one in controller.registry.rows().values() if one.name == name)
    table = controller.metadata.read(lambda connection: tables.table(connection, many, "Star"))
    held = controller.metadata.read(lambda connection: units.files_of_worker(connection, row.id))
    numbers = {unit.id: unit for unit in controller.metadata.read(units.every)}
    unit = next(file.unit for file in held if file.kind is FileKind.MAIN and file.path.startswith(f"{many}/"))
    mine = [file for file in held if file.unit == unit and file.table == table.id and file.kind is FileKind.MAIN]
    transaction = controller.leader.write(
        lambda connection: compactions.begin(connection, table.database.id, "Star")
    ).id
    wish = Compact(
        transaction=transaction,
        table=views.table_facts(table),
        merges=(
            Merge(
                unit=numbers[unit].kind,
                number=numbers[unit].number,
                kind=FileKind.MAIN,
                files=tuple((file.path, file.sha256, file.bytes) for file in mine),
            ),
        ),
    )
    client = WorkerClient(worker.flight, controller.trust)
    try:
        answer = client.action("compact", wish, Prepared)
        assert answer.files[0].rows == sum(file.rows for file in mine)
        assert (cluster.folder / name / answer.files[0].path).exists()
        cluster.restart_controller()
        wait_for(lambda: not (cluster.folder / name / answer.files[0].path).exists())
        assert cluster.client.transaction(transaction).state == "aborted"
        assert [file.path for file in files_of(cluster, many)] == [file.path for file in before]
        with pytest.raises(QservError, match="given up"):
            client.action("compact", wish, Prepared)
    finally:
        client.close()


def test_a_damaged_file_does_not_become_part_of_a_new_one(cluster: Cluster, many: str) -> None:
    path = next(
        path
        for name in sorted(cluster.workers)
        for path in sorted((cluster.folder / name / many).rglob("main-*.parquet"))
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    compacted(cluster, many)
    assert keys_on_disk(cluster, many) == list(range(LOADS * ROWS))
    assert cluster.client.canary("worker-0").ok


def file(number: int, size: int) -> FileRow:
    return FileRow(number, 1, 1, FileKind.MAIN, f"d/t/1/main-{number}-{number:08x}.parquet", "", 1, size, 1)


def test_a_worker_that_is_given_a_chunk_anew_meanwhile_has_all_of_its_files(
    cluster: Cluster, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose disk was replaced: it has the old files by then, and not the new one that it had fetched."""
    controller = cluster.served.controller
    fetch = Copier.fetch
    missing: list[Path] = []

    def give_anew(copier: Copier, wish: Fetch) -> None:
        fetch(copier, wish)
        if missing:
            return
        path = wish.files[0][0]
        missing.append(copier._store.root / path)
        (row,) = (row for row in controller.registry.rows().values() if row.name == copier._store.root.name)

        def anew(connection: Connection) -> None:
            table = tables.table(connection, many, "Star")
            number = path.split("/")[2]
            kind = UnitKind.INDEX if number.startswith("index") else UnitKind.CHUNK
            at = int(number.removeprefix("index-"))
            unit = units.find(connection, kind, table.unit[1], [at])[at].id
            units.remove_replicas(connection, row.id, [unit], collect=False)
            units.add_replica(connection, unit, row.id)

        controller.leader.write(anew)
        missing[0].unlink()

    monkeypatch.setattr(Copier, "fetch", give_anew)
    compacted(cluster, many)
    (lacking,) = missing
    committed = {file.path for file in files_of(cluster, many)}
    assert lacking.exists() or str(lacking.relative_to(cluster.folder / lacking.parents[3].name)) not in committed


def test_what_fails_again_and_again_is_not_tried_all_the_time(
    cluster: Cluster, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise WorkerFailed("it cannot be done")

    def begun() -> list[int]:
        return [one.id for one in cluster.client.transactions(many) if "compaction" in one.context]

    with monkeypatch.context() as broken:
        broken.setattr(Compactor, "compact", fail)
        cluster.client.set_settings(SettingsWish(compact_files=2))
        wait_for(begun)
        for _ in range(20):
            with suppress(WorkerFailed):
                cluster.served.controller.compacting.step()
        assert len(begun()) < 5
    wait_for(lambda: most(cluster, many) == 1)


def test_a_large_file_is_not_written_anew_for_a_few_small_ones() -> None:
    large = file(1, SMALL_BYTES - 1)
    small = [file(number, 1000) for number in range(2, 6)]
    assert choose([large, *small], 4) == tuple(small)
    assert choose([large, *small], 5) == ()
    assert choose([file(1, 10_000), *small], 5) == (file(1, 10_000), *small)
    assert choose([file(1, SMALL_BYTES), file(2, SMALL_BYTES)], 2) == ()
    many = [file(number, SMALL_BYTES - 1) for number in range(1, 20)]
    assert sum(one.bytes for one in choose(many, 4)) <= MERGED_BYTES


def test_rows_are_written_anew_as_often_as_the_logarithm_of_the_loads() -> None:
    files: list[FileRow] = []
    written = 0
    for load in range(1, 1001):
        files.append(file(load, 1000))
        chosen = choose(files, 8)
        if chosen:
            size = sum(one.bytes for one in chosen)
            written += size
            files = [one for one in files if one not in chosen] + [file(10_000 + load, size)]
    assert len(files) < 24
    assert written < 12 * 1000 * 1000
