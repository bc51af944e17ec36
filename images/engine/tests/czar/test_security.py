"""Trying to get in, to see others' databases, and to reach what is not a table: through every door."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import pymysql
import pytest
from pyarrow import flight

from czar.smallsky import Cluster


class Raw:
    """A MySQL client that does what no well-behaved one does."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.greeting = self.read()[1]

    def read(self) -> tuple[int, bytes]:
        header = self._exactly(4)
        return header[3], self._exactly(int.from_bytes(header[:3], "little"))

    def write(self, sequence: int, payload: bytes) -> None:
        self.socket.sendall(len(payload).to_bytes(3, "little") + bytes([sequence]) + payload)

    def closed(self) -> bool:
        """Whether the server hung up; what it still says is read first."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionError:
            return True
        return True

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            got = self.socket.recv(size - len(data))
            if not got:
                raise ConnectionError("closed")
            data += got
        return data


@pytest.fixture
def raw(cluster: Cluster) -> Iterator[Raw]:
    found = Raw(cluster.ports.mysql)
    with contextlib.closing(found.socket):
        yield found


def login(user: bytes, scramble: bytes, capabilities: int = 0x00088200) -> bytes:
    """A handshake response: protocol 4.1, secure connection, plugin auth."""
    return (
        struct.pack("<IIB23x", capabilities | 0x200 | 0x8000 | 0x80000, 1 << 24, 45)
        + user + b"\0" + bytes([len(scramble)]) + scramble + b"mysql_native_password\0"
    )  # fmt: skip


def number_of(payload: bytes) -> int:
    assert payload[0] == 0xFF
    return int(struct.unpack_from("<H", payload, 1)[0])


@pytest.mark.parametrize("user", [b"joe", b"nobody", b""])
@pytest.mark.parametrize("scramble", [b"", b"\0" * 20, b"short", b"x" * 200])
def test_a_wrong_password_and_an_unknown_name_are_told_alike(raw: Raw, user: bytes, scramble: bytes) -> None:
    raw.write(1, login(user, scramble))
    _, answer = raw.read()
    assert number_of(answer) == 1045
    assert answer[3:9] == b"#28000"
    expected = f"Access denied for user '{user.decode()}'@'%' (using password: {'YES' if scramble else 'NO'})"
    assert answer[9:].decode() == expected


def test_a_refused_login_ends_the_connection(raw: Raw) -> None:
    raw.write(1, login(b"joe", b"\0" * 20))
    raw.read()
    with contextlib.suppress(ConnectionError):
        raw.write(0, b"\x03SELECT COUNT(*) FROM sky.Object")
    with pytest.raises(ConnectionError):
        raw.read()


def test_commands_before_the_login_are_no_commands(raw: Raw) -> None:
    raw.write(1, b"\x03SELECT COUNT(*) FROM sky.Object")
    with contextlib.suppress(ConnectionError):
        _, answer = raw.read()
        assert number_of(answer) in (1043, 1045)
    assert raw.closed()


def test_a_failed_change_of_user_ends_the_connection(cluster: Cluster) -> None:
    connection = cluster.connect()
    with contextlib.closing(connection):
        connection._execute_command(0x11, b"root\0\x14" + b"\0" * 20 + b"sky\0\x2d\0mysql_native_password\0\0")
        switch = connection._read_packet()
        assert switch.is_auth_switch_request()
        connection.write_packet(b"\0" * 20)
        with pytest.raises(pymysql.err.OperationalError) as raised:
            connection._read_packet()
        assert raised.value.args[0] == 1045
        with pytest.raises((pymysql.err.MySQLError, OSError)):
            connection.ping(reconnect=False)


def test_garbage_does_not_harm_the_server(cluster: Cluster) -> None:
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\1", bytes(4096), b"\xff\xff\xff\1" + bytes(100)):
        with contextlib.closing(Raw(cluster.ports.mysql).socket) as peer:
            peer.sendall(junk)
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(30)
            with contextlib.suppress(ConnectionError):
                while peer.recv(4096):
                    pass
    assert cluster.ask("SELECT 1") == [(1,)]


OTHERS = [
    "SELECT * FROM hidden.Object",
    "SELECT 1 FROM Object o JOIN hidden.Filter f ON f.id = o.objectId",
    "SELECT (SELECT COUNT(*) FROM hidden.Filter)",
    "SELECT * FROM (SELECT * FROM hidden.Filter) x",
    "WITH h AS (SELECT * FROM hidden.Filter) SELECT * FROM h",
    "SELECT 1 UNION SELECT id FROM hidden.Filter",
    "SELECT 1 FROM Object WHERE objectId IN (SELECT id FROM HIDDEN.Filter)",
    "EXPLAIN SELECT * FROM hidden.Filter",
    "SHOW TABLES FROM hidden",
    "SHOW COLUMNS FROM Object FROM hidden",
    "SHOW CREATE TABLE hidden.Object",
    "SHOW CREATE DATABASE hidden",
    "SHOW TABLE STATUS FROM hidden",
    "SHOW INDEX FROM Object FROM hidden",
    "DESCRIBE hidden.Object",
    "USE hidden",
    "USE nowhere",
]


@pytest.mark.parametrize("sql", OTHERS)
def test_others_databases_are_refused(cluster: Cluster, sql: str) -> None:
    with pytest.raises(pymysql.err.MySQLError) as raised:
        cluster.ask(sql)
    assert raised.value.args[0] == 1044


def test_others_databases_are_invisible(cluster: Cluster) -> None:
    assert "hidden" not in {row[0] for row in cluster.ask("SHOW DATABASES")}
    for table, column in (("schemata", "schema_name"), ("tables", "table_schema"), ("columns", "table_schema")):
        found = cluster.ask(f"SELECT DISTINCT {column} FROM information_schema.{table}")
        assert sorted(found) == [("information_schema",), ("sky",)]
    with pytest.raises(pymysql.err.OperationalError) as raised:
        cluster.connect(database="hidden")
    assert raised.value.args[0] == 1044


OUTSIDE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT LOAD_FILE('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE Object",
    "COPY Object TO '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "INSTALL httpfs",
    "PRAGMA database_list",
    "SET GLOBAL max_connections = 1",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_tables",
    "CALL pragma_version()",
]


@pytest.mark.parametrize("sql", OUTSIDE)
def test_nothing_but_tables_is_reached(cluster: Cluster, sql: str) -> None:
    with pytest.raises(pymysql.err.MySQLError) as raised:
        cluster.ask(sql)
    assert raised.value.args[0] in (1044, 1046, 1049, 1054, 1064, 1146, 1235, 1305)
    assert "root:" not in str(raised.value)


@pytest.mark.parametrize("header", [{}, {"authorization": "Basic am9lOndyb25n"}, {"authorization": "Bearer x"},
                                    {"authorization": "Basic !!"}])  # fmt: skip
def test_http_asks_for_a_password(cluster: Cluster, header: dict[str, str]) -> None:
    base = f"http://127.0.0.1:{cluster.ports.http}"
    for method, path in (
        ("POST", "/api/v1/query"),
        ("GET", "/api/v1/queries"),
        ("GET", "/api/v1/queries/x"),
        ("DELETE", "/api/v1/queries/x"),
    ):
        body = {"json": {"sql": "SELECT 1"}} if method == "POST" else {}
        answer = httpx.request(method, base + path, headers=header, **body)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthenticated"
        assert "Basic" in answer.headers["www-authenticate"]


def test_http_refuses_others_databases_and_files(cluster: Cluster) -> None:
    base = f"http://127.0.0.1:{cluster.ports.http}/api/v1/query"
    for body, code in (
        ({"sql": "SELECT 1", "database": "hidden"}, "database-access-denied"),
        ({"sql": "SELECT * FROM hidden.Object"}, "database-access-denied"),
        ({"sql": "SELECT * FROM read_csv('/etc/passwd')"}, None),
    ):
        answer = httpx.post(base, json=body, auth=("joe", "joe"))
        assert answer.status_code in (400, 403)
        if code:
            assert answer.json() == {"code": code, "message": answer.json()["message"], "mysql": 1044}


@pytest.mark.parametrize(
    "headers", [[], [(b"authorization", b"Basic am9lOndyb25n")], [(b"authorization", b"Bearer x")]]
)
def test_flight_asks_for_a_password(cluster: Cluster, headers: list[tuple[bytes, bytes]]) -> None:
    options = flight.FlightCallOptions(headers=headers)
    ticket = flight.Ticket(json.dumps({"sql": "SELECT 1"}))
    with flight.connect(f"grpc://127.0.0.1:{cluster.ports.flight}") as client:
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.do_get(ticket, options).read_all()
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.list_flights(options=options))


def test_a_secret_of_the_cluster_is_no_password(cluster: Cluster) -> None:
    secret = (cluster.folder / "secret").read_text().strip()
    base = f"http://127.0.0.1:{cluster.ports.http}/api/v1/queries"
    assert httpx.get(base, headers={"authorization": f"Bearer {secret}"}).status_code == 401
    with pytest.raises(pymysql.err.OperationalError):
        cluster.connect("joe", password=secret)


def test_a_client_sees_only_its_own_queries(cluster: Cluster) -> None:
    base = f"http://127.0.0.1:{cluster.ports.http}/api/v1"
    done = httpx.post(f"{base}/query", json={"sql": "SELECT 1"}, auth=("joe", "joe"))
    query = done.headers["x-qserv-query-id"]
    assert httpx.get(f"{base}/queries/{query}", auth=("joe", "joe")).status_code == 200
    assert httpx.get(f"{base}/queries/{query}", auth=("ann", "ann")).status_code == 404
    assert httpx.get(f"{base}/queries/{query}", auth=("root", "pw")).status_code == 200
    owners: list[Any] = [told["account"] for told in httpx.get(f"{base}/queries", auth=("ann", "ann")).json()]
    assert set(owners) <= {"ann"}
