"""Calls to workers: one client an address, many calls at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeVar, get_args

from qserv.catalog.errors import QservError
from qserv.catalog.flight import WorkerClient
from qserv.catalog.trust import Trust

K = TypeVar("K")
T = TypeVar("T")

Lane = Literal["short", "commit", "compact", "scrub"]
"""Kinds of calls that wait for none of another kind: ``short`` ones, and those that may take minutes."""


class Calls:
    """The workers as the controller reaches them. Thread-safe.

    Parameters
    ----------
    connect : makes the client of a worker at a Flight address.
    parallel : how many calls of a lane go on at a time.
    """

    def __init__(self, connect: Callable[[str], WorkerClient], parallel: int = 32) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._clients: dict[str, WorkerClient] = {}
        self._lanes = {lane: ThreadPoolExecutor(parallel, thread_name_prefix=lane) for lane in get_args(Lane)}
        # Work that waits for calls has threads of its own: it could not wait for threads that it holds itself.
        self._errands = ThreadPoolExecutor(parallel, thread_name_prefix="errand")

    @classmethod
    def trusting(cls, trust: Trust) -> Calls:
        return cls(lambda address: WorkerClient(address, trust))

    def client(self, address: str) -> WorkerClient:
        with self._lock:
            if address not in self._clients:
                self._clients[address] = self._connect(address)
            return self._clients[address]

    def background(self, work: Callable[[], T]) -> Future[T]:
        """Begin work that makes calls by itself."""
        return self._errands.submit(work)

    def all(self, works: Mapping[K, Callable[[], T]], lane: Lane = "short") -> dict[K, T | QservError]:
        """What each work returns, or the error that it raised; errors that are not the cluster's own are raised."""
        futures = {key: self._lanes[lane].submit(work) for key, work in works.items()}
        found: dict[K, T | QservError] = {}
        for key, future in futures.items():
            try:
                found[key] = future.result()
            except QservError as error:
                found[key] = error
        return found

    def close(self) -> None:
        for pool in (self._errands, *self._lanes.values()):
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
