"""The one question that drain, rollout, replacement and the disruption budget all ask: may these workers be stopped?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from qserv.catalog.model import WorkerState

_ANSWERING = frozenset({WorkerState.ONLINE, WorkerState.READ_ONLY, WorkerState.DRAINING})


@dataclass(frozen=True, slots=True)
class Held:
    """A unit that has rows, as ``family/number`` or the like, and the ids of the workers that hold it."""

    name: str
    workers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``forbidding`` names the units that would be out of reach."""

    safe: bool
    reason: str
    forbidding: tuple[str, ...] = ()


def safe_to_stop(stopping: Collection[int], states: Mapping[int, WorkerState], units: Iterable[Held]) -> Verdict:
    """Whether every unit stays in reach on a worker that answers now when the workers ``stopping`` are gone.

    A unit that is out of reach already does not forbid it, unless one of the workers to stop holds it: a stopped worker
    cannot come back with it.
    """
    gone = set(stopping)
    forbidding = []
    for unit in units:
        if gone.isdisjoint(unit.workers):
            continue
        if not any(worker not in gone and states.get(worker) in _ANSWERING for worker in unit.workers):
            forbidding.append(unit.name)
    if not forbidding:
        return Verdict(True, "every chunk stays in reach on other workers")
    return Verdict(
        False,
        f"{len(forbidding)} chunk(s) have no other copy in reach: wait for repair, or add workers",
        tuple(forbidding),
    )
