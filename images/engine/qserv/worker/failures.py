"""What DuckDB's and the disk's failures mean to whoever asked."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

import duckdb

from qserv.catalog.errors import (
    ArithmeticOverflow,
    DiskFull,
    FileMissing,
    QservError,
    QueryKilled,
    ResourceExhausted,
    WorkerFailed,
)
from qserv.storage.files import FileName, sum_of, wanting

# A failure in the middle of a stream comes through Arrow as an OSError with DuckDB's text, hence by text.
_INTERRUPTED = ("INTERRUPT Error",)
_MEMORY = ("Out of Memory Error",)
_RANGE = ("Out of Range Error", "Conversion Error")
_NAMED = 20
_FULL = ("No space left on device", "max_temp_directory_size", "temporary directory")


def of_query(error: Exception, files: Iterable[Path]) -> QservError:
    """The error of a statement over ``files``."""
    if isinstance(error, QservError):
        return error
    text = str(error)
    first = text.partition("\n")[0]
    if text.startswith(_INTERRUPTED) or isinstance(error, duckdb.InterruptException):
        return QueryKilled("the query was cancelled")
    if any(sign in text for sign in _FULL):
        return ResourceExhausted(f"the query spilled more than the worker's disk or spill limit allows: {first}")
    if text.startswith(_MEMORY) or isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return ResourceExhausted(f"the query needs more memory than the worker's limit allows: {first}")
    if text.startswith(_RANGE):
        return ArithmeticOverflow(f"a value is out of its type's range: {first}")
    return _of_damage(files) or WorkerFailed(f"the worker's DuckDB could not run the statement: {first}")


def of_reading(error: Exception, files: Iterable[Path]) -> QservError:
    """The error of reading ``files``."""
    return _of_damage(files) or WorkerFailed(f"the worker could not read its files: {error}")


def _of_damage(files: Iterable[Path]) -> FileMissing | None:
    """Whether a failure may come from files that are missing or damaged."""
    named = list(files)
    bad = [str(file) for file in named if not file.exists()] or [str(file) for file in named if not _whole(file)]
    if not bad:
        return None
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return FileMissing(f"the worker does not have {bad[0]}{more} whole", paths=bad[:_NAMED])


def _whole(file: Path) -> bool:
    """Whether a file has the sum that its name tells, if it tells one, as far as can be seen."""
    name = FileName.parse(file.name)
    try:
        return name is None or sum_of(file).startswith(name.digest)
    except OSError as error:
        return wanting(error)


def of_disk(error: OSError, what: str) -> QservError:
    """The error of reading or writing a file; ``what`` says which."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{what}: the worker's disk is full; free space or add workers")
    if error.errno == errno.ENOENT:
        return FileMissing(f"{what}: the worker does not have this file")
    return WorkerFailed(f"{what}: {error.strerror or error}")
