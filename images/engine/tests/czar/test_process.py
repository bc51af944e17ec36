"""The process ``qserv czar``: it starts, serves, and ends on SIGTERM; over TLS where certificates are configured."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import mysql.connector
import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from czar.smallsky import Cluster, czar_settings, running_czar
from qserv.catalog.metadata import Metadata
from qserv.catalog.settings import CzarSettings

RUN = "from qserv.catalog.settings import CzarSettings; from qserv.czar.main import run; run(CzarSettings())"


@contextlib.contextmanager
def process(folder: Path, **changes: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "QSERV_CZAR_SECRET_FILE": str(folder / "secret"),
        "QSERV_CZAR_METADATA_URL": f"sqlite:///{folder / 'metadata.db'}",
        "QSERV_CZAR_RESULT_DIR": str(folder / "result-of-a-process"),
        "QSERV_CZAR_NAME": "czar-process",
        **{f"QSERV_CZAR_{door}_PORT": "0" for door in ("MYSQL", "HTTP", "FLIGHT")},
        **changes,
    }
    running = subprocess.Popen([sys.executable, "-c", RUN], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def ready(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stderr is not None
    for line in running.stderr:
        told: dict[str, Any] = json.loads(line)
        if told["event"] == "czar ready":
            return told
    raise AssertionError("the czar ended before it was ready")


def test_it_serves_until_sigterm(cluster: Cluster) -> None:
    with process(cluster.folder) as running:
        ports = ready(running)
        with (
            contextlib.closing(
                pymysql.connect(host="127.0.0.1", port=ports["mysql"], user="joe", password="joe", database="sky")
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT COUNT(*) FROM Object")
            assert cursor.fetchall() == ((cluster.rows.num_rows,),)
            assert httpx.get(f"http://127.0.0.1:{ports['http']}/health").status_code == 200
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0
            with pytest.raises((pymysql.err.MySQLError, OSError)):
                cursor.execute("SELECT 1")
        assert running.stderr is not None
        ended = [json.loads(line) for line in running.stderr if '"query ended"' in line]
        assert [told["state"] for told in ended] == ["done"]
        assert ended[0]["query"]


def waiting(running: subprocess.Popen[str]) -> str:
    assert running.stderr is not None
    for line in running.stderr:
        told: dict[str, Any] = json.loads(line)
        if told["event"] == "waiting for the metadata":
            return str(told["reason"])
    raise AssertionError("the czar ended instead of waiting")


def test_it_waits_for_the_schema_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x\n")
    with process(tmp_path) as running:
        assert "start the replication controller first" in waiting(running)
        Metadata(f"sqlite:///{tmp_path / 'metadata.db'}", migrate_schema=True).close()
        assert ready(running)["mysql"]
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


def test_it_ends_while_it_waits(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x\n")
    with process(tmp_path) as running:
        waiting(running)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``cert.pem`` and ``key.pem`` for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


def tls_settings(cluster: Cluster, certificate: Path) -> CzarSettings:
    return czar_settings(
        cluster.folder, name="czar-tls", tls_cert=certificate / "cert.pem", tls_key=certificate / "key.pem"
    )


def test_tls(cluster: Cluster, certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with running_czar(tls_settings(cluster, certificate)) as ports:
        secure = Cluster(cluster.folder, cluster.metadata, cluster.workers, cluster.rows, ports)
        with contextlib.closing(secure.connect(ssl=trusted)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 'over TLS', REPEAT('x', 100000)")
            assert cursor.fetchall() == (("over TLS", "x" * 100_000),)
            cursor.execute("SELECT @@have_ssl, @@port")
            assert cursor.fetchall() == (("YES", ports.mysql),)
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            assert cursor.fetchall()[0][1].startswith("TLS_")
        with pytest.raises(pymysql.err.OperationalError) as raised:
            secure.connect(ssl=trusted, password="wrong")
        assert raised.value.args[0] == 1045
        answer = httpx.get(f"https://127.0.0.1:{ports.http}/health", verify=trusted)
        assert answer.json() == {"status": "ok"}


def test_a_password_kept_before_sha2_is_told_inside_of_tls_alone(cluster: Cluster, certificate: Path) -> None:
    ours = {"host": "127.0.0.1", "user": "ann", "password": "ann", "auth_plugin": "caching_sha2_password"}
    with running_czar(tls_settings(cluster, certificate)) as ports:
        login = {**ours, "port": ports.mysql, "ssl_ca": str(certificate / "cert.pem"), "use_pure": True}
        with contextlib.closing(mysql.connector.connect(**login)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            assert cursor.fetchall() == [("ann@%",)]
        for tls in ({}, {"ssl_disabled": True}):
            # it and others that are refused cannot be told apart
            for user, password in (("ann", "wrong"), ("joe", "wrong"), ("nobody", "ann"), ("ann", "")):
                with pytest.raises(mysql.connector.Error) as refused:
                    mysql.connector.connect(**{**login, **tls, "user": user, "password": password})
                using = "YES" if password else "NO"
                assert refused.value.errno == 1045
                assert refused.value.msg == f"Access denied for user '{user}'@'%' (using password: {using})"
        with pytest.raises(mysql.connector.Error) as bare:
            mysql.connector.connect(**{**login, "ssl_disabled": True})
        assert bare.value.msg == "Access denied for user 'ann'@'%' (using password: YES)"


def test_tls_that_comes_with_its_request(cluster: Cluster, certificate: Path) -> None:
    """The first bytes of TLS may come in one piece with the request for it."""
    trusted = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with (
        running_czar(tls_settings(cluster, certificate)) as ports,
        contextlib.closing(socket.create_connection(("127.0.0.1", ports.mysql), timeout=30)) as raw,
    ):
        size = int.from_bytes(raw.recv(4)[:3], "little")
        assert raw.recv(size)[0] == 10
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusted.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        request = struct.pack("<IIB23x", 0x0008_8A00, 1 << 24, 45)
        raw.sendall(len(request).to_bytes(3, "little") + b"\1" + request + outgoing.read())
        incoming.write(raw.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        assert tls.version() is not None


def test_connections_are_limited(cluster: Cluster) -> None:
    with running_czar(czar_settings(cluster.folder, name="czar-small", max_connections=2)) as ports:
        small = Cluster(cluster.folder, cluster.metadata, cluster.workers, cluster.rows, ports)
        with contextlib.closing(small.connect()) as one, contextlib.closing(small.connect()):
            with pytest.raises(pymysql.err.OperationalError) as raised:
                small.connect()
            assert raised.value.args[0] == 1040
            one.ping(reconnect=False)


def test_a_merge_beyond_the_limits_is_told(cluster: Cluster) -> None:
    settings = czar_settings(cluster.folder, name="czar-tight", memory_limit=32 << 20, spill_limit=1 << 20)
    with running_czar(settings) as ports:
        tight = Cluster(cluster.folder, cluster.metadata, cluster.workers, cluster.rows, ports)
        wide = "SELECT a.label, REPEAT(a.label, 40) AS long FROM Object a, Filter b, Filter c, Filter d ORDER BY long"
        with pytest.raises(pymysql.err.MySQLError) as raised:
            tight.ask(wide)
        assert raised.value.args[0] == 1041
        assert "QSERV_CZAR_" in str(raised.value)
        assert tight.ask("SELECT 1") == [(1,)]


def test_the_history_of_a_czar_that_died_is_closed(cluster: Cluster) -> None:
    with process(cluster.folder) as running:
        ports = ready(running)
        with contextlib.closing(
            pymysql.connect(host="127.0.0.1", port=ports["mysql"], user="joe", password="joe", database="sky")
        ) as connection:
            asked = "SELECT COUNT(*) FROM " + ", ".join(f"Filter f{number}" for number in range(16)) + " /* orphan */"
            connection._execute_command(3, asked)
            while not any("orphan" in query.sql for query in cluster.metadata.running_queries("joe")):
                assert running.poll() is None
            running.kill()
            running.wait()
    with process(cluster.folder) as running:
        ready(running)
        assert [query.state for query in history(cluster.metadata) if "orphan" in query.sql] == ["failed"]


def history(metadata: Metadata) -> list[Any]:
    return metadata.query_history("joe")


@pytest.mark.skipif(shutil.which("mariadb") is None, reason="the mariadb client is not installed")
def test_an_answer_larger_than_the_memory_flows_through(cluster: Cluster) -> None:
    """What a merge may not hold (the test above) is no limit to rows that go straight to the client."""
    settings = czar_settings(cluster.folder, name="czar-thin", memory_limit=32 << 20, spill_limit=1 << 30)
    with running_czar(settings) as ports:
        client = ["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{ports.mysql}", "-ujoe", "--quick"]
        asked = "SELECT REPEAT(a.label, 40) FROM Object a, Filter b, Filter c, Filter d"
        command = [*client, "--batch", "--skip-column-names", "sky", "-e", asked]
        with subprocess.Popen(command, env={"MYSQL_PWD": "joe"}, stdout=subprocess.PIPE) as asking:
            assert asking.stdout is not None
            sent = 0
            while piece := asking.stdout.read(1 << 20):
                sent += len(piece)
        assert asking.returncode == 0
    labels = sum(map(len, cluster.rows["label"].to_pylist()))
    assert sent == 5**3 * (40 * labels + cluster.rows.num_rows)
    assert sent > 5 * settings.memory_limit
