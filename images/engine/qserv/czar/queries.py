"""The queries of a czar: which run, how far they are, what became of them, and who may stop them.

All czars share the history in the metadata, so that ``SHOW PROCESSLIST`` and ``KILL`` reach queries of the others.
It is written behind the queries' backs: a query of a millisecond does not wait for the metadata's disk.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from qserv.catalog import logs
from qserv.catalog.errors import NoSuchQuery, QservError, QueryInterrupted, QueryKilled
from qserv.catalog.metadata import Account, Metadata, QueryRecord, QueryState
from qserv.czar import metrics
from qserv.czar.cancelling import Permit
from qserv.czar.dispatch import Progress

log = logs.get(__name__)

GATHER = 0.2
"""Seconds in which entries of the history are gathered before they are written."""

_WRITES = 200

KEPT = 1000
"""Ended queries that a czar remembers by itself."""

TICK = 0.25
"""Seconds between looks at time limits and at the kills that other czars ask for."""


@dataclass(slots=True)
class Query:
    """A query on this czar. Times are seconds: ``started`` since 1970, ``seconds`` of its run so far."""

    id: str
    account: Account
    connection: int
    sql: str
    database: str | None
    version: int
    started: float
    limit: float | None
    permit: Permit = field(default_factory=Permit)
    progress: Progress = field(default_factory=Progress)
    state: QueryState = "running"
    rows: int = 0
    error: str | None = None
    began: float = field(default_factory=time.monotonic)
    took: float | None = None

    @property
    def seconds(self) -> float:
        return self.took if self.took is not None else time.monotonic() - self.began


class Queries:
    """The registry of a czar's queries. Thread-safe."""

    def __init__(self, metadata: Metadata, czar: str) -> None:
        self._metadata = metadata
        self._czar = czar
        self._lock = threading.Lock()
        self._running: dict[str, Query] = {}
        self._ended: deque[Query] = deque(maxlen=KEPT)
        self._history: queue.SimpleQueue[QueryRecord | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self.close_connection: Callable[[int, Account | None], bool] = lambda _connection, _by: False
        metadata.close_queries_of(czar)
        self._threads = [
            threading.Thread(target=self._write_history, name="history", daemon=True),
            threading.Thread(target=self._watch, name="watch", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def start(
        self,
        account: Account,
        sql: str,
        *,
        database: str | None = None,
        connection: int = 0,
        version: int = 0,
        limit: float | None = None,
    ) -> Query:
        """Enter a query; ``limit``: seconds it may run."""
        query = Query(uuid.uuid4().hex, account, connection, sql, database, version, time.time(), limit)
        with self._lock:
            if self._closing.is_set():
                raise QueryKilled("the czar is shutting down: ask another one")
            self._running[query.id] = query
        metrics.RUNNING.inc()
        self._history.put(self._record(query))
        return query

    def end(self, query: Query, error: QservError | None = None) -> None:
        """Close a query's account; done again it changes nothing."""
        with self._lock:
            if self._running.pop(query.id, None) is None:
                return
            query.took = time.monotonic() - query.began
            query.state = "done" if error is None else "killed" if isinstance(error, QueryKilled) else "failed"
            query.error = error.message if error else None
            self._ended.append(query)
        metrics.RUNNING.dec()
        metrics.QUERIES.labels(query.state).inc()
        metrics.SECONDS.observe(query.took)
        metrics.ROWS.inc(query.rows)
        metrics.CHUNKS.inc(query.progress.done)
        self._history.put(self._record(query))

    def running(self, account: Account) -> list[QueryRecord]:
        """The queries that run on any czar, as the account may see them: its own, or all for an administrator."""
        own = None if account.admin else account.name
        with self._lock:
            here = [self._record(query) for query in self._running.values() if own in (None, query.account.name)]
        others = [record for record in self._metadata.running_queries(own) if record.czar != self._czar]
        return sorted([*here, *others], key=lambda record: record.started)

    def history(self, account: Account) -> list[QueryRecord]:
        """The newest queries of all czars, also those that ended before this one began; a second late, at most."""
        return self._metadata.query_history(None if account.admin else account.name)

    def known(self, account: Account) -> list[Query]:
        """This czar's queries, running and ended, newest first."""
        with self._lock:
            found = [*self._running.values(), *self._ended]
        mine = [query for query in found if account.admin or query.account.name == account.name]
        return sorted(mine, key=lambda query: -query.started)

    def find(self, identifier: str, account: Account) -> Query:
        """One of this czar's queries.

        Raises
        ------
        NoSuchQuery
            Where there is none that the account may see.
        """
        for query in self.known(account):
            if query.id == identifier:
                return query
        raise NoSuchQuery(f"there is no query {identifier} of {account.name!r}")

    def kill(
        self, by: Account, *, query: str | None = None, connection: int | None = None, close: bool = False
    ) -> None:
        """Stop a query, named by itself or by its connection, on whichever czar it runs.

        Raises
        ------
        NoSuchQuery
            When it does not run, or is another's and ``by`` is no administrator.
        """
        with self._lock:
            here = [found for found in self._running.values() if found.id == query or found.connection == connection]
            # the metadata may not know yet that it ended
            ended = any(found.id == query or found.connection == connection for found in self._ended)
        mine = [found for found in here if by.admin or found.account.name == by.name]
        if not here and not ended:
            self._metadata.request_kill(by, query=query, connection=connection, close=close)
            return
        if not mine:
            raise NoSuchQuery(f"there is no running query {query or connection} of {by.name!r}")
        for found in mine:
            found.permit.revoke(QueryKilled("Query execution was interrupted"))

    def drop(self, connection: int) -> None:
        """Stop the queries of a client that went away."""
        with self._lock:
            found = [query for query in self._running.values() if query.connection == connection]
        for query in found:
            query.permit.revoke(QueryKilled("the client went away"))

    def close(self) -> None:
        """Stop all queries, and write what became of them."""
        self._closing.set()
        with self._lock:
            running = list(self._running.values())
        for query in running:
            error = QueryKilled("the czar is shutting down: ask another one")
            query.permit.revoke(error)
            self.end(query, error)
        self._history.put(None)
        for thread in self._threads:
            thread.join(timeout=10)

    def _record(self, query: Query) -> QueryRecord:
        return QueryRecord(
            id=query.id,
            czar=self._czar,
            connection=query.connection,
            account=query.account.name,
            sql=query.sql,
            database=query.database,
            version=query.version,
            started=query.started,
            state=query.state,
            ended=None if query.took is None else query.started + query.took,
            rows=None if query.took is None else query.rows,
            chunks=None if query.took is None else query.progress.chunks,
            error=query.error,
        )

    def _write_history(self) -> None:
        """Write what gathered, in one transaction: many short queries cost the metadata little."""
        ended = False
        while not ended:
            gathered = [self._history.get()]
            self._closing.wait(GATHER)
            while not self._history.empty() and len(gathered) < _WRITES:
                gathered.append(self._history.get())
            ended = None in gathered
            latest = {record.id: record for record in gathered if record is not None}
            for record in latest.values():
                _tell(record)
            try:
                if latest:
                    self._metadata.record_queries(tuple(latest.values()))
            except QservError as error:
                log.warning("the history of queries could not be written", error=error.message, lost=len(latest))
            except Exception:
                log.exception("the history of queries could not be written", lost=len(latest))

    def _watch(self) -> None:
        while not self._closing.wait(TICK):
            try:
                with self._lock:
                    running = list(self._running.values())
                for query in running:
                    if query.limit is not None and query.seconds > query.limit:
                        query.permit.revoke(
                            QueryInterrupted(f"the query took longer than its limit of {query.limit:g} seconds")
                        )
                for request in self._metadata.kill_requests(self._czar):
                    self._obey(request.query, request.connection)
            except QservError as error:
                log.warning("cannot ask for kills", error=error.message)
            except Exception:
                log.exception("cannot look after the queries")

    def _obey(self, query: str | None, connection: int) -> None:
        with self._lock:
            found = [item for item in self._running.values() if item.id == query or item.connection == connection]
        for item in found:
            item.permit.revoke(QueryKilled("Query execution was interrupted"))
        if query is None:
            self.close_connection(connection, None)


def _tell(record: QueryRecord) -> None:
    """A line of the log for a query that ended."""
    if record.ended is not None:
        log.info(
            "query ended",
            query=record.id,
            account=record.account,
            state=record.state,
            rows=record.rows,
            chunks=record.chunks,
            seconds=round(record.ended - record.started, 6),
            error=record.error,
        )
