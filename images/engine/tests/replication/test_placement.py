"""Placement, moves and the question whether workers may be stopped: pure, so by properties."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.replication.moves import BALANCE, Drop, Site, plan
from qserv.replication.placement import Slot, place
from qserv.replication.safety import Held, safe_to_stop

SLOTS = st.lists(st.tuples(st.integers(0, 4), st.integers(1 << 20, 1 << 40)), min_size=1, max_size=12).map(
    lambda rows: [Slot(n, f"w{n:02}", f"rack-{rack}", room) for n, (rack, room) in enumerate(rows)]
)


@given(SLOTS, st.integers(1, 4), st.sets(st.integers(0, 10_000), max_size=60))
def test_copies_are_on_different_workers_and_in_different_domains(
    slots: list[Slot], copies: int, numbers: set[int]
) -> None:
    placed = place(sorted(numbers), slots, copies)
    domains = {slot.id: slot.domain for slot in slots}
    assert set(placed) == numbers
    for workers in placed.values():
        assert len(workers) == len(set(workers)) == min(copies, len(slots))
        assert len({domains[worker] for worker in workers}) == min(copies, len(set(domains.values())))
    assert placed == place(sorted(numbers, reverse=True), list(reversed(slots)), copies)


@given(st.integers(2, 12), st.integers(1, 3))
def test_equal_workers_get_equal_shares_and_neighbours_lie_apart(workers: int, copies: int) -> None:
    slots = [Slot(n, f"w{n:02}", f"w{n:02}", 1 << 40) for n in range(workers)]
    placed = place(range(120), slots, copies)
    held = Counter(worker for there in placed.values() for worker in there)
    assert max(held.values()) - min(held.values()) <= 1
    if workers > copies:
        assert all(placed[n][0] != placed[n + 1][0] for n in range(119))
    if workers > 2 * copies:
        assert sum(set(placed[n]).isdisjoint(placed[n + 1]) for n in range(119)) >= 90


def test_room_decides_the_share() -> None:
    slots = [Slot(1, "small", "a", 1 << 30), Slot(2, "large", "b", 3 << 30)]
    held = Counter(there[0] for there in place(range(400), slots, 1).values())
    assert held == {1: 100, 2: 300}


def test_a_worker_that_joins_gets_more_but_not_all_neighbours() -> None:
    slots = [Slot(n, f"w{n}", f"w{n}", 1 << 40, 0.0 if n == 3 else 1000.0) for n in range(4)]
    placed = place(range(40), slots, 1)
    assert placed[0] == (3,)
    assert Counter(there[0] for there in placed.values())[3] <= 14


STATES = st.sampled_from([WorkerState.ONLINE] * 4 + list(WorkerState))


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Site], list[UnitRow], int]:
    count = draw(st.integers(1, 8))
    sites = [
        Site(n, f"w{n}", f"rack-{draw(st.integers(0, 3))}", draw(STATES), 1 << 30, 1 << 30, draw(st.booleans()))
        for n in range(count)
    ]
    rows = draw(
        st.lists(st.tuples(st.sets(st.integers(0, count - 1), max_size=3), st.integers(1, 1 << 20)), max_size=40)
    )
    found = [UnitRow(n, UnitKind.CHUNK, 1, n, size, tuple(sorted(holders))) for n, (holders, size) in enumerate(rows)]
    return sites, found, draw(st.integers(1, 3))


def carried_out(units: list[UnitRow], drops: tuple[Drop, ...], moves: object) -> list[UnitRow]:
    holders = {unit.id: list(unit.workers) for unit in units}
    for drop in drops:
        holders[drop.unit].remove(drop.worker)
    for move in moves:  # type: ignore[attr-defined]
        holders[move.unit].append(move.target)
        if move.drop is not None:
            holders[move.unit].remove(move.drop)
    return [UnitRow(unit.id, unit.kind, unit.scope, unit.number, unit.bytes, tuple(holders[unit.id])) for unit in units]


@given(clusters())
@settings(max_examples=200)
def test_moves_converge_and_lose_nothing(cluster: tuple[list[Site], list[UnitRow], int]) -> None:
    sites, units, factor = cluster
    states = {site.id: site.state for site in sites}
    answering = {n for n, state in states.items() if state not in (WorkerState.SUSPECT, WorkerState.LOST)}
    staying = answering - {n for n, state in states.items() if state is WorkerState.DRAINING}
    online = {n for n, state in states.items() if state is WorkerState.ONLINE}
    for _ in range(400):
        found = plan(units, sites, factor, 16, frozenset())
        if not found.moves and not found.drops:
            break
        after = carried_out(units, found.drops, found.moves)
        for before, now in zip(units, after, strict=True):
            assert len(set(now.workers)) == len(now.workers)
            safe = min(factor, len(set(before.workers) & staying))
            assert len(set(now.workers) & staying) >= min(safe, len(staying))
            if set(before.workers) & answering:
                assert set(now.workers) & answering
        assert all(move.target in online for move in found.moves)
        units = after
    else:
        raise AssertionError("moves do not converge")
    silent = {n for n, state in states.items() if state is WorkerState.SUSPECT}
    for unit in units:
        wanted = min(factor, len(staying))
        held = set(unit.workers)
        if held & answering and online - held and not held & silent:
            assert len(held & staying) >= wanted


def test_a_worker_that_joins_is_filled_within_the_tolerance() -> None:
    sites = [Site(n, f"w{n}", f"w{n}", WorkerState.ONLINE, 1 << 30, 1 << 30) for n in range(4)]
    units = [UnitRow(n, UnitKind.CHUNK, 1, n, 1000, (n % 3, (n + 1) % 3)) for n in range(300)]
    moved = 0
    while (found := plan(units, sites, 2, 32, frozenset())).moves:
        moved += len(found.moves)
        units = carried_out(units, found.drops, found.moves)
    held = Counter(worker for unit in units for worker in unit.workers)
    assert all(abs(count - 150) <= 150 * BALANCE + 1 for count in held.values())
    assert moved <= 150


def test_the_last_copies_are_repaired_first() -> None:
    sites = [Site(n, f"w{n}", f"w{n}", WorkerState.ONLINE, 1 << 30, 1 << 30) for n in range(4)]
    units = [UnitRow(1, UnitKind.CHUNK, 1, 1, 10, (0, 1)), UnitRow(2, UnitKind.CHUNK, 1, 2, 10, (0,))]
    assert [move.unit for move in plan(units, sites, 3, 1, frozenset()).moves] == [2]


@pytest.mark.parametrize(
    ("state", "overdue", "repaired"),
    [
        (WorkerState.SUSPECT, False, set[int]()),
        (WorkerState.SUSPECT, True, {1}),
        (WorkerState.LOST, True, {1, 2}),
    ],
)
def test_one_copy_left_is_repaired_before_the_worker_is_called_lost(
    state: WorkerState, overdue: bool, repaired: set[int]
) -> None:
    sites = [Site(n, f"w{n}", f"w{n}", WorkerState.ONLINE, 1 << 30, 1 << 30) for n in range(4)]
    sites[0] = Site(0, "w0", "w0", state, 1 << 30, 1 << 30, overdue)
    units = [UnitRow(1, UnitKind.CHUNK, 1, 1, 10, (0, 1)), UnitRow(2, UnitKind.CHUNK, 1, 2, 10, (0, 2, 3))]
    wishes = [*plan(units[:1], sites, 2, 10, frozenset()).moves, *plan(units[1:], sites, 3, 10, frozenset()).moves]
    assert {wish.unit for wish in wishes} == repaired
    assert {wish.reason for wish in wishes} <= {"repair"}


def test_copies_in_one_domain_part_as_soon_as_there_is_another() -> None:
    racks = ["a", "a", "b"]
    sites = [Site(n, f"w{n}", rack, WorkerState.ONLINE, 1 << 30, 1 << 30) for n, rack in enumerate(racks)]
    units = [UnitRow(1, UnitKind.CHUNK, 1, 1, 10, (0, 1))]
    assert plan(units, sites[:2], 2, 8, frozenset()).moves == ()
    (move,) = plan(units, sites, 2, 8, frozenset()).moves
    assert (move.target, move.reason) == (2, "domain")
    assert move.drop in (0, 1)


@given(
    st.dictionaries(st.integers(0, 5), STATES, min_size=1),
    st.lists(st.sets(st.integers(0, 5), max_size=3), max_size=10),
    st.sets(st.integers(0, 5), min_size=1),
)
def test_workers_may_stop_exactly_when_each_unit_that_they_hold_stays_in_reach(
    states: dict[int, WorkerState], held: list[set[int]], stopping: set[int]
) -> None:
    units = [Held(str(n), tuple(workers)) for n, workers in enumerate(held)]
    verdict = safe_to_stop(stopping, states, units)
    reachable = {n for n, state in states.items() if state not in (WorkerState.SUSPECT, WorkerState.LOST)}
    forbidding = [
        str(n) for n, workers in enumerate(held) if workers & stopping and not (workers - stopping) & reachable
    ]
    assert list(verdict.forbidding) == forbidding
    assert verdict.safe is (not forbidding)


@pytest.mark.parametrize(("workers", "copies"), [(2, 2), (3, 2), (3, 3), (5, 3)])
def test_primaries_are_spread(workers: int, copies: int) -> None:
    slots = [Slot(number, f"w{number}", f"w{number}", 10**12) for number in range(workers)]
    primaries = Counter(there[0] for there in place(range(300), slots, copies).values())
    assert max(primaries.values()) - min(primaries.get(slot.id, 0) for slot in slots) <= workers
