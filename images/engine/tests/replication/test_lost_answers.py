"""Requests whose answer is lost are sent again by the client, and are done once."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from qserv.catalog.errors import Conflict
from qserv.catalog.rest import Controller
from qserv.catalog.spec import FamilySpec
from replication.smallcluster import Cluster


class Losing(http.server.ThreadingHTTPServer):
    """Stands before a controller and hangs up instead of telling the first answer to each POST."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = url
        self.lost: set[str] = set()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Losing

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        answer = httpx.post(self.server.url + self.path, content=body, headers=kept)
        if self.path not in self.server.lost:
            self.server.lost.add(self.path)
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with closing(Cluster(tmp_path)) as found:
        yield found


@pytest.fixture
def losing(cluster: Cluster) -> Iterator[Controller]:
    with Losing(cluster.url) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with closing(Controller([f"http://127.0.0.1:{server.server_port}"], cluster.served.controller.trust)) as client:
            yield client
        server.shutdown()
        thread.join()


def test_a_transaction_is_started_once(cluster: Cluster, losing: Controller) -> None:
    losing.create_database("sky", FamilySpec(stripes=18, substripes=2, overlap=0.1))
    first = losing.start_transaction("sky", {"night": 1})
    assert [row.id for row in cluster.client.transactions("sky")] == [first.id]
    second = losing.start_transaction("sky", {"night": 1})
    assert second.id != first.id


def test_a_request_stands_for_one_transaction(cluster: Cluster) -> None:
    cluster.client.create_database("sky", FamilySpec(stripes=18, substripes=2, overlap=0.1))
    trust = cluster.served.controller.trust

    def start(context: dict[str, int]) -> httpx.Response:
        wish = {"database": "sky", "request": "mine", "context": context}
        return httpx.post(f"{cluster.url}/api/v1/transactions", json=wish, auth=trust.auth)

    once, again = start({"night": 1}), start({"night": 1})
    assert once.json() == again.json()
    other = start({"night": 2})
    assert (other.status_code, other.json()["code"]) == (409, Conflict.code)
    assert f"transaction {once.json()['id']}" in other.json()["message"]
