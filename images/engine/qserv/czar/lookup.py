"""Look-ups in the director index: from keys to the chunks where their rows are.

The index of a director is cut by a hash of the key into partitions, each on several workers: the keys of a partition
are asked of one worker, of the next one when that fails.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

import numpy as np

from qserv.catalog.errors import ChunkUnavailable, QservError, SqlError, Unavailable
from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import ChunkLookup
from qserv.catalog.model import Placement, WorkerFacts, WorkerState
from qserv.czar.cancelling import RESTART_PAUSES, Permit
from qserv.czar.damage import Damage
from qserv.sql.plan import KeyLookup
from qserv.storage.index import partition_of

Clients = Callable[[WorkerFacts], WorkerClient]


def find(
    lookup: KeyLookup, placement: Placement, clients: Clients, pool: Executor, damage: Damage, permit: Permit
) -> frozenset[int]:
    """The chunks that hold rows of the keys.

    Raises
    ------
    ChunkUnavailable
        Where no replica of a partition of the index answers.
    QservError
        Why the query's permit was revoked while this waited for workers that restart.
    """
    asked = _requests(lookup, placement)
    ask = partial(_ask, lookup=lookup, placement=placement, clients=clients, damage=damage)
    # whoever waits does so in the query's own thread: the pool's few are everybody's
    for pause in RESTART_PAUSES:
        try:
            return _together(ask, asked, pool)
        except ChunkUnavailable as error:
            if not isinstance(error.__cause__, Unavailable):
                raise
        permit.pause(pause)
    return _together(ask, asked, pool)


def _together(
    ask: Callable[[tuple[int, ChunkLookup]], frozenset[int]], asked: list[tuple[int, ChunkLookup]], pool: Executor
) -> frozenset[int]:
    return ask(asked[0]) if len(asked) == 1 else frozenset().union(*pool.map(ask, asked))


def _requests(lookup: KeyLookup, placement: Placement) -> list[tuple[int, ChunkLookup]]:
    """For each partition of the index that may have the keys, its number and what it is asked."""
    director = lookup.director
    files = placement.index_files.get(director.id, {})
    if director.family is None or director.key is None:
        raise ValueError(f"{director.name} has no index: it is not a director")

    def paths(number: int) -> tuple[str, ...]:
        folder = f"{director.database}/{director.name}/index-{number}"
        return tuple(f"{folder}/{name}" for name in files[number].index)

    if lookup.keys is None:
        return [(number, ChunkLookup(paths=paths(number), low=lookup.low, high=lookup.high)) for number in files]
    column = director.column(director.key)
    unsigned = column is not None and column.type.unsigned
    low, high = (0, (1 << 64) - 1) if unsigned else (-(1 << 63), (1 << 63) - 1)
    keys = np.array(
        sorted({key for key in lookup.keys if low <= key <= high}), dtype=np.uint64 if unsigned else np.int64
    )
    numbers = partition_of(keys, director.family.index_partitions)
    return [
        (number, ChunkLookup(paths=paths(number), keys=tuple(keys[numbers == number].tolist())))
        for number in np.unique(numbers).tolist()
        if number in files
    ]


def _ask(
    request: tuple[int, ChunkLookup], lookup: KeyLookup, placement: Placement, clients: Clients, damage: Damage
) -> frozenset[int]:
    """The chunks that one worker finds in a partition; the failure's cause is a worker that could not be reached."""
    number, wish = request
    director = lookup.director
    held = placement.index_replicas.get(director.family.id if director.family else 0, {}).get(number, ())
    workers = [placement.workers[worker] for worker in held if worker in placement.workers]
    workers = [worker for worker in workers if worker.state is not WorkerState.LOST]
    workers.sort(key=lambda facts: facts.state is WorkerState.SUSPECT)
    told, unreachable = "", None
    for worker in workers:
        try:
            return frozenset(clients(worker).chunks_of(wish))
        except SqlError:
            raise
        except QservError as error:
            damage.note(worker.id, error)
            told = f" ({error.message})"
            unreachable = error if isinstance(error, Unavailable) else unreachable
    raise ChunkUnavailable(
        f"no worker that can be reached holds partition {number} of the index of "
        f"{director.database}.{director.name}{told}: try again, and look at `qserv status`"
    ) from unreachable
