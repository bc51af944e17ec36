"""The charts: what Helm renders, byte by byte, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_world.golden import check

from qserv_operator.crd import definitions
from qserv_operator.kube import PLURALS
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.user import QservUserSpec

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "charts"
CHARTS = ("qserv-operator", "qserv-cluster")
FULL = (
    "monitoring.alerts=true",
    "monitoring.dashboard=true",
    "monitoring.serviceMonitor=true",
    "watchNamespaces={a,b}",
)

pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on the PATH: charts are not rendered")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, cwd=ROOT)


def template(chart: str, *arguments: str) -> str:
    common = ("--namespace", "survey", "--kube-version", "1.34.0")
    done = helm("template", "sky", f"charts/{chart}", *common, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[dict[str, Any]]:
    return [made for made in yaml.safe_load_all(text) if made]


@pytest.mark.parametrize("chart", CHARTS)
def test_lint(chart: str) -> None:
    done = helm("lint", "--strict", f"charts/{chart}")
    assert done.returncode == 0, done.stdout


def test_operator_chart_is_as_it_was() -> None:
    made = [item for item in objects(template("qserv-operator")) if item["kind"] != "CustomResourceDefinition"]
    check(GOLDEN / "operator.golden.yaml", yaml.safe_dump_all(made, sort_keys=True, width=120))


def test_cluster_chart_is_as_it_was() -> None:
    made = objects(template("qserv-cluster", "--values", str(GOLDEN / "disks.values.yaml")))
    check(GOLDEN / "disks.golden.yaml", yaml.safe_dump_all(made, sort_keys=True, width=120))


def test_the_cluster_chart_makes_valid_resources() -> None:
    made = objects(template("qserv-cluster", "--values", str(GOLDEN / "disks.values.yaml")))
    by_kind = {item["kind"]: item for item in made}
    spec = ClusterSpec.model_validate(by_kind["QservCluster"]["spec"])
    assert spec.worker.storage.storage_class == spec.metadata.storage.storage_class == "qserv-local"
    assert QservUserSpec.model_validate(by_kind["QservUser"]["spec"]).cluster == "sky"
    names = [item["metadata"]["name"] for item in made if item["kind"] == "PersistentVolume"]
    assert len(names) == len(set(names)) == 3


def test_crds_are_upgraded_with_the_release_and_outlive_it() -> None:
    made = [item for item in objects(template("qserv-operator")) if item["kind"] == "CustomResourceDefinition"]
    assert {item["metadata"]["name"] for item in made} == {item["metadata"]["name"] for item in definitions().values()}
    assert all(item["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for item in made)
    without = objects(template("qserv-operator", "--set", "crds.install=false"))
    assert not [item for item in without if item["kind"] == "CustomResourceDefinition"]


def test_monitoring_is_rendered_when_it_is_asked_for() -> None:
    made = objects(template("qserv-operator", *(part for value in FULL for part in ("--set", value))))
    by_kind = {item["kind"]: item for item in made}
    assert by_kind["PrometheusRule"]["spec"]["groups"][0]["rules"]
    assert json.loads(by_kind["ConfigMap"]["data"]["qserv.json"])["panels"]
    env = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "QSERV_OPERATOR_WATCH", "value": '["a","b"]'} in env


def test_the_operator_may_touch_every_kind_it_knows_and_no_more_than_it_must() -> None:
    made = objects(template("qserv-operator"))
    rules = [rule for item in made if item["kind"] in ("Role", "ClusterRole") for rule in item["rules"]]
    verbs = {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}
    assert set(PLURALS.values()) <= set(verbs)
    assert "delete" not in verbs["statefulsets"] | verbs["secrets"] | verbs["qservclusters"]
    assert not any("*" in found for found in verbs.values())
    assert not {"update", "patch"} & verbs["secrets"]


def test_the_operator_of_some_namespaces_has_rights_in_no_other() -> None:
    made = objects(template("qserv-operator", "--set", "watchNamespaces={a,b}"))
    bound = {
        (item["metadata"].get("namespace"), item["roleRef"]["name"].removeprefix("survey-sky"))
        for item in made
        if item["kind"] in ("RoleBinding", "ClusterRoleBinding")
    }
    assert bound == {(None, "-nodes"), ("a", ""), ("b", ""), ("survey", "sky-lease")}
    (role,) = [item for item in made if item["kind"] == "ClusterRole" and item["metadata"]["name"].endswith("-nodes")]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list", "watch"}
    kinds = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert kinds == {"nodes", "persistentvolumes", "namespaces", "customresourcedefinitions"}


@pytest.mark.parametrize(
    ("chart", "value", "message"),
    [
        ("qserv-operator", "replicas=0", "replicas"),
        ("qserv-operator", "imagee.tag=1", "imagee"),
        ("qserv-operator", "logLevel=LOUD", "logLevel"),
        ("qserv-cluster", "name=Sky", "name"),
        ("qserv-cluster", "localDisks.disks[0].node=n1", "path"),
        ("qserv-cluster", "catalogs.gaia.database=gaia", "tables"),
    ],
)
def test_wrong_values_are_refused(chart: str, value: str, message: str) -> None:
    done = helm("template", "sky", f"charts/{chart}", "--kube-version", "1.34.0", "--set", value)
    assert done.returncode != 0
    assert message in done.stderr
