"""What is wrong with an HTTP request that no route could answer, as an error of the one tree."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from qserv.catalog.errors import NotFound, QservError, SpecError, WrongMethod
from qserv.catalog.invalid import Place, dotted, words

FAULTS: tuple[type[Exception], ...] = (RequestValidationError, HTTPException)
"""What FastAPI and Starlette raise before or instead of a route."""


def refusal(request: Request, error: Exception) -> QservError:
    """One of ``FAULTS`` in words for who asked; another error is raised as it is."""
    what = f"{request.method} {request.url.path}"
    if isinstance(error, RequestValidationError):
        return SpecError(f"{what}: {_wrong(error)}")
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return NotFound(f"{what}: there is no such path: GET /openapi.json lists them all")
    if error.status_code == 405:
        return WrongMethod(f"{what}: it is asked by {(error.headers or {}).get('Allow', 'another method')}")
    return SpecError(f"{what}: {error.detail}")


def _wrong(error: RequestValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return f"the body is no JSON: {first['ctx']['error']}, at character {first['loc'][-1]}"
    if first["type"] == "model_attributes_type" and len(first["loc"]) == 1:
        return "the body is no JSON object, or not sent as Content-Type: application/json"
    return words(error, _place)


def _place(place: Place) -> str:
    """Without the word for the part of the request that a key is in."""
    return dotted(place[1:] or place)
