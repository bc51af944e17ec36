"""Scale, upgrade, bad image, deleted pods, missing rights and Secrets; the operator is killed in each."""

from __future__ import annotations

from functools import partial

import pymysql
import pytest
from kubectl import Kubectl, wait_for
from product import RELEASE, SYSTEM
from stars import truths
from survey import Cluster, queries_go_on

COUNT = "SELECT COUNT(*) FROM gaia.Star"
NEXT, FAR = "localhost/qserv/engine:next", "localhost/qserv/engine:far"


def test_a_deleted_pod_comes_back(calm: Cluster) -> None:
    with queries_go_on(calm):
        before = calm.uids("worker")
        calm.kubectl("delete", "pod", "sky-worker-1", "--wait=false")
        wait_for(
            "the pod is another", lambda: calm.uids("worker").get("sky-worker-1") not in (None, before["sky-worker-1"])
        )
        calm.wait_calm()


def test_scale_out_and_in(calm: Cluster, worker_nodes: list[str]) -> None:
    if len(worker_nodes) < 5:
        pytest.skip("five nodes are needed")
    with queries_go_on(calm):
        calm.spec(worker={"replicas": 5})
        wait_for("five workers hold chunks", lambda: len(rows := calm.chunks()) == 5 and min(rows.values()) > 0, 600)
        calm.wait_calm(600)
        calm.spec(worker={"replicas": 3})
        wait_for("three workers", lambda: len(calm.pods("worker")) == 3, 600)
        calm.wait_calm(600)
    assert set(calm.chunks()) == {f"sky-worker-{n}" for n in range(3)}


def test_an_upgrade_brings_schema_and_protocol_first_and_restarts_every_worker_once(calm: Cluster) -> None:
    before, started = calm.uids("worker"), calm.uids("metadata")
    controller, czar = "sky-replication-0", "sky-czar-0"
    spoken = calm.protocol(controller)
    assert calm.schema() != "next"
    with queries_go_on(calm) as answers:
        calm.spec(image=NEXT)
        wait_for("a worker is stopped", lambda: calm.uids("worker") != before, 600)
        assert calm.schema() == "next", "the schema is upgraded before the first worker"
        assert (calm.protocol(controller), calm.protocol(czar)) == (spoken + 1, spoken)
        apart = len(answers)
        wait_for("all workers are new", lambda: not set(calm.uids("worker").values()) & set(before.values()), 600)
        assert len(answers) > apart, "asked while controllers and workers spoke of two versions"
        calm.wait_calm(600)
    assert {calm.protocol(pod) for pod in (controller, czar, *calm.uids("worker"))} == {spoken + 1}
    assert calm.uids("metadata") == started, "its server has an image of its own"
    assert calm.resource()["status"]["image"] == NEXT
    assert "CanaryFailed" not in calm.events()


def test_an_image_too_far_ahead_stops_no_worker_and_is_taken_back(calm: Cluster) -> None:
    calm.spec(image=NEXT)
    calm.wait_calm(600)
    workers = calm.uids("worker")
    with queries_go_on(calm):
        calm.spec(image=FAR)
        told = calm.wait_condition("Progressing", "True", "VersionsApart", 300)
        assert all(worker in told["message"] for worker in workers)
        assert calm.uids("worker") == workers
        calm.spec(image=NEXT)
        calm.wait_calm(600)
    assert calm.uids("worker") == workers


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


def test_a_password_and_the_cluster_s_secret_are_rotated_under_queries(calm: Cluster) -> None:
    pods = {name: uid for part in ("replication", "worker", "czar") for name, uid in calm.uids(part).items()}
    former, old = calm.password(), calm.secret("sky-secret", "secret").strip()

    def everywhere(text: str) -> bool:
        read = ("--", "cat", "/run/qserv/secret/secret")
        return all(calm.kubectl("exec", pod, *read).strip() == text for pod in pods)

    with queries_go_on(calm):
        calm.kubectl.patch("secret", "sky-user-qserv", {"stringData": {"password": "open sesame"}})
        assert wait_for("the new password is taken", lambda: calm.try_ask(COUNT), 60) == truths()[COUNT]
        with pytest.raises(pymysql.OperationalError, match="Access denied"), calm.connection(password=former):
            pass
        for number, text in enumerate((f"{old}\nnew", f"new\n{old}", "new")):
            calm.kubectl.patch("secret", "sky-secret", {"stringData": {"secret": text}})
            # a kubelet looks after a pod's Secrets at once when the pod is changed, else within two minutes
            calm.kubectl("annotate", "pods", *pods, f"rotation={number}", "--overwrite")
            wait_for("all pods have it", partial(everywhere, text))
    assert calm.ask(COUNT) == truths()[COUNT]
    calm.spec(replication={"bandwidth": "140Mi"})
    calm.wait_calm()
    assert {name: uid for part in ("replication", "worker", "czar") for name, uid in calm.uids(part).items()} == pods


def test_what_somebody_changes_is_put_right_and_what_is_not_wanted_goes(calm: Cluster) -> None:
    workers = calm.uids("worker")
    part = "app.kubernetes.io/component"

    def policies() -> set[str]:
        chosen = f"app.kubernetes.io/instance={calm.name}"
        return {found["metadata"]["name"] for found in calm.kubectl.find("networkpolicies", chosen)}

    all_of_them = policies()
    assert all_of_them == {f"{calm.name}-{name}" for name in ("metadata", "replication", "worker", "czar")}
    calm.kubectl.patch("service", calm.name, {"spec": {"selector": {part: "other"}}})
    calm.kubectl("delete", "networkpolicy", f"{calm.name}-worker")
    wait_for(
        "the Service leads to czars", lambda: calm.kubectl.get("service", calm.name)["spec"]["selector"][part] == "czar"
    )
    wait_for("the policy is back", lambda: policies() == all_of_them)
    calm.spec(networkPolicy={"enabled": False})
    wait_for("no policy is left", lambda: not policies())
    calm.spec(networkPolicy={"enabled": True})
    wait_for("all are back", lambda: policies() == all_of_them)
    assert calm.uids("worker") == workers


def test_a_right_that_the_operator_lacks_is_named(calm: Cluster, operator: Kubectl) -> None:
    role = operator.get("clusterrole", f"{SYSTEM}-{RELEASE}")
    fewer = [rule | {"verbs": ["list"]} if "services" in rule["resources"] else rule for rule in role["rules"]]
    operator.patch("clusterrole", role["metadata"]["name"], {"rules": fewer})
    try:
        told = calm.wait_condition("Degraded", "True", "ApplyRefused")
        assert "cannot patch resource" in told["message"]
        assert calm.ask(COUNT) == truths()[COUNT]
    finally:
        operator.patch("clusterrole", role["metadata"]["name"], {"rules": role["rules"]})
    calm.wait_calm()


def test_a_secret_that_is_missing_is_asked_for(calm: Cluster) -> None:
    wanted = {"name": "guest", "passwordSecret": {"name": "guest-secret", "key": "word"}, "cluster": calm.name}
    user = {"apiVersion": "qserv.io/v1alpha1", "kind": "QservUser", "metadata": {"name": "guest"}, "spec": wanted}
    calm.kubectl.apply(user)

    def said() -> str:
        found = calm.kubectl.get("qservuser", "guest").get("status", {}).get("conditions", [])
        return next((str(one["message"]) for one in found if one["reason"] == "SecretMissing"), "")

    assert "make the Secret guest-secret with the key word" in wait_for("it is missed", said)
    calm.kubectl("create", "secret", "generic", "guest-secret", "--from-literal=word=open sesame")
    calm.kubectl("wait", "--for=condition=Available", "qservuser/guest", "--timeout=60s")
    calm.kubectl("delete", "qservuser", "guest")
