"""The HTTP port: health, metrics, and SQL as Arrow, CSV or JSON for whoever has no MySQL client.

``POST /api/v1/query`` with ``{"sql": …, "database": …}`` answers rows as they come. The header ``X-Qserv-Query-Id``
names the query; ``GET /api/v1/queries/<id>`` then tells its chunks, rows and milliseconds. People prove who they are by
HTTP Basic. An error is ``{"code", "message", "mysql"}``; one that comes after rows were sent breaks the body off, so
that a part is never taken for the whole: Arrow streams and JSON then have no end, and HTTP's chunks no last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from qserv.catalog import logs
from qserv.catalog.errors import QservError, QueryKilled, Unauthenticated
from qserv.catalog.metadata import Account, Metadata
from qserv.czar import login, rows
from qserv.czar.queries import Query
from qserv.czar.session import Czar, Result, Session

log = logs.get(__name__)


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

    @app.exception_handler(QservError)
    async def refuse(_request: Request, error: QservError) -> JSONResponse:
        headers = {"WWW-Authenticate": 'Basic realm="qserv"'} if isinstance(error, Unauthenticated) else None
        body = {"code": error.code, "message": error.message, "mysql": error.mysql}
        return JSONResponse(body, status_code=error.http, headers=headers)

    @app.get("/health")
    def health() -> dict[str, str]:
        metadata.version()
        return {"status": "ok"}

    @app.get("/metrics")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.post("/api/v1/query")
    def query(ask: Ask, request: Request, who: Known) -> Response:
        session = Session(czar, who, database=ask.database)
        return _response(session.run(ask.sql), request.headers.get("accept", ""))

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


def _response(result: Result, accept: str) -> Response:
    query = result.answer.query.id if result.answer is not None else None
    headers = {"X-Qserv-Query-Id": query} if query else {}
    if result.schema is None:
        return JSONResponse({"columns": [], "rows": []}, headers=headers)
    for kind, write in rows.WRITERS.items():
        if kind in accept:
            return RowsResponse(result, write(result), kind, headers)
    return RowsResponse(result, rows.json_rows(result), rows.JSON, headers)


class RowsResponse(Response):
    """Rows as they are made. When the client goes away the query stops, also while its next row is waited for."""

    def __init__(self, result: Result, pieces: Iterator[bytes], kind: str, headers: dict[str, str]) -> None:
        super().__init__(media_type=kind, headers=headers)
        del self.headers["content-length"]
        self._result = result
        self._pieces = pieces

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        watch = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while (piece := await run_in_threadpool(next, self._pieces, None)) is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            log.debug("the client went away while rows were sent")
        finally:
            watch.cancel()
            await run_in_threadpool(self._result.close, QueryKilled("the client went away"))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        answer = self._result.answer
        if answer is not None:
            await run_in_threadpool(answer.query.permit.revoke, QueryKilled("the client went away"))
