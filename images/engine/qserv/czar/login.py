"""Who may log in: accounts of the metadata, by MySQL's two ways to prove a password or by HTTP Basic.

Of a password its double SHA-1 and its double SHA-256 are kept. With the latter the short way of caching_sha2_password
suffices; where it fails the client is asked for the password itself, and that inside of TLS alone.

An unknown name, a wrong password and an account whose SHA-256 is not kept take the same steps and end in the same
error, so that names cannot be guessed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

from mysql_mimic.utils import nonce

from qserv.catalog import logs
from qserv.catalog.errors import AccessDenied, Unauthenticated
from qserv.catalog.metadata import Account, Metadata, password_auth, password_sha2
from qserv.czar import metrics

log = logs.get(__name__)

NATIVE = "mysql_native_password"
SHA2 = "caching_sha2_password"
SHA2_PROVEN = b"\x01\x03"
SHA2_ASK = b"\x01\x04"
"""What a server says in the midst of it: that the short way sufficed, or that it asks for the password itself."""

NONCE_BYTES = 20

_NOBODYS = "no one has this password"
_NOBODY = Account("", password_auth(_NOBODYS))
_NOBODY_SHA2 = password_sha2(_NOBODYS)


def new_nonce() -> bytes:
    return bytes(nonce(NONCE_BYTES))


def check_scramble(metadata: Metadata, name: str, scramble: bytes, given: bytes) -> Account:
    """The account that a client's answer to the nonce ``given`` proves.

    The answer is SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))), or nothing for an empty password.

    Raises
    ------
    AccessDenied
        For a wrong password or an unknown name alike.
    """
    found = metadata.account(name)
    kept = bytes.fromhex((found or _NOBODY).auth)
    if scramble:
        proven = _proves(scramble, _sha1(given + kept), kept, _sha1)
    else:
        proven = hmac.compare_digest(bytes.fromhex(password_auth("")), kept)
    return _let_in(found, name, proven, using=bool(scramble))


def check_sha2_scramble(metadata: Metadata, name: str, scramble: bytes, given: bytes) -> Account | None:
    """As :func:`check_scramble`, for caching_sha2_password; None where the scramble proves nothing.

    The answer is SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce), or nothing for an empty password, which
    is the whole proof of it.
    """
    found = metadata.account(name)
    scramble = b"" if scramble == b"\0" else scramble
    if not scramble:
        return check_password(metadata, name, "")
    if found is not None and found.sha2 is None:
        log.info("the SHA-256 of an account's password is not kept: have the password set anew", account=name)
    kept = bytes.fromhex((found and found.sha2) or _NOBODY_SHA2)
    return found if _proves(scramble, _sha256(kept + given), kept, _sha256) else None


def check_password(metadata: Metadata, name: str, password: str) -> Account:
    """The account of a password that a client told: inside of TLS, or an empty one.

    Raises
    ------
    AccessDenied
        For a wrong password or an unknown name alike.
    """
    found = metadata.account(name)
    proven = hmac.compare_digest(password_auth(password), (found or _NOBODY).auth)
    return _let_in(found, name, proven, using=bool(password))


def _proves(scramble: bytes, mask: bytes, kept: bytes, digest: Callable[[bytes], bytes]) -> bool:
    """Whether ``scramble`` under ``mask`` is what ``kept`` is the digest of."""
    once = bytes(a ^ b for a, b in zip(scramble.ljust(len(mask), b"\0"), mask, strict=False))
    return len(scramble) == len(mask) and hmac.compare_digest(digest(once), kept)


def _let_in(found: Account | None, name: str, proven: bool, *, using: bool) -> Account:
    if found is None or not proven:
        raise refusal(name, using=using)
    return found


def refusal(name: str, *, using: bool) -> AccessDenied:
    """What is said to one who is not let in; ``using``: whether a password was given."""
    metrics.REFUSED.labels("mysql").inc()
    return AccessDenied(f"Access denied for user '{name}'@'%' (using password: {'YES' if using else 'NO'})")


def check_basic(metadata: Metadata, header: str | None, door: str) -> Account:
    """The account that an ``Authorization: Basic`` header proves.

    Raises
    ------
    Unauthenticated
        For no header, a wrong password or an unknown name alike.
    """
    name, password = _basic(header)
    found = metadata.account(name)
    proven = hmac.compare_digest(password_auth(password), (found or _NOBODY).auth)
    if header is None or found is None or not proven:
        metrics.REFUSED.labels(door).inc()
        raise Unauthenticated(f"Access denied for user '{name}': send an account's name and password by HTTP Basic")
    return found


def _basic(header: str | None) -> tuple[str, str]:
    kind, _, coded = (header or "").partition(" ")
    if kind.casefold() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
