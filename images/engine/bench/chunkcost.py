"""What a chunk costs: a real czar and real metadata over simulated workers, which answer at once and read nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
from pydantic import SecretStr
from sqlalchemy import Connection as Metadata_
from sqlalchemy import insert

from bench.cluster import await_true, listens
from bench.results import Results
from qserv.catalog.messages import BatchDone, Heartbeat, QueryTask
from qserv.catalog.metadata import Account, Metadata, password_auth, people, schema, tables, workers
from qserv.catalog.metadata.chores import bump
from qserv.catalog.model import FileKind, UnitKind
from qserv.catalog.settings import CzarSettings
from qserv.catalog.spec import FamilySpec, TableSpec
from qserv.catalog.trust import Trust
from qserv.cli.ports import HOST, free_ports
from qserv.sky.chunker import partitioning
from qserv.sql.functions import SETUP
from qserv.storage.schema import stored_schema
from qserv.worker.lanes import no_rows
from qserv.worker.service import WorkerService

CHUNKS = (1_000, 10_000, 150_000)
GOAL_AT_MOST = "<= 1"
WORKERS = 30
TIMES = 5
FAMILY = FamilySpec(stripes=345, substripes=3, overlap=0.01667)
"""Of some 151,000 chunks."""

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
        ],
    }
)


class Simulated:
    """Answers a query as if all of its chunks were empty, in one batch."""

    def __init__(self, empty: Path) -> None:
        self._empty = str(empty)
        self._duckdb = duckdb.connect()
        self._duckdb.execute(SETUP)

    def start(self, task: QueryTask, _gone: Callable[[], bool]) -> tuple[pa.Schema, Iterator[Any]]:
        sources = {f"s{number}": [self._empty] for number in range(len(task.sources))}
        rows = self._duckdb.cursor().sql(task.sql, params=sources).to_arrow_table()
        return rows.schema, self._items(rows, len(task.chunks))

    @staticmethod
    def _items(rows: pa.Table, chunks: int) -> Iterator[Any]:
        for batch in rows.to_batches():
            yield batch, None
        yield no_rows(rows.schema), BatchDone(first=0, count=chunks)


def measure(results: Results, folder: Path) -> None:
    for chunks in CHUNKS:
        place = folder / f"chunks-{chunks}"
        with _czar(place, chunks) as connection:
            first = _asked(connection)
            times = [_asked(connection) for _ in range(TIMES)]
        name = f"{chunks:,} chunks on {WORKERS} workers"
        results.add(f"{name}: a query", median(times), "s", GOAL_AT_MOST if chunks == CHUNKS[-1] else None)
        results.add(f"{name}: the first query, which reads the metadata", first, "s")
        shutil.rmtree(place)


def _asked(connection: pymysql.Connection[Any]) -> float:
    began = perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM Object")
        cursor.fetchall()
    return perf_counter() - began


@contextmanager
def _czar(folder: Path, chunks: int) -> Iterator[pymysql.Connection[Any]]:
    """A connection to a czar whose metadata knows that many chunks."""
    folder.mkdir(parents=True)
    secret, password = folder / "secret", uuid.uuid4().hex
    secret.write_text(uuid.uuid4().hex)
    url = f"sqlite:///{folder / 'metadata.db'}"
    settings = CzarSettings(secret_file=secret, metadata_url=SecretStr(url), result_dir=folder / "czar")
    trust = Trust.from_settings(settings)
    empty = folder / "empty.parquet"
    pq.write_table(stored_schema(OBJECT).empty_table(), empty)
    with ExitStack() as stack:
        services = [_service(trust, Simulated(empty)) for _ in range(WORKERS)]
        for service in services:
            stack.callback(service.shutdown)
        metadata = Metadata(url, migrate_schema=True)
        metadata.write(lambda connection: _fill(connection, [service.port for service in services], chunks, password))
        metadata.close()
        ports = stack.enter_context(_process(folder, secret, url))
        connection = pymysql.connect(host=HOST, port=ports, user="bench", password=password, database="sky")
        stack.enter_context(connection)
        yield connection


def _service(trust: Trust, queries: Any) -> WorkerService:
    def refuse(*_: object) -> None:
        raise NotImplementedError("a simulated worker takes no rows")

    return WorkerService("grpc://127.0.0.1:0", trust, queries=queries, files=None, stage=refuse, actions={})  # type: ignore[arg-type]


@contextmanager
def _process(folder: Path, secret: Path, url: str) -> Iterator[int]:
    mysql, http, flight = free_ports(3)
    environment = {
        "QSERV_CZAR_SECRET_FILE": str(secret),
        "QSERV_CZAR_METADATA_URL": url,
        "QSERV_CZAR_RESULT_DIR": str(folder / "czar"),
        "QSERV_CZAR_MYSQL_PORT": str(mysql),
        "QSERV_CZAR_HTTP_PORT": str(http),
        "QSERV_CZAR_FLIGHT_PORT": str(flight),
    }
    with (folder / "czar.log").open("wb") as log:
        czar = subprocess.Popen(
            [sys.executable, "-m", "qserv.cli.main", "czar"], env={**os.environ, **environment}, stdout=log, stderr=log
        )
    try:
        await_true(lambda: listens(mysql), "the czar did not come up")
        yield mysql
    finally:
        czar.terminate()
        czar.wait(timeout=60)


def _fill(connection: Metadata_, ports: list[int], chunks: int, password: str) -> None:
    """Metadata of a survey of which every chunk has two replicas and one file."""
    people.set_account(connection, Account("bench", password_auth(password), ("sky",)))
    known = [workers.register(connection, f"worker-{n}", _beat(n, port), 0.0).id for n, port in enumerate(ports)]
    tables.create_database(connection, "sky", FAMILY)
    tables.create_table(connection, "sky", OBJECT)
    table = tables.table(connection, "sky", "Object")
    version = bump(connection)
    family = table.database.family
    if family is None:
        raise RuntimeError("the database has no family")
    numbers = partitioning(FAMILY.stripes, FAMILY.substripes).all_chunks()[:chunks].tolist()
    connection.execute(
        insert(schema.unit),
        [
            {"id": n + 1, "kind": UnitKind.CHUNK, "scope": family.id, "number": number, "bytes": 1, "changed": version}
            for n, number in enumerate(numbers)
        ],
    )
    connection.execute(
        insert(schema.replica),
        [
            {"unit_id": n + 1, "worker_id": known[(n + step) % len(known)]}
            for n in range(len(numbers))
            for step in (0, 1)
        ],
    )
    one_file = {"table_id": table.id, "kind": FileKind.MAIN, "sha256": "0" * 64, "rows": 1, "bytes": 1 << 20}
    one_file |= {"transaction_id": 1, "version": version}
    connection.execute(
        insert(schema.file),
        [
            {**one_file, "unit_id": n + 1, "name": f"main-1-{n:08x}.parquet", "source_id": known[n % len(known)]}
            for n in range(len(numbers))
        ],
    )
    tables.set_published(connection, "sky", "Object", True)


def _beat(number: int, port: int) -> Heartbeat:
    return Heartbeat(
        flight=f"{HOST}:{port}",
        http=f"{HOST}:1",
        boot=uuid.uuid4().hex,
        identity=uuid.uuid4().hex,
        cluster=None,
        domain=f"domain-{number}",
        capacity=1 << 40,
        free=1 << 40,
    )
