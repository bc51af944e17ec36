"""Exports and imports wait for a worker that is silent for a while, as a node is that starts anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qserv.catalog.model import WorkerState
from qserv.catalog.resources import BackupView, BackupWish, SettingsWish
from qserv.ingest.load import Load
from qserv.replication import importing
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Two workers, one copy of each chunk, and rows."""
    made = Cluster(tmp_path)
    try:
        made.client.set_settings(SettingsWish(factor=1))
        for name in ("worker-0", "worker-1"):
            made.start_worker(name)
        stars(tmp_path, "a.csv", range(120))
        Load(made.client, spec("kept", "a.csv"), tmp_path).run()
        yield made
    finally:
        made.close()


def wish(cluster: Cluster, kind: str) -> BackupWish:
    return BackupWish.model_validate({"kind": kind, "url": str(cluster.folder / "backup")})


def ended(cluster: Cluster, backup: BackupView) -> BackupView:
    wait_for(lambda: cluster.client.backup(backup.id).ended is not None)
    return cluster.client.backup(backup.id)


def silent(cluster: Cluster) -> bool:
    return cluster.client.workers()[1].state is WorkerState.SUSPECT


def test_an_export_waits_for_the_worker_that_has_the_only_copy(cluster: Cluster) -> None:
    cluster.stop_worker("worker-1")
    wait_for(lambda: silent(cluster))
    began = cluster.client.start_backup(wish(cluster, "export"))
    wait_for(lambda: cluster.client.backup(began.id).files > 0)
    assert cluster.client.backup(began.id).files < cluster.client.backup(began.id).total_files
    cluster.start_worker("worker-1")
    assert ended(cluster, began).state == "done"


def test_an_import_waits_for_a_worker_that_was_given_chunks(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(cluster, cluster.client.start_backup(wish(cluster, "export"))).state == "done"
    cluster.client.drop_database("kept")
    monkeypatch.setattr(importing, "TRIES", 20)
    monkeypatch.setattr(importing, "PAUSE", 0.25)  # so tries last for 5 s; a worker is called silent after 3
    cluster.stop_worker("worker-1")
    began = cluster.client.start_backup(wish(cluster, "import"))
    until = time.monotonic() + 8.0
    wait_for(lambda: silent(cluster) and time.monotonic() > until)
    assert cluster.client.backup(began.id).state == "running"
    cluster.start_worker("worker-1")
    assert ended(cluster, began).state == "done"
    assert rows_of(cluster, "kept") == 120
