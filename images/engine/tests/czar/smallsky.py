"""A small sky on three real workers, each chunk on two of them, and a czar before it, all in this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pymysql
from sqlalchemy import Connection, insert

from qserv.catalog.messages import ChunkLookup, Heartbeat
from qserv.catalog.metadata import (
    Account,
    Metadata,
    password_auth,
    password_sha2,
    people,
    schema,
    tables,
    units,
    workers,
)
from qserv.catalog.metadata.chores import bump
from qserv.catalog.model import FileKind, UnitKind
from qserv.catalog.settings import CzarSettings, WorkerSettings
from qserv.catalog.spec import FamilySpec, TableSpec
from qserv.catalog.trust import Trust
from qserv.czar.main import Ports, serving
from qserv.sky.chunker import partitioning
from qserv.storage.blocks import PARTITION_COLUMN, Block, Director, cut_director, runs_of
from qserv.storage.chunkfile import write_chunk
from qserv.storage.files import StoredFile
from qserv.storage.index import write_index
from qserv.storage.schema import stored_schema
from qserv.worker.lookups import Lookups
from qserv.worker.queries import Queries
from qserv.worker.service import WorkerService
from qserv.worker.store import Store
from qserv.worker.transfer import FileSource

FAMILY = FamilySpec(stripes=36, substripes=3, overlap=0.2)
INDEX_PARTITIONS = 16
OBJECTS = 4000

OBJECT = TableSpec.model_validate(
    {
        "name": "Object",
        "kind": "director",
        "key": "objectId",
        "position": ["ra", "decl"],
        "columns": [
            {"name": "objectId", "type": "BIGINT", "nullable": False},
            {"name": "ra", "type": "DOUBLE"},
            {"name": "decl", "type": "DOUBLE"},
            {"name": "flux", "type": "FLOAT"},
            {"name": "label", "type": "VARCHAR(32)"},
            {"name": "seen", "type": "DATETIME"},
        ],
    }
)
FILTER = TableSpec.model_validate(
    {
        "name": "Filter",
        "kind": "replicated",
        "columns": [{"name": "id", "type": "INT"}, {"name": "name", "type": "CHAR(1)"}],
    }
)


def objects() -> pa.Table:
    rng = np.random.default_rng(11)
    flux = rng.lognormal(size=OBJECTS).astype(np.float32)
    return pa.table(
        {
            "objectId": pa.array(np.arange(OBJECTS, dtype=np.int64)),
            "ra": np.mod(rng.uniform(-15.0, 15.0, OBJECTS), 360.0),
            "decl": rng.uniform(-12.0, 12.0, OBJECTS),
            "flux": pa.array(flux, mask=np.arange(OBJECTS) % 10 == 0),
            "label": pa.array([f"star {number}" for number in range(OBJECTS)]),
            "seen": pa.array(np.arange(OBJECTS) * 1_000_000, pa.timestamp("us")),
        }
    )


@dataclass
class WorkerProcess:
    """A worker without its controller: queries, look-ups, files."""

    name: str
    root: Path
    trust: Trust
    settings: WorkerSettings
    service: WorkerService | None = None
    queries: Queries | None = None
    port: int = 0

    def start(self) -> None:
        store = Store(self.root)
        self.queries = Queries(self.settings, self.root, self.root / ".qserv" / "scratch")

        def refuse(_put: Any, _reader: Any) -> None:
            raise NotImplementedError("this worker takes no rows")

        self.service = WorkerService(
            f"grpc://127.0.0.1:{self.port}",
            self.trust,
            queries=self.queries,
            files=FileSource(store, lambda: False),
            stage=refuse,
            actions={"chunks": lambda body: Lookups(store).chunks(ChunkLookup.model_validate_json(body))},
        )
        self.port = self.service.port

    def stop(self) -> None:
        if self.service is not None and self.queries is not None:
            self.queries.close()
            self.service.shutdown()
        self.service = self.queries = None


@dataclass
class Cluster:
    """What the tests ask of it. Accounts: root/pw (administrator), joe/joe and ann/ann (database ``sky`` only)."""

    folder: Path
    metadata: Metadata
    workers: list[WorkerProcess]
    rows: pa.Table
    ports: Ports = field(default_factory=lambda: Ports(0, 0, 0))

    def connect(self, user: str = "joe", database: str | None = "sky", **options: Any) -> pymysql.Connection[Any]:
        password = {"root": "pw"}.get(user, user)
        options = {"password": password, **options}
        return pymysql.connect(host="127.0.0.1", port=self.ports.mysql, user=user, database=database, **options)

    def ask(self, sql: str, user: str = "joe", database: str | None = "sky") -> list[tuple[Any, ...]]:
        with contextlib.closing(self.connect(user, database)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


@dataclass
class Loader:
    """Writes units to workers and enters them into the metadata, as a committed transaction does."""

    connection: Connection
    workers: list[tuple[int, WorkerProcess]]
    version: int
    spread: int = 0

    def unit(
        self,
        table: tables.TableRow,
        kind: UnitKind,
        number: int,
        files: list[tuple[FileKind, int, Callable[[Path], StoredFile]]],
    ) -> None:
        scope = 0 if kind is UnitKind.FULL else table.database.family.id if table.database.family else 0
        known = units.find(self.connection, kind, scope, [number])
        if known:
            holders = known[number].workers
        elif kind is UnitKind.FULL:
            holders = tuple(worker for worker, _ in self.workers)
        else:
            self.spread += 1
            holders = tuple(self.workers[(self.spread + step) % len(self.workers)][0] for step in range(2))
        unit = units.place(self.connection, kind, scope, {number: holders})[number]
        for file_kind, rows, write in files:
            stored = [write(worker.root) for identifier, worker in self.workers if identifier in holders][-1]
            self.connection.execute(
                insert(schema.file).values(
                    table_id=table.id,
                    unit_id=unit.id,
                    kind=file_kind,
                    name=stored.path.rpartition("/")[2],
                    sha256=stored.sha256,
                    rows=rows,
                    bytes=stored.bytes,
                    transaction_id=1,
                    source_id=holders[0],
                    version=self.version,
                )
            )
        self.connection.execute(schema.unit.update().where(schema.unit.c.id == unit.id).values(changed=self.version))


def load_director(loader: Loader, table: tables.TableRow, rows: pa.Table) -> None:
    spec = table.spec
    assert spec.key is not None
    assert spec.position is not None
    director = Director(
        partitioning(FAMILY.stripes, FAMILY.substripes), FAMILY.overlap, spec.key, spec.position, INDEX_PARTITIONS
    )
    cut = cut_director(rows.cast(pa.schema(list(stored_schema(spec))[: rows.num_columns])), director)
    assert cut.overlap is not None
    assert cut.index is not None
    main = _by_unit(cut.main, "chunkId")
    overlap = _by_unit(cut.overlap, "hostChunkId")
    for number in sorted({*main, *overlap}):
        files: list[tuple[FileKind, int, Callable[[Path], StoredFile]]] = []
        for kind, parts in ((FileKind.MAIN, main), (FileKind.OVERLAP, overlap)):
            if kind is FileKind.MAIN and number not in parts:
                continue
            found = [parts[number]] if number in parts else []
            files.append((kind, sum(part.num_rows for part in found), _writer(table, number, kind, found)))
        loader.unit(table, UnitKind.CHUNK, number, files)
    for number, part in _by_unit(cut.index, PARTITION_COLUMN).items():
        files = [(FileKind.INDEX, part.num_rows, _index_writer(table, number, part))]
        loader.unit(table, UnitKind.INDEX, number, files)


def _by_unit(block: Block, column: str) -> dict[int, pa.Table]:
    rows = block.take(block.order())
    return {number: rows.slice(start, count) for number, start, count in runs_of(rows[column].to_numpy())}


def _writer(table: tables.TableRow, number: int, kind: FileKind, parts: list[pa.Table]) -> Callable[[Path], StoredFile]:
    name, spec = table.database.name, table.spec
    batches = [batch for part in parts for batch in part.to_batches()]
    return lambda root: write_chunk(
        root, name, spec.name, UnitKind.CHUNK, number, kind, 1, batches, stored_schema(spec, kind), spec.key
    )


def _index_writer(table: tables.TableRow, number: int, part: pa.Table) -> Callable[[Path], StoredFile]:
    return lambda root: write_index(
        root, table.database.name, table.spec.name, number, 1, part.to_batches(), unique=True
    )


def load_full(loader: Loader, table: tables.TableRow, rows: pa.Table) -> None:
    spec = table.spec
    wanted = stored_schema(spec)

    def write(root: Path) -> StoredFile:
        name = table.database.name
        return write_chunk(
            root,
            name,
            spec.name,
            UnitKind.FULL,
            table.id,
            FileKind.MAIN,
            1,
            rows.cast(wanted).to_batches(),
            wanted,
            None,
        )

    loader.unit(table, UnitKind.FULL, table.id, [(FileKind.MAIN, rows.num_rows, write)])


def fill(connection: Connection, processes: list[WorkerProcess], rows: pa.Table) -> None:
    for account in (
        Account("root", password_auth("pw"), (), admin=True),
        Account("joe", password_auth("joe"), ("sky",), sha2=password_sha2("joe")),
        Account("ann", password_auth("ann"), ("sky",)),
    ):
        people.set_account(connection, account)
    known = [(_register(connection, worker), worker) for worker in processes]
    version = bump(connection)
    loader = Loader(connection, known, version)
    filters = pa.table({"id": pa.array(range(5), pa.int32()), "name": list("ugriz")})
    for database in ("sky", "hidden"):
        tables.create_database(connection, database, FAMILY)
        for spec in (OBJECT, FILTER):
            tables.create_table(connection, database, spec)
            table = tables.table(connection, database, spec.name)
            if spec is FILTER:
                load_full(loader, table, filters)
            elif database == "sky":
                load_director(loader, table, rows)
            tables.set_published(connection, database, spec.name, True)


def _register(connection: Connection, worker: WorkerProcess) -> int:
    beat = Heartbeat(
        flight=f"127.0.0.1:{worker.port}",
        http="127.0.0.1:1",
        boot=uuid.uuid4().hex,
        identity=uuid.uuid4().hex,
        cluster=None,
        domain=worker.name,
        capacity=1 << 40,
        free=1 << 40,
    )
    return workers.register(connection, worker.name, beat, 0.0).id


def czar_settings(cluster_folder: Path, **changes: Any) -> CzarSettings:
    given: dict[str, Any] = {
        "secret_file": cluster_folder / "secret",
        "metadata_url": f"sqlite:///{cluster_folder / 'metadata.db'}",
        "result_dir": cluster_folder / f"result-{uuid.uuid4().hex}",
        "mysql_port": 0,
        "http_port": 0,
        "flight_port": 0,
        "memory_limit": 256 << 20,
        **changes,
    }
    return CzarSettings(**given)


@contextlib.contextmanager
def running_czar(settings: CzarSettings) -> Iterator[Ports]:
    """A czar in a thread with an event loop of its own."""
    found: list[Ports | BaseException] = []
    told, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        try:
            async with serving(settings, Metadata.from_settings(settings)) as ports:
                found.append(ports)
                told.set()
                await stop.wait()
        except BaseException as error:
            found.append(error)
            told.set()
            raise

    def run() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(Exception):
            loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    told.wait()
    try:
        if isinstance(found[0], BaseException):
            raise found[0]
        yield found[0]
    finally:
        if not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        thread.join()


def make_worker(folder: Path, name: str) -> WorkerProcess:
    root = folder / name
    root.mkdir()
    settings = WorkerSettings(
        name=name, data_dir=root, controllers=("http://127.0.0.1:1",), secret_file=folder / "secret"
    )
    return WorkerProcess(name, root, Trust.from_settings(settings), settings)
