"""The lease: what a controller that could not prolong it knows, and that nothing keeps it from asking again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qserv.catalog.errors import Unavailable
from qserv.catalog.messages import PROTOCOL, Heartbeat
from qserv.catalog.metadata import Metadata, chores
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.cli.ports import free_ports
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry
from replication.smallcluster import wait_for

LEASE = 0.3
SETTINGS = RuntimeSettings.model_construct(suspect_after=5.0, lost_after=600.0)


@dataclass
class Clock:
    """The registry's own time, so that minutes pass at once."""

    now: float = field(default=1000.0)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    opened = Metadata(f"sqlite:///{tmp_path / 'metadata.db'}", migrate_schema=True)
    yield opened
    opened.close()


@pytest.fixture
def leader(metadata: Metadata) -> Leader:
    return Leader(metadata, name="one", address="http://one", seconds=LEASE)


def beat(boot: str) -> Heartbeat:
    return Heartbeat(
        protocol=PROTOCOL,
        flight="w:1",
        http="w:2",
        boot=boot,
        identity="disk",
        cluster=None,
        domain="",
        capacity=1 << 30,
        free=1 << 30,
    )


def test_workers_are_not_called_silent_for_the_time_in_which_nobody_led(metadata: Metadata, leader: Leader) -> None:
    """A controller that was stopped, or whose database was away, heard no worker meanwhile."""
    clock = Clock()
    registry = Registry(metadata, leader, lambda: SETTINGS, cluster=metadata.read(chores.cluster), clock=clock)
    leader.on_taken(registry.reload)
    leader.prolong()
    worker = registry.heartbeat("worker-0", beat("a process")).id
    first = metadata.read(chores.lease)
    wait_for(lambda: not leader.leads)
    clock.now += 3600.0
    leader.prolong()
    registry.watch()
    assert registry.rows()[worker].state is WorkerState.ONLINE
    again = metadata.read(chores.lease)
    assert first is not None
    assert again is not None
    assert again.epoch == first.epoch + 1
    clock.now += 6.0
    registry.watch()
    assert registry.rows()[worker].state is WorkerState.SUSPECT


def test_a_database_that_fails_in_a_new_way_does_not_end_the_asking(
    metadata: Metadata, leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def full(*_: object) -> None:
        asked.set()
        raise OSError("no space left on device")

    stop = threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(metadata, "write", full)
        thread = threading.Thread(target=leader.run, args=(stop,))
        thread.start()
        assert asked.wait(30.0)
    wait_for(lambda: leader.leads)
    stop.set()
    thread.join()


def test_a_lease_that_cannot_be_given_back_runs_out(
    metadata: Metadata, leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the metadata database did not answer")

    leader.prolong()
    with monkeypatch.context() as patched:
        patched.setattr(metadata, "write", away)
        leader.release()
    assert not leader.leads
    other = Leader(metadata, name="two", address="http://two", seconds=LEASE)
    stop = threading.Event()
    thread = threading.Thread(target=other.run, args=(stop,))
    thread.start()
    wait_for(lambda: other.leads)
    stop.set()
    thread.join()


def test_a_controller_that_is_told_to_end_gives_its_lease_back(metadata: Metadata, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("cluster-secret\n")
    facts = {"SECRET_FILE": tmp_path / "secret", "METADATA_URL": metadata.database.url, "PORT": free_ports(1)[0]}
    environment = os.environ | {f"QSERV_REPLICATION_{name}": str(value) for name, value in facts.items()}
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "qserv.cli.main", "replication"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: metadata.read(chores.lease) is not None)
        process.terminate()
        assert process.wait(60.0) == 0
    finally:
        process.kill()
        process.wait()
    held = metadata.read(chores.lease)
    assert held is not None
    assert held.expires == 0.0
