"""100,000 steps of random histories, the same in each run; ``make simulate`` takes new ones. A seed makes one again."""

from __future__ import annotations

import pytest

from simulation.history import History, simulate
from simulation.large import CHUNKS, FACTOR, cluster, lost_worker, sites
from simulation.world import Violation

HISTORIES, STEPS = 20, 5000


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_must_hold_holds(seed: int) -> None:
    assert simulate(seed, STEPS).peaces == 2


def test_a_seed_makes_the_same_history_again() -> None:
    assert simulate(11, 2000) == simulate(11, 2000)


def test_a_lost_copy_is_noticed() -> None:
    """The simulator can fail: a controller that gives up the last copy is caught."""
    history = History(5)
    history.run(2500)
    unit = next(one for one in history.world.metadata.units.values() if one.files)
    first, *others = history.world.whole_copies(unit)
    for holder in others:
        history.world.drop(unit, holder)
    with pytest.raises(Violation, match="last whole copy"):
        history.world.drop(unit, first)


def test_a_lost_workers_chunks_go_to_many_others_in_other_racks() -> None:
    units = cluster()
    moves = lost_worker(units).moves
    domains = {site.id: site.domain for site in sites()}
    held = {unit.id: unit.workers for unit in units}
    assert (
        len(moves) == sum(7 in workers for workers in held.values()) == pytest.approx(CHUNKS * FACTOR / 500, rel=0.05)
    )
    assert len({move.target for move in moves}) > 400
    for move in moves:
        staying = {domains[one] for one in held[move.unit] if one != 7}
        assert domains[move.target] not in staying
