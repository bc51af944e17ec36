"""A commit that cannot go on says why where people look, and ends when it waited for too long."""

from __future__ import annotations

import errno
import io
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from qserv.catalog.errors import DiskFull
from qserv.cli import show
from qserv.ingest.load import Load
from qserv.replication import committing
from qserv.worker import failures
from qserv.worker.prepare import Preparer
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is set, no worker finds room for the files of a commit."""
    there = threading.Event()
    prepare = Preparer.prepare

    def perhaps(self: Preparer, *given: Any) -> Any:
        if there.is_set():
            raise failures.of_disk(OSError(errno.ENOSPC, "No space left on device"), "waiting/Star/5/main")
        return prepare(self, *given)

    monkeypatch.setattr(Preparer, "prepare", perhaps)
    there.set()
    return there


def test_a_commit_that_finds_no_room_says_so_and_goes_on(
    cluster: Cluster, full: threading.Event, tmp_path: Path
) -> None:
    stars(tmp_path, "a.csv", range(60))
    screen = Console(file=io.StringIO(), width=200)
    with show.load_progress("waiting", screen) as report:
        load = Load(cluster.client, spec("waiting", "a.csv"), tmp_path, report=report)
        loading = threading.Thread(target=load.run)
        loading.start()
        wait_for(lambda: cluster.client.status().waiting)
        state = cluster.client.status()
        told = cluster.client.transaction(state.waiting[0].id)
        wait_for(lambda: "waits: disk-full: waiting/Star/5/main: the worker's disk is full" in _printed(screen))
        full.clear()
        loading.join(60.0)
    assert (told.state, told.failure) == ("committing", state.waiting[0].failure)
    assert told.failure is not None
    assert told.failure.code == "disk-full"
    show.status(state, screen)
    assert f"transaction {told.id} of waiting waits: disk-full: waiting/Star/5/main" in _printed(screen)
    after = cluster.client.transaction(told.id)
    assert (after.state, after.failure) == ("committed", None)
    assert cluster.client.status().waiting == ()
    assert rows_of(cluster, "waiting") == 60


def test_a_commit_that_finds_no_room_for_long_leaves_nothing(
    cluster: Cluster, full: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "_PATIENCE_SECONDS", 0.1)
    before = cluster.files()
    stars(tmp_path, "a.csv", range(60))
    with pytest.raises(DiskFull, match="free space or add workers"):
        Load(cluster.client, spec("crowded", "a.csv"), tmp_path).run()
    assert full.is_set()
    assert "crowded" not in {one.name for one in cluster.client.databases()}
    wait_for(lambda: cluster.files() == before)
    assert cluster.client.status().waiting == ()


def _printed(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()
