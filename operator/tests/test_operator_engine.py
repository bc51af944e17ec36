"""The operator's client against a real replication controller, and against controllers that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from qserv.cli.ports import free_ports
from qserv_operator.engine import Controllers, EngineError, load_spec
from qserv_operator.gather import engine_facts
from qserv_operator.models.catalog import CatalogSpec
from qserv_operator.snapshot import Account, EngineSettings

CATALOG = Path(__file__).parents[2] / "docs/examples/catalog.yaml"
RUN = "from qserv.catalog.settings import ReplicationSettings as S; from qserv.replication.main import run; run(S())"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a replication controller with an empty catalog."""
    folder = tmp_path_factory.mktemp("controller")
    (folder / "secret").write_text("s3cret\n")
    (port,) = free_ports(1)
    settings = {
        "PORT": str(port),
        "SECRET_FILE": str(folder / "secret"),
        "METADATA_URL": f"sqlite:///{folder / 'metadata.db'}",
    }
    env = {**os.environ, **{f"QSERV_REPLICATION_{name}": value for name, value in settings.items()}}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", RUN], env=env, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            try:
                with_secret = {"authorization": "Bearer s3cret"}
                if httpx.get(f"{url}/api/v1/status", headers=with_secret).is_success:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def engine(controller: str) -> Iterator[Controllers]:
    made = Controllers([controller], "s3cret")
    yield made
    made.close()


def test_facts_of_an_empty_cluster(engine: Controllers) -> None:
    facts = engine_facts(engine, set())
    assert facts.workers == {}
    assert facts.chunks.total == 0
    assert facts.settings.factor == 2


def test_settings_are_changed(engine: Controllers) -> None:
    wanted = EngineSettings(3, 1000, 60.0)
    engine.change_settings(wanted)
    assert engine_facts(engine, set()).settings == wanted


def test_accounts_come_and_go(engine: Controllers) -> None:
    account = Account("reader", ("gaia",), False)
    engine.put_account(account, "a-password-of-some-length")
    assert account in engine_facts(engine, set()).accounts
    engine.drop_account("reader")
    engine.drop_account("reader")
    assert account not in engine_facts(engine, set()).accounts


def test_an_unknown_worker_is_forgotten_already(engine: Controllers) -> None:
    engine.forget("sky-worker-7")


def test_a_catalog_is_created_and_its_transaction_found_again(engine: Controllers) -> None:
    spec = CatalogSpec.model_validate(yaml.safe_load(CATALOG.read_text())["spec"])
    assert spec.family is not None
    engine.create_database(spec.database, spec.family.model_dump(mode="json"))
    engine.create_table(spec.database, spec.tables[0])
    engine.start_transaction(spec.database, "uid-1/print")
    engine.start_transaction(spec.database, "uid-2/print")
    facts = engine_facts(engine, {"uid-1"})
    assert facts.databases[spec.database] == {"Star": False}
    assert sorted((item.database, item.state, item.context) for item in facts.transactions) == [
        ("gaia", "started", "uid-1/print"),
        ("gaia", "started", "uid-2/print"),
    ]
    for item in facts.transactions:
        engine.end_transaction(item.id, "aborted")
    over = time.monotonic() + 30
    while engine_facts(engine, set()).transactions:
        assert time.monotonic() < over, "what is over and nobody's is not told any more"
        time.sleep(0.05)


def test_the_load_spec_is_the_engines(controller: str) -> None:
    table = CatalogSpec.model_validate(yaml.safe_load(CATALOG.read_text())["spec"]).tables[0]
    made = load_spec(table)
    assert made["source"]["path"] == ["http://catalogs.default.svc/gaia/stars.csv"]
    assert "urls" not in made["source"]


def test_a_wrong_secret_is_refused(controller: str) -> None:
    made = Controllers([controller], "wrong")
    with pytest.raises(EngineError, match="secret") as caught:
        made.status()
    assert caught.value.code != "unavailable"
    made.close()


class StandBy(BaseHTTPRequestHandler):
    """A controller that does not lead."""

    def do_GET(self) -> None:
        body = json.dumps({"code": "unavailable", "message": "another leads", "details": {}}).encode()
        self.send_response(503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Nothing: the test's output stays readable."""


def test_the_controller_that_leads_is_found(controller: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandBy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    nobody, follower = f"http://127.0.0.1:{free_ports(1)[0]}", f"http://127.0.0.1:{server.server_port}"
    made = Controllers([nobody, follower, controller], "s3cret")
    lost = Controllers([follower, nobody], "s3cret")
    try:
        assert made.status().chunks.total == 0
        with pytest.raises(EngineError) as caught:
            lost.status()
        assert caught.value.code == "unavailable"
    finally:
        made.close()
        lost.close()
        server.shutdown()
        server.server_close()
        thread.join()
