"""Which controller leads: a lease in the metadata, prolonged while this process lives.

Only the leader decides. Its writes go through :meth:`Leader.write`, which checks the lease's epoch in the same
transaction: a controller that was stopped for a minute and wakes up cannot write over its successor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from qserv.catalog import logs
from qserv.catalog.errors import QservError, Unavailable
from qserv.catalog.metadata import Metadata, chores

log = logs.get(__name__)
T = TypeVar("T")


class Leader:
    """This controller's hold on the lease.

    Parameters
    ----------
    name : of this process, new at every start, so that a former process' writes are told from this one's.
    address : base URL that followers tell their callers.
    seconds : how long a lease lasts without being prolonged.
    """

    def __init__(self, metadata: Metadata, *, name: str, address: str, seconds: float) -> None:
        self._metadata = metadata
        self._name = name
        self._address = address
        self._seconds = seconds
        self._epoch: int | None = None
        self._until = 0.0
        self._taken: list[Callable[[], None]] = []

    def on_taken(self, call: Callable[[], None]) -> None:
        """``call`` is run each time just before this controller begins to lead."""
        self._taken.append(call)

    @property
    def leads(self) -> bool:
        return self._epoch is not None and time.monotonic() < self._until

    @property
    def address(self) -> str:
        return self._address

    def prolong(self) -> None:
        """Take the lease where it is free, or prolong it; to be called several times a lease."""
        asked = time.monotonic()
        held = self._metadata.write(
            lambda connection: chores.take_lease(connection, self._name, self._address, self._seconds)
        )
        if held is None:
            if self._epoch is not None:
                log.warning("lease lost")
            self._epoch = None
            return
        if self._epoch != held.epoch:
            log.info("leading", epoch=held.epoch)
            for call in self._taken:
                call()
        self._epoch, self._until = held.epoch, asked + self._seconds

    def release(self) -> None:
        """Let another controller lead at once."""
        if self._epoch is None:
            return
        self._epoch = None
        try:
            self._metadata.write(lambda connection: chores.release_lease(connection, self._name))
        except QservError as error:
            log.warning("the lease is left to run out", error=error.message)

    def require(self) -> None:
        """Raise Unavailable, with the leader's address where it is known, unless this controller leads."""
        if self.leads:
            return
        held, now = self._metadata.read(lambda connection: (chores.lease(connection), chores.clock(connection)))
        known = held is not None and held.expires > now and held.holder != self._name
        raise Unavailable(
            "this controller does not lead: ask the leader" if known else "no controller leads just now: ask again",
            leader=held.address if known and held is not None else None,
        )

    def write(self, work: Callable[[Connection], T]) -> T:
        """A transaction on the metadata that is committed only while this controller leads."""
        epoch = self._epoch
        if epoch is None:
            self.require()
            raise Unavailable("no controller leads just now: ask again")

        def guarded(connection: Connection) -> T:
            chores.check_lease(connection, self._name, epoch)
            return work(connection)

        return self._metadata.write(guarded)

    def run(self, stop: threading.Event) -> None:
        """Prolong the lease until ``stop`` is set."""
        while not stop.is_set():
            try:
                self.prolong()
            except QservError as error:
                log.warning("the lease cannot be prolonged", error=error.message)
            except Exception:
                # The database may refuse it for now, as one that is read-only or full does.
                log.exception("the lease cannot be prolonged")
            stop.wait(self._seconds / 4)
