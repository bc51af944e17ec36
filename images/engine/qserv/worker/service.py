"""The worker's Arrow Flight service: takes calls, checks who calls, and hands each to the part that answers it.

The messages are those of :mod:`qserv.catalog.messages`. All failures leave as Flight errors that carry a
:class:`Failure`; one that nobody foresaw is logged here with its trace, and told without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import flight
from pydantic import TypeAdapter, ValidationError

from qserv.catalog import logs
from qserv.catalog.errors import DataError, QservError, Unauthenticated
from qserv.catalog.flight import failure_of
from qserv.catalog.messages import FileTask, Message, QueryTask, StagePut
from qserv.catalog.trust import HEADER, Trust
from qserv.worker.lanes import Item
from qserv.worker.queries import Queries
from qserv.worker.transfer import FileSource

log = logs.get(__name__)

Handler = Callable[[bytes], Message | pa.Buffer | None]
Stage = Callable[[StagePut, Any], None]


class _Gate(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Refuses calls that do not carry the cluster's secret, before anything of them is read."""

    def __init__(self, trust: Trust) -> None:
        super().__init__()
        self._trust = trust

    def start_call(self, info: Any, headers: dict[str, list[str]]) -> None:  # noqa: ARG002 -- pyarrow's signature
        try:
            self._trust.check(headers.get(HEADER, []))
        except Unauthenticated as error:
            raise flight.FlightUnauthenticatedError(error.message, failure_of(error).encode()) from None


class WorkerService(flight.FlightServerBase):  # type: ignore[misc]
    """Serves from when it is made until ``shutdown``.

    Parameters
    ----------
    location : where to listen, ``grpc://host:port``; port 0 takes a free one.
    actions : what answers each action.
    stage : takes the rows of a ``DoPut``.
    """

    def __init__(
        self,
        location: str,
        trust: Trust,
        *,
        queries: Queries,
        files: FileSource,
        stage: Stage,
        actions: dict[str, Handler],
    ) -> None:
        self._queries = queries
        self._files = files
        self._stage = stage
        self._actions = actions
        super().__init__(location, middleware={"gate": _Gate(trust)}, **trust.flight_server_options())

    def do_get(self, context: Any, ticket: Any) -> Any:
        with _told():
            task = _parsed(_TICKET, ticket.ticket, "a query or files")
            if isinstance(task, FileTask):
                schema, blocks = self._files.stream(task.paths)
                return flight.GeneratorStream(schema, _told_items((block, None) for block in blocks))
            schema, items = self._queries.start(task, context.is_cancelled)
            return flight.GeneratorStream(schema, _told_items(items))

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:  # noqa: ARG002
        with _told():
            self._stage(_parsed(_PUT, descriptor.command, "staging"), reader)

    def do_action(self, context: Any, action: Any) -> Iterator[Any]:  # noqa: ARG002
        with _told():
            handler = self._actions.get(action.type)
            if handler is None:
                raise DataError(f"a worker knows no action {action.type!r}")
            body = action.body
            answer = handler(body.to_pybytes() if body is not None else b"")
            if answer is None:
                return iter(())
            return iter([flight.Result(answer if isinstance(answer, pa.Buffer) else answer.encode())])

    def list_actions(self, context: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(name, "see the messages of the catalog") for name in sorted(self._actions)]


_TICKET: TypeAdapter[QueryTask | FileTask] = TypeAdapter(QueryTask | FileTask)
_PUT = TypeAdapter(StagePut)
Parsed = TypeVar("Parsed")


def _parsed(model: TypeAdapter[Parsed], raw: bytes, what: str) -> Parsed:
    try:
        return model.validate_json(raw)
    except ValidationError as error:
        raise DataError(f"not a message of {what}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Failures as Flight carries them."""
    try:
        yield
    except QservError as error:
        raise flight.FlightServerError(error.message[:500], failure_of(error).encode()) from None
    except (flight.FlightError, StopIteration, GeneratorExit):
        raise
    except ValidationError as error:
        bad = DataError(f"not a message that a worker takes: {_first(error)}")
        raise flight.FlightServerError(bad.message[:500], failure_of(bad).encode()) from None
    except Exception as error:
        log.exception("unforeseen failure")
        told = QservError(f"the worker failed: {type(error).__name__}: {error}")
        raise flight.FlightServerError(told.message[:500], failure_of(told).encode()) from None


def _told_items(items: Iterator[Item]) -> Iterator[Any]:
    with _told(), contextlib.closing(items) as source:  # type: ignore[type-var]
        for batch, done in source:
            yield (batch, done.encode()) if done is not None else batch
