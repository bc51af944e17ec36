"""From `helm install` to SQL answers."""

from __future__ import annotations

import re

import pymysql
import pytest
from kubectl import Kubectl, KubectlError, wait_for
from product import CHARTS, EXAMPLES, gaia_catalog
from stars import NORTH, truths
from survey import Cluster

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
MONITORING = [CHARTS / "qserv-operator" / "files" / name for name in ("alerts.yaml", "dashboard.json")]


def test_the_sample_answers_right(sky: Cluster) -> None:
    for sql, answer in truths().items():
        assert sky.ask(sql) == answer, sql


def test_the_list_shows_what_matters(sky: Cluster) -> None:
    header, row = sky.kubectl("get", "qsc").splitlines()[:2]
    assert header.split() == ["NAME", "READY", "WORKERS", "CHUNKS", "AT-RISK", "LOST", "AGE"]
    chunks = sky.ask("SELECT COUNT(DISTINCT chunkId) FROM gaia.Star")[0][0]
    assert row.split()[:6] == ["sky", "True", "3/3", str(chunks), "0", "0"]


def test_fields_are_explained(sky: Cluster) -> None:
    told = sky.kubectl("explain", "qservcluster.spec.replication")
    assert "Copies of each chunk" in told


def test_describe_tells_the_story(sky: Cluster) -> None:
    told = [line.split()[1] for line in sky.story("qservcatalog", "gaia")]
    assert told[0] == "Loading"
    assert set(told) == {"Loading", "Committing", "Published"}
    assert {"Creating", "Serving", "Stable"} <= {line.split()[1] for line in sky.story("qservcluster", "sky")}


def test_a_user_resource_is_an_account_with_its_grants(sky: Cluster) -> None:
    sky.kubectl.apply_file(EXAMPLES / "user.yaml")
    sky.kubectl("wait", "--for=condition=Available", "qservuser/reader", "--timeout=60s")
    mine = {"user": "reader", "password": sky.secret("reader-password", "password")}

    def refused(sql: str) -> str:
        try:
            with sky.connection(**mine) as connection, connection.cursor() as cursor:
                cursor.execute(sql)
        except pymysql.MySQLError as error:
            return str(error)
        return ""

    count = "SELECT COUNT(*) FROM gaia.Star"
    assert refused(count) == ""
    sky.kubectl.patch("qservuser", "reader", {"spec": {"grants": []}})
    assert "denied" in wait_for("the grant is taken away", lambda: refused(count), 60)
    assert refused("SELECT 1") == ""
    sky.kubectl("delete", "qservuser", "reader")
    assert "Access denied" in wait_for("the account is gone", lambda: refused("SELECT 1"), 60)
    wait_for("its Secret goes with it", lambda: not sky.kubectl.exists("secret", "reader-password"))


def test_a_job_prepares_what_is_loaded(sky: Cluster, stars_url: str) -> None:
    sky.kubectl("label", "namespace", sky.kubectl.namespace, RESTRICTED, "--overwrite")
    made = stars_url.replace("stars.csv", "north.csv")
    catalog = gaia_catalog(made, "north")
    catalog["spec"]["deletionPolicy"] = "Delete"
    catalog["spec"]["prepare"] = {"command": ["python", "-c", NORTH, stars_url, made]}
    sky.load(catalog)
    count = truths()["SELECT COUNT(*) FROM gaia.Star WHERE decl > 0"]
    assert sky.ask("SELECT COUNT(*) FROM north.Star") == count
    catalog = gaia_catalog(made, "nothing")
    catalog["spec"]["deletionPolicy"] = "Delete"
    catalog["spec"]["prepare"] = {"command": ["python", "-c", "raise SystemExit('no tape')"], "retries": 0}
    sky.kubectl.apply(catalog)
    wait_for("the failure is told", lambda: sky.catalog("nothing").get("state") == "Failed")
    assert "kubectl logs job/nothing-" in sky.catalog("nothing")["errors"][0]
    wait_for("it is news", lambda: "PrepareFailed" in " ".join(sky.story("qservcatalog", "nothing")))
    assert sky.story("qservcatalog", "nothing")[-1].split() == ["Warning", "PrepareFailed"]
    sky.kubectl("delete", "qservcatalog", "north", "nothing")
    wait_for("their databases are dropped", lambda: sky.ask("SHOW DATABASES") == [("gaia",), ("information_schema",)])


def test_a_catalog_deleted_in_mid_load_leaves_nothing(sky: Cluster, stars_url: str) -> None:
    catalog = gaia_catalog(stars_url, "half")
    catalog["spec"]["deletionPolicy"] = "Delete"
    catalog["spec"]["tables"][0]["source"]["urls"] = [f"{stars_url}?part={number}" for number in range(30)]
    sky.kubectl.apply(catalog)
    seen = wait_for("rows are read", lambda: (now := sky.catalog("half")).get("progress", {}).get("rows") and now)
    assert seen["state"] == "Loading"
    sky.kubectl("delete", "qservcatalog", "half")
    wait_for("its database is dropped", lambda: sky.ask("SHOW DATABASES") == [("gaia",), ("information_schema",)])
    assert "LoadAborted" in sky.events()
    look = ("--", "find", "/data", "-path", "*half*")
    wait_for("no file is left", lambda: not any(sky.kubectl("exec", pod, *look) for pod in sky.uids("worker")))


def test_the_pods_run_restricted(sky: Cluster) -> None:
    sky.kubectl("label", "namespace", sky.kubectl.namespace, RESTRICTED, "--overwrite")
    for component in ("metadata", "replication", "worker", "czar"):
        for pod in sky.pods(component):
            bare = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"probe-{pod['metadata']['name']}"},
                "spec": pod["spec"] | {"nodeName": ""},
            }
            sky.kubectl.apply(bare, dry_run=True)


def test_alerts_and_dashboard_ask_for_what_the_pods_expose(sky: Cluster, operator: Kubectl) -> None:
    told = [operator.metrics(pod["metadata"]["name"], 8080) for pod in operator.find("pods")]
    for component, port in (("czar", 4048), ("replication", 25081), ("worker", 25001)):
        told += [sky.kubectl.metrics(pod["metadata"]["name"], port) for pod in sky.pods(component)]
    families = {family for text in told for family in re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)}
    asked = {name for file in MONITORING for name in re.findall(r"\bqserv_[a-z_]+", file.read_text())}
    assert len(asked) > 10
    assert {name for name in asked if not {name, name.removesuffix("_bucket")} & families} == set()


def test_the_images_hold_no_installer(sky: Cluster, operator: Kubectl) -> None:
    for kubectl, pod in ((sky.kubectl, "sky-worker-0"), (operator, operator.find("pods")[0]["metadata"]["name"])):
        for module in ("pip", "setuptools"):
            with pytest.raises(KubectlError, match=f"No module named '{module}'"):
                kubectl("exec", pod, "--", "python", "-c", f"import {module}")


def test_the_engine_may_not_read_secrets(sky: Cluster) -> None:
    who = f"system:serviceaccount:{sky.kubectl.namespace}:sky-engine"
    with pytest.raises(KubectlError, match="no"):
        sky.kubectl("auth", "can-i", "get", "secrets", f"--as={who}")


def test_the_operator_may_not_read_nodes_secrets_of_the_system(operator: Kubectl) -> None:
    account = operator.find("deployments")[0]["spec"]["template"]["spec"]["serviceAccountName"]
    who = f"system:serviceaccount:{operator.namespace}:{account}"
    for verb, what in (("create", "clusterrolebindings"), ("delete", "nodes"), ("create", "pods/exec")):
        with pytest.raises(KubectlError, match="no"):
            operator("auth", "can-i", verb, what, f"--as={who}")
