"""Secrets and certificates between processes."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyarrow import flight

from qserv.catalog.errors import Conflict, Unauthenticated, Unavailable
from qserv.catalog.flight import WorkerClient
from qserv.catalog.settings import WorkerSettings
from qserv.catalog.trust import Trust


def settings(folder: Path, text: str = "first\n", **changes: object) -> WorkerSettings:
    secret = folder / "secret"
    secret.write_text(text)
    facts: dict[str, object] = {"name": "w", "data_dir": folder, "secret_file": secret, "controllers": ("http://c",)}
    return WorkerSettings(**(facts | changes))


def test_the_first_secret_is_sent_and_all_are_taken(tmp_path: Path) -> None:
    trust = Trust.from_settings(settings(tmp_path, "new\n\n  old  \n"))
    assert trust.headers() == {"authorization": "Bearer new"}
    assert trust.accepts("Bearer new")
    assert trust.accepts("Bearer old")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer newer", "bearer new", "Basic new", "new"])
def test_nothing_else_is_taken(tmp_path: Path, header: str | None) -> None:
    trust = Trust.from_settings(settings(tmp_path, "new\nold\n"))
    assert not trust.accepts(header)
    with pytest.raises(Unauthenticated):
        trust.check([] if header is None else [header])


def test_a_rotated_file_is_taken_up(tmp_path: Path) -> None:
    found = settings(tmp_path)
    trust = Trust.from_settings(found)
    client = httpx.Client(auth=trust.auth, transport=httpx.MockTransport(lambda request: httpx.Response(
        200, text=request.headers["authorization"])))  # fmt: skip
    assert client.get("http://x/").text == "Bearer first"
    fresh = tmp_path / "fresh"
    fresh.write_text("other\n")
    stamp = found.secret_file.stat()
    os.utime(fresh, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    fresh.rename(found.secret_file)
    assert client.get("http://x/").text == "Bearer other"
    assert not trust.accepts("Bearer first")
    client.close()


def test_a_missing_or_empty_file_is_said_so(tmp_path: Path) -> None:
    found = settings(tmp_path, "\n")
    with pytest.raises(Conflict, match="is empty"):
        Trust.from_settings(found)
    found.secret_file.unlink()
    with pytest.raises(Conflict, match="cannot be read"):
        Trust.from_settings(found)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="tls_key"):
        Trust.from_settings(settings(tmp_path, tls_cert=tmp_path / "cert.pem"))


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of its own authority for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


class Echo(flight.FlightServerBase):  # type: ignore[misc]
    def do_action(self, context: object, action: flight.Action) -> list[flight.Result]:
        return [flight.Result(action.body)]


def test_flight_calls_go_by_tls_where_there_is_a_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "cluster")
    trust = Trust.from_settings(settings(tmp_path, tls_cert=cert, tls_key=key, tls_ca=cert))
    with Echo("grpc+tls://localhost:0", **trust.flight_server_options()) as server:
        address = f"localhost:{server.port}"
        client = WorkerClient(address, trust)
        client.action("ping")
        client.close()
        other, _ = certificate(tmp_path, "other")
        stranger = WorkerClient(address, Trust.from_settings(settings(tmp_path, tls_ca=other)))
        with pytest.raises(Unavailable):
            stranger.action("ping", timeout=5)
        stranger.close()


def test_without_certificates_there_is_no_tls(tmp_path: Path) -> None:
    trust = Trust.from_settings(settings(tmp_path))
    assert (trust.tls, trust.server_context(), trust.uvicorn_options()) == (False, None, {})
    assert trust.flight_location("host:1") == "grpc://host:1"
