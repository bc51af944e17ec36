"""How stored files come to be: whole under their final names, or not at all, one by one or many together.

A file is written under a temporary name in the folder where it will live. When all files of a batch are written they
are synced, then renamed to names never used before, then their folders are synced: after a crash there are whole files
or temporary ones, which :func:`qserv.storage.files.sweep` removes. A disk syncs many files that are asked for together
in little more time than one, so a batch of hundreds of small files costs a few syncs.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from qserv.catalog.errors import DataError
from qserv.catalog.model import FileKind
from qserv.storage.files import TEMPORARY, FileName, HashingFile, StoredFile, resolve, sync_folder

_BLOCK = 1 << 20
_ATTEMPTS = 5
_SYNCS = 16
"""Files that are synced at a time, which lets the file system's journal write them together."""


@dataclass(frozen=True, slots=True)
class _Draft:
    temporary: Path
    final: Path
    stored: StoredFile


class Batch:
    """Files that become durable together. Many threads may write into one batch.

    A context: leaving it without :meth:`finish` leaves nothing behind.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._drafts: list[_Draft] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for draft in self._drafts:
            draft.temporary.unlink(missing_ok=True)
        self._drafts.clear()

    def write(self, folder: str, kind: FileKind, transaction: int, write: Callable[[HashingFile], None]) -> StoredFile:
        """Add a file of what ``write`` writes; it has its name from :meth:`finish` on.

        The same bytes written again give the same name: that file then is as it was.
        """
        directory = resolve(self._root, folder)
        temporary, hashing = self._draft(directory, write)
        name = str(FileName(kind, transaction, hashing.sha256[:8]))
        stored = StoredFile(f"{folder}/{name}", hashing.sha256, hashing.size)
        self._add(_Draft(temporary, directory / name, stored))
        return stored

    def receive(self, path: str, sha256: str, size: int, blocks: Iterable[bytes | memoryview]) -> StoredFile:
        """Add a file of bytes that come from elsewhere, under the path it has there.

        Raises
        ------
        DataError
            If the bytes are not those of ``sha256`` and ``size``, or the path does not carry that sum.
        """
        target = resolve(self._root, path)
        name = FileName.parse(target.name)
        if name is None or name.digest != sha256[:8]:
            raise DataError(f"{path!r} is not the name of a stored file with the sum {sha256[:8]}…")

        def write(file: HashingFile) -> None:
            for block in blocks:
                file.write(block)
            if (file.size, file.sha256) != (size, sha256):
                raise DataError(f"the copy of {path} has {file.size} bytes of {size}, or another sum: it was damaged")

        temporary, _ = self._draft(target.parent, write)
        stored = StoredFile(path, sha256, size)
        self._add(_Draft(temporary, target, stored))
        return stored

    def finish(self) -> tuple[StoredFile, ...]:
        """Sync all files, give them their names, and sync those: answers the files, in the order of writing."""
        with self._lock:
            drafts, self._drafts = self._drafts, []
        try:
            _each(_sync_file, [draft.temporary for draft in drafts])
            for draft in drafts:
                draft.temporary.rename(draft.final)
        except BaseException:
            for draft in drafts:
                draft.temporary.unlink(missing_ok=True)
            raise
        # Folders above may be as new, made here or by a batch that is not finished.
        folders = {draft.final.parent for draft in drafts}
        above = {folder for one in folders for folder in one.parents if folder.is_relative_to(self._root)}
        _each(sync_folder, sorted(folders | above))
        return tuple(draft.stored for draft in drafts)

    def _add(self, draft: _Draft) -> None:
        with self._lock:
            self._drafts.append(draft)

    def _draft(self, directory: Path, write: Callable[[HashingFile], None]) -> tuple[Path, HashingFile]:
        temporary = directory / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            with os.fdopen(self._create(directory, temporary), "wb", buffering=_BLOCK) as file:
                hashing = HashingFile(file)
                write(hashing)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary, hashing

    def _create(self, directory: Path, temporary: Path) -> int:
        for left in reversed(range(_ATTEMPTS)):
            try:
                directory.mkdir(parents=True, exist_ok=True)
                return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except (FileNotFoundError, FileExistsError):
                # A removal took the folder away between its making and the file's, or while it was looked whether it
                # is there, as it was empty.
                if left == 0:
                    raise
        raise AssertionError("unreachable")


def publish(
    root: Path,
    folder: str,
    kind: FileKind,
    transaction: int,
    write: Callable[[HashingFile], None],
    batch: Batch | None = None,
) -> StoredFile:
    """Make a new file of what ``write`` writes, in ``batch`` or by itself. Nothing is left behind if it raises."""
    if batch is not None:
        return batch.write(folder, kind, transaction, write)
    with Batch(root) as alone:
        stored = alone.write(folder, kind, transaction, write)
        alone.finish()
    return stored


def receive(root: Path, path: str, sha256: str, size: int, blocks: Iterable[bytes | memoryview]) -> StoredFile:
    """Make one file of bytes that come from elsewhere: see :meth:`Batch.receive`. Nothing is left if it raises."""
    with Batch(root) as alone:
        stored = alone.receive(path, sha256, size, blocks)
        alone.finish()
    return stored


def _each(work: Callable[[Path], None], paths: list[Path]) -> None:
    if len(paths) < 2:
        for path in paths:
            work(path)
        return
    with ThreadPoolExecutor(min(_SYNCS, len(paths)), thread_name_prefix="sync") as pool:
        for _ in pool.map(work, paths):
            pass


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
