"""Scale, rolling change, bad image, deleted pods: under queries, with the operator killed in each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubectl import Kubectl, wait_for
from stars import truths
from survey import Cluster

COUNT = "SELECT COUNT(*) FROM gaia.Star"


@contextmanager
def queries_go_on(cluster: Cluster) -> Iterator[list[object]]:
    """Ask all the while; what was answered is right. Errors are allowed, wrong answers are not."""
    stop = threading.Event()
    wrong: list[object] = []
    right: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            for sql, truth in truths().items():
                answer = cluster.try_ask(sql)
                if answer is not None:
                    (right if answer == truth else wrong).append((sql, answer))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield right
    finally:
        stop.set()
        thread.join()
    assert not wrong
    assert right, "nothing was answered all the while"


def kill_operator(operator: Kubectl) -> None:
    operator(
        "delete", "pod", "-l", "app.kubernetes.io/name=qserv-operator", "--grace-period=0", "--force", "--wait=false"
    )


def test_a_deleted_pod_comes_back(calm: Cluster) -> None:
    with queries_go_on(calm):
        before = calm.uids("worker")
        calm.kubectl("delete", "pod", "sky-worker-1", "--wait=false")
        wait_for(
            "the pod is another", lambda: calm.uids("worker").get("sky-worker-1") not in (None, before["sky-worker-1"])
        )
        calm.wait_calm()


def test_scale_out_and_in(calm: Cluster, operator: Kubectl, worker_nodes: list[str]) -> None:
    if len(worker_nodes) < 5:
        pytest.skip("five nodes are needed")
    with queries_go_on(calm):
        calm.spec(worker={"replicas": 5})
        kill_operator(operator)
        wait_for("five workers", lambda: len(calm.pods("worker")) == 5)
        calm.wait_calm(600)
        rows = {worker["name"]: worker["chunks"] for worker in calm.resource()["status"]["workers"]}
        assert len(rows) == 5
        assert min(rows.values()) > 0, "new workers hold chunks"
        calm.spec(worker={"replicas": 3})
        kill_operator(operator)
        wait_for("three workers", lambda: len(calm.pods("worker")) == 3, 600)
        calm.wait_calm(600)
    assert {worker["name"] for worker in calm.resource()["status"]["workers"]} == {f"sky-worker-{n}" for n in range(3)}


def test_a_rolling_change_restarts_every_worker_once(calm: Cluster, operator: Kubectl) -> None:
    before = calm.uids("worker")
    with queries_go_on(calm):
        calm.spec(restart="once")
        kill_operator(operator)
        wait_for("all workers are new", lambda: not set(calm.uids("worker").values()) & set(before.values()), 600)
        calm.wait_calm(600)
    assert "CanaryFailed" not in calm.events()


def test_a_bad_image_stops_at_the_canary_and_rolls_back(calm: Cluster) -> None:
    good = calm.resource()["spec"]["image"]
    workers = calm.uids("worker")
    with queries_go_on(calm):
        calm.spec(image="localhost/qserv/engine:none")
        calm.wait_condition("Degraded", "True")
        wait_for("the rollback", lambda: "RolledBack" in calm.events(), 600)
        assert calm.uids("worker") == workers, "no worker was touched"
        calm.spec(image=good)
        calm.wait_calm(600)


def test_czars_answer_while_one_is_deleted(calm: Cluster) -> None:
    calm.spec(czar={"replicas": 2})
    wait_for("two czars", lambda: len(calm.pods("czar")) == 2)
    calm.wait_calm()
    calm.kubectl("delete", "pod", "sky-czar-0", "--grace-period=0", "--force", "--wait=false")
    answer = wait_for("an answer", lambda: calm.try_ask(COUNT), 60)
    assert answer == truths()[COUNT]
    calm.spec(czar={"replicas": 1})
    wait_for("one czar", lambda: len(calm.pods("czar")) == 1)
