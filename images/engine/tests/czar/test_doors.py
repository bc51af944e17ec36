"""SQL over HTTP and Flight, health and metrics."""

from __future__ import annotations

import base64
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import flight

from czar.smallsky import Cluster, czar_settings, running_czar
from qserv.catalog.errors import Conflict
from qserv.czar.session import Result, Session


def post(
    cluster: Cluster, sql: str, accept: str = "application/json", user: str = "joe", **body: Any
) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{cluster.ports.http}/api/v1/query",
        json={"sql": sql, "database": "sky", **body},
        headers={"accept": accept},
        auth=(user, {"root": "pw"}.get(user, user)),
        timeout=60,
    )


def test_json(cluster: Cluster) -> None:
    answer = post(
        cluster, "SELECT objectId, label, NULL AS n, 1.50 AS d, seen FROM Object WHERE objectId IN (1, 2) ORDER BY 1"
    )
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert [column["name"] for column in told["columns"]] == ["objectId", "label", "n", "d", "seen"]
    assert told["rows"] == [
        [1, "star 1", None, "1.50", "1970-01-01 00:00:01"],
        [2, "star 2", None, "1.50", "1970-01-01 00:00:02"],
    ]


def test_csv(cluster: Cluster) -> None:
    answer = post(cluster, "SELECT objectId, label FROM Object WHERE objectId < 2 ORDER BY 1", "text/csv")
    assert answer.text == '"objectId","label"\n0,"star 0"\n1,"star 1"\n'


def test_arrow(cluster: Cluster) -> None:
    answer = post(cluster, "SELECT objectId, flux FROM Object", "application/vnd.apache.arrow.stream")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.num_rows == cluster.rows.num_rows
    assert sorted(table["objectId"].to_pylist()) == list(range(cluster.rows.num_rows))


def test_virtual_tables_leave_no_files(cluster: Cluster) -> None:
    def files() -> set[Path]:
        return {*cluster.folder.glob("result-*/read/*")}

    sql = "SELECT ID, INFO FROM information_schema.PROCESSLIST"
    before = files()
    clients = [post(cluster, sql).json()["rows"] for _ in range(3)]
    assert [info for [(_, info)] in clients] == [sql] * 3
    assert len({client for [(client, _)] in clients}) == 3
    assert files() == before


def test_health_waits_for_no_statement(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    many = 60
    all_wait, go_on = threading.Barrier(many + 1), threading.Event()
    run = Session.run

    def wait(session: Session, sql: str) -> Result:
        all_wait.wait(30)
        go_on.wait(30)
        return run(session, sql)

    monkeypatch.setattr(Session, "run", wait)
    with ThreadPoolExecutor(many) as pool:
        answers = [pool.submit(post, cluster, "SELECT 1") for _ in range(many)]
        try:
            all_wait.wait(30)
            health = httpx.get(f"http://127.0.0.1:{cluster.ports.http}/health", timeout=30)
        finally:
            go_on.set()
    assert health.json() == {"status": "ok"}
    assert {answer.result().status_code for answer in answers} == {200}


def test_statements_that_are_no_queries(cluster: Cluster) -> None:
    assert post(cluster, "SHOW TABLES").json()["rows"] == [["Filter"], ["Object"]]
    assert post(cluster, "USE sky").json() == {"columns": [], "rows": []}


@pytest.mark.parametrize(
    ("sql", "status", "code", "mysql"),
    [
        ("SELEC 1", 400, "parse-error", 1064),
        ("SELECT x FROM Object", 400, "unknown-column", 1054),
        ("SELECT 1 FROM nothing", 400, "unknown-table", 1146),
    ],
)
def test_errors(cluster: Cluster, sql: str, status: int, code: str, mysql: int) -> None:
    answer = post(cluster, sql)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["mysql"] == mysql
    assert answer.json()["message"]


def test_a_body_that_is_no_question(cluster: Cluster) -> None:
    for answer in (post(cluster, ""), post(cluster, "SELECT 1", limit=3)):
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-spec")
    base = f"http://127.0.0.1:{cluster.ports.http}/api/v1"
    assert httpx.get(f"{base}/nothing").json()["code"] == "not-found"
    refused = httpx.get(f"{base}/query")
    assert (refused.json()["code"], refused.headers["allow"]) == ("wrong-method", "POST")


def test_a_query_tells_its_chunks_and_its_time(cluster: Cluster) -> None:
    answer = post(cluster, "SELECT COUNT(*) FROM Object")
    base = f"http://127.0.0.1:{cluster.ports.http}/api/v1/queries"
    told = httpx.get(f"{base}/{answer.headers['x-qserv-query-id']}", auth=("joe", "joe")).json()
    assert told["state"] == "done"
    assert told["chunks"] == told["chunks_done"] > 10
    assert told["rows"] == 1
    assert told["milliseconds"] > 0
    assert told["id"] in {query["id"] for query in httpx.get(base, auth=("joe", "joe")).json()}


def test_health_and_metrics(cluster: Cluster) -> None:
    base = f"http://127.0.0.1:{cluster.ports.http}"
    assert httpx.get(f"{base}/health").json() == {"status": "ok"}
    post(cluster, "SELECT label FROM Object WHERE objectId = 3")
    told = httpx.get(f"{base}/metrics").text
    assert 'qserv_czar_queries_total{state="done"}' in told
    assert "qserv_czar_query_seconds_bucket" in told
    assert "joe" not in told
    assert "label" not in told


def ask_flight(cluster: Cluster, ticket: dict[str, Any]) -> pa.Table:
    token = b"Basic " + base64.b64encode(b"joe:joe")
    options = flight.FlightCallOptions(headers=[(b"authorization", token)])
    with flight.connect(f"grpc://127.0.0.1:{cluster.ports.flight}") as client:
        return client.do_get(flight.Ticket(json.dumps(ticket)), options).read_all()


def test_flight(cluster: Cluster) -> None:
    table = ask_flight(cluster, {"sql": "SELECT objectId, ra FROM Object", "database": "sky"})
    assert table.column_names == ["objectId", "ra"]
    assert table.num_rows == cluster.rows.num_rows
    assert ask_flight(cluster, {"sql": "SHOW DATABASES"}).num_rows == 2


def test_flight_errors(cluster: Cluster) -> None:
    with pytest.raises(flight.FlightServerError, match="doesn't exist") as raised:
        ask_flight(cluster, {"sql": "SELECT 1 FROM nothing", "database": "sky"})
    assert json.loads(raised.value.extra_info)["code"] == "unknown-table"
    with pytest.raises(flight.FlightServerError, match="ticket"):
        ask_flight(cluster, {"statement": "SELECT 1"})


@pytest.mark.parametrize("port", ["mysql", "http", "flight"])
def test_a_port_in_use_is_told(cluster: Cluster, port: str) -> None:
    taken = {f"{port}_port": getattr(cluster.ports, port)}
    settings = czar_settings(cluster.folder, name="czar-2", **taken)
    with pytest.raises(Conflict, match=f"QSERV_CZAR_{port.upper()}_PORT"), running_czar(settings):
        pass
    assert cluster.ask("SELECT 1") == [(1,)]
