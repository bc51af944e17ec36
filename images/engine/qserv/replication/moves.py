"""Which copies to make and which to give up. Pure: a picture in, moves out, the same for the same picture.

First come units with the fewest copies left, then other missing copies, then copies that share a failure domain while
there is a choice, then balance: bytes held in proportion to capacity, within 5 %, by as few bytes moved as it takes. A
unit has one move at a time. Nothing is ever given up that leaves fewer good copies than wanted.

A *suspect* worker is silent for seconds only, and its copies count. Where one other copy is all that is left they count
no longer once the silence is ``overdue``: such units are made safe before the worker is called lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qserv.catalog.metadata.moving import MoveWish
from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.replication.placement import Slot, Wheel

BALANCE = 0.05
"""Part of the mean fill by which workers may differ from it."""

_ANSWERING = frozenset({WorkerState.ONLINE, WorkerState.READ_ONLY, WorkerState.DRAINING})
_STAYING = frozenset({WorkerState.ONLINE, WorkerState.READ_ONLY})


@dataclass(frozen=True, slots=True)
class Site:
    """A worker as moves see it; ``free`` is what it says its disk has."""

    id: int
    name: str
    domain: str
    state: WorkerState
    capacity: int
    free: int
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """A copy to be given up: there are enough without it."""

    unit: int
    worker: int


@dataclass(frozen=True, slots=True)
class Plan:
    moves: tuple[MoveWish, ...]
    drops: tuple[Drop, ...]


def plan(units: Iterable[UnitRow], sites: Sequence[Site], factor: int, limit: int, busy: frozenset[int]) -> Plan:
    """The next moves, at most ``limit``, and what may be given up now. Units in ``busy`` are left alone."""
    known = {site.id: site for site in sites}
    rows = [unit for unit in units if unit.id not in busy]
    staying = [site for site in sites if site.state in _STAYING]
    used = _used(rows)
    wheel = Wheel(
        Slot(site.id, site.name, site.domain, min(site.capacity - used.get(site.id, 0), site.free))
        for site in sites
        if site.state is WorkerState.ONLINE
    )
    urgent: list[tuple[int, int, UnitRow, str]] = []
    drops: list[Drop] = []
    for unit in rows:
        wanted = len(staying) if unit.kind is UnitKind.FULL else min(factor, len(staying))
        copies = _Copies.of(unit, known)
        if copies.alive and copies.counted(wanted) < wanted:
            urgent.append((len(copies.alive), unit.id, unit, "repair"))
        elif len(copies.secure) >= wanted > 0:
            spare = _surplus(unit, copies, known, wanted, used)
            drops += [Drop(unit.id, worker) for worker in spare]
            if not spare and _crowded(copies, known, staying):
                urgent.append((len(known) + 1, unit.id, unit, "domain"))
    moves = _copies(sorted(urgent, key=lambda one: one[:2])[:limit], known, wheel)
    if not moves and not drops and not busy:
        # Weighed on the whole picture alone: what is under way would be missing on one side, and go to and fro.
        moves = balance(rows, staying, used, limit)
    return Plan(tuple(moves), tuple(drops))


def enough(factor: int, states: Iterable[WorkerState]) -> int:
    """Copies of a unit, at least one, that there are to be before another copy of it may be removed."""
    return max(1, min(factor, sum(state in _STAYING for state in states)))


@dataclass(frozen=True, slots=True)
class _Copies:
    alive: tuple[int, ...]  # answer now
    secure: tuple[int, ...]  # and are to stay
    silent: tuple[int, ...]  # suspect
    overdue: bool

    @classmethod
    def of(cls, unit: UnitRow, known: Mapping[int, Site]) -> _Copies:
        there = [known[worker] for worker in unit.workers if worker in known]
        return cls(
            tuple(site.id for site in there if site.state in _ANSWERING),
            tuple(site.id for site in there if site.state in _STAYING),
            tuple(site.id for site in there if site.state is WorkerState.SUSPECT),
            any(site.overdue for site in there if site.state is WorkerState.SUSPECT),
        )

    def counted(self, wanted: int) -> int:
        last = len(self.alive) == 1 and wanted > 1 and self.overdue
        return len(self.secure) + (0 if last else len(self.silent))


def _copies(urgent: Sequence[tuple[int, int, UnitRow, str]], known: Mapping[int, Site], wheel: Wheel) -> list[MoveWish]:
    moves = []
    for _, _, unit, reason in urgent:
        holders = [known[worker] for worker in unit.workers if worker in known]
        near = [site for site in holders if site.state in (*_STAYING, WorkerState.SUSPECT)]
        target = wheel.deal(1, taken=unit.workers, domains={site.domain for site in near})
        if target:
            drop = _crowding(near) if reason == "domain" else None
            moves.append(MoveWish(unit.id, target[0], drop, reason, unit.bytes))
    return moves


def _surplus(
    unit: UnitRow, copies: _Copies, known: Mapping[int, Site], wanted: int, used: Mapping[int, int]
) -> list[int]:
    """Holders that may go: those that drain or are lost, then the fullest of too many, crowded domains first."""
    gone = [
        worker
        for worker in unit.workers
        if worker in known and known[worker].state in (WorkerState.DRAINING, WorkerState.LOST)
    ]
    if unit.kind is UnitKind.FULL:
        return gone
    secure = list(copies.secure)
    surplus = []
    while len(secure) > wanted:
        domains = [known[worker].domain for worker in secure]
        worst = max(secure, key=lambda one: (domains.count(known[one].domain), used.get(one, 0), known[one].name))
        secure.remove(worst)
        surplus.append(worst)
    return gone + surplus


def _crowded(copies: _Copies, known: Mapping[int, Site], staying: Sequence[Site]) -> bool:
    domains = {known[worker].domain for worker in copies.secure}
    if len(domains) == len(copies.secure):
        return False
    return any(site.domain not in domains and site.state is WorkerState.ONLINE for site in staying)


def _crowding(holders: Sequence[Site]) -> int | None:
    """The holder that shares its domain with another, the last of its name."""
    domains = [site.domain for site in holders]
    crowd = [site for site in holders if domains.count(site.domain) > 1]
    return max(crowd, key=lambda site: site.name).id if crowd else None


def _used(units: Iterable[UnitRow]) -> dict[int, int]:
    used: dict[int, int] = {}
    for unit in units:
        for worker in unit.workers:
            used[worker] = used.get(worker, 0) + unit.bytes
    return used


def balance(units: Sequence[UnitRow], staying: Sequence[Site], used: Mapping[int, int], limit: int) -> list[MoveWish]:
    """Moves from the fullest to the emptiest worker, until all are within 5 % of the mean fill or ``limit`` is reached.

    Each takes the largest unit that does not overshoot, so that few bytes go.
    """
    online = [site for site in staying if site.state is WorkerState.ONLINE and site.capacity > 0]
    total = sum(site.capacity for site in online)
    if len(online) < 2 or total == 0:
        return []
    held = {site.id: used.get(site.id, 0) for site in online}
    mean = sum(held.values()) / total
    domains = {site.id: site.domain for site in staying}
    over = {site.id: held[site.id] - mean * site.capacity for site in online}
    capacity = {site.id: site.capacity for site in online}
    by_holder: dict[int, list[UnitRow]] = {site.id: [] for site in online}
    for unit in sorted(units, key=lambda one: (-one.bytes, one.id)):
        if unit.kind is not UnitKind.FULL and unit.bytes > 0:
            for worker in unit.workers:
                if worker in by_holder:
                    by_holder[worker].append(unit)
    moves: list[MoveWish] = []
    taken: set[int] = set()
    full = sorted(by_holder, key=lambda worker: (-over[worker] / capacity[worker], worker))
    slack = {worker: BALANCE * mean * size for worker, size in capacity.items()}
    for source in full:
        low = _below(source, over, slack)
        for unit in by_holder[source]:
            if len(moves) >= limit or not low:
                break
            fitting = [one for one in low if _fits(unit, source, one, over, domains)]
            if unit.id in taken or not fitting:
                continue
            target = min(fitting, key=lambda worker: (over[worker] / capacity[worker], worker))
            taken.add(unit.id)
            over[source] -= unit.bytes
            over[target] += unit.bytes
            moves.append(MoveWish(unit.id, target, source, "balance", unit.bytes))
            low = _below(source, over, slack)
    return moves


def _below(source: int, over: Mapping[int, float], slack: Mapping[int, float]) -> list[int]:
    """Who may take from a worker: all below the mean while it has too much itself, else those that have too little."""
    if over[source] > slack[source]:
        return [worker for worker, excess in over.items() if excess < 0]
    return [worker for worker, excess in over.items() if excess < -slack[worker]] if over[source] > 0 else []


def _fits(unit: UnitRow, source: int, target: int, over: Mapping[int, float], domains: Mapping[int, str]) -> bool:
    """Whether a move brings both nearer to the mean, and no two copies into one domain."""
    if target in unit.workers or over[target] >= 0:
        return False
    if unit.bytes > min(over[source], -over[target]):
        return False
    others = {domains.get(worker) for worker in unit.workers if worker != source}
    return domains[target] not in others
