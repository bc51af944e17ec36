"""The controller's HTTP side: who may ask, how errors are told, and the routes."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from qserv.catalog import logs
from qserv.catalog.asked import FAULTS, refusal
from qserv.catalog.errors import QservError, Unauthenticated
from qserv.catalog.metadata import password_auth
from qserv.catalog.resources import PREFIX, ErrorBody
from qserv.replication import metrics
from qserv.replication.controller import Controller
from qserv.replication.routes import router

log = logs.get(__name__)


def build(controller: Controller) -> FastAPI:
    """The application over a controller."""

    def allowed(authorization: Annotated[str | None, Header()] = None) -> None:
        if controller.trust.accepts(authorization) or _administrator(controller, authorization):
            return
        raise Unauthenticated("send the cluster's secret as a bearer token, or an administrator's name and password")

    app = FastAPI(title="Qserv replication controller", version=version("qserv"), docs_url=None, redoc_url=None)
    app.state.controller = controller
    app.include_router(router, prefix=PREFIX, dependencies=[Depends(allowed)])
    app.add_exception_handler(QservError, _told)
    for fault in FAULTS:
        app.add_exception_handler(fault, _refused)
    app.add_exception_handler(Exception, _unforeseen)

    @app.middleware("http")
    async def count(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        with metrics.REQUEST_SECONDS.labels(request.method).time():
            answer = await call_next(request)
        metrics.REQUESTS.labels(request.method, str(answer.status_code)).inc()
        return answer

    @app.get("/health", include_in_schema=False)
    def health() -> PlainTextResponse:
        controller.metadata.version()
        return PlainTextResponse("ok\n")

    @app.get("/metrics", include_in_schema=False)
    def numbers() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def _administrator(controller: Controller, authorization: str | None) -> bool:
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        name, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    account = controller.metadata.account(name)
    expected = account.auth if account is not None else "0" * 40
    right = hmac.compare_digest(password_auth(password), expected)
    return bool(colon) and right and account is not None and account.admin


async def _told(_request: Request, error: Exception) -> Response:
    if not isinstance(error, QservError):
        raise error
    body = ErrorBody(code=error.code, message=error.message, details=error.details)
    headers = {"www-authenticate": 'Basic realm="qserv"'} if error.http == 401 else None
    return JSONResponse(body.model_dump(mode="json"), status_code=error.http, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    answer = await _told(request, refusal(request, error))
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("unforeseen failure", path=request.url.path, exc_info=error)
    return await _told(request, QservError(f"the controller failed ({type(error).__name__}): its log says where"))
