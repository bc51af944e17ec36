"""A cluster whose processes speak to one another by TLS alone, with certificates of an authority of its own."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qserv.ingest.load import Load
from replication.smallcluster import Cluster, wait_for
from replication.test_ingest import rows_of, spec, stars

Signed = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(name: str, issuer: Signed | None) -> Signed:
    """A certificate for 127.0.0.1, or without an issuer an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(host, critical=False)
        .sign(issuer[1] if issuer is not None else key, hashes.SHA256())
    )
    return made, key


def written(folder: Path) -> dict[str, Path]:
    """An authority and a certificate that it signed, as the settings take them."""
    authority = certificate("authority", None)
    signed, key = certificate("process", authority)
    files = {name: folder / f"{name}.pem" for name in ("tls_ca", "tls_cert", "tls_key")}
    files["tls_ca"].write_bytes(authority[0].public_bytes(serialization.Encoding.PEM))
    files["tls_cert"].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    files["tls_key"].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files


def test_a_load_goes_by_tls_alone(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, tls=written(tmp_path))
    try:
        for number in range(2):
            cluster.start_worker(f"worker-{number}")
        stars(tmp_path, "a.csv", range(200))
        Load(cluster.client, spec("secret", "a.csv"), tmp_path).run()
        assert rows_of(cluster, "secret") == 200
        assert cluster.client.status().chunks.under_replicated == 0
        began = cluster.client.start_scrub()
        wait_for(lambda: cluster.client.scrub(began.id).state == "done")
        assert cluster.client.scrub(began.id).skipped == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{cluster.port}/health")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{cluster.url}/health")
    finally:
        cluster.close()
