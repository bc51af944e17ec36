"""What the processes say to one another over Arrow Flight, as JSON in tickets, descriptors and actions.

A worker's Flight service
-------------------------
``DoGet(QueryTask)``
    runs a statement over chunks and streams its rows. A record batch's application metadata is empty for rows, and a
    :class:`BatchDone` (with a batch of no rows) when all rows of a batch of chunks were sent: a batch counts once,
    whole, so rows that came before a failure without their ``BatchDone`` are thrown away.
``DoGet(FileTask)``
    streams the bytes of files, one after another, as record batches (``file`` int32: its place among the paths,
    ``bytes`` binary: the next piece of it; each file has a piece, be it empty).
``DoPut(StagePut)``
    stages rows of a transaction on the primary worker of their chunks. Batches are sorted by the column ``chunkId``
    (main), ``hostChunkId`` (overlap) or ``partition`` (index), which names the unit of each row.
``DoAction``
    ``cancel`` (:class:`Cancel`), ``chunks`` (:class:`ChunkLookup`, answers :class:`ChunkNumbers`), ``lookup`` (a
    :class:`LookupHeader` line, then the keys as an Arrow stream),
    ``contribute`` (:class:`Contribute`), ``contribution`` (:class:`ContributionKey`, answers
    :class:`ContributionState`), ``cancel_contribution`` (:class:`ContributionKey`), ``prepare`` (:class:`Prepare`),
    ``compact`` (:class:`Compact`), ``fetch`` (:class:`Fetch`), ``discard`` (:class:`Discard`), ``inventory`` and
    ``verify`` (:class:`Inventory`, :class:`Verify`), ``export`` (:class:`Export`), ``restore`` (:class:`Restore`),
    ``ping`` (nothing, answers nothing).

Errors travel as a Flight error whose ``extra_info`` is a :class:`Failure`; :func:`qserv.catalog.errors.from_code`
makes the exception of it.

Paths are relative to a worker's data folder: ``<database>/<table>/<unit>/<file>``, where the unit is the chunk's number
or ``index-<partition>`` or ``full``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from qserv.catalog.model import FileKind, UnitKind
from qserv.catalog.spec import TableSpec

PROTOCOL = 1
"""Raised by one when messages change so that the former version would misread them.

An upgrade renews controllers, then workers, then czars: who is asked is new while those who ask are not yet. So each
process takes messages of its own protocol and of the one before (:func:`understood`), and sends to those it asks only
what that one knew.
"""


def understood(protocol: int, own: int = PROTOCOL) -> bool:
    """Whether a process that speaks ``own`` takes messages of this protocol: its own, or the one before."""
    return protocol >= 1 and own - 1 <= protocol <= own


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    def encode(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode()


class Failure(Message):
    code: str
    message: str
    details: dict[str, str | int | float | list[int] | list[str]] = Field(default_factory=dict)


class QuerySource(Message):
    """A parameter ``$s<i>`` of the statement: the files of one table, or of its overlap.

    ``by_chunk`` are the names of a partitioned table's files, those of a chunk separated by commas, chunks by
    semicolons: a text, because one of 150,000 chunks is written and read in some milliseconds. ``shared`` are the files
    of a replicated table, the same for all chunks. ``schema_ipc`` is the base64 of the Arrow IPC schema of the files,
    given when a chunk may have none: it then reads as a table of no rows.
    """

    database: str
    table: str
    kind: FileKind = FileKind.MAIN
    by_chunk: str | None = None
    shared: tuple[str, ...] = ()
    schema_ipc: str | None = None

    @staticmethod
    def names(chunks: Iterable[Iterable[str]]) -> str:
        """The names of the files of each chunk as ``by_chunk``."""
        return ";".join(map(",".join, chunks))


class PairStep(Message):
    """Finds the pairs of neighbours that a statement, or a later step, reads as the table ``q:pairs<its number>``.

    ``first`` and ``second`` are statements over the task's sources and the pairs of earlier steps. Their columns are
    ``q:ra`` and ``q:decl``, degrees (a row without a place on the sphere has no neighbour); ``q:host``, where rows lie
    chunk by chunk, the chunk beside which a row is read, equal for the rows of a pair; and what the pairs are to have,
    ``first_columns`` and ``second_columns``. Where ``second`` is None the rows of ``first`` are paired with one
    another, and with themselves; the first of a pair is one whose ``q:main`` is true.

    A pair is at most ``radius`` degrees apart. Of pairs that are as far apart as that, to within rounding, ``decide``
    says which are ones: a statement that answers ``q:pair`` out of the table ``q:unsure``: ``q:pair`` with the
    positions ``q:ra1``, ``q:decl1``, ``q:ra2``, ``q:decl2``.

    ``optional``: rows of the first without a neighbour come too, with NULLs for the second.
    """

    first: str
    second: str | None
    first_columns: tuple[str, ...]
    second_columns: tuple[str, ...]
    radius: float
    decide: str
    optional: bool = False


class QueryTask(Message):
    """One statement over many chunks.

    ``sql`` is DuckDB's, reading source ``i`` as ``read_parquet($s<i>)``. ``chunks`` are the numbers of the chunks.
    ``steps`` are made before it for the same chunks. ``limit``: enough rows for the one that asks, in all. ``prompt``:
    rows go to a client as they come, who waits for the first.
    """

    do: Literal["query"] = "query"
    query: str
    sql: str
    sources: tuple[QuerySource, ...]
    steps: tuple[PairStep, ...] = ()
    chunks: tuple[int, ...] = ()
    lane: Literal["point", "scan"] = "scan"
    limit: int | None = None
    prompt: bool = False


class BatchDone(Message):
    """All rows of these chunks were sent, or as many of all as the task's ``limit`` asks for.

    The chunks are those from ``first`` on, ``count`` of them, in the order of the task. A stream that ends well has
    reported each chunk once; a task without chunks reports ``first`` 0, ``count`` 0.
    """

    first: int
    count: int


class FileTask(Message):
    do: Literal["file"] = "file"
    paths: tuple[str, ...]


class Cancel(Message):
    query: str


class ChunkLookup(Message):
    """In which chunks keys of a director are, by the files of a partition of its index.

    The keys are ``keys``, or where that is None those from ``low`` to ``high``, inclusive; None is open.
    """

    paths: tuple[str, ...]
    keys: tuple[int, ...] | None = None
    low: int | None = None
    high: int | None = None


class ChunkNumbers(Message):
    chunks: tuple[int, ...]


class LookupHeader(Message):
    """Where keys are: answers ``key``, ``chunkId``, ``subChunkId`` (an Arrow stream); absent keys are left out.

    ``runs``: for each partition of the index how many of the keys come next, and the files where they are.
    """

    runs: tuple[tuple[int, tuple[str, ...]], ...]


class StagePut(Message):
    """Rows of a transaction for their primary worker. Rows of an ``attempt`` that failed are never written."""

    do: Literal["stage"] = "stage"
    transaction: int
    database: str
    table: str
    kind: FileKind
    contribution: int
    attempt: int


class TableFacts(Message):
    """What a worker needs to know of a table to cut and write its rows."""

    id: int
    database: str
    spec: TableSpec
    stripes: int | None = None
    substripes: int | None = None
    overlap: float | None = None
    index_partitions: int | None = None


class Contribute(Message):
    """Read a file and send its rows to the primaries of their chunks.

    Answered at once; its :class:`ContributionState` says how far it is.
    """

    contribution: int
    attempt: int
    transaction: int
    table: TableFacts
    director: TableFacts | None = None
    url: str


class Uploaded(Message):
    """A file that was sent to a worker by ``PUT /uploads/<transaction>/<name>`` on its HTTP port, and is kept there."""

    url: str
    sha256: str
    bytes: int


class ContributionKey(Message):
    """``wait``: seconds that the answer may take while the contribution runs; it comes at once when it has ended."""

    contribution: int
    attempt: int
    wait: float = Field(default=0.0, ge=0.0, le=5.0)


class ContributionState(Message):
    state: Literal["running", "done", "failed", "unknown"]
    rows: int = 0
    bytes: int = 0
    total_bytes: int = 0
    dropped: int = 0
    margin: float = 0.0
    workers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


class StagedUnit(Message):
    """One file that a prepared transaction consists of."""

    table: int
    kind: FileKind
    unit: UnitKind
    number: int
    path: str
    sha256: str
    rows: int
    bytes: int


class Prepare(Message):
    """Write what was staged as files, sorted and synced; answers :class:`Prepared`. May be asked again."""

    transaction: int
    tables: tuple[TableFacts, ...]
    contributions: tuple[tuple[int, int], ...]
    existing_index: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="by '<table id>/<partition>', committed index files among which keys are unique",
    )


class Prepared(Message):
    """``boot`` is of the process that wrote the files: one that nobody has heard of yet may have another disk."""

    files: tuple[StagedUnit, ...]
    boot: str = ""


class Merge(Message):
    """Files of one table and kind in a unit that are to be one file; ``files``: path, sha256, bytes."""

    unit: UnitKind
    number: int
    kind: FileKind
    files: tuple[tuple[str, str, int], ...]


class Compact(Message):
    """Write the rows of several files as one, for each unit; answers :class:`Prepared`. Nothing is removed."""

    transaction: int
    table: TableFacts
    merges: tuple[Merge, ...]


class Fetch(Message):
    """Copy files from another worker, checked by their sums, under the same paths. May be asked again."""

    source: str
    files: tuple[tuple[str, str, int], ...] = Field(description="path, sha256, bytes")
    bandwidth: int = Field(default=0, description="bytes a second; 0: unlimited")


class Export(Message):
    """Copy files to a backup, checked by their sums, under the same paths. May be asked again."""

    url: str = Field(description="a folder's absolute path, or s3://bucket/prefix")
    files: tuple[tuple[str, str, int], ...] = Field(description="path, sha256, bytes")
    bandwidth: int = Field(default=0, description="bytes a second; 0: unlimited")


class Restore(Message):
    """Copy files from a backup, checked by their sums. What is here whole is not copied again."""

    url: str
    files: tuple[tuple[str, str, str, int], ...] = Field(description="path there, path here, sha256, bytes")
    bandwidth: int = 0


class Discard(Message):
    """Remove what is void; may be asked again.

    ``transaction``: an aborted one's staged rows and files; ``staged``: the staged rows alone of one that committed;
    ``paths``: the named files.
    """

    transaction: int | None = None
    staged: int | None = None
    paths: tuple[str, ...] = ()


class Inventory(Message):
    """All files a worker holds, below ``prefix``: ``(path, bytes)``."""

    prefix: str = ""
    files: tuple[tuple[str, int], ...] = ()


class Verify(Message):
    """Compute the sums of files anew, as the disk has them now: answers ``Verified``."""

    paths: tuple[str, ...]
    bandwidth: int = Field(default=0, description="bytes a second; 0: unlimited")


class Verified(Message):
    sums: dict[str, str | None] = Field(description="sha256 by path; null where the file is not there")


class Heartbeat(Message):
    """A worker's word to the controller, on ``PUT /api/v1/workers/<name>``."""

    flight: str
    http: str
    boot: str = Field(description="new at every start of the process")
    identity: str = Field(description="of the disk, written there once")
    cluster: str | None = Field(description="the cluster that the disk belongs to; null: a new disk")
    domain: str
    capacity: int
    free: int
    protocol: int = PROTOCOL


class HeartbeatAnswer(Message):
    cluster: str
    interval: float
    discard: tuple[int, ...] = Field(default=(), description="transactions whose staged rows and files are void")
