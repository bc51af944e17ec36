"""Gives contributions to workers, follows them, and gives them out anew when what they staged is lost.

All that is known stands in the metadata: a contribution is ``queued``, then ``running`` on a worker in an attempt, then
``done`` or ``failed``. Staged rows live as long as the process that holds them, so a contribution remembers the process
(``boot``) of each worker that took its rows; where one of them is another now, the contribution is run anew, in its
next attempt, and rows of former attempts are never written.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import QservError, Unavailable, WorkerFailed
from qserv.catalog.flight import failure_of
from qserv.catalog.messages import Contribute, ContributionKey, ContributionState, Failure
from qserv.catalog.metadata import Metadata, ingests, tables
from qserv.catalog.metadata.ingests import ContributionRow
from qserv.catalog.metadata.snapshot import qualified
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.replication import metrics, views
from qserv.replication.calls import Calls
from qserv.replication.leader import Leader
from qserv.replication.registry import Registry
from qserv.replication.uploading import worker_of

log = logs.get(__name__)

RUNNING_PER_WORKER = 2
MAX_ATTEMPTS = 12
_LONGEST_PAUSE = 5.0
_FOLLOW_SECONDS = 0.1
"""How long a worker may wait with its answer for the contribution to end: others are given out in between."""

_PASSING = frozenset({Unavailable.code, WorkerFailed.code, "file-missing", "chunk-unavailable", "query-killed"})
"""Codes of failures that another attempt may not meet."""


class Contributing:
    """One round is :meth:`step`; the leader runs it again and again."""

    def __init__(self, metadata: Metadata, leader: Leader, registry: Registry, calls: Calls) -> None:
        self._metadata = metadata
        self._leader = leader
        self._registry = registry
        self._calls = calls

    def step(self) -> bool | None:
        """True while contributions are running, so that the next round is to follow at once: it waits for them.

        False when no transaction has any.
        """
        rows = self._metadata.read(_open_contributions)
        if not rows:
            return False
        workers = self._registry.rows()
        followed = self._follow([row for row in rows if row.state == "running"], workers)
        self._void_lost([row for row in rows if row.state == "done"], workers)
        given = self._hand_out(rows, workers)
        return followed or given or None

    def _follow(self, running: Sequence[ContributionRow], workers: Mapping[int, WorkerRow]) -> bool:
        """Whether all workers that were asked answered: they waited with it, if there was nothing to tell."""
        asked = {}
        for row in running:
            worker = workers.get(row.worker_id or 0)
            if worker is None or _silent(worker) or worker.boot != row.boots.get(worker.name):
                self._requeue(row, f"worker {worker.name if worker else row.worker_id} was lost while it read the file")
            else:
                asked[row.id] = partial(self._ask, worker.flight, row)
        by_id = {row.id: row for row in running}
        answered = bool(asked)
        for identifier, told in self._calls.all(asked).items():
            row = by_id[identifier]
            if isinstance(told, Unavailable):
                answered = False
                continue  # the registry says when a worker that does not answer is to be given up
            if isinstance(told, QservError):
                self._ended_badly(row, ContributionState(state="failed", failure=failure_of(told)))
            elif told.state == "unknown":
                self._requeue(row, "the worker does not know of it")
            elif told.state == "failed":
                self._ended_badly(row, told)
            else:
                self._leader.write(partial(ingests.report, contribution=row.id, attempt=row.attempt, told=told))
        return answered

    def _ask(self, address: str, row: ContributionRow) -> ContributionState:
        key = ContributionKey(contribution=row.id, attempt=row.attempt, wait=_FOLLOW_SECONDS)
        return self._calls.client(address).action("contribution", key, ContributionState)

    def _ended_badly(self, row: ContributionRow, told: ContributionState) -> None:
        failure = told.failure or Failure(code=WorkerFailed.code, message="the worker gave no reason")
        if failure.code in _PASSING and row.attempt < MAX_ATTEMPTS:
            self._requeue(row, failure.message, failure.code)
        else:
            log.warning("contribution failed", contribution=row.name, code=failure.code, reason=failure.message)
            final = told.model_copy(update={"failure": failure})
            self._leader.write(partial(ingests.report, contribution=row.id, attempt=row.attempt, told=final))

    def _void_lost(self, done: Sequence[ContributionRow], workers: Mapping[int, WorkerRow]) -> None:
        processes = {worker.name: worker.boot for worker in workers.values() if worker.state is not WorkerState.LOST}
        for row in done:
            lost = [name for name, boot in row.boots.items() if processes.get(name) != boot]
            if lost:
                self._requeue(row, f"worker {lost[0]} lost the rows that it had staged")

    def _fail(self, row: ContributionRow, failure: Failure) -> None:
        log.warning("contribution failed", contribution=row.name, code=failure.code, reason=failure.message)
        self._leader.write(partial(ingests.fail, contribution=row.id, attempt=row.attempt, failure=failure))

    def _requeue(self, row: ContributionRow, reason: str, code: str = WorkerFailed.code) -> None:
        log.info("contribution is run anew", contribution=row.name, transaction=row.transaction_id, reason=reason)
        metrics.CONTRIBUTIONS_AGAIN.inc()
        failure = Failure(code=code, message=reason)
        self._leader.write(partial(ingests.requeue, contribution=row.id, attempt=row.attempt, reason=failure))

    def _hand_out(self, rows: Sequence[ContributionRow], workers: Mapping[int, WorkerRow]) -> bool:
        """Whether any was given to a worker."""
        able = [worker for worker in workers.values() if worker.state in (WorkerState.ONLINE, WorkerState.READ_ONLY)]
        busy = Counter(row.worker_id for row in rows if row.state == "running")
        boots = {worker.name: worker.boot for worker in workers.values()}
        given = False
        for row in rows:
            # It may have been written by another controller, on a machine whose clock is ahead.
            if row.state != "queued" or 0.0 <= time.time() - row.changed < _pause(row.attempt):
                continue
            keeper = worker_of(row.url)
            if keeper is not None and _gone(keeper, workers):
                lost = f"worker {keeper} is lost, and with it the file that was sent to it: send it again"
                self._fail(row, Failure(code=Unavailable.code, message=lost))
                continue
            free = [worker for worker in able if busy[worker.id] < RUNNING_PER_WORKER and keeper in (None, worker.name)]
            if not free:
                continue
            worker = min(free, key=lambda one: (busy[one.id], one.name))
            busy[worker.id] += 1
            self._give(row, worker, boots)
            given = True
        return given

    def _give(self, row: ContributionRow, worker: WorkerRow, boots: Mapping[str, str]) -> None:
        message = self._metadata.read(partial(_message, row=row))
        self._leader.write(partial(ingests.assign, contribution=row.id, worker=worker.id, boots=boots))
        try:
            self._calls.client(worker.flight).action("contribute", message)
        except Unavailable as error:
            # Whether the word was heard is found out when the worker is asked about it.
            log.warning("contribution may not have been heard", worker=worker.name, error=error.message)
        except QservError as error:
            running = ContributionState(state="failed", failure=failure_of(error))
            self._ended_badly(row, running)


def _silent(worker: WorkerRow) -> bool:
    return worker.state in (WorkerState.SUSPECT, WorkerState.LOST)


def _gone(name: str, workers: Mapping[int, WorkerRow]) -> bool:
    return all(worker.state is WorkerState.LOST for worker in workers.values() if worker.name == name)


def _pause(attempt: int) -> float:
    """Seconds that a contribution waits before its next attempt."""
    return 0.0 if attempt == 1 else min(0.2 * 2.0 ** (attempt - 2), _LONGEST_PAUSE)


def _open_contributions(connection: Connection) -> list[ContributionRow]:
    return [
        row
        for ingest in reversed(ingests.ingests(connection, states=("started", "committing")))
        for row in ingests.contributions(connection, ingest.id)
    ]


def _message(connection: Connection, row: ContributionRow) -> Contribute:
    table = tables.by_id(connection, row.table_id)
    # rows of a match table lie with the first of its directors
    name = table.spec.director or (table.spec.directors[0] if table.spec.directors else None)
    director = tables.table(connection, *qualified(name, table.database.name)) if name is not None else None
    return Contribute(
        contribution=row.id,
        attempt=row.attempt,
        transaction=row.transaction_id,
        table=views.table_facts(table),
        director=views.table_facts(director) if director is not None else None,
        url=row.url,
    )
