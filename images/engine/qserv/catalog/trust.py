"""What processes of one cluster know each other by: the cluster's secret, and certificates where there are any.

Every call between processes carries ``authorization: Bearer <secret>``. The secret's file may hold several, one a line:
the first is sent, all are taken. It is read anew when it changes, so that a secret is rotated without a restart: add
the new one as the last line everywhere, then make it the first everywhere, then remove the old one.

TLS is used by all processes or by none: a process with a certificate serves TLS, and one with a certificate or an
authority calls others by TLS.
"""

from __future__ import annotations

import hmac
import ssl
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from qserv.catalog.errors import Conflict, Unauthenticated
from qserv.catalog.settings import ProcessSettings

HEADER = "authorization"
_SCHEME = "Bearer "


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files. ``ca`` None: the system's authorities are trusted."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise Conflict("tls_cert and tls_key go together: set both, or neither")


class _BearerAuth(httpx.Auth):
    """Takes the token at each request, so that a long-lived client follows a rotation."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[HEADER] = _SCHEME + self._token()
        yield request


class Trust:
    """The credentials of a process, as Flight, httpx and uvicorn take them. Thread-safe."""

    def __init__(self, secret_file: Path, secrets: Callable[[], tuple[str, ...]], certificates: Certificates) -> None:
        self._file = secret_file
        self._read = secrets
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._secrets: tuple[str, ...] = ()
        self.certificates = certificates

    @classmethod
    def from_settings(cls, settings: ProcessSettings) -> Trust:
        """The trust of a process with these settings.

        Raises
        ------
        Conflict
            Where the secret file is missing or empty, or a certificate comes without its key.
        """
        certificates = Certificates(settings.tls_cert, settings.tls_key, settings.tls_ca)
        trust = cls(settings.secret_file, settings.secrets, certificates)
        trust.token()
        return trust

    def token(self) -> str:
        """The secret that this process sends."""
        return self._current()[0]

    def accepts(self, authorization: str | None) -> bool:
        """Whether a caller's ``authorization`` header carries one of the secrets; takes equal time for any answer."""
        if authorization is None or not authorization.startswith(_SCHEME):
            return False
        given = authorization[len(_SCHEME) :].strip().encode()
        return sum(hmac.compare_digest(given, secret.encode()) for secret in self._current()) > 0

    def check(self, authorizations: Iterable[str]) -> None:
        """Raise :class:`Unauthenticated` unless one of a call's ``authorization`` headers is good."""
        if not any(self.accepts(value) for value in authorizations):
            raise Unauthenticated(
                "this port takes calls of its own cluster only: send the cluster's secret as a bearer token"
            )

    def headers(self) -> dict[str, str]:
        return {HEADER: _SCHEME + self.token()}

    @property
    def auth(self) -> httpx.Auth:
        """For ``httpx.Client(auth=…)``."""
        return _BearerAuth(self.token)

    @property
    def tls(self) -> bool:
        """Whether other processes are called by TLS."""
        return self.certificates.cert is not None or self.certificates.ca is not None

    def client_context(self) -> ssl.SSLContext:
        """For ``httpx.Client(verify=…)``: knows other processes by the cluster's authority."""
        ca = self.certificates.ca
        return ssl.create_default_context(cafile=str(ca) if ca else None)

    def server_context(self) -> ssl.SSLContext | None:
        """For servers of the standard library; None where no certificate is configured."""
        if self.certificates.cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificates.cert, self.certificates.key)
        return context

    def uvicorn_options(self) -> dict[str, Any]:
        """Keyword arguments for ``uvicorn.Config``."""
        if self.certificates.cert is None:
            return {}
        return {"ssl_certfile": str(self.certificates.cert), "ssl_keyfile": str(self.certificates.key)}

    def flight_server_options(self) -> dict[str, Any]:
        """Keyword arguments for a ``pyarrow.flight`` server, without its location and middleware."""
        if self.certificates.cert is None or self.certificates.key is None:
            return {}
        return {"tls_certificates": [(self.certificates.cert.read_bytes(), self.certificates.key.read_bytes())]}

    def flight_client_options(self) -> dict[str, Any]:
        """Keyword arguments for a ``pyarrow.flight`` client, without its location and middleware."""
        ca = self.certificates.ca
        return {"tls_root_certs": ca.read_bytes()} if ca else {}

    def flight_location(self, address: str) -> str:
        """The URI of the Flight service at ``host:port``."""
        return f"{'grpc+tls' if self.tls else 'grpc'}://{address}"

    def _current(self) -> tuple[str, ...]:
        try:
            found = self._file.stat()
        except OSError as error:
            raise Conflict(f"the secret file {self._file} cannot be read: {error.strerror}") from None
        # Kubernetes rotates a mounted secret by a symbolic link: another inode, perhaps of the same time and size.
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        with self._lock:
            if stamp != self._stamp:
                self._secrets, self._stamp = self._read(), stamp
            return self._secrets
