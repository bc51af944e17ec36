"""A worker's place in its cluster, its disk, and its HTTP port."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from qserv.catalog.errors import Conflict, FileTrouble, WrongCluster
from qserv.catalog.messages import StagePut
from qserv.catalog.trust import Trust
from qserv.cli.ports import free_ports
from qserv.worker.identity import Disk
from qserv.worker.service import WorkerService
from qserv.worker.worker import Worker
from worker.chunks import answer, chunk_rows, failure, task, write_chunks
from worker.site import CLUSTER, Site


def test_a_worker_registers_with_what_it_has(site: Site, tmp_path: Path) -> None:
    files = write_chunks(tmp_path / "w0", [1, 2], 20)
    worker = site.start("w0", domain="rack-1", capacity=10 << 20)
    beat = site.registrar.beats["w0"]
    used = sum(file.bytes for file in files.values())
    assert (beat.flight, beat.http, beat.domain) == (worker.flight, worker.http, "rack-1")
    assert (beat.capacity, beat.free) == (10 << 20, (10 << 20) - used)


def test_health_says_whether_it_is_registered(site: Site) -> None:
    worker = site.start("w0")
    site.registrar.wait_beats(1)
    assert httpx.get(f"http://{worker.http}/health").status_code == 200
    lonely = Worker(site.settings("w1", controllers=("http://127.0.0.1:1",)))
    assert httpx.get(f"http://{lonely.http}/health").status_code == 503
    lonely.close()


def test_who_asks_a_worker_that_begins_waits_for_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    told: list[int] = []
    listen = Worker._listen

    def ask() -> None:
        told.extend(
            httpx.get(f"http://127.0.0.1:{port}/{path}", timeout=60).status_code for path in ("health", "metrics")
        )

    asking = threading.Thread(target=ask)

    def asked_meanwhile(self: Worker, trust: Trust) -> WorkerService:
        asking.start()
        asking.join(0.5)
        return listen(self, trust)

    monkeypatch.setattr(Worker, "_listen", asked_meanwhile)
    site.start("w0", http_port=port)
    asking.join(60)
    assert told in ([200, 200], [503, 200])


def test_metrics_count_queries_without_naming_them(site: Site, tmp_path: Path) -> None:
    files = write_chunks(tmp_path / "w0", [1], 20)
    worker = site.start("w0")
    answer(site.client(worker), task("SELECT id AS secret_column FROM read_parquet($s0)", files))
    text = httpx.get(f"http://{worker.http}/metrics").text
    assert 'qserv_worker_queries_total{lane="scan",state="done"}' in text
    assert "secret_column" not in text


def test_the_disk_keeps_its_identity_and_its_cluster(site: Site) -> None:
    site.start("w0")
    site.registrar.wait_beats(2)
    first = site.registrar.beats["w0"]
    site.stop("w0")
    site.start("w0")
    site.registrar.wait_beats(1)
    second = site.registrar.beats["w0"]
    assert (second.identity, second.cluster) == (first.identity, CLUSTER)
    assert second.boot != first.boot


def test_another_clusters_disk_is_refused(site: Site) -> None:
    disk = Disk(site.folder / "w0")
    disk.join("cluster-b")
    disk.close()
    worker = Worker(site.settings("w0"))
    assert worker.ended.wait(20)
    assert isinstance(worker.failure, WrongCluster)
    assert not worker.ready
    worker.close()


def test_a_disk_belongs_to_one_cluster(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "data")
    disk.join("a")
    assert isinstance(failure(lambda: disk.join("b")), WrongCluster)
    disk.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    error = failure(lambda: Disk(tmp_path / "file" / "data"))
    assert isinstance(error, FileTrouble)
    assert f"the data folder {tmp_path}/file/data cannot be used: " in error.message


def test_a_damaged_identity_is_told(tmp_path: Path) -> None:
    Disk(tmp_path / "data").close()
    path = tmp_path / "data/.qserv/identity.json"
    path.write_bytes(b"\0" * 20)
    error = failure(lambda: Disk(tmp_path / "data"))
    assert isinstance(error, FileTrouble)
    assert f"{path} is damaged" in error.message


def test_two_processes_cannot_have_one_folder(site: Site) -> None:
    site.start("w0")
    error = failure(lambda: Worker(site.settings("w0")))
    assert isinstance(error, Conflict)
    assert str(site.folder / "w0") in error.message


@pytest.mark.parametrize("which", ["flight_port", "http_port"])
def test_a_port_in_use_is_named(site: Site, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = failure(lambda: Worker(site.settings("w0", **{which: port})))
    assert isinstance(error, Conflict)
    assert str(port) in error.message
    assert which in error.message
    site.start("w0")


def test_void_transactions_are_discarded(site: Site) -> None:
    worker = site.start("w0")
    client = site.client(worker)
    put = StagePut(transaction=9, database="sky", table="Object", kind="main", contribution=1, attempt=1)
    rows = chunk_rows(1, 10)
    writer = client.put(put, rows.schema)
    for batch in rows.to_batches():
        writer.write(batch)
    writer.close()
    staging = site.folder / "w0" / ".qserv" / "staging"
    assert [path.name for path in staging.iterdir()] == ["9"]
    site.registrar.discard = (9,)
    # An answer that is late, or lost, is given again with a later heartbeat.
    site.registrar.wait_for(lambda: not list(staging.iterdir()))


def test_queries_are_answered_while_the_controller_is_away(site: Site, tmp_path: Path) -> None:
    files = write_chunks(tmp_path / "w0", [1], 20)
    worker = site.start("w0")
    site.registrar.cluster = "unreachable"
    site.registrar.close()
    rows, _ = answer(site.client(worker), task("SELECT id FROM read_parquet($s0)", files))
    assert rows.num_rows == 20
    assert worker.ready


def takes_signals(task: Path) -> bool:
    mask = next(line.split()[1] for line in (task / "status").read_text().splitlines() if line.startswith("SigBlk:"))
    return not int(mask, 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.parametrize("thread", [0, 1], ids=["the first", "another"])
def test_the_process_ends_on_sigterm_whichever_thread_gets_it(site: Site, thread: int) -> None:
    environment = {
        "QSERV_WORKER_NAME": "w0",
        "QSERV_WORKER_DATA_DIR": str(site.folder / "w0"),
        "QSERV_WORKER_SECRET_FILE": str(site.secret_file),
        "QSERV_WORKER_CONTROLLERS": f'["{site.registrar.url}"]',
        "QSERV_WORKER_FLIGHT_PORT": "0",
        "QSERV_WORKER_HTTP_PORT": "0",
    }
    code = "from qserv.worker.main import run; from qserv.catalog.settings import WorkerSettings; run(WorkerSettings())"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | environment, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(60, process.kill)
    killer.start()
    site.registrar.wait_beats(1, 60)
    threads = sorted(int(one.name) for one in Path(f"/proc/{process.pid}/task").iterdir() if takes_signals(one))
    assert ctypes.CDLL(None).tgkill(process.pid, threads[thread], int(signal.SIGTERM)) == 0
    _, log = process.communicate()
    killer.cancel()
    assert process.returncode == 0, log
    assert '"event": "ended"' in log
    assert "the-secret-of-this-test" not in log
