"""The certificate of a cluster, as a centre's authority would sign it for the names that the documentation lists."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubectl import Object

_COMPONENTS = ("czar", "worker", "replication")


def certificate(secret: str, cluster: str, namespace: str) -> Object:
    """A Secret for ``spec.tls`` with a new key and a certificate that is its own authority."""
    names = [f"*.{cluster}-{component}.{namespace}.svc" for component in _COMPONENTS]
    names += [f"{name}.{namespace}.svc" for name in (cluster, f"{cluster}-ingest")]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[-2])])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = {"tls.crt": text, "tls.key": private.decode(), "ca.crt": text}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": files}
