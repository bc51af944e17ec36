"""Contributions whose file comes in the body of a request: it streams through to a worker, which keeps and reads it.

No more than some pieces of it are in this process' memory. The contribution is entered when the file is whole and
synced on the worker, so a transfer that broke off leaves none.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import httpx
from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import (
    DiskFull,
    QservError,
    TransactionClosed,
    Unavailable,
    WorkerFailed,
    from_code,
)
from qserv.catalog.messages import Discard, Failure, Uploaded
from qserv.catalog.metadata import Metadata, ingests, tables
from qserv.catalog.metadata.ingests import ContributionRow
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import ContributionView, ContributionWish, UploadWish
from qserv.catalog.trust import Trust
from qserv.replication.calls import Calls
from qserv.replication.ingest import Ingest
from qserv.replication.registry import Registry

log = logs.get(__name__)

_SCHEME = "upload"
_SILENCE = httpx.Timeout(30.0, read=300.0)


def worker_of(url: str) -> str | None:
    """The name of the worker that keeps an uploaded file; None for other URLs."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme == _SCHEME else None


class Uploading:
    """Takes files for ``ingest``."""

    def __init__(self, metadata: Metadata, registry: Registry, calls: Calls, ingest: Ingest, trust: Trust) -> None:
        self._metadata = metadata
        self._registry = registry
        self._calls = calls
        self._ingest = ingest
        self._trust = trust

    async def take(
        self,
        transaction: int,
        wish: UploadWish,
        size: int | None,
        pieces: AsyncIterator[bytes],
    ) -> ContributionView:
        """Bring a file to a worker, and add it as a contribution; the same file again is the same contribution.

        Raises
        ------
        TransactionClosed
            When the transaction takes no more.
        Conflict
            When the name is taken by another file.
        Unavailable, DiskFull
            When no worker can take it now.
        """
        worker = await asyncio.to_thread(self._choose, transaction, wish, size)
        kept = await self._send(worker, transaction, wish.file, pieces)
        contribution = ContributionWish(name=wish.name, table=wish.table, url=kept.url)
        try:
            return await asyncio.to_thread(self._ingest.contribute, transaction, contribution)
        except TransactionClosed:
            await asyncio.to_thread(self._discard, worker, transaction)
            raise

    def _discard(self, worker: WorkerRow, transaction: int) -> None:
        self._calls.client(worker.flight).action("discard", Discard(staged=transaction))

    def _choose(self, transaction: int, wish: UploadWish, size: int | None) -> WorkerRow:
        """The worker that has the file already, or the one with the fewest files of the transaction."""

        def read(connection: Connection) -> list[ContributionRow]:
            row = ingests.get(connection, transaction)
            if row.state != "started":
                raise TransactionClosed(
                    f"transaction {transaction} is {row.state}: start another one for {wish.name!r}"
                )
            home = next(one for one in tables.databases(connection) if one.id == row.database_id)
            tables.table(connection, home.name, wish.table)
            return ingests.contributions(connection, transaction)

        there = self._metadata.read(read)
        given = Counter(worker_of(row.url) for row in there)
        known = next((worker_of(row.url) for row in there if row.name == wish.name), None)
        able = [
            row
            for row in self._registry.rows().values()
            if row.state in (WorkerState.ONLINE, WorkerState.READ_ONLY) and known in (None, row.name)
        ]
        if not able:
            raise Unavailable(f"worker {known} keeps the file and is away" if known else "no worker is online")
        roomy = [row for row in able if row.free > (size or 0)]
        if not roomy:
            raise DiskFull(f"no worker has {size} bytes free for {wish.file}: add workers, or space")
        return min(roomy, key=lambda row: (given[row.name], -row.free, row.name))

    async def _send(self, worker: WorkerRow, transaction: int, file: str, pieces: AsyncIterator[bytes]) -> Uploaded:
        scheme = "https" if self._trust.tls else "http"
        url = f"{scheme}://{worker.http}/uploads/{transaction}/{quote(file, safe='')}"
        verify = self._trust.client_context() if self._trust.tls else True
        try:
            async with httpx.AsyncClient(verify=verify, timeout=_SILENCE) as client:
                answer = await client.put(url, content=pieces, headers=self._trust.headers())
        except httpx.TransportError as error:
            raise Unavailable(f"the file could not be sent to worker {worker.name}: {error}: send it again") from error
        if answer.is_success:
            return Uploaded.model_validate_json(answer.content)
        raise _told(worker, answer)


def _told(worker: WorkerRow, answer: httpx.Response) -> QservError:
    try:
        failure = Failure.model_validate_json(answer.content)
    except ValueError:
        return WorkerFailed(f"worker {worker.name} answered {answer.status_code} to an upload")
    return from_code(failure.code, failure.message, **failure.details)
