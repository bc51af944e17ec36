"""Where backups lie: a folder, or a prefix of an object store's bucket.

A file there is whole or not there at all: in a folder it is written under a temporary name and renamed, in a bucket it
comes to be when its upload ends. A file that turns out to be wrong while it is written is taken away again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from qserv.catalog.errors import DataError, DiskFull, NotFound, QservError, SpecError, Unavailable
from qserv.storage.files import TEMPORARY, make_folder, resolve, sync_folder
from qserv.storage.sources import object_store, shown

_PIECE = 1 << 20


class Depot(Protocol):
    """Files by paths with slashes. Errors: Unavailable where it cannot be reached, NotFound for a file."""

    def sizes(self) -> dict[str, int]:
        """Bytes of all finished files, by path."""
        ...

    def put(self, path: str, blocks: Iterable[bytes]) -> None:
        """Write a file, over one of the same path; nothing of it is left where ``blocks`` raises."""
        ...

    def get(self, path: str) -> Iterator[bytes]:
        """A file's bytes, in blocks."""
        ...


def depot(url: str) -> Depot:
    """The depot at an absolute path, a ``file:`` URL, or ``s3://bucket/prefix``.

    Raises
    ------
    SpecError
        For anything else.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        if not parts.netloc:
            raise SpecError(f"{url}: a backup in an object store is s3://bucket/prefix")
        return Bucket(f"{parts.netloc}{unquote(parts.path)}".rstrip("/"))
    path = Path(unquote(parts.path) if parts.scheme == "file" else url)
    if parts.scheme not in ("", "file") or not path.is_absolute():
        raise SpecError(
            f"{shown(url)}: a backup is the absolute path of a folder that the controller and all workers share,"
            " or s3://bucket/prefix"
        )
    return Folder(path)


def checked(blocks: Iterable[bytes], sha256: str, size: int, wrong: Callable[[], QservError]) -> Iterator[bytes]:
    """The same blocks; raises ``wrong()`` at their end when they are not those of ``sha256`` and ``size``."""
    digest, seen = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        seen += len(block)
        yield block
    if (seen, digest.hexdigest()) != (size, sha256):
        raise wrong()


def blocks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a local file, in blocks."""
    with path.open("rb", buffering=0) as file:
        while block := file.read(_PIECE):
            yield block


class Folder:
    """A folder that all processes share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def sizes(self) -> dict[str, int]:
        found = {}
        for directory, _, names in os.walk(self._root):
            for name in names:
                if not name.startswith("."):
                    path = Path(directory) / name
                    found[path.relative_to(self._root).as_posix()] = path.stat().st_size
        return found

    def put(self, path: str, blocks: Iterable[bytes]) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            target = resolve(self._root, path)
            make_folder(self._root, target.parent)
            temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
            try:
                with temporary.open("xb") as file:
                    for block in blocks:
                        file.write(block)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.rename(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(target.parent)
        except OSError as error:
            raise self._failed(error) from error

    def get(self, path: str) -> Iterator[bytes]:
        try:
            yield from blocks_of(resolve(self._root, path))
        except FileNotFoundError:
            raise NotFound(f"the backup {self._root} has no file {path}", path=path) from None
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> QservError:
        told = f"the backup folder {self._root}: {error.strerror or error}"
        return DiskFull(told) if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable(told)


class Bucket:
    """A prefix of a bucket, in the object store that the AWS tools' environment names."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._store = object_store()

    def sizes(self) -> dict[str, int]:
        selector = pafs.FileSelector(self._prefix, recursive=True, allow_not_found=True)
        try:
            listed = self._store.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise self._failed(error) from error
        cut = len(self._prefix) + 1
        return {info.path[cut:]: info.size for info in listed if info.type is pafs.FileType.File}

    def put(self, path: str, blocks: Iterable[bytes]) -> None:
        where = f"{self._prefix}/{path}"
        try:
            try:
                with self._store.open_output_stream(where) as stream:
                    for block in blocks:
                        stream.write(block)
            except BaseException:
                # Closing the stream has made an object of what had come.
                self._store.delete_file(where)
                raise
        except (OSError, pa.ArrowException) as error:
            raise self._failed(error) from error

    def get(self, path: str) -> Iterator[bytes]:
        where = f"{self._prefix}/{path}"
        try:
            if self._store.get_file_info(where).type is not pafs.FileType.File:
                raise NotFound(f"the backup s3://{self._prefix} has no file {path}", path=path)
            with self._store.open_input_stream(where, compression=None) as stream:
                while block := stream.read(_PIECE):
                    yield block
        except (OSError, pa.ArrowException) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> Unavailable:
        first = str(error).partition("\n")[0]
        return Unavailable(f"the backup s3://{self._prefix} cannot be reached: {first}")


def read_all(where: Depot, path: str, sha256: str | None = None) -> bytes:
    """A small file's bytes.

    Raises
    ------
    DataError
        Where they are not those of ``sha256``.
    """
    content = b"".join(where.get(path))
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path} of the backup is damaged: its sum is not that of the manifest", path=path)
    return content
