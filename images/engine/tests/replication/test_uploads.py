"""Files that are sent in the body of a request: kept by one worker, read once, gone when the transaction has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.catalog.errors import Conflict, DataError, TransactionClosed, UnknownTable
from qserv.catalog.resources import TransactionView
from qserv.catalog.spec import LoadSpec
from qserv.ingest.load import Load
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars


@pytest.fixture
def opened(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[TransactionView]:
    name = request.node.name.replace("test_", "")[:40]
    load = spec(name, "a.csv")
    cluster.client.create_database(name, load.family)
    cluster.client.create_table(name, load.tables[0])
    transaction = cluster.client.start_transaction(name)
    yield transaction
    if cluster.client.transaction(transaction.id).state == "started":
        cluster.client.end_transaction(transaction.id, "aborted")
    cluster.ended(transaction.id)
    cluster.client.drop_database(name)


def kept(cluster: Cluster) -> list[Path]:
    homes = (cluster.folder / name / ".qserv" / "uploads" for name in cluster.workers)
    return [Path(folder) / file for home in homes for folder, _, files in os.walk(home) for file in files]


def done(cluster: Cluster, transaction: int) -> bool:
    return all(row.state == "done" for row in cluster.client.contributions(transaction))


def test_what_is_sent_is_loaded_once(cluster: Cluster, opened: TransactionView, tmp_path: Path) -> None:
    client = cluster.client
    for number in range(3):
        stars(tmp_path, f"{number}.csv", range(100 * number, 100 * number + 100))
        client.upload(opened.id, f"Star/{number}", "Star", tmp_path / f"{number}.csv")
    again = client.upload(opened.id, "Star/1", "Star", tmp_path / "1.csv")
    assert again.id == client.contributions(opened.id)[1].id
    assert len({row.url.split("/")[2] for row in client.contributions(opened.id)}) == 3
    with pytest.raises(Conflict, match="another name"):
        client.upload(opened.id, "Star/1", "Star", tmp_path / "2.csv")
    wait_for(lambda: done(cluster, opened.id))
    client.end_transaction(opened.id, "committed")
    assert cluster.ended(opened.id).state == "committed"
    assert rows_of(cluster, opened.database) == 300
    wait_for(lambda: not kept(cluster))
    with pytest.raises(TransactionClosed):
        client.upload(opened.id, "Star/9", "Star", tmp_path / "0.csv")
    assert kept(cluster) == []


def test_a_load_sends_its_files(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a b.csv", range(50))
    stars(tmp_path, "c.csv", range(50, 80))
    Load(cluster.client, spec("sent", "*.csv"), tmp_path, upload=True).run()
    assert rows_of(cluster, "sent") == 80


def test_a_file_outlives_the_process_of_its_worker(cluster: Cluster, opened: TransactionView, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(40))
    sent = cluster.client.upload(opened.id, "a", "Star", tmp_path / "a.csv")
    keeper = sent.url.split("/")[2]
    wait_for(lambda: done(cluster, opened.id))
    cluster.stop_worker(keeper)
    cluster.start_worker(keeper)

    def done_anew() -> bool:
        (row,) = cluster.client.contributions(opened.id)
        return row.attempt > 1 and row.state == "done"

    wait_for(done_anew)
    cluster.client.end_transaction(opened.id, "committed")
    assert cluster.ended(opened.id).state == "committed"
    assert rows_of(cluster, opened.database) == 40


def test_wrong_rows_are_told_with_the_files_name(cluster: Cluster, opened: TransactionView, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("id,ra,decl\n1,2,x\n")
    cluster.client.upload(opened.id, "bad", "Star", tmp_path / "bad.csv")
    wait_for(lambda: cluster.client.contributions(opened.id)[0].state == "failed")
    failure = cluster.client.contributions(opened.id)[0].failure
    assert failure is not None
    assert failure.code == DataError.code
    assert "bad.csv" in failure.message
    assert ".qserv" not in failure.message


def test_bad_uploads_are_refused(cluster: Cluster, opened: TransactionView, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(4))
    with pytest.raises(UnknownTable):
        cluster.client.upload(opened.id, "a", "Planet", tmp_path / "a.csv")
    with pytest.raises(DataError, match="no such file"):
        cluster.client.upload(opened.id, "a", "Star", tmp_path / "b.csv")
    url = f"{cluster.url}/api/v1/transactions/{opened.id}/contributions/a/data?table=Star"
    headers = cluster.served.controller.trust.headers()
    assert httpx.put(url, content=b"x").status_code == 401
    assert httpx.put(f"{url}&file=../x", content=b"x", headers=headers).json()["code"] == "bad-spec"
    worker = next(iter(cluster.workers.values()))
    assert httpx.put(f"http://{worker.http}/uploads/{opened.id}/a.csv", content=b"x").status_code == 401
    assert kept(cluster) == []


def test_parts_of_a_file_are_read_by_several_workers(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = np.arange(6000)
    rows = pa.table({"id": keys, "ra": keys * 7.3 % 360, "decl": keys * 3.1 % 170 - 85})
    pq.write_table(rows, tmp_path / "large.parquet", row_group_size=700)
    monkeypatch.setattr("qserv.ingest.load.PART_BYTES", (tmp_path / "large.parquet").stat().st_size // 4)
    loaded = spec("parts", "large.parquet").model_dump()
    loaded["tables"][0]["source"]["format"] = "parquet"
    Load(cluster.client, LoadSpec.model_validate(loaded), tmp_path).run()
    assert rows_of(cluster, "parts") == 6000
    (transaction,) = cluster.client.transactions("parts")
    parts = cluster.client.contributions(transaction.id)
    assert len(parts) == 4
    assert len({part.worker for part in parts}) > 1
    assert sum(part.rows for part in parts) == 6000
    wrong = pa.table({"id": keys, "ra": keys * 7.3 % 360, "decl": np.where(keys == 5000, 99.0, 0.0)})
    pq.write_table(wrong, tmp_path / "large.parquet", row_group_size=700)
    loaded["database"] = "parts2"
    with pytest.raises(DataError, match="row 5001"):
        Load(cluster.client, LoadSpec.model_validate(loaded), tmp_path).run()
