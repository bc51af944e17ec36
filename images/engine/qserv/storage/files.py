"""Names of stored files, and what is done with those that are there.

``<data>/<database>/<table>/<unit>/<kind>-<transaction>-<first 8 hex of sha256>.<parquet|arrow>``

The unit is a chunk's number, ``index-<partition>`` or ``full``. How a file comes to be is in
:mod:`qserv.storage.publishing`; it is never changed afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import RawIOBase
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from qserv.catalog.errors import DataError, FileMissing
from qserv.catalog.model import FileKind, UnitKind

TEMPORARY = ".tmp-"
_BLOCK = 1 << 20
_NAME = re.compile(r"(?P<kind>main|overlap|index)-(?P<transaction>\d+)-(?P<digest>[0-9a-f]{8})\.(?:parquet|arrow)")
_SUFFIX = {FileKind.MAIN: "parquet", FileKind.OVERLAP: "parquet", FileKind.INDEX: "arrow"}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A finished file. ``path`` is relative to the data folder, with slashes."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's name says."""

    kind: FileKind
    transaction: int
    digest: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.transaction}-{self.digest}.{_SUFFIX[self.kind]}"

    @classmethod
    def parse(cls, name: str) -> FileName | None:
        """None for a name that is not one of ours."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        found = cls(FileKind(match["kind"]), int(match["transaction"]), match["digest"])
        return found if str(found) == name else None


def unit_folder(unit: UnitKind, number: int) -> str:
    """The last folder of a unit's files."""
    if unit is UnitKind.CHUNK:
        return str(number)
    return f"index-{number}" if unit is UnitKind.INDEX else "full"


def folder_of(database: str, table: str, unit: UnitKind, number: int) -> str:
    """The folder of a table's files in a unit, relative to the data folder."""
    return f"{database}/{table}/{unit_folder(unit, number)}"


def resolve(root: Path, relative: str) -> Path:
    """The place of a relative path below ``root``.

    Raises
    ------
    DataError
        For a path that is absolute, leaves ``root``, or has parts such as ``..``, hidden names or back slashes.
    """
    parts = relative.split("/")
    if not all(parts) or any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise DataError(f"{relative!r} is not a path within the data folder")
    real = _real(root)
    if not os.path.realpath(f"{real}/{relative}").startswith(f"{real}/"):
        raise DataError(f"{relative!r} leads out of the data folder")
    return root / relative


@lru_cache(maxsize=16)
def _real(root: Path) -> str:
    return os.path.realpath(root)


def existing(root: Path, relative: str) -> Path:
    """As :func:`resolve`, of a file that is there.

    Raises
    ------
    FileMissing
        If it is not.
    """
    path = resolve(root, relative)
    if not path.is_file():
        raise FileMissing(f"the file {relative} is not on this worker", path=relative)
    return path


_WANTING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def wanting(error: OSError) -> bool:
    """Whether this process or its machine has no file descriptor or memory left: it says nothing of any file."""
    return error.errno in _WANTING


class HashingFile(RawIOBase):
    """A file open for writing that knows the sha256 and the count of the bytes written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # any buffer
        view = memoryview(data)
        self._sum.update(view)
        self._file.write(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()


def make_folder(root: Path, directory: Path) -> None:
    """Make a folder below ``root`` so that it is there after a crash."""
    if directory.is_dir():
        return
    make_folder(root, directory.parent)
    directory.mkdir(exist_ok=True)
    sync_folder(directory.parent)


def sync_folder(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sum_of(path: Path) -> str:
    """The sha256 of a file's bytes, read anew."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sum_on_disk(path: Path, read: Callable[[int], object]) -> str:
    """As :func:`sum_of`, from the disk itself, and not from what the system remembers of it.

    ``read`` is called with the bytes of each block; it may wait, or raise to stop.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        try:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while block := file.read(_BLOCK):
                digest.update(block)
                read(len(block))
        finally:
            # What is read once only does not push out what queries read again and again.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest.hexdigest()


def inventory(root: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """All finished files below ``prefix``: path relative to ``root``, and bytes. In no particular order.

    One that is removed meanwhile is perhaps left out, and so is a folder that cannot be read; OSError where it may be
    whole, and this process cannot look.
    """
    start = resolve(root, prefix) if prefix else root
    for directory, folders, names in os.walk(start, onerror=_unless_wanting):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = PurePosixPath(Path(directory).relative_to(root).as_posix())
        for name in names:
            if FileName.parse(name) is not None:
                with contextlib.suppress(FileNotFoundError):
                    yield str(relative / name), (Path(directory) / name).stat().st_size


def _unless_wanting(error: OSError) -> None:
    if wanting(error):
        raise error


def remove(root: Path, paths: Iterable[str]) -> int:
    """Remove finished files, and the folders they leave empty; those not there count as removed. Answers how many."""
    removed = 0
    for relative in paths:
        path = resolve(root, relative)
        if _gone(path.unlink, errno.ENOENT):
            removed += 1
        for folder in list(path.parents)[: len(PurePosixPath(relative).parts) - 1]:
            # Others write into these folders and remove them at the same time.
            if not _gone(folder.rmdir, errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                break
    return removed


def _gone(remove: Callable[[], None], *kept: int) -> bool:
    """Whether it was removed by this call; the system's numbers of what may be instead."""
    try:
        remove()
    except OSError as error:
        if error.errno not in kept:
            raise
        return False
    return True


def sweep(root: Path) -> int:
    """Remove what writers left behind that a crash stopped: to be called before any writer starts. Answers how many."""
    left = [path for path in root.rglob(f"{TEMPORARY}*") if path.is_file()]
    for path in left:
        path.unlink()
    return len(left)
