"""Who is there: workers' heartbeats, and what their silence means.

A heartbeat is a write only when it tells something new: when each was last heard is kept in memory. A controller that
begins to lead knows of no heartbeat, and gives every worker the time to be heard before it calls one silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qserv.catalog import logs
from qserv.catalog.errors import Conflict, WrongCluster
from qserv.catalog.messages import PROTOCOL, Heartbeat, understood
from qserv.catalog.metadata import Metadata, workers
from qserv.catalog.metadata.workers import WorkerRow
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings
from qserv.replication.leader import Leader

log = logs.get(__name__)

_FREE_CHANGE = 0.01
"""A change of a worker's free space by less than this part of its capacity is not written."""


@dataclass(frozen=True, slots=True)
class Heard:
    row: WorkerRow
    at: float  # monotonic seconds


class Registry:
    """The workers, as far as they are heard. Thread-safe."""

    def __init__(
        self,
        metadata: Metadata,
        leader: Leader,
        settings: Callable[[], RuntimeSettings],
        *,
        cluster: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._settings = settings
        self._cluster = cluster
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, Heard] = {}
        self._returned: dict[str, bool] = {}

    def reload(self) -> None:
        """Begin anew from the metadata, as one that has just begun to lead."""
        now = self._clock()
        rows = self._metadata.read(workers.workers)
        with self._lock:
            self._heard = {row.name: Heard(row, now) for row in rows}
            self._returned = {
                row.name: row.state is WorkerState.LOST or self._returned.get(row.name, False) for row in rows
            }

    def heartbeat(self, name: str, beat: Heartbeat) -> WorkerRow:
        """Note that a worker is there.

        Raises
        ------
        WrongCluster
            When its disk belongs to another cluster.
        Conflict
            When it speaks another protocol, or another worker has its name or disk.
        """
        if not understood(beat.protocol):
            raise Conflict(
                f"worker {name!r} speaks protocol {beat.protocol}, this controller {PROTOCOL}: run the same version,"
                " or upgrade through the versions between"
            )
        if beat.cluster is not None and beat.cluster != self._cluster:
            raise WrongCluster(
                f"the disk of worker {name!r} belongs to cluster {beat.cluster}, this is {self._cluster}:"
                " start it with its own disk, or with an empty one"
            )
        with self._lock:
            known = self._heard.get(name)
        if known is not None and not _new(known.row, beat):
            with self._lock:
                self._heard[name] = Heard(known.row, self._clock())
            return known.row
        row = self._leader.write(lambda connection: workers.register(connection, name, beat, time.time()))
        if known is None or known.row.boot != row.boot or known.row.state is WorkerState.LOST:
            log.info("worker is there", worker=name, flight=row.flight, state=row.state)
        with self._lock:
            self._heard[name] = Heard(row, self._clock())
            lost = known is not None and known.row.state is WorkerState.LOST
            # Also one that is new: its disk may have been another's, or its own before it was forgotten.
            if known is None or known.row.boot != row.boot or lost:
                self._returned[name] = self._returned.get(name, False) or lost
        return row

    def watch(self) -> None:
        """Call workers suspect or lost that were silent for too long."""
        wish = self._settings()
        now = self._clock()
        for name, heard in self.heard().items():
            told = judged(heard.row.state, now - heard.at, wish)
            if told is not None:
                self._silent(name, heard, told)

    def _silent(self, name: str, heard: Heard, state: WorkerState) -> None:
        self._leader.write(lambda connection: workers.set_silent(connection, heard.row.id, state))
        log.warning("worker is silent", worker=name, state=state)
        row = self._metadata.read(lambda connection: workers.worker(connection, name))
        with self._lock:
            if self._heard.get(name) == heard:
                self._heard[name] = Heard(row, heard.at)
            else:
                # It was heard while it was called silent: its next heartbeat tells the metadata so.
                self._heard[name] = Heard(row, self._clock())

    def set_wanted(self, name: str, state: WorkerState) -> WorkerRow:
        row = self._leader.write(lambda connection: workers.set_wanted(connection, name, state))
        with self._lock:
            heard = self._heard.get(name)
            self._heard[name] = Heard(row, heard.at if heard else self._clock())
        return row

    def forget(self, name: str) -> None:
        self._leader.write(lambda connection: workers.forget(connection, name))
        with self._lock:
            self._heard.pop(name, None)
            self._returned.pop(name, None)

    def heard(self) -> Mapping[str, Heard]:
        """All workers by name; ``at`` on the registry's clock."""
        with self._lock:
            return dict(self._heard)

    def rows(self) -> dict[int, WorkerRow]:
        """All workers by id."""
        return {heard.row.id: heard.row for heard in self.heard().values()}

    def silence(self, heard: Heard) -> float:
        """Seconds since a worker was heard."""
        return max(0.0, self._clock() - heard.at)

    def take_returned(self) -> dict[str, bool]:
        """Workers that came (back) with a disk whose files are to be compared with the metadata; told once.

        The value is True of one that had been lost.
        """
        with self._lock:
            found, self._returned = self._returned, {}
            return found

    def give_back(self, name: str, *, lost: bool) -> None:
        """The comparison could not be made: it is to be told again."""
        with self._lock:
            self._returned[name] = self._returned.get(name, False) or lost


def judged(state: WorkerState, silence: float, wish: RuntimeSettings) -> WorkerState | None:
    """What a worker is to be called that has been silent for so many seconds; None: as before."""
    if silence > wish.lost_after:
        return WorkerState.LOST if state is not WorkerState.LOST else None
    if silence > wish.suspect_after and state not in (WorkerState.SUSPECT, WorkerState.LOST):
        return WorkerState.SUSPECT
    return None


def _new(row: WorkerRow, beat: Heartbeat) -> bool:
    told = (beat.flight, beat.http, beat.boot, beat.identity, beat.domain, beat.capacity)
    known = (row.flight, row.http, row.boot, row.identity, row.domain, row.capacity)
    moved = abs(beat.free - row.free) > _FREE_CHANGE * max(beat.capacity, 1)
    return told != known or moved or row.state is not row.wanted
