"""Files that are damaged on a worker's disk: found by reading them, taken from queries, healed from another worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qserv.catalog.errors import Conflict, NotFound
from qserv.catalog.metadata import scrubs
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import ScrubView, SettingsWish
from qserv.ingest.load import Load
from qserv.replication import scrubbing
from qserv.storage.files import sum_of
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import spec, stars

Harm = Callable[[Path], object]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


HARMS: dict[str, Harm] = {"flipped": flip, "cut": cut, "gone": Path.unlink}


@pytest.fixture(scope="module")
def loaded(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    folder = tmp_path_factory.mktemp("stars")
    stars(folder, "a.csv", range(300))
    Load(cluster.client, spec("scrubbed", "a.csv"), folder).run()
    return cluster


def stored(cluster: Cluster, worker: str, pattern: str) -> list[Path]:
    return sorted((cluster.folder / worker / "scrubbed" / "Star").glob(pattern))


def scrubbed(cluster: Cluster, worker: str | None = None) -> ScrubView:
    began = cluster.client.start_scrub(worker)
    wait_for(lambda: cluster.client.scrub(began.id).state != "running")
    return cluster.client.scrub(began.id)


def whole(file: Path) -> bool:
    return file.exists() and sum_of(file).startswith(file.stem.rpartition("-")[2])


def safe(cluster: Cluster) -> bool:
    state = cluster.client.status()
    kinds = (state.chunks, state.index, state.replicated)
    return state.chunks.moving == 0 and all(one.under_replicated == one.lost == 0 for one in kinds)


def test_a_scrub_of_whole_files_finds_nothing(loaded: Cluster) -> None:
    ended = scrubbed(loaded)
    assert (ended.state, ended.damaged, ended.skipped) == ("done", 0, 0)
    assert (
        ended.files == ended.total_files == len([file for one in loaded.workers for file in stored(loaded, one, "*/*")])
    )
    assert ended.bytes == ended.total_bytes > 0


@pytest.mark.parametrize("harm", HARMS.values(), ids=list(HARMS))
@pytest.mark.parametrize("pattern", ["[0-9]*/main*", "index-*/*"])
def test_a_damaged_file_is_healed(loaded: Cluster, harm: Harm, pattern: str) -> None:
    victim = stored(loaded, "worker-1", pattern)[0]
    harm(victim)
    version = loaded.client.status().version
    assert scrubbed(loaded).damaged == 1
    assert loaded.client.status().version > version
    wait_for(lambda: whole(victim) and safe(loaded))
    assert scrubbed(loaded, "worker-1").damaged == 0


def test_a_report_is_looked_at_without_a_scrub(loaded: Cluster) -> None:
    victim = stored(loaded, "worker-2", "[0-9]*/main*")[0]
    flip(victim)
    path = str(victim.relative_to(loaded.folder / "worker-2"))
    sound = str(stored(loaded, "worker-2", "index-*/*")[0].relative_to(loaded.folder / "worker-2"))
    loaded.client.report_damage("worker-2", [path, sound, "no/such/1/file.parquet", "nonsense"])
    wait_for(lambda: whole(victim) and safe(loaded))
    wait_for(lambda: loaded.served.controller.metadata.read(scrubs.reports) == [])
    with pytest.raises(NotFound):
        loaded.client.report_damage("worker-9", [path])


def test_reports_of_a_worker_that_is_away_do_not_hold_up_others(
    loaded: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "_REPORTS", 1)
    victim, other = (stored(loaded, name, "[0-9]*/main*")[0] for name in ("worker-2", "worker-1"))
    loaded.stop_worker("worker-1")
    wait_for(lambda: loaded.client.workers()[1].state is WorkerState.SUSPECT)
    loaded.client.report_damage("worker-1", [str(other.relative_to(loaded.folder / "worker-1"))])
    flip(victim)
    loaded.client.report_damage("worker-2", [str(victim.relative_to(loaded.folder / "worker-2"))])
    wait_for(lambda: whole(victim))
    loaded.start_worker("worker-1")
    wait_for(lambda: loaded.served.controller.metadata.read(scrubs.reports) == [])
    wait_for(lambda: safe(loaded))


def test_a_last_copy_that_is_damaged_is_lost_until_it_is_whole_again(loaded: Cluster) -> None:
    copies = [(one, file) for one in loaded.workers for file in stored(loaded, one, "[0-9]*/main*")]
    name = copies[0][1].name
    held = {one: file for one, file in copies if file.name == name}
    content = next(iter(held.values())).read_bytes()
    for file in held.values():
        flip(file)
    ended = scrubbed(loaded)
    assert (ended.damaged, ended.lost) == (2, 1)
    assert loaded.client.status().chunks.lost == 1
    assert all(file.exists() for file in held.values())
    for worker, file in held.items():
        file.write_bytes(content)
        loaded.stop_worker(worker)
        loaded.start_worker(worker)
    wait_for(lambda: safe(loaded))
    assert scrubbed(loaded).damaged == 0


def test_a_scrub_is_bounded_cancelled_and_found_under_way(loaded: Cluster) -> None:
    before = loaded.client.settings()
    loaded.client.set_settings(SettingsWish(scrub_bandwidth=1000))
    began = loaded.client.start_scrub()
    assert loaded.client.start_scrub().id == began.id
    assert loaded.client.cancel_scrub(began.id).state == "cancelled"
    loaded.client.set_settings(SettingsWish(scrub_bandwidth=before.scrub_bandwidth))
    assert loaded.client.scrubs()[0].state == "cancelled"


def test_scrubs_begin_by_themselves_when_they_are_due(loaded: Cluster) -> None:
    newest = loaded.client.scrubs()[0].id
    loaded.client.set_settings(SettingsWish(scrub_interval=0.1))
    wait_for(lambda: loaded.client.scrubs()[0].id > newest)
    loaded.client.set_settings(SettingsWish(scrub_interval=0))
    wait_for(lambda: all(one.state != "running" for one in loaded.client.scrubs()))
    done = loaded.client.scrubs()[0]
    with pytest.raises(Conflict):
        loaded.client.cancel_scrub(done.id)
