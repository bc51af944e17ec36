"""The contributions that this worker was given: started, followed, cancelled."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from qserv.catalog import logs
from qserv.catalog.errors import QservError, Unavailable
from qserv.catalog.flight import failure_of
from qserv.catalog.messages import Contribute, ContributionKey, ContributionState, LookupHeader
from qserv.catalog.rest import Controller
from qserv.storage.sources import part_of
from qserv.worker import heaps
from qserv.worker.allowed import refuse_foreign
from qserv.worker.contribute import Contributor
from qserv.worker.peers import Peers
from qserv.worker.places import DirectorIndex
from qserv.worker.routes import Routes
from qserv.worker.staging import Staging
from qserv.worker.uploads import SCHEME, Uploads

PARALLEL = 2
"""Contributions that are read at a time; others wait their turn."""

_REMEMBERED = 10_000

log = logs.get(__name__)


@dataclass(slots=True)
class _Task:
    wish: Contribute
    state: ContributionState = field(default_factory=lambda: ContributionState(state="running"))
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class Contributions:
    """Thread-safe.

    Parameters
    ----------
    own : this worker's name.
    lookup : looks keys up in index files of this worker.
    spool : folder for copies of remote files.
    memory : bytes that input rows may hold in all.
    source_dirs : folders of this machine whose files may be read.
    uploads : files that were sent here.
    """

    def __init__(
        self,
        own: str,
        controller: Controller,
        peers: Peers,
        staging: Staging,
        lookup: Callable[[LookupHeader, pa.Array], pa.Table],
        *,
        spool: Path,
        memory: int,
        source_dirs: Sequence[Path],
        uploads: Uploads,
    ) -> None:
        self._uploads = uploads
        self._own = own
        self._controller = controller
        self._peers = peers
        self._staging = staging
        self._lookup = lookup
        self._spool = spool
        self._memory = memory // PARALLEL
        self._source_dirs = source_dirs
        self._lock = threading.Lock()
        self._tasks: OrderedDict[tuple[int, int], _Task] = OrderedDict()
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="contribute")

    def start(self, wish: Contribute) -> None:
        """Begin a contribution; one that was begun goes on as it is."""
        key = (wish.contribution, wish.attempt)
        with self._lock:
            if key in self._tasks:
                return
            task = self._tasks[key] = _Task(wish)
            self._forget_oldest()
        self._pool.submit(self._run, task)

    def state(self, key: ContributionKey) -> ContributionState:
        with self._lock:
            task = self._tasks.get((key.contribution, key.attempt))
        if task is None:
            return ContributionState(state="unknown")
        task.ended.wait(key.wait)
        return task.state

    def cancel(self, key: ContributionKey) -> None:
        with self._lock:
            task = self._tasks.get((key.contribution, key.attempt))
        if task is not None:
            task.cancelled.set()

    def cancel_transaction(self, transaction: int) -> None:
        """Stop all contributions of a transaction that is void."""
        with self._lock:
            tasks = [task for task in self._tasks.values() if task.wish.transaction == transaction]
        for task in tasks:
            task.cancelled.set()

    def close(self) -> None:
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            task.cancelled.set()
            task.ended.set()
        self._pool.shutdown(cancel_futures=True)

    def _forget_oldest(self) -> None:
        ended = [key for key, task in self._tasks.items() if task.state.state != "running"]
        for key in ended[: max(0, len(self._tasks) - _REMEMBERED)]:
            del self._tasks[key]

    def _run(self, task: _Task) -> None:
        wish = task.wish

        def report(state: ContributionState) -> None:
            task.state = state

        bound = logs.bound(transaction=wish.transaction, contribution=wish.contribution, attempt=wish.attempt)
        with bound, heaps.given_back():
            routes = Routes(wish, self._own, self._staging, self._peers, self._controller.units)
            try:
                contributor = Contributor(
                    wish.model_copy(update={"url": self._readable(wish)}),
                    routes,
                    self._index,
                    spool=self._spool,
                    memory=self._memory,
                    report=report,
                    cancelled=task.cancelled,
                )
                task.state = contributor.run()
                log.info("contributed", rows=task.state.rows, bytes=task.state.bytes, dropped=task.state.dropped)
            except QservError as error:
                log.warning("contribution failed", code=error.code, reason=error.message)
                task.state = _failed(task.state, error)
            except Exception as error:
                log.exception("contribution failed")
                told = QservError(f"the worker failed: {type(error).__name__}: {error}")
                task.state = _failed(task.state, told)
            finally:
                task.ended.set()

    def _readable(self, wish: Contribute) -> str:
        """The URL of a file that may be read."""
        if wish.url.startswith(f"{SCHEME}://"):
            return str(self._uploads.path(wish.transaction, wish.url))
        refuse_foreign(part_of(wish.url)[0], self._source_dirs)
        return wish.url

    def _index(self, database: str, table: str) -> DirectorIndex:
        view = self._controller.index(database, table)

        def lookup(worker: str, header: LookupHeader, keys: pa.Array) -> pa.Table:
            if worker == self._own:
                return self._lookup(header, keys)
            address = view.workers.get(worker)
            if address is None:
                raise Unavailable(f"the controller gives no address of worker {worker}")
            return self._peers.client(address).lookup(header, keys)

        return DirectorIndex(view, self._own, lookup)


def _failed(state: ContributionState, error: QservError) -> ContributionState:
    return state.model_copy(update={"state": "failed", "failure": failure_of(error)})
