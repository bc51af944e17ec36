"""The objects of sample clusters, byte by byte: a change here restarts pods of running clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_world.golden import check, dump_all

from qserv_operator.builders.cluster import Choices, build
from qserv_operator.builders.preparation import preparation
from qserv_operator.models.catalog import CatalogSpec, PrepareSpec
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import Identity
from qserv_operator.snapshot import CatalogFact

SAMPLES = Path(__file__).parent / "samples"
NAMES = [file.name.removesuffix(".cluster.yaml") for file in sorted(SAMPLES.glob("*.cluster.yaml"))]
TABLES = [
    {
        "name": "Filter",
        "kind": "replicated",
        "columns": [{"name": "id", "type": "INT"}],
        "source": {"urls": ["https://x/y"]},
    }
]
IDENTITY = Identity("sky", "survey", "11111111-2222-3333-4444-555555555555")


def objects(name: str) -> list[dict[str, Any]]:
    spec = ClusterSpec.model_validate(yaml.safe_load((SAMPLES / f"{name}.cluster.yaml").read_text()))
    return build(IDENTITY, spec, Choices())


def pods(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item["spec"]["template"]["spec"] for item in made if item["kind"] == "StatefulSet"]


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_as_they_were(name: str) -> None:
    check(SAMPLES / f"{name}.objects.yaml", dump_all(objects(name)))


@pytest.mark.parametrize("name", NAMES)
def test_pods_fit_the_restricted_level(name: str) -> None:
    for pod in pods(objects(name)):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("name", NAMES)
def test_a_start_that_takes_long_is_not_broken_off(name: str) -> None:
    for pod in pods(objects(name)):
        (container,) = pod["containers"]
        start, life = container["startupProbe"], container["livenessProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] >= 3600
        assert set(life) - {"tcpSocket", "exec"} == {"periodSeconds", "timeoutSeconds", "failureThreshold"}


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_an_object(name: str) -> None:
    assert not [item for item in objects(name) if item["kind"] == "Secret"]
    for pod in pods(objects(name)):
        for container in pod["containers"]:
            for variable in container["env"]:
                assert not variable["name"].endswith(("PASSWORD", "SECRET"))


@pytest.mark.parametrize("name", NAMES)
def test_statefulsets_never_delete_pods_by_themselves(name: str) -> None:
    for item in objects(name):
        if item["kind"] == "StatefulSet":
            assert item["spec"]["updateStrategy"] == {"type": "OnDelete"}
            assert item["spec"]["podManagementPolicy"] == "Parallel"


def test_the_job_of_a_catalog_is_as_it_was() -> None:
    spec = ClusterSpec.model_validate(yaml.safe_load((SAMPLES / "centre.cluster.yaml").read_text()))
    wanted = PrepareSpec.model_validate(yaml.safe_load((SAMPLES / "prepare.yaml").read_text()))
    catalog = {"cluster": "sky", "database": "ref", "prepare": wanted, "tables": TABLES}
    fact = CatalogFact("reference", CatalogSpec.model_validate(catalog), uid="uid-reference")
    made = preparation(IDENTITY, spec, fact, wanted, "reference-t123456789")
    check(SAMPLES / "prepare.job.yaml", dump_all([made]))
    assert not set(made["spec"]["template"]["metadata"]["labels"]) & set(IDENTITY.labels()), "no policy is about it"


def test_the_number_of_workers_changes_no_template() -> None:
    few = build(IDENTITY, ClusterSpec.model_validate({"worker": {"replicas": 3}}), Choices())
    many = build(IDENTITY, ClusterSpec.model_validate({"worker": {"replicas": 9}, "czar": {"replicas": 3}}), Choices())
    assert pods(few) == pods(many)
