"""How fast the controller decides in a large cluster: 150,000 chunks on 500 workers in 50 racks.

Seconds are those of the processor: others who use the machine do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO, TypeVar

from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.replication.moves import Plan, Site, plan
from qserv.replication.placement import Slot, place
from qserv.replication.safety import Held, safe_to_stop
from qserv.replication.status import count

CHUNKS, WORKERS, RACKS, FACTOR = 150_000, 500, 50, 3
CHUNK_BYTES = 1 << 30
CAPACITY = 4 * CHUNKS * FACTOR * CHUNK_BYTES // WORKERS

T = TypeVar("T")


def sites(lost: frozenset[int] = frozenset()) -> list[Site]:
    return [
        Site(
            number,
            f"worker-{number:03}",
            f"rack-{number % RACKS:02}",
            WorkerState.LOST if number in lost else WorkerState.ONLINE,
            CAPACITY,
            CAPACITY,
        )
        for number in range(1, WORKERS + 1)
    ]


def cluster() -> list[UnitRow]:
    """All chunks, placed as the controller places them."""
    slots = [Slot(site.id, site.name, site.domain, site.capacity) for site in sites()]
    placed = place(range(CHUNKS), slots, FACTOR)
    return [
        UnitRow(number + 1, UnitKind.CHUNK, 1, number, CHUNK_BYTES, tuple(holders))
        for number, holders in placed.items()
    ]


def lost_worker(units: list[UnitRow]) -> Plan:
    """All moves that the loss of one worker asks for."""
    return plan(units, sites(frozenset({7})), FACTOR, CHUNKS, frozenset())


def measure(out: TextIO) -> None:
    units, seconds = _timed(cluster)
    print(f"{CHUNKS:,} chunks x {FACTOR} placed on {WORKERS} workers: {seconds:.2f} s", file=out)
    found, seconds = _timed(lambda: lost_worker(units))
    print(f"moves for a lost worker ({len(found.moves):,}): {seconds:.2f} s", file=out)
    states = {site.id: site.state for site in sites()}
    _, seconds = _timed(lambda: count(units, states, FACTOR))
    print(f"status counted anew: {seconds * 1000:.0f} ms", file=out)
    _, seconds = _timed(lambda: safe_to_stop([7, 107], states, (Held(str(unit.id), unit.workers) for unit in units)))
    print(f"safe-to-stop of two workers: {seconds * 1000:.0f} ms", file=out)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    found = work()
    return found, time.process_time() - began
