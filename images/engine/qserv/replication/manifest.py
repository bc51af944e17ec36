"""What a backup consists of, and how it tells it.

A backup is a folder or a prefix of a bucket::

    manifest.json                               databases, tables, and the sums of their lists of files; written last
    <database>/<table>/files-<hash>.parquet     the list of a table's files: path, rows, bytes, sha256 …
    <database>/<table>/<unit>/<file>            the files as workers hold them

Main files are Parquet: a table's rows are those of ``<database>/<table>/*/main-*.parquet``. Files are never changed, so
an export to a place that has an older one copies only what is new.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from qserv.catalog.errors import DataError, NotFound
from qserv.catalog.model import FileKind, UnitKind
from qserv.catalog.spec import FamilySpec, TableSpec
from qserv.storage.depot import Depot, read_all
from qserv.storage.files import FileName, folder_of

NAME = "manifest.json"

_LIST = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("transaction", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file of a table; ``number`` is its unit's."""

    path: str
    kind: FileKind
    unit: UnitKind
    number: int
    transaction: int
    rows: int
    bytes: int
    sha256: str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackupTable(_Part):
    """``files`` is the path of the list of its files, ``files_sha256`` its sum."""

    spec: TableSpec
    published: bool
    margin: float
    rows: int
    bytes: int
    files: str
    files_sha256: str


class BackupDatabase(_Part):
    name: str
    family: FamilySpec | None
    index_partitions: int | None
    tables: tuple[BackupTable, ...]


class Manifest(_Part):
    """``version`` is the metadata's at which the export was made, ``created`` seconds since 1970."""

    format: Literal[1] = 1
    cluster: str
    version: int
    created: float
    databases: tuple[BackupDatabase, ...]


def write_list(where: Depot, database: str, table: str, files: Iterable[BackupFile]) -> tuple[str, str]:
    """Write the list of a table's files; answers its path and sum. The same list has the same name."""
    ordered = sorted(files, key=lambda file: file.path)
    columns = list(zip(*map(astuple, ordered), strict=True)) or [()] * len(_LIST)
    sink = io.BytesIO()
    pq.write_table(pa.table([list(map(_plain, column)) for column in columns], schema=_LIST), sink)
    content = sink.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    path = f"{database}/{table}/files-{digest[:8]}.parquet"
    where.put(path, [content])
    return path, digest


def read_list(where: Depot, table: BackupTable) -> list[BackupFile]:
    """The files of a table.

    Raises
    ------
    DataError, NotFound
        Where the list is damaged, or not there.
    """
    rows = pq.read_table(io.BytesIO(read_all(where, table.files, table.files_sha256))).to_pylist()
    names = [field.name for field in fields(BackupFile)]
    found = (BackupFile(**{name: row[name] for name in names}) for row in rows)
    return [BackupFile(one.path, FileKind(one.kind), UnitKind(one.unit), *astuple(one)[3:]) for one in found]


def read_manifest(where: Depot, url: str) -> Manifest:
    """The manifest of a backup.

    Raises
    ------
    NotFound
        Where there is no backup, or its export has not ended.
    DataError
        Where it is no manifest that this program knows.
    """
    try:
        return Manifest.model_validate_json(read_all(where, NAME))
    except NotFound as error:
        raise NotFound(f"{url} has no {NAME}: there is no backup, or its export has not ended") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{url}/{NAME} is no manifest of this program: {first['loc']}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class Restored:
    """A file to be restored: where it is in the backup, and in which round it goes."""

    source: BackupFile
    round: int

    def path(self, database: str, table: str, number: int, transaction: int) -> str:
        """Its path on workers, in a transaction of the restoring cluster."""
        name = FileName(self.source.kind, transaction, self.source.sha256[:8])
        return f"{folder_of(database, table, self.source.unit, number)}/{name}"


def rounds(files: Sequence[BackupFile]) -> list[Restored]:
    """The files of a table by the transaction in which each is restored.

    One is enough, unless transactions wrote the very same rows twice: files of a unit that differ in their transaction
    alone would have one name. Such files without rows are restored once.
    """
    seen: dict[tuple[FileKind, UnitKind, int, str], int] = defaultdict(int)
    found = []
    for file in sorted(files, key=lambda one: (one.transaction, one.path)):
        key = (file.kind, file.unit, file.number, file.sha256[:8])
        if file.rows == 0 and seen[key]:
            continue
        found.append(Restored(file, seen[key]))
        seen[key] += 1
    return found


def _plain(value: object) -> object:
    return str(value) if isinstance(value, FileKind | UnitKind) else value
