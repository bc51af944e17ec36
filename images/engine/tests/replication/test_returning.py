"""What a worker brings is compared with the metadata, while rows are committed and copies are made."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from qserv.catalog.messages import Inventory
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import SettingsWish
from qserv.ingest.load import Load
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Two workers, and one copy of each chunk."""
    made = Cluster(tmp_path, lost_after=3.5)
    try:
        made.client.set_settings(SettingsWish(factor=1))
        for name in ("worker-0", "worker-1"):
            made.start_worker(name)
        yield made
    finally:
        made.close()


def load(cluster: Cluster, database: str) -> None:
    stars(cluster.folder, "a.csv", range(120))
    Load(cluster.client, spec(database, "a.csv"), cluster.folder).run()


def look_again(cluster: Cluster, worker: str) -> None:
    cluster.served.controller.registry.give_back(worker, lost=False)


def test_what_is_committed_while_a_worker_lists_its_files_is_not_missing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = cluster.workers["worker-0"]._files
    listed = files.inventory
    looks: list[Inventory] = []

    def inventory(prefix: str) -> Inventory:
        looks.append(listed(prefix))
        if len(looks) == 1:
            load(cluster, "meanwhile")
        return looks[-1]

    monkeypatch.setattr(files, "inventory", inventory)
    for count in (1, 2):  # the second look begins when all is done that the first led to
        look_again(cluster, "worker-0")
        wait_for(lambda count=count: len(looks) == count)
    state = cluster.client.status()
    assert state.chunks.total > 0
    assert state.chunks.lost == state.index.lost == 0


def test_what_is_removed_of_a_worker_is_not_taken_for_a_copy(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has files of chunks that others hold; they are removed just as it is to be given these chunks."""
    load(cluster, "copied")
    here, there = (cluster.folder / name for name in ("worker-0", "worker-1"))
    left_over = {str(file.relative_to(here)) for file in here.glob("copied/*/*/*.parquet")}
    for path in left_over:
        (there / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(here / path, there / path)
    store = cluster.workers["worker-1"]._store
    remove = store.remove
    removed: set[str] = set()

    def slowly(paths: Sequence[str]) -> None:
        if left_over.intersection(paths):
            cluster.client.set_settings(SettingsWish(factor=2))
            until = time.monotonic() + 3.0
            while cluster.client.status().chunks.under_replicated and time.monotonic() < until:
                time.sleep(0.05)
        remove(paths)
        removed.update(paths)

    monkeypatch.setattr(store, "remove", slowly)
    look_again(cluster, "worker-1")
    wait_for(lambda: left_over <= removed)
    wait_for(lambda: cluster.client.status().chunks.under_replicated == cluster.client.status().chunks.moving == 0)
    began = cluster.client.start_scrub()
    wait_for(lambda: cluster.client.scrub(began.id).state == "done")
    assert cluster.client.scrub(began.id).damaged == 0
    assert rows_of(cluster, "copied") == 120


def test_a_worker_that_was_forgotten_is_rid_of_what_nobody_knows(cluster: Cluster) -> None:
    cluster.client.set_settings(SettingsWish(factor=2))
    load(cluster, "dropped")
    cluster.stop_worker("worker-1")
    wait_for(lambda: cluster.client.workers()[1].state is WorkerState.LOST)
    cluster.client.forget_worker("worker-1")
    cluster.client.drop_database("dropped")
    cluster.start_worker("worker-1")
    assert any((cluster.folder / "worker-1").glob("dropped/*/*/*"))
    wait_for(lambda: not cluster.files())
