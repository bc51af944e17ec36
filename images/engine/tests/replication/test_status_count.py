"""What status counts by columns is what one counts unit by unit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qserv.catalog.metadata.units import UnitRow
from qserv.catalog.model import UnitKind, WorkerState
from qserv.replication.status import count

WORKERS = range(1, 7)
UNITS = st.lists(
    st.tuples(st.sampled_from(UnitKind), st.sampled_from((0, 5, 100)), st.sets(st.sampled_from(WORKERS), max_size=4)),
    max_size=30,
)


@given(
    told=UNITS,
    states=st.lists(st.sampled_from(WorkerState), min_size=len(WORKERS), max_size=len(WORKERS)),
    factor=st.integers(1, 4),
)
def test_units_are_counted(told: list[tuple[UnitKind, int, set[int]]], states: list[WorkerState], factor: int) -> None:
    state = dict(zip(WORKERS, states, strict=True))
    answers = {worker for worker in WORKERS if state[worker] not in (WorkerState.SUSPECT, WorkerState.LOST)}
    stays = {worker for worker in answers if state[worker] is not WorkerState.DRAINING}
    few = min(factor, len(stays))
    tally = count(
        [UnitRow(n, kind, 1, n, size, tuple(held)) for n, (kind, size, held) in enumerate(told)], state, factor
    )
    for kind in UnitKind:
        mine = [(size, held) for of, size, held in told if of is kind and size]
        wanted = len(stays) if kind is UnitKind.FULL else few
        found = tally.kinds[kind]
        assert found.total == len(mine)
        assert found.bytes == sum(size for size, _ in mine)
        assert found.lost == sum(not held & answers for _, held in mine)
        assert found.at_risk == (sum(len(held & answers) == 1 for _, held in mine) if factor > 1 else 0)
        assert found.under_replicated == sum(len(held & stays) < wanted for _, held in mine)
    chunks = [held for kind, size, held in told if kind is UnitKind.CHUNK and size]
    assert tally.unmet == (sum(len(held & stays) < factor for held in chunks) if few < factor else 0)
    for worker in WORKERS:
        mine_bytes = sum(size for _, size, held in told if worker in held)
        assert (tally.loads[worker].bytes if worker in tally.loads else 0) == mine_bytes
        last = sum(size > 0 and held & answers == {worker} for _, size, held in told)
        assert tally.risk_by_worker[worker] == last
