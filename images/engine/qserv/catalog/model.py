"""The catalog as frozen facts: what a planner, a worker or a placement decides from.

A :class:`Catalog` is a snapshot of databases and their published tables at one version; a :class:`Placement` says
which chunks exist, in which files, on which workers. Both are values: a query holds on to the ones it began with.

Names are found without regard to case, as MySQL finds them; they are shown as they were declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qserv.catalog.types import SqlType

CHUNK_COLUMN = "chunkId"
SUBCHUNK_COLUMN = "subChunkId"
HOST_COLUMN = "hostChunkId"
"""In overlap files only: the chunk beside which the row is stored. ``chunkId`` there is the row's own chunk."""


class TableKind(StrEnum):
    DIRECTOR = "director"
    CHILD = "child"
    MATCH = "match"
    REPLICATED = "replicated"


class UnitKind(StrEnum):
    """What is placed on workers as a whole."""

    CHUNK = "chunk"  # a chunk of a family: the files of all its tables
    INDEX = "index"  # a partition of the family's director indexes, cut by a hash of the key
    FULL = "full"  # a replicated table of a database, on every worker (number: the table's id)


class FileKind(StrEnum):
    MAIN = "main"
    OVERLAP = "overlap"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Family:
    """A partitioning of the sphere; databases with equal parameters share one family, so that they join locally.

    ``overlap`` is in degrees. ``index_partitions`` is into how many parts the director indexes are cut.
    """

    id: int
    stripes: int
    substripes: int
    overlap: float
    index_partitions: int = 16


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: SqlType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class MatchSide:
    """One of the two directors of a match table, and the match table's column that holds its key."""

    database: str
    table: str
    key: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table and how it is partitioned.

    ``columns`` are those a user sees, in order; of a partitioned table the last two are ``chunkId``, ``subChunkId``.
    ``key`` is the director's key column, or the child's column that refers to it. ``position`` names the two columns
    of right ascension and declination in degrees. ``director`` (database, table) is set for children. ``margin`` is
    the largest angle in degrees by which a row's own position lies outside of the chunk where it is stored: 0 for
    directors, and for children known since they were loaded.
    """

    id: int
    database: str
    name: str
    kind: TableKind
    columns: tuple[Column, ...]
    family: Family | None = None
    key: str | None = None
    unique: bool = True
    position: tuple[str, str] | None = None
    director: tuple[str, str] | None = None
    sides: tuple[MatchSide, MatchSide] | None = None
    radius: float | None = None
    margin: float = 0.0

    @property
    def partitioned(self) -> bool:
        return self.kind is not TableKind.REPLICATED

    @property
    def unit(self) -> UnitKind:
        return UnitKind.CHUNK if self.partitioned else UnitKind.FULL

    def column(self, name: str) -> Column | None:
        """The column of that name, in any case."""
        folded = name.casefold()
        return next((column for column in self.columns if column.name.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    family: Family | None
    tables: Mapping[str, Table]  # by case-folded name


@dataclass(frozen=True, slots=True)
class Catalog:
    """All published databases and tables at one ``version``; the version grows with every change anyone may see."""

    version: int
    databases: Mapping[str, Database] = field(default_factory=dict)  # by case-folded name

    def database(self, name: str) -> Database | None:
        return self.databases.get(name.casefold())

    def table(self, database: str, name: str) -> Table | None:
        found = self.database(database)
        return found.tables.get(name.casefold()) if found else None


@dataclass(frozen=True, slots=True)
class ChunkFiles:
    """The committed files of one table in one unit, as names relative to the unit's folder."""

    main: tuple[str, ...] = ()
    overlap: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0


class WorkerState(StrEnum):
    ONLINE = "online"
    READ_ONLY = "read-only"  # answers queries, takes no new chunks
    DRAINING = "draining"  # answers queries, gives its chunks away
    SUSPECT = "suspect"  # silent for seconds: not asked while another replica can be
    LOST = "lost"  # silent for long: its replicas count as gone


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker as the metadata knows it. Addresses are ``host:port``; sizes are bytes."""

    id: int
    name: str
    flight: str
    http: str
    state: WorkerState
    domain: str = ""
    capacity: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the data of a version lies.

    ``files[table id][number]`` are the files of a table in a unit (a chunk, an index partition; for a replicated table
    the number is the table's id); ``index_files`` likewise, by partition. ``replicas[family id][number]`` are the ids
    of the workers that hold a whole replica of a chunk; ``index_replicas`` the same of an index partition;
    ``full_replicas[table id]`` of a replicated table.
    """

    version: int
    files: Mapping[int, Mapping[int, ChunkFiles]]
    index_files: Mapping[int, Mapping[int, ChunkFiles]]
    replicas: Mapping[int, Mapping[int, tuple[int, ...]]]
    index_replicas: Mapping[int, Mapping[int, tuple[int, ...]]]
    full_replicas: Mapping[int, tuple[int, ...]]
    workers: Mapping[int, WorkerFacts]
