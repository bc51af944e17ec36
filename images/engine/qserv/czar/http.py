"""The HTTP port: health, metrics, and SQL as Arrow, CSV or JSON for whoever has no MySQL client.

``POST /api/v1/query`` with ``{"sql": …, "database": …}`` answers rows as they come. The header ``X-Qserv-Query-Id``
names the query; ``GET /api/v1/queries/<id>`` then tells its chunks, rows and milliseconds. People prove who they are by
HTTP Basic. An error is ``{"code", "message", "mysql"}``; one that comes after rows were sent breaks the body off, so
that a part is never taken for the whole: Arrow streams and JSON then have no end, and HTTP's chunks no last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Annotated, Any, TypeVar

import pyarrow as pa
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from qserv.catalog import logs
from qserv.catalog.asked import FAULTS, refusal
from qserv.catalog.errors import QservError, QueryKilled, Unauthenticated
from qserv.catalog.metadata import Account, Metadata
from qserv.czar import login, rows
from qserv.czar.queries import Query
from qserv.czar.session import Czar, Result, Session

log = logs.get(__name__)
T = TypeVar("T")

STATEMENTS = 256
"""Statements that are at work at one time, in threads of their own: health, and the end of a query, wait for none."""


class Ask(BaseModel):
    """A statement, and the database that unqualified names are in."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(min_length=1)
    database: str | None = None


class Told(BaseModel):
    """A query as it is told to its owner. Times are seconds since 1970; ``milliseconds`` of its run so far."""

    id: str
    account: str
    database: str | None
    sql: str
    state: str
    started: float
    milliseconds: float
    chunks: int
    chunks_done: int
    rows: int
    error: str | None

    @classmethod
    def of(cls, query: Query) -> Told:
        return cls(
            id=query.id,
            account=query.account.name,
            database=query.database,
            sql=query.sql,
            state=query.state,
            started=query.started,
            milliseconds=round(query.seconds * 1000, 3),
            chunks=query.progress.chunks,
            chunks_done=query.progress.done,
            rows=query.rows,
            error=query.error,
        )


def account(request: Request) -> Account:
    """The account that the request's HTTP Basic header proves."""
    metadata: Metadata = request.app.state.metadata
    return login.check_basic(metadata, request.headers.get("authorization"), "http")


Known = Annotated[Account, Depends(account)]


def make_app(czar: Czar, metadata: Metadata) -> FastAPI:
    """The application; all that it needs is given."""
    app = FastAPI(title="Qserv czar", version="1", docs_url=None, redoc_url=None)

    app.state.metadata = metadata
    threads = CapacityLimiter(STATEMENTS)

    @app.exception_handler(QservError)
    async def refuse(_request: Request, error: QservError) -> JSONResponse:
        headers = {"WWW-Authenticate": 'Basic realm="qserv"'} if isinstance(error, Unauthenticated) else None
        body = {"code": error.code, "message": error.message, "mysql": error.mysql}
        return JSONResponse(body, status_code=error.http, headers=headers)

    async def fault(request: Request, error: Exception) -> JSONResponse:
        answer = await refuse(request, refusal(request, error))
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    for kind in FAULTS:
        app.add_exception_handler(kind, fault)

    @app.get("/health")
    def health() -> dict[str, str]:
        metadata.version()
        return {"status": "ok"}

    @app.get("/metrics")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.post("/api/v1/query")
    def query(ask: Ask, request: Request, who: Known) -> Response:
        session = Session(czar, who, database=ask.database, connection=czar.new_client())
        return RowsResponse(session, ask.sql, request.headers.get("accept", ""), threads)

    @app.get("/api/v1/queries")
    def queries(who: Known) -> list[Told]:
        return [Told.of(query) for query in czar.queries.known(who)]

    @app.get("/api/v1/queries/{identifier}")
    def one(identifier: str, who: Known) -> Told:
        return Told.of(czar.queries.find(identifier, who))

    @app.delete("/api/v1/queries/{identifier}", status_code=204)
    def kill(identifier: str, who: Known) -> None:
        czar.queries.kill(who, query=identifier)

    return app


class RowsResponse(Response):
    """A statement's rows as they are made. When the client goes away its query stops, whatever is waited for.

    The answer begins with its first row: what goes wrong before has an error's status.
    """

    def __init__(self, session: Session, sql: str, accept: str, threads: CapacityLimiter) -> None:
        self.kind, self._write = next(
            ((kind, write) for kind, write in rows.WRITERS.items() if kind in accept), (rows.JSON, rows.json_rows)
        )
        super().__init__(media_type=self.kind)
        del self.headers["content-length"]
        self._session = session
        self._sql = sql
        self._gone = False
        self._threads = threads

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await to_thread.run_sync(work, *arguments, limiter=self._threads)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        watch = asyncio.create_task(self._watch(receive))
        result: Result | None = None
        try:
            result = await self._in_thread(self._session.run, self._sql)
            if result.answer is not None:
                self.headers["X-Qserv-Query-Id"] = result.answer.query.id
            await self._send(result, send)
        except OSError:
            log.debug("the client went away while rows were sent")
        finally:
            watch.cancel()
            if result is not None:
                await run_in_threadpool(result.close, QueryKilled("the client went away"))

    async def _send(self, result: Result, send: Send) -> None:
        batches = result.batches()
        first = await self._in_thread(next, batches, None)
        pieces = self._write(result.schema or pa.schema([]), batches if first is None else chain([first], batches))
        if self._gone:
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while (piece := await self._in_thread(next, pieces, None)) is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        await run_in_threadpool(self._session.drop)
