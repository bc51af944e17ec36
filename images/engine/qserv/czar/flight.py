"""The Flight port: SQL for notebooks. ``do_get`` of a ticket ``{"sql": …, "database": …}`` streams Arrow.

People prove who they are with a basic ``authorization`` header on the call, as with HTTP::

    client = pyarrow.flight.connect("grpc://czar:4042")
    token = b"Basic " + base64.b64encode(b"user:password")
    options = pyarrow.flight.FlightCallOptions(headers=[(b"authorization", token)])
    table = client.do_get(pyarrow.flight.Ticket(json.dumps({"sql": sql})), options).read_all()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import flight
from pydantic import ValidationError

from qserv.catalog.errors import Conflict, QservError, QueryKilled, Unauthenticated, WrongArguments
from qserv.catalog.flight import end, failure_of
from qserv.catalog.metadata import Account, Metadata
from qserv.catalog.trust import Trust
from qserv.czar import login
from qserv.czar.http import Ask
from qserv.czar.session import Czar, Result, Session

_HEADER = "authorization"
_LOOK_SECONDS = 0.25


class _Caller(flight.ServerMiddleware):  # type: ignore[misc]
    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account


class _Login(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    def __init__(self, metadata: Metadata) -> None:
        super().__init__()
        self._metadata = metadata

    def start_call(self, _info: Any, headers: dict[str, list[str]]) -> _Caller:
        found = next((values for name, values in headers.items() if name.casefold() == _HEADER), [])
        try:
            return _Caller(login.check_basic(self._metadata, found[0] if found else None, "flight"))
        except QservError as error:
            raise flight_error(error) from None


def flight_error(error: QservError) -> Exception:
    """An error as a Flight client sees it."""
    info = failure_of(error).encode()
    if isinstance(error, Unauthenticated):
        return flight.FlightUnauthenticatedError(error.message, info)  # type: ignore[no-any-return]
    return flight.FlightServerError(error.message, info)  # type: ignore[no-any-return]


class SqlFlight(flight.FlightServerBase):  # type: ignore[misc]
    """The service. Only ``do_get`` is answered."""

    def __init__(self, czar: Czar, metadata: Metadata, trust: Trust, address: str) -> None:
        self._czar = czar
        try:
            super().__init__(
                f"{'grpc+tls' if trust.certificates.cert else 'grpc'}://{address}",
                middleware={"login": _Login(metadata)},
                **trust.flight_server_options(),
            )
        except (OSError, pa.ArrowException) as error:
            raise Conflict(
                f"cannot listen on {address} for Flight: is another process running there? "
                "Choose another QSERV_CZAR_FLIGHT_PORT"
            ) from error

    def end(self) -> None:
        end(self)

    def do_get(self, context: Any, ticket: Any) -> Any:
        caller = context.get_middleware("login")
        try:
            session, sql = self._session(caller.account, ticket.ticket)
            watch = _Watch(context, session)
            try:
                result = session.run(sql)
            except BaseException:
                watch.end()
                raise
        except QservError as error:
            raise flight_error(error) from None
        schema = result.schema if result.schema is not None else pa.schema([])
        return flight.GeneratorStream(schema, _batches(result, watch))

    def _session(self, account: Account, ticket: bytes) -> tuple[Session, str]:
        try:
            ask = Ask.model_validate_json(ticket)
        except ValidationError as error:
            raise WrongArguments(f'the ticket is not {{"sql": …, "database": …}}: {error.errors()[0]["msg"]}') from None
        return Session(self._czar, account, database=ask.database, connection=self._czar.new_client()), ask.sql


class _Watch:
    """Stops a session's query when the caller has hung up: Flight tells so only when it is asked."""

    def __init__(self, context: Any, session: Session) -> None:
        self._context = context
        self._session = session
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="flight-watch", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            if self._context.is_cancelled():
                self._session.drop()
                return


def _batches(result: Result, watch: _Watch) -> Iterator[pa.RecordBatch]:
    try:
        yield from result.batches()
    except QservError as error:
        raise flight_error(error) from None
    finally:
        watch.end()
        result.close(QueryKilled("the client went away"))
