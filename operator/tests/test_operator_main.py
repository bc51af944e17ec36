"""The program's frame: marks become rounds, one at a time; what failed is tried again; the end waits for the last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import ClientSession
from operator_world.api import Api

from qserv_operator.kube import RefusedError
from qserv_operator.lease import Lease
from qserv_operator.main import Marks, Settings, handlers, hold, kopf_settings, serve
from qserv_operator.metrics import Metrics


class Rounds:
    """Counts rounds; each does what it is told."""

    def __init__(self, act: Callable[[int], float | None]) -> None:
        self.act = act
        self.count = 0
        self.at_once = 0
        self.most = 0
        self._lock = threading.Lock()

    def reconcile(self, namespace: str, name: str) -> float | None:
        with self._lock:
            self.count += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            return self.act(self.count)
        finally:
            with self._lock:
                self.at_once -= 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is waited for happens in threads
            await asyncio.sleep(0.01)


def marks_of(rounds: Rounds) -> Marks:
    found = Marks(rounds)  # type: ignore[arg-type]  only this method of it is used
    found.pause = 0.01
    return found


async def test_many_marks_are_few_rounds_and_one_at_a_time() -> None:
    rounds = Rounds(lambda _count: 600.0)
    marks = marks_of(rounds)
    for _ in range(100):
        marks.mark("ns", "sky")
    await until(lambda: rounds.count >= 1)
    for _ in range(100):
        marks.mark("ns", "sky")
    await until(lambda: rounds.count >= 2)
    await marks.close()
    assert rounds.count <= 4
    assert rounds.most == 1


async def test_it_looks_again_when_its_time_has_come() -> None:
    rounds = Rounds(lambda _count: 0.02)
    marks = marks_of(rounds)
    marks.mark("ns", "sky")
    await until(lambda: rounds.count >= 5)
    await marks.close()


@pytest.mark.parametrize("error", [RefusedError(500, "list", "broken"), RuntimeError("a defect")])
async def test_what_failed_is_tried_again(error: Exception) -> None:
    def act(count: int) -> float | None:
        if count == 1:
            raise error
        return 600.0

    rounds = Rounds(act)
    marks = marks_of(rounds)
    marks.mark("ns", "sky")
    await until(lambda: rounds.count == 1 and rounds.at_once == 0)
    marks.mark("ns", "sky")
    await until(lambda: rounds.count == 2)
    await marks.close()


async def test_a_cluster_that_is_gone_is_left_and_may_come_back() -> None:
    rounds = Rounds(lambda count: None if count == 1 else 600.0)
    marks = marks_of(rounds)
    marks.mark("ns", "sky")
    await until(lambda: rounds.count == 1 and not marks._marks and not marks._tasks)
    marks.mark_all()
    assert rounds.count == 1
    marks.mark("ns", "sky")
    await until(lambda: rounds.count == 2)
    await marks.close()


async def test_the_end_waits_for_the_round_that_runs() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def act(_count: int) -> float | None:
        begun.set()
        go_on.wait(20)
        return 600.0

    rounds = Rounds(act)
    marks = marks_of(rounds)
    marks.mark("ns", "sky")
    await until(begun.is_set)
    closing = asyncio.create_task(marks.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    go_on.set()
    await closing
    assert rounds.count == 1


def test_our_own_writing_of_the_status_is_no_news() -> None:
    marks = marks_of(Rounds(lambda _count: None))
    meta: dict[str, Any] = {"uid": "u", "generation": 1}
    assert marks.changed(meta)
    assert not marks.changed(meta)
    assert marks.changed({**meta, "generation": 2})
    assert marks.changed({**meta, "generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z"})


def test_what_is_gone_is_forgotten() -> None:
    marks = marks_of(Rounds(lambda _count: None))
    meta: dict[str, Any] = {"uid": "u", "generation": 1}
    assert marks.changed(meta)
    assert marks.changed(meta, "DELETED")
    assert marks.node_changed(node_of(), "DELETED")
    assert not marks._generations
    assert not marks._nodes


def node_of(ready: str = "True", heartbeat: int = 0, **spec: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat}
    return {"metadata": {"name": "n1"}, "spec": spec, "status": {"conditions": [condition], "images": [heartbeat]}}


def test_what_kubelets_report_all_the_time_is_no_news() -> None:
    marks = marks_of(Rounds(lambda _count: None))
    assert marks.node_changed(node_of())
    assert not marks.node_changed(node_of(heartbeat=1))
    assert marks.node_changed(node_of("Unknown"))
    assert marks.node_changed(node_of("Unknown", unschedulable=True))


class BrokenLease(Lease):
    """A defect: what is not foreseen happens while it is renewed."""

    def renew(self) -> bool:
        raise KeyError("spec")


async def test_a_defect_of_the_lease_ends_the_program() -> None:
    stop = asyncio.Event()
    lease = BrokenLease(Api(), namespace="ns", holder="me")
    await asyncio.wait_for(hold(lease, Metrics(), asyncio.Event(), stop), 20)
    assert stop.is_set()


async def test_rounds_that_hang_do_not_keep_the_lease_from_being_renewed() -> None:
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as rounds:
        asyncio.get_running_loop().set_default_executor(rounds)
        hanging = asyncio.create_task(asyncio.to_thread(go_on.wait, 30))
        leading = asyncio.Event()
        lease = Lease(Api(), namespace="ns", holder="me")
        holding = asyncio.create_task(hold(lease, Metrics(), leading, asyncio.Event()))
        try:
            await asyncio.wait_for(leading.wait(), 20)
            assert not hanging.done()
        finally:
            go_on.set()
            await hanging
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


def test_kopf_writes_nothing_to_resources() -> None:
    registry = handlers(marks_of(Rounds(lambda _count: None)))
    assert not registry._changing._handlers
    assert not registry._spawning._handlers
    assert kopf_settings().posting.enabled is False


async def test_metrics_and_health_are_served() -> None:
    alive, metrics = asyncio.Event(), Metrics()
    settings = Settings(host="127.0.0.1", port=0)
    runner = await serve(settings, metrics, alive)
    port = runner.addresses[0][1]
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            assert (await session.get("/healthz")).status == 503
            alive.set()
            assert (await session.get("/healthz")).status == 200
            assert "qserv_operator_leader" in await (await session.get("/metrics")).text()
    finally:
        await runner.cleanup()
