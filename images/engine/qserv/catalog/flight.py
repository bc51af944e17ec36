"""A worker as its callers see it: queries, look-ups, staging, actions and files over Arrow Flight.

Failures of a worker come as the exceptions of :mod:`qserv.catalog.errors` that it named; a worker that cannot be
reached, or falls silent, is :class:`Unavailable`. A living worker sends an empty batch every few seconds of a long
query, so silence means that it hangs or is cut off.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Generator, Iterator, Sequence
from typing import Any, TypeVar, overload

import pyarrow as pa
from pyarrow import flight

from qserv.catalog import logs
from qserv.catalog.errors import (
    DiskFull,
    QservError,
    QueryKilled,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    WorkerFailed,
    from_code,
)
from qserv.catalog.messages import (
    BatchDone,
    Cancel,
    ChunkLookup,
    ChunkNumbers,
    Failure,
    FileTask,
    LookupHeader,
    Message,
    QueryTask,
    StagePut,
)
from qserv.catalog.threads import run_apart, within
from qserv.catalog.trust import Trust

KEEP_ALIVE = 2.0
"""Seconds of a running query's silence after which a worker sends an empty batch."""

SILENCE = 15.0
"""Seconds without a word after which a worker's stream is given up."""

_END_SECONDS = 5.0

_CHANNEL = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # by itself gRPC tries the old address of a worker that was restarted for 20 s, and asks for the new one in 30 s
    ("grpc.min_reconnect_backoff_ms", 3000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # by itself gRPC takes in some 16 MB of each stream ahead of who reads it
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 2 << 20),
]

Answer = TypeVar("Answer", bound=Message)

log = logs.get(__name__)

_OF_ITS_ROOM = (ResourceExhausted.code, DiskFull.code)
"""Failures that somebody mends on the worker itself: whoever it told first names it, and others pass that on."""

LONGEST = 4000
"""Bytes of a failure: it travels in the trailing headers of a call, which gRPC lets have some 8 KiB in all."""


def failure_of(error: QservError) -> Failure:
    """An error as it travels: what has no JSON form is left out, and so is what is too long to travel."""
    message = error.message[: LONGEST // 4]
    kept: dict[str, str | int | float | list[int] | list[str]] = {}
    room = LONGEST - len(message.encode())
    for name, value in error.details.items():
        if isinstance(value, str | int | float | list):
            size = len(name) + len(repr(value).encode()) + 8
            if size <= room:
                kept[name] = value
                room -= size
    return Failure(code=error.code, message=message, details=kept)


def raised_by(address: str, error: BaseException) -> QservError:
    """What a failed call to the worker at ``address`` means."""
    info = getattr(error, "extra_info", None)
    if info:
        failure = Failure.model_validate_json(bytes(info))
        if failure.code in _OF_ITS_ROOM and "worker" not in failure.details:
            return from_code(failure.code, f"{failure.message} (worker {address})", **failure.details, worker=address)
        return from_code(failure.code, failure.message, **failure.details)
    if isinstance(error, flight.FlightUnauthenticatedError | flight.FlightUnauthorizedError):
        return Unauthenticated(f"worker {address} refused this process's secret: give both the same cluster secret")
    if isinstance(error, flight.FlightUnavailableError):
        return Unavailable(f"worker {address} cannot be reached")
    if isinstance(error, flight.FlightTimedOutError):
        return Unavailable(f"worker {address} did not answer in time")
    if isinstance(error, flight.FlightCancelledError):
        return QueryKilled(f"the call to worker {address} was cancelled")
    return WorkerFailed(f"worker {address} failed: " + str(error).partition("\n")[0])


def end(service: flight.FlightServerBase) -> None:
    """Take no more calls, and wait for those there are, but not for a caller that takes nothing of its answer."""
    if not within(_END_SECONDS, service.shutdown):
        log.warning("calls did not end", seconds=_END_SECONDS)


class _Bearer(flight.ClientMiddlewareFactory):  # type: ignore[misc]
    class _Call(flight.ClientMiddleware):  # type: ignore[misc]
        def __init__(self, headers: dict[str, str]) -> None:
            super().__init__()
            self._headers = headers

        def sending_headers(self) -> dict[str, str]:
            return self._headers

    def __init__(self, trust: Trust) -> None:
        super().__init__()
        self._trust = trust

    def start_call(self, info: Any) -> _Call:  # noqa: ARG002 -- pyarrow's signature
        return self._Call(self._trust.headers())


class _Watch:
    """Cancels streams whose worker has been silent for too long: one thread for all streams of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: weakref.WeakSet[_Stream] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, stream: _Stream) -> None:
        with self._lock:
            self._streams.add(stream)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="flight-watch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(1.0)
            now = time.monotonic()
            with self._lock:
                streams = list(self._streams)
                if not streams:
                    self._thread = None
                    return
            for stream in streams:
                stream.give_up_if_silent(now)
            del streams


_watch = _Watch()


class _Stream:
    """A reader that is given up when the worker is silent while it is waited for."""

    def __init__(self, address: str, reader: Any, silence: float) -> None:
        self._address = address
        self._reader = reader
        self._silence = silence
        self._waiting_since: float | None = None
        self._silent = False
        self._cancelled = False
        self._finished = False
        _watch.add(self)

    def __del__(self) -> None:
        # One that nobody began to iterate ends the worker's work too.
        if not self._finished:
            self._reader.cancel()

    def cancel(self) -> None:
        """Stop the worker's work; whoever iterates gets :class:`QueryKilled`."""
        self._cancelled = True
        self._reader.cancel()

    def give_up_if_silent(self, now: float) -> None:
        since = self._waiting_since
        if since is not None and now - since > self._silence:
            self._silent = True
            self._reader.cancel()

    def chunks(self) -> Generator[Any, None, None]:
        """Batches with their metadata, to the end; one that is dropped before it ends the worker's work."""
        try:
            while (chunk := self._next()) is not None:
                yield chunk
            self._finished = True
        finally:
            if not self._finished:
                self._reader.cancel()

    def _next(self) -> Any | None:
        self._waiting_since = time.monotonic()
        try:
            return self._reader.read_chunk()
        except StopIteration:
            if self._cancelled:
                raise QueryKilled("the query was cancelled") from None
            return None
        except (pa.ArrowException, flight.FlightError, OSError) as error:
            if self._silent:
                raise Unavailable(f"worker {self._address} was silent for {self._silence:g} s") from None
            if self._cancelled:
                raise QueryKilled("the query was cancelled") from None
            raise raised_by(self._address, error) from None
        finally:
            self._waiting_since = None


class QueryStream(_Stream):
    """A worker's answer: iterates ``(batch, done)``; ``done`` says that all rows of some chunks have come.

    Iterated by one thread; ``cancel`` may be called by any. Dropping it stops the worker's work.
    """

    def __init__(self, address: str, reader: Any, silence: float) -> None:
        super().__init__(address, reader, silence)
        self.schema: pa.Schema = reader.schema

    def __iter__(self) -> Iterator[tuple[pa.RecordBatch, BatchDone | None]]:
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                if chunk.app_metadata is not None:
                    yield chunk.data, BatchDone.model_validate_json(chunk.app_metadata.to_pybytes())
                elif chunk.data.num_rows:
                    yield chunk.data, None


class StageWriter:
    """Rows on their way to a primary. ``close`` returns once the worker has staged all of them, or raises."""

    def __init__(self, address: str, writer: Any) -> None:
        self._address = address
        self._writer = writer

    def write(self, batch: pa.RecordBatch) -> None:
        """Send a batch; blocks while the worker is busy."""
        try:
            self._writer.write_batch(batch)
        except (pa.ArrowException, flight.FlightError, OSError) as error:
            raise self._cause(error) from None

    def close(self) -> None:
        try:
            self._writer.close()
        except (pa.ArrowException, flight.FlightError, OSError) as error:
            raise raised_by(self._address, error) from None

    def abandon(self) -> None:
        """Break off without waiting; what the worker staged of it is void by its attempt."""

        def close() -> None:
            with contextlib.suppress(pa.ArrowException, flight.FlightError, OSError):
                self._writer.close()

        # Closing waits for the worker's word, and the worker may hang.
        threading.Thread(target=close, name=f"abandon {self._address}", daemon=True).start()

    def _cause(self, error: BaseException) -> QservError:
        """A write fails with a bare broken stream; only closing tells why the worker broke it."""
        try:
            self._writer.close()
        except (pa.ArrowException, flight.FlightError, OSError) as told:
            return raised_by(self._address, told)
        return raised_by(self._address, error)


class WorkerClient:
    """The worker at ``address`` (host:port). Connects when first used, and again by itself. Thread-safe.

    Parameters
    ----------
    timeout : seconds that an action may take, and a query until its first word.
    silence : seconds without a word after which a query is given up.
    """

    def __init__(self, address: str, trust: Trust, *, timeout: float = 30.0, silence: float = SILENCE) -> None:
        self.address = address
        self._timeout = timeout
        self._silence = silence
        self._client = flight.FlightClient(
            trust.flight_location(address),
            middleware=[_Bearer(trust)],
            generic_options=_CHANNEL,
            **trust.flight_client_options(),
        )

    def query(self, task: QueryTask) -> QueryStream:
        """Start a query; returns when the worker has named its columns.

        Raises
        ------
        Unavailable
            Where the worker cannot be reached, or says nothing within the silence allowed.
        """
        return QueryStream(self.address, self._open(flight.Ticket(task.encode())), self._silence)

    def cancel(self, query: str) -> None:
        """Stop all of a query's work on the worker; a query that is not there is none."""
        self.action("cancel", Cancel(query=query))

    def chunks_of(self, wish: ChunkLookup) -> tuple[int, ...]:
        """In which chunks keys of a director are."""
        return self.action("chunks", wish, ChunkNumbers).chunks

    def lookup(self, header: LookupHeader, keys: pa.Array) -> pa.Table:
        """Where keys of a director are: see :class:`LookupHeader`."""
        sink = pa.BufferOutputStream()
        sink.write(header.encode() + b"\n")
        batch = pa.record_batch([keys], names=["key"])
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return pa.ipc.open_stream(self._answered("lookup", sink.getvalue(), self._timeout)).read_all()

    def put(self, descriptor: StagePut, schema: pa.Schema) -> StageWriter:
        """Begin to stage rows of a transaction; see :class:`StagePut` for their order."""
        try:
            writer, _ = self._client.do_put(flight.FlightDescriptor.for_command(descriptor.encode()), schema)
        except (pa.ArrowException, flight.FlightError, OSError) as error:
            raise raised_by(self.address, error) from None
        return StageWriter(self.address, writer)

    def files(self, paths: Sequence[str]) -> Generator[tuple[int, pa.Buffer], None, None]:
        """The bytes of files, one file after another: the place of a file among ``paths``, and its next piece."""
        reader = self._open(flight.Ticket(FileTask(paths=tuple(paths)).encode()))
        with contextlib.closing(_Stream(self.address, reader, self._silence).chunks()) as chunks:
            for chunk in chunks:
                for place, piece in zip(chunk.data.column(0).to_pylist(), chunk.data.column(1), strict=True):
                    yield place, piece.as_buffer()

    @overload
    def action(self, name: str, message: Message | None = None, *, timeout: float | None = None) -> None: ...
    @overload
    def action(
        self, name: str, message: Message | None, answer: type[Answer], *, timeout: float | None = None
    ) -> Answer: ...
    def action(
        self,
        name: str,
        message: Message | None = None,
        answer: type[Answer] | None = None,
        *,
        timeout: float | None = None,
    ) -> Answer | None:
        """Ask the worker to do ``name``; its word as ``answer``, or None where no answer type is given.

        ``timeout`` in seconds; default: the client's. 0: as long as it takes.
        """
        body, seconds = message.encode() if message else b"", self._timeout if timeout is None else timeout
        if answer is not None:
            return answer.model_validate_json(self._answered(name, body, seconds).to_pybytes())
        self._act(name, body, seconds)
        return None

    def close(self) -> None:
        self._client.close()

    def _answered(self, name: str, body: Any, timeout: float) -> pa.Buffer:
        if (answer := self._act(name, body, timeout)) is None:
            raise WorkerFailed(f"worker {self.address} gave no answer to {name!r}")
        return answer

    def _act(self, name: str, body: Any, timeout: float) -> pa.Buffer | None:
        options = flight.FlightCallOptions(timeout=timeout) if timeout else flight.FlightCallOptions()
        try:
            results = list(self._client.do_action(flight.Action(name, body), options))
        except (pa.ArrowException, flight.FlightError, OSError) as error:
            raise raised_by(self.address, error) from None
        return results[0].body if results else None

    def _open(self, ticket: Any) -> Any:
        """The stream of a ticket.

        Opening blocks until the schema has come and cannot be cancelled, so another thread waits for it: a hung worker
        holds that thread, not the caller.
        """
        opened: list[Any] = []
        failed: list[BaseException] = []
        given_up = threading.Event()
        ready = threading.Event()

        def run() -> None:
            try:
                reader = self._client.do_get(ticket)
                opened.append(reader)
                if given_up.is_set():
                    reader.cancel()
            except (pa.ArrowException, flight.FlightError, OSError) as error:
                failed.append(error)
            finally:
                ready.set()

        run_apart(run)
        if not ready.wait(min(self._timeout, self._silence)):
            given_up.set()
            for reader in opened:
                with contextlib.suppress(pa.ArrowException):
                    reader.cancel()
            raise Unavailable(f"worker {self.address} did not answer in time")
        if failed:
            raise raised_by(self.address, failed[0]) from None
        return opened[0]
