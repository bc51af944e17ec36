"""Workers that are silent: several at once, until they are lost, and back with what they had."""

from __future__ import annotations

from pathlib import Path

from qserv.catalog.model import FileKind, WorkerState
from qserv.catalog.resources import SettingsWish
from qserv.ingest.load import Load
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars


def test_two_workers_lost_at_once_are_replaced_and_adopted_when_they_return(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, lost_after=4.0)
    try:
        for number in range(4):
            cluster.start_worker(f"worker-{number}")
        client = cluster.client
        client.set_settings(SettingsWish(factor=3))
        stars(tmp_path, "a.csv", range(120))
        Load(client, spec("kept", "a.csv"), tmp_path).run()
        for name in ("worker-0", "worker-3"):
            cluster.stop_worker(name)

        def states() -> dict[str, WorkerState]:
            return {one.name: one.state for one in client.workers()}

        wait_for(lambda: states()["worker-0"] == states()["worker-3"] == WorkerState.LOST)
        wait_for(lambda: client.status().chunks.under_replicated == client.status().chunks.moving == 0)
        assert client.status().chunks.lost == 0
        assert client.status().chunks.unmet == client.status().chunks.total
        for name in ("worker-0", "worker-3"):
            cluster.start_worker(name)
        wait_for(lambda: client.status().chunks.unmet == 0)
        wait_for(lambda: {one.worker for one in client.scrubs() if one.worker} == {"worker-0", "worker-3"})
        wait_for(lambda: all(one.state == "done" for one in client.scrubs()))
        assert sum(one.damaged for one in client.scrubs()) == 0
        placed = cluster.served.controller.metadata
        wait_for(
            lambda: all(
                len(held) == 3 for units in placed.snapshot().placement.replicas.values() for held in units.values()
            )
        )
        assert rows_of(cluster, "kept") == 120
    finally:
        cluster.close()


def test_chunks_that_were_never_written_go_to_other_workers(tmp_path: Path) -> None:
    """A load places chunks and fails; their workers are lost before another load writes to them."""
    cluster = Cluster(tmp_path, lost_after=4.0)
    try:
        cluster.start_worker("worker-0")
        client = cluster.client
        stars(tmp_path, "a.csv", range(40))
        load = spec("anew", "a.csv")
        client.create_database("anew", load.family)
        client.create_table("anew", load.tables[0])
        aborted = client.start_transaction("anew", {})
        client.units(aborted.id, "Star", FileKind.MAIN, [1, 2, 3])
        client.end_transaction(aborted.id, "aborted")
        cluster.ended(aborted.id)
        cluster.stop_worker("worker-0")
        wait_for(lambda: client.workers()[0].state is WorkerState.LOST)
        cluster.start_worker("worker-1")
        again = client.start_transaction("anew", {})
        assert set(client.units(again.id, "Star", FileKind.MAIN, [1, 2, 3, 4]).units) == {("worker-1",)}
    finally:
        cluster.close()
