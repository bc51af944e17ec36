"""Loads through REST with real workers: rows are there once or not at all, whatever fails when."""

from __future__ import annotations

import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from qserv.catalog.errors import (
    AlreadyExists,
    Conflict,
    DataError,
    DuplicateKey,
    SpecError,
    TransactionClosed,
    Unauthenticated,
    Unavailable,
    UnknownDatabase,
)
from qserv.catalog.metadata import ingests
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import AccountWish, ContributionWish
from qserv.catalog.rest import Controller as Client
from qserv.catalog.spec import LoadSpec, TableSpec
from qserv.ingest.load import Load
from qserv.worker.prepare import Preparer
from qserv.worker.transfer import Copier
from replication.smallcluster import Cluster, wait_for

STAR = [{"name": "id", "type": "BIGINT"}, {"name": "ra", "type": "DOUBLE"}, {"name": "decl", "type": "DOUBLE"}]
FAMILY = {"stripes": 18, "substripes": 2, "overlap": 0.1}


def stars(folder: Path, name: str, keys: range) -> Path:
    rows = [f"{key},{key * 7.3 % 360:.4f},{key * 3.1 % 170 - 85:.4f}" for key in keys]
    path = folder / name
    path.write_text("id,ra,decl\n" + "\n".join(rows) + "\n")
    return path


def spec(database: str, *files: str) -> LoadSpec:
    table = {
        "name": "Star",
        "kind": "director",
        "key": "id",
        "position": ["ra", "decl"],
        "columns": STAR,
        "source": {"path": list(files), "format": "csv"},
    }
    return LoadSpec.model_validate({"database": database, "family": FAMILY, "tables": [table]})


def rows_of(cluster: Cluster, database: str) -> int:
    return cluster.client.database(database).tables[0].rows


def test_a_load_is_whole_replicated_and_not_repeated(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(300))
    stars(tmp_path, "b.csv", range(300, 500))
    load = spec("whole", "*.csv")
    first = Load(cluster.client, load, tmp_path).run()
    assert [table.rows for table in first.tables] == [500]
    assert Load(cluster.client, load, tmp_path).run().there
    assert rows_of(cluster, "whole") == 500
    state = cluster.client.status()
    assert state.chunks.under_replicated == state.chunks.lost == 0
    assert cluster.client.canary("worker-0").ok
    placed = cluster.served.controller.metadata.snapshot().placement
    assert all(len(workers) == 2 for units in placed.replicas.values() for workers in units.values())


def test_how_far_a_load_is_is_told(cluster: Cluster, tmp_path: Path) -> None:
    transaction = open_transaction(cluster, "told", stars(tmp_path, "a.csv", range(200)))
    wait_for(lambda: done(cluster, transaction))

    def measured() -> set[str]:
        return set(httpx.get(f"{cluster.url}/metrics").text.splitlines())

    reading = cluster.client.transaction(transaction)
    size = (tmp_path / "a.csv").stat().st_size
    assert (reading.rows, reading.bytes, reading.total_bytes, reading.chunks) == (200, size, size, 0)
    assert reading.rows_per_second > 0
    assert reading.bytes_per_second > 0
    assert reading.eta_seconds == 0
    wait_for(lambda: {'qserv_loads{state="open"} 1.0', "qserv_load_rows 200.0"} <= measured())
    cluster.client.end_transaction(transaction, "committed")
    written = cluster.ended(transaction)
    folders = {path.split("/")[2] for path in cluster.files() if path.startswith("told/Star/")}
    assert written.chunks == len([name for name in folders if name.isdecimal()]) > 0
    assert written.eta_seconds is None
    wait_for(lambda: {'qserv_loads{state="open"} 0.0', "qserv_load_rows 0.0"} <= measured())


def test_rows_are_appended_by_another_load(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(100))
    stars(tmp_path, "b.csv", range(100, 150))
    Load(cluster.client, spec("more", "a.csv"), tmp_path).run()
    with pytest.raises(AlreadyExists, match="--append"):
        Load(cluster.client, spec("more", "b.csv"), tmp_path).run()
    Load(cluster.client, spec("more", "b.csv"), tmp_path, append=True).run()
    assert rows_of(cluster, "more") == 150


def test_a_key_that_is_committed_is_not_committed_again(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(50))
    stars(tmp_path, "b.csv", range(49, 60))
    Load(cluster.client, spec("twice", "a.csv"), tmp_path).run()
    before = cluster.files()
    with pytest.raises(DuplicateKey, match="49"):
        Load(cluster.client, spec("twice", "b.csv"), tmp_path, append=True).run()
    assert rows_of(cluster, "twice") == 50
    wait_for(lambda: cluster.files() == before)


@pytest.mark.parametrize(
    ("line", "told"), [("x,1,2", "b.csv"), ("9,1", "b.csv"), ("9,1,95", "b.csv"), ("9,nan,5", "b.csv")]
)
def test_bad_rows_leave_nothing_behind(cluster: Cluster, tmp_path: Path, line: str, told: str) -> None:
    stars(tmp_path, "a.csv", range(50))
    (tmp_path / "b.csv").write_text(f"id,ra,decl\n{line}\n")
    before = cluster.files()
    with pytest.raises(DataError, match=told):
        Load(cluster.client, spec("bad", "*.csv"), tmp_path).run()
    with pytest.raises(UnknownDatabase):
        cluster.client.database("bad")
    wait_for(lambda: cluster.files() == before)


def test_a_missing_file_is_named_with_its_place_in_the_spec(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"tables\.Star\.source\.path: none\.csv"):
        Load(cluster.client, spec("missing", "none.csv"), tmp_path).run()


def open_transaction(cluster: Cluster, database: str, file: Path) -> int:
    load = spec(database, str(file))
    cluster.client.create_database(database, load.family)
    cluster.client.create_table(database, load.tables[0])
    transaction = cluster.client.start_transaction(database).id
    wish = ContributionWish(name="one", table="Star", url=str(file))
    first, again = (cluster.client.contribute(transaction, wish) for _ in range(2))
    assert first.id == again.id
    return transaction


def done(cluster: Cluster, transaction: int) -> bool:
    return all(row.state == "done" for row in cluster.client.contributions(transaction))


def test_a_worker_that_restarts_before_the_commit_costs_no_row(cluster: Cluster, tmp_path: Path) -> None:
    transaction = open_transaction(cluster, "restarted", stars(tmp_path, "a.csv", range(200)))
    wait_for(lambda: done(cluster, transaction))
    cluster.stop_worker("worker-1")
    cluster.start_worker("worker-1")
    wait_for(lambda: cluster.client.contributions(transaction)[0].attempt > 1 and done(cluster, transaction))
    cluster.client.end_transaction(transaction, "committed")
    assert cluster.ended(transaction).state == "committed"
    assert rows_of(cluster, "restarted") == 200


def test_a_disk_that_is_lost_with_written_rows_costs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has written its files of a transaction that commits, and is gone before others have copies of them."""
    cluster = Cluster(tmp_path)
    try:
        for number in range(3):
            cluster.start_worker(f"worker-{number}")
        metadata = cluster.served.controller.metadata
        transaction = open_transaction(cluster, "wiped", stars(tmp_path, "a.csv", range(200)))
        wait_for(lambda: done(cluster, transaction))
        with monkeypatch.context() as cut_off:
            cut_off.setattr(Copier, "fetch", _refuse)
            cluster.client.end_transaction(transaction, "committed")
            wait_for(lambda: len(metadata.read(partial(ingests.prepared_workers, transaction=transaction))) == 3)
            cluster.stop_worker("worker-1")
            shutil.rmtree(tmp_path / "worker-1")
            cluster.start_worker("worker-1")
            wait_for(lambda: cluster.client.contributions(transaction)[0].attempt > 1)
        assert cluster.ended(transaction).state == "committed"
        assert rows_of(cluster, "wiped") == 200
        wait_for(lambda: cluster.client.status().chunks.under_replicated == 0)
    finally:
        cluster.close()


def test_a_worker_ends_while_it_writes_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(tmp_path)
    begun, go_on = threading.Event(), threading.Event()
    bundle = Preparer._bundle

    def slowly(*given: Any) -> Any:
        begun.set()
        go_on.wait(60.0)
        return bundle(*given)

    try:
        cluster.start_worker("worker-0")
        transaction = open_transaction(cluster, "ended", stars(tmp_path, "a.csv", range(900)))
        wait_for(lambda: done(cluster, transaction))
        with monkeypatch.context() as slow:
            slow.setattr(Preparer, "_bundle", slowly)
            cluster.client.end_transaction(transaction, "committed")
            assert begun.wait(60.0)
            stopping = threading.Thread(target=cluster.stop_worker, args=("worker-0",), daemon=True)
            stopping.start()
            wait_for(lambda: cluster.client.workers()[0].last_seen_seconds > 0.5)
            go_on.set()
            stopping.join(60.0)
            assert not stopping.is_alive()
        cluster.start_worker("worker-0")
        assert cluster.ended(transaction).state == "committed"
        assert rows_of(cluster, "ended") == 900
    finally:
        cluster.close()


def _refuse(*_: object) -> None:
    raise Unavailable("cut off")


def test_a_controller_that_restarts_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    transaction = open_transaction(cluster, "taken_over", stars(tmp_path, "a.csv", range(200)))
    cluster.restart_controller()
    wait_for(lambda: done(cluster, transaction))
    cluster.client.end_transaction(transaction, "committed")
    cluster.restart_controller()
    assert cluster.ended(transaction).state == "committed"
    assert rows_of(cluster, "taken_over") == 200


def test_what_is_closed_takes_no_more(cluster: Cluster, tmp_path: Path) -> None:
    file = stars(tmp_path, "a.csv", range(20))
    before = cluster.files()
    transaction = open_transaction(cluster, "closed", file)
    with pytest.raises(Conflict, match="is loading"):
        cluster.client.drop_table("closed", "Star")
    with pytest.raises(Conflict, match="choose another name"):
        cluster.client.contribute(transaction, ContributionWish(name="one", table="Star", url="/other"))
    cluster.client.end_transaction(transaction, "aborted")
    assert cluster.ended(transaction).state == "aborted"
    with pytest.raises(TransactionClosed):
        cluster.client.end_transaction(transaction, "committed")
    with pytest.raises(TransactionClosed):
        cluster.client.contribute(transaction, ContributionWish(name="two", table="Star", url=str(file)))
    assert rows_of(cluster, "closed") == 0
    wait_for(lambda: cluster.files() == before)
    cluster.client.drop_database("closed")


def test_dropped_tables_leave_no_files(cluster: Cluster, tmp_path: Path) -> None:
    before = cluster.files()
    stars(tmp_path, "a.csv", range(50))
    Load(cluster.client, spec("dropped", "a.csv"), tmp_path).run()
    assert cluster.files() > before
    cluster.client.drop_database("dropped")
    wait_for(lambda: cluster.files() == before)


def test_specs_that_do_not_fit_are_refused(cluster: Cluster) -> None:
    client = cluster.client
    client.create_database("fits", spec("fits", "x").family)
    base = {"name": "Star", "kind": "director", "key": "id", "position": ("ra", "decl"), "columns": STAR}
    with pytest.raises(SpecError, match="'columns' are needed"):
        client.create_table("fits", TableSpec.model_validate(base | {"columns": None}))
    with pytest.raises(SpecError, match="keys are integers"):
        client.create_table("fits", TableSpec.model_validate(base | {"key": "ra"}))
    child = {"name": "Source", "kind": "child", "key": "id", "director": "None", "columns": STAR}
    with pytest.raises(SpecError, match="director is not there"):
        client.create_table("fits", TableSpec.model_validate(child))


def test_who_has_no_credential_is_refused(cluster: Cluster) -> None:
    base = f"http://127.0.0.1:{cluster.port}"
    assert httpx.get(f"{base}/api/v1/status").status_code == 401
    assert httpx.get(f"{base}/health").status_code == 200
    assert "qserv_replication_requests_total" in httpx.get(f"{base}/metrics").text
    cluster.client.set_account("ann", AccountWish.model_validate({"password": "pw", "grants": ["whole"]}))
    ann = Client([base], None, account=("ann", "pw"))
    with pytest.raises(Unauthenticated):
        ann.status()
    cluster.client.set_account("ann", AccountWish(admin=True))
    assert ann.status().factor == 2
    assert [(one.name, one.grants) for one in ann.accounts()] == [("ann", ("whole",))]
    ann.close()


def test_a_worker_that_is_drained_may_be_stopped(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(100))
    Load(cluster.client, spec("drained", "a.csv"), tmp_path).run()
    assert cluster.client.safe_to_stop(["worker-0"]).safe
    both = cluster.client.safe_to_stop(["worker-0", "worker-1"])
    assert not both.safe
    assert both.count == len(both.chunks) or len(both.chunks) == 100
    cluster.client.set_worker_state("worker-2", WorkerState.DRAINING)
    wait_for(lambda: next(one for one in cluster.client.workers() if one.name == "worker-2").bytes == 0)
    assert cluster.client.safe_to_stop(["worker-2"]).safe
    assert cluster.client.status().chunks.under_replicated == 0
    cluster.client.set_worker_state("worker-2", WorkerState.ONLINE)
