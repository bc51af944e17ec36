"""What people and machines do wrong: each has a clear error with a stable code, and leaves nothing behind."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from qserv.catalog.errors import AccessDenied, Conflict, NotFound, Unsafe, WrongCluster
from qserv.catalog.messages import PROTOCOL, Heartbeat, understood
from qserv.catalog.metadata import Metadata
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import ContributionView, ContributionWish, SettingsWish
from qserv.cli.ports import free_ports
from qserv.ingest.load import Load
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import open_transaction, rows_of, spec, stars


class Source(http.server.BaseHTTPRequestHandler):
    """``/whole`` is a file of three rows, ``/slow`` too, in drops; ``/cut`` breaks off, ``/endless`` never does."""

    body = b"id,ra,decl\n1,10,10\n2,20,20\n3,30,30\n"
    begun, left = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        if self.path not in ("/whole.csv", "/slow.csv", "/cut.csv", "/endless.csv"):
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/endless.csv":
            self.end_headers()
            self.begun.set()
            with suppress(ConnectionError):
                while True:
                    self.wfile.write(self.body)
                    time.sleep(0.02)
            self.left.set()
            return
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.path == "/cut.csv":
            self.wfile.write(self.body[:-5])
        elif self.path == "/slow.csv":
            for byte in self.body:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)  # a slow server, not a wait for something
        else:
            self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def transaction(cluster: Cluster, tmp_path: Path) -> Iterator[int]:
    started = open_transaction(cluster, "badly", stars(tmp_path, "a.csv", range(100, 120)))
    yield started
    cluster.client.end_transaction(started, "aborted")
    cluster.ended(started)
    cluster.client.drop_database("badly")


def ended(cluster: Cluster, transaction: int, name: str) -> ContributionView:
    def found() -> ContributionView:
        return next(one for one in cluster.client.contributions(transaction) if one.name == name)

    wait_for(lambda: found().state in ("done", "failed"))
    return found()


@pytest.mark.parametrize(
    ("place", "code", "told"),
    [
        ("/missing.csv", "bad-data", "404"),
        ("/cut.csv", "bad-data", "bytes came"),
        ("file:///no/such/file.csv", "bad-data", "no such file"),
        ("ftp://host/a.csv", "bad-data", "https"),
    ],
)
def test_a_bad_url_fails_its_contribution(
    cluster: Cluster, source: str, transaction: int, place: str, code: str, told: str
) -> None:
    url = source + place if place.startswith("/") else place
    cluster.client.contribute(transaction, ContributionWish(name="bad", table="Star", url=url))
    found = ended(cluster, transaction, "bad")
    assert found.failure is not None
    assert (found.state, found.failure.code, found.attempt) == ("failed", code, 1)
    assert told in found.failure.message
    wait_for(lambda: ended(cluster, transaction, "one").state == "done")
    with pytest.raises(Conflict, match="'bad'"):
        cluster.client.end_transaction(transaction, "committed")


def test_a_slow_source_is_waited_for_and_a_bad_one_left_out(cluster: Cluster, source: str, tmp_path: Path) -> None:
    transaction = open_transaction(cluster, "slowly", stars(tmp_path, "a.csv", range(100, 120)))
    for name in ("slow", "missing"):
        cluster.client.contribute(transaction, ContributionWish(name=name, table="Star", url=f"{source}/{name}.csv"))
    assert ended(cluster, transaction, "slow").rows == 3
    assert ended(cluster, transaction, "missing").state == "failed"
    cluster.client.cancel_contribution(transaction, "missing")
    wait_for(lambda: ended(cluster, transaction, "one").state == "done")
    cluster.client.end_transaction(transaction, "committed")
    assert cluster.ended(transaction).state == "committed"
    assert rows_of(cluster, "slowly") == 23


def test_a_worker_ends_while_it_fetches_a_file(cluster: Cluster, source: str, transaction: int) -> None:
    wish = ContributionWish(name="endless", table="Star", url=f"{source}/endless.csv")
    cluster.client.contribute(transaction, wish)

    def reader() -> str | None:
        return next(one.worker for one in cluster.client.contributions(transaction) if one.name == "endless")

    wait_for(lambda: reader() is not None)
    name = reader()
    assert name is not None
    stopping = threading.Thread(target=cluster.stop_worker, args=(name,), daemon=True)
    stopping.start()
    stopping.join(60.0)
    assert not stopping.is_alive()
    cluster.start_worker(name)
    cluster.client.cancel_contribution(transaction, "endless")


def test_a_contribution_that_is_cancelled_is_read_no_more(cluster: Cluster, source: str, transaction: int) -> None:
    Source.begun.clear()
    Source.left.clear()
    wish = ContributionWish(name="dropped", table="Star", url=f"{source}/endless.csv")
    cluster.client.contribute(transaction, wish)
    assert Source.begun.wait(60.0)
    cluster.client.cancel_contribution(transaction, "dropped")
    assert Source.left.wait(60.0)
    assert cluster.client.transaction(transaction).state == "started"


def test_many_transactions_with_contexts_go_on_at_once(cluster: Cluster, tmp_path: Path) -> None:
    load = spec("many", "x")
    cluster.client.create_database("many", load.family)
    cluster.client.create_table("many", load.tables[0])
    running = []
    for number in range(5):
        file = stars(tmp_path, f"{number}.csv", range(100 * number, 100 * number + 30))
        started = cluster.client.start_transaction("many", {"night": number}).id
        cluster.client.contribute(started, ContributionWish(name="one", table="Star", url=str(file)))
        running.append(started)
    for started in running:
        assert ended(cluster, started, "one").state == "done"
        cluster.client.end_transaction(started, "committed")
    assert {cluster.ended(started).state for started in running} == {"committed"}
    assert rows_of(cluster, "many") == 150
    assert {view.context["night"] for view in cluster.client.transactions("many")} == set(range(5))


def test_a_table_is_published_and_taken_back(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(10))
    Load(cluster.client, spec("shown", "a.csv"), tmp_path).run()
    metadata = cluster.served.controller.metadata
    assert metadata.snapshot().catalog.databases["shown"].tables
    assert not cluster.client.unpublish("shown", "Star").published
    assert not metadata.snapshot().catalog.databases["shown"].tables
    assert cluster.client.publish("shown", "Star").published
    assert rows_of(cluster, "shown") == 10


def test_a_file_outside_of_the_source_folders_is_refused(cluster: Cluster, transaction: int, tmp_path: Path) -> None:
    for worker in cluster.workers.values():
        worker._contributions._source_dirs = (tmp_path,)
    cluster.client.contribute(transaction, ContributionWish(name="x", table="Star", url="file:///etc/hostname"))
    found = ended(cluster, transaction, "x")
    assert found.failure is not None
    assert found.failure.code == AccessDenied.code
    for worker in cluster.workers.values():
        worker._contributions._source_dirs = (Path("/"),)


def test_a_factor_above_the_workers_is_taken_and_reported(cluster: Cluster, tmp_path: Path) -> None:
    stars(tmp_path, "a.csv", range(40))
    Load(cluster.client, spec("factored", "a.csv"), tmp_path).run()
    cluster.client.set_settings(SettingsWish(factor=5))
    state = cluster.client.status().chunks
    assert state.unmet == state.total > 0
    wait_for(lambda: cluster.client.status().chunks.under_replicated == 0)
    assert cluster.client.status().chunks.unmet == state.total
    cluster.client.set_settings(SettingsWish(factor=2))
    assert cluster.client.status().chunks.unmet == 0
    placed = cluster.served.controller.metadata
    wait_for(
        lambda: all(
            len(held) == 2 for units in placed.snapshot().placement.replicas.values() for held in units.values()
        )
    )


def beat(**facts: object) -> Heartbeat:
    known = {"flight": "127.0.0.1:1", "http": "127.0.0.1:2", "boot": "b", "identity": "new", "cluster": None}
    sizes = {"domain": "d", "capacity": 1, "free": 1}
    return Heartbeat.model_validate(known | sizes | facts)


def test_strangers_are_refused(cluster: Cluster) -> None:
    client = cluster.client
    with pytest.raises(WrongCluster):
        client.heartbeat("stranger", beat(cluster="another"))
    known = next(one for one in client.workers() if one.name == "worker-0")
    with pytest.raises(Conflict, match="has the disk of worker 'worker-0'"):
        client.heartbeat("twin", beat(identity=known.identity))
    with pytest.raises(Conflict, match="two workers are named 'worker-0'"):
        client.heartbeat("worker-0", beat(identity="another disk"))
    for protocol in (0, PROTOCOL + 1):
        with pytest.raises(Conflict, match="upgrade through the versions between"):
            client.heartbeat("old", beat(protocol=protocol))
    assert {one.name for one in client.workers()} == {"worker-0", "worker-1", "worker-2"}


@pytest.mark.parametrize(
    ("protocol", "own", "taken"), [(0, 1, False), (1, 1, True), (2, 1, False), (1, 2, True), (1, 3, False)]
)
def test_the_former_protocol_is_taken_and_no_other(protocol: int, own: int, taken: bool) -> None:
    """Controllers are upgraded before workers, which are not to be lost by it."""
    assert understood(protocol, own) is taken


def test_the_last_holder_is_not_drained(cluster: Cluster, tmp_path: Path) -> None:
    client = cluster.client
    stars(tmp_path, "a.csv", range(40))
    Load(client, spec("last", "a.csv"), tmp_path).run()
    for name in ("worker-0", "worker-1"):
        client.set_worker_state(name, WorkerState.DRAINING)
    with pytest.raises(Unsafe) as refused:
        client.set_worker_state("worker-2", WorkerState.DRAINING)
    assert refused.value.details["chunks"]
    for name in ("worker-0", "worker-1"):
        client.set_worker_state(name, WorkerState.ONLINE)
    with pytest.raises(NotFound):
        client.set_worker_state("nobody", WorkerState.ONLINE)
    wait_for(lambda: client.status().chunks.under_replicated == 0)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"id": [1], "ra": [10.0]}, "decl"),
        ({"id": ["one"], "ra": [10.0], "decl": [5.0]}, "id"),
        ({"id": [1], "ra": [10.0], "decl": [[5.0]]}, "decl"),
        ({"id": [None], "ra": [10.0], "decl": [5.0]}, "NULL"),
    ],
)
def test_a_file_of_another_shape_fails_its_contribution(
    cluster: Cluster, transaction: int, tmp_path: Path, columns: dict[str, list[object]], told: str
) -> None:
    """The table's declared columns are the contract: a file is refused with its name, and nothing of it is staged."""
    name = f"shape-{told}-{len(columns)}"
    path = tmp_path / f"{name}.csv"
    shown = [[str(value) if value is not None else "" for value in values] for values in columns.values()]
    lines = [",".join(columns), *(",".join(row) for row in zip(*shown, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    cluster.client.contribute(transaction, ContributionWish(name=name, table="Star", url=str(path)))
    found = ended(cluster, transaction, name)
    assert found.state == "failed"
    assert found.failure is not None
    assert found.failure.code == "bad-data"
    assert told in found.failure.message
    assert path.name in found.failure.message
    with pytest.raises(Conflict, match="cancel it"):
        cluster.client.end_transaction(transaction, "committed")


def test_a_table_that_is_being_loaded_is_not_dropped(cluster: Cluster, transaction: int) -> None:
    for drop in (lambda: cluster.client.drop_table("badly", "Star"), lambda: cluster.client.drop_database("badly")):
        with pytest.raises(Conflict, match=f"transaction {transaction} is") as refused:
            drop()
        assert refused.value.code == "conflict"
    assert cluster.client.transaction(transaction).state == "started"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "told"),
    [
        ("GET", "/nothing", None, 404, "not-found", "no such path"),
        ("PATCH", "/status", None, 405, "wrong-method", "GET"),
        ("POST", "/databases", "{", 422, "bad-spec", "the body is no JSON"),
        ("POST", "/databases", "[]", 422, "bad-spec", "the body is no JSON object"),
        ("POST", "/databases", None, 422, "bad-spec", "body: is needed"),
        ("POST", "/databases", '{"nam": "x"}', 422, "bad-spec", "name: is needed; body: there is no key 'nam'"),
        ("PUT", "/settings", '{"factor": 0}', 422, "bad-spec", "factor: input should be greater than or equal to 1"),
        ("PUT", "/settings", '{"lost_after": Infinity}', 422, "bad-spec", "lost_after: input should be a finite"),
        ("POST", "/transactions", '{"database": "x", "context": {"a": NaN}}', 422, "bad-spec", "context: "),
        ("GET", "/transactions/7e", None, 422, "bad-spec", "transaction: input should be a valid integer"),
        ("GET", f"/transactions/{1 << 63}", None, 422, "bad-spec", "transaction: input should be less than"),
    ],
)
def test_whatever_is_wrong_with_a_request_has_a_code_and_words(
    cluster: Cluster, method: str, path: str, body: str | None, status: int, code: str, told: str
) -> None:
    headers = cluster.served.controller.trust.headers() | {"content-type": "application/json"}
    answer = httpx.request(method, f"{cluster.url}/api/v1{path}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert told in answer.json()["message"]
    assert f"{method} /api/v1{path}" in answer.json()["message"]
    assert ("allow" in answer.headers) is (status == 405)


def test_a_program_older_than_the_metadata_does_not_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'metadata.db'}"
    metadata = Metadata(url, migrate_schema=True)
    metadata.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    metadata.close()
    (tmp_path / "secret").write_text("a secret\n")
    environment = {
        "QSERV_REPLICATION_METADATA_URL": url,
        "QSERV_REPLICATION_SECRET_FILE": str(tmp_path / "secret"),
        "QSERV_REPLICATION_PORT": str(free_ports(1)[0]),
    }
    program = [str(Path(sys.executable).with_name("qserv")), "replication"]
    ended_with = subprocess.run(
        program, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended_with.returncode != 0
    assert "schema-version" in ended_with.stderr
    assert "run the newer program" in ended_with.stderr
