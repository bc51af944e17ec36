"""The order of batches: pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qserv.worker.scheduler import Aim, Batch, Course, Elevator

AIM = Aim(seconds=1.0, bytes=1 << 20, growth=4)


def course(chunks: list[int], first: int | None = 8) -> Course:
    return Course(chunks, aim=AIM, first=first)


def drain(elevator: Elevator, seconds: float = 0.1, limit: int = 10_000) -> list[tuple[str, Batch]]:
    turns = []
    while (turn := elevator.next()) is not None and len(turns) < limit:
        turns.append(turn)
        elevator.done(turn[0], seconds, batch_seconds=1.0, sent=0)
    return turns


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=300, unique=True), st.integers(0, 6000), st.integers(1, 40))
def test_batches_cover_each_chunk_once(chunks: list[int], head: int, first: int) -> None:
    left = course(chunks, first)
    taken: list[int] = []
    while not left.finished:
        batch = left.take(head)
        assert batch.start == chunks[batch.first]
        assert batch.count <= first + first // 2
        taken += range(batch.first, batch.first + batch.count)
        head = batch.start
    assert sorted(taken) == list(range(len(chunks)))


def test_batches_end_at_round_numbers() -> None:
    left = course(list(range(3, 100)), first=16)
    starts = []
    while not left.finished:
        starts.append(left.take(0).start)
    assert starts[1:] == [16, 32, 48, 64, 80]


def test_no_more_chunks_than_there_is_room_for() -> None:
    left = Course(range(12), aim=AIM, first=8, most=8)
    assert (left.take(0).count, left.take(8).count, left.finished) == (8, 4, True)


def test_batches_of_two_queries_coincide() -> None:
    everything, part = course(list(range(1000)), 64), course(list(range(100, 900)), 64)

    def bounds(one: Course) -> set[int]:
        found = set()
        while not one.finished:
            found.add(one.take(0).start)
        return found

    assert bounds(part) - {100} <= bounds(everything) | {128}


def test_a_batch_grows_with_the_pace_and_shrinks_with_what_is_sent() -> None:
    left = course(list(range(10_000)), first=16)
    first = left.take(0)
    left.learn(first.count, 0.01, 0)
    grown = left.take(first.start)
    assert first.count < grown.count <= 64
    left.learn(grown.count, 0.01, grown.count << 20)
    assert left.take(grown.start).count == 1


def test_a_point_query_is_one_batch() -> None:
    left = course([5, 900, 7], first=None)
    assert left.take(0).count == 1 or left.finished


def test_a_task_without_chunks_has_one_batch() -> None:
    left = course([])
    assert (left.take(0).count, left.finished) == (0, True)


def test_queries_that_want_the_same_chunks_run_back_to_back() -> None:
    elevator = Elevator()
    for name in ("a", "b", "c"):
        elevator.add(name, course(list(range(64))))
    order = [(batch.start, name) for name, batch in drain(elevator)]
    assert len(order) == 3 * 8
    for position in range(0, 3 * 8, 3):
        starts = {start for start, _ in order[position : position + 3]}
        names = {name for _, name in order[position : position + 3]}
        assert (len(starts), names) == (1, {"a", "b", "c"})


def test_a_late_query_joins_where_the_elevator_is() -> None:
    elevator = Elevator()
    elevator.add("early", course(list(range(64))))
    for _ in range(4):
        name, _batch = elevator.next() or ("", None)
        elevator.done(name, 0.1, batch_seconds=1.0, sent=0)
    elevator.add("late", course(list(range(64))))
    turns = drain(elevator)
    late = [batch.start for name, batch in turns if name == "late"]
    assert late[0] in (24, 32)
    assert sorted(late) == list(range(0, 64, 8))


def test_a_small_query_does_not_wait_for_a_round() -> None:
    elevator = Elevator(slack=2.0)
    elevator.add("big", course(list(range(1000, 11_000))))
    name, _ = elevator.next() or ("", None)
    elevator.done(name, 1.0, batch_seconds=1.0, sent=0)
    elevator.add("small", course([3]))
    order = [name for name, _ in drain(elevator, seconds=1.0, limit=50)]
    assert order.index("small") <= 3


def test_time_is_shared_fairly() -> None:
    elevator = Elevator(slack=2.0)
    elevator.add("costly", course(list(range(1000))))
    elevator.add("cheap", course(list(range(500_000, 501_000))))
    served = {"costly": 0.0, "cheap": 0.0}
    for _ in range(60):
        name, _batch = elevator.next() or ("", Batch(0, 0, 0))
        seconds = 1.0 if name == "costly" else 0.25
        served[name] += seconds
        elevator.done(name, seconds, batch_seconds=1.0, sent=0)
        assert abs(served["costly"] - served["cheap"]) <= 3.0 + 1e-9


def test_a_parked_query_waits_until_it_is_resumed() -> None:
    elevator = Elevator()
    elevator.add("slow", course([1]))
    name, batch = elevator.next() or ("", None)
    elevator.park(name, 0.1)
    assert elevator.next() is None
    elevator.resume("slow")
    assert elevator.next() == ("slow", batch)


@pytest.mark.parametrize("act", ["remove", "done"])
def test_a_query_that_ended_has_no_turn(act: str) -> None:
    elevator = Elevator()
    elevator.add("q", course([1]))
    elevator.next()
    if act == "remove":
        elevator.remove("q")
    else:
        assert elevator.done("q", 0.1, batch_seconds=0.1, sent=0)
    elevator.resume("q")
    assert elevator.next() is None
    assert len(elevator) == 0
