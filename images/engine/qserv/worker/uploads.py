"""Input files that were sent to this worker in the body of a request, kept until their transaction has ended.

A file is known by the sum of its bytes: the same file sent again is the same. It outlives the process, unlike rows that
are staged, so a contribution that is run anew reads it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from qserv.catalog.errors import DataError, TransactionClosed
from qserv.catalog.messages import Uploaded
from qserv.storage.files import make_folder, sync_folder
from qserv.worker import failures

SCHEME = "upload"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_BLOCK = 1 << 20


class Uploads:
    """Thread-safe. ``folder`` is where the files are, ``own`` this worker's name."""

    def __init__(self, folder: Path, own: str) -> None:
        self._folder = folder
        self._own = own
        self._lock = threading.Lock()
        self._closed: set[int] = set()

    async def receive(self, transaction: int, name: str, pieces: AsyncIterator[bytes]) -> Uploaded:
        """Write a file as it comes, synced when this returns. The disk makes the sender wait.

        Raises
        ------
        DataError
            For a name that is not one of a file.
        TransactionClosed
            When the transaction has ended.
        DiskFull
            When it does not fit; nothing of it is left.
        """
        if _NAME.fullmatch(name) is None:
            raise DataError(f"{name!r} is not a file's name: use letters, digits, '.', '_' and '-'")
        home = self._folder / str(transaction)
        part = home / f".{uuid.uuid4().hex}"
        digest, size = hashlib.sha256(), 0
        try:
            self._open(transaction, home)
            with part.open("xb") as file:
                async for block in _blocks(pieces):
                    digest.update(block)
                    size += len(block)
                    await asyncio.to_thread(file.write, block)
            return await asyncio.to_thread(self._keep, transaction, part, name, digest.hexdigest(), size)
        except OSError as error:
            raise failures.of_disk(error, f"upload of {name}") from None
        finally:
            part.unlink(missing_ok=True)

    def path(self, transaction: int, url: str) -> Path:
        """The file of an upload's URL.

        Raises
        ------
        DataError
            When it is not here: the disk it was on is gone, or it is of another transaction.
        """
        parts = urlsplit(url)
        of, _, rest = parts.path.strip("/").partition("/")
        digest, _, name = rest.partition("/")
        found = self._folder / of / digest / name
        known = of == str(transaction) and digest.isalnum() and _NAME.fullmatch(name) is not None
        if not known or not found.is_file():
            raise DataError(f"the file {name!r} that was sent to worker {self._own} is not there: send it again")
        return found

    def discard(self, transaction: int) -> None:
        """Remove a transaction's files; it takes no more of them."""
        with self._lock:
            self._closed.add(transaction)
            shutil.rmtree(self._folder / str(transaction), ignore_errors=True)

    def _open(self, transaction: int, home: Path) -> None:
        with self._lock:
            if transaction in self._closed:
                raise TransactionClosed(f"transaction {transaction} is closed: it takes no more files")
            make_folder(self._folder.parent, home)

    def _keep(self, transaction: int, part: Path, name: str, sha256: str, size: int) -> Uploaded:
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        with self._lock:
            if transaction in self._closed:
                raise TransactionClosed(f"transaction {transaction} is closed: it takes no more files")
            target = part.parent / sha256[:16] / name
            make_folder(self._folder.parent, target.parent)
            part.rename(target)
            sync_folder(target.parent)
        return Uploaded(url=f"{SCHEME}://{self._own}/{transaction}/{sha256[:16]}/{name}", sha256=sha256, bytes=size)


async def _blocks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces: each is a turn of another thread."""
    held: list[bytes] = []
    size = 0
    async for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
