"""Who may log in: accounts of the metadata, with MySQL's native passwords or HTTP Basic.

An unknown name and a wrong password take the same steps and end in the same error, so that names cannot be guessed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from mysql_mimic.utils import nonce

from qserv.catalog.errors import AccessDenied, Unauthenticated
from qserv.catalog.metadata import Account, Metadata, password_auth
from qserv.czar import metrics

PLUGIN = "mysql_native_password"
NONCE_BYTES = 20

_NOBODY = Account("", password_auth("no one has this password"))


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
        mask = _sha1(given + kept)
        once = bytes(a ^ b for a, b in zip(scramble.ljust(len(mask), b"\0"), mask, strict=False))
        proven = len(scramble) == len(mask) and hmac.compare_digest(_sha1(once), kept)
    else:
        proven = hmac.compare_digest(bytes.fromhex(password_auth("")), kept)
    if found is None or not proven:
        metrics.REFUSED.labels("mysql").inc()
        using = "YES" if scramble else "NO"
        raise AccessDenied(f"Access denied for user '{name}'@'%' (using password: {using})")
    return found


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


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
