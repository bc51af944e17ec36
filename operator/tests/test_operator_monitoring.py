"""Alerts and the dashboard ask only for what the operator and the engine really expose."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from operator_world.acts import catalog_of, put_catalog
from operator_world.world import CLUSTER, NAMESPACE, World
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from qserv.catalog.metadata import QueryState
from qserv.czar import metrics as czar
from qserv.replication import metrics as replication
from qserv.worker import metrics as worker
from qserv_operator.metrics import Metrics
from qserv_operator.reasons import Reason
from qserv_operator.reconcile import Reconciler

FILES = Path(__file__).parents[2] / "charts" / "qserv-operator" / "files"
SERIES = re.compile(r"\b(qserv_[a-z_]+)(?:\{([^}]*)\})?")
BY = re.compile(r"\bby \(([^)]*)\)")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)"')


def expressions() -> list[str]:
    alerts = yaml.safe_load((FILES / "alerts.yaml").read_text())
    found = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    found += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found + [item["query"] for item in dashboard["templating"]["list"] if item["type"] == "query"]


ADDED = {"namespace", "pod", "app_kubernetes_io_instance", "app_kubernetes_io_component"}
"""Labels that Prometheus gives to the series of a pod, as the ServiceMonitor of a cluster asks it to."""


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """Names of series with their labels: the operator's after some rounds over a cluster, and all of the engine's."""
    world, metrics = World(nodes=4, workers=3), Metrics()
    reconciler = Reconciler(
        world.api, leads=lambda: True, metrics=metrics, engine_of=lambda *_: world.engine, clock=world.now
    )
    metrics.leads(True)
    put_catalog(world, catalog_of(["a"], "Retain"))
    for _ in range(10):
        world.step()
        reconciler.reconcile(NAMESPACE, CLUSTER)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found | engine_series()


def engine_series() -> dict[str, set[str]]:
    found = {}
    for module in (czar, replication, worker):
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric._type, [""])
                for suffix in suffixes:
                    own = {*metric._labelnames, *(["le"] if suffix == "_bucket" else [])}
                    found[metric._name + suffix] = own | ADDED
    return found


@pytest.mark.parametrize("expression", expressions())
def test_expression_asks_for_series_that_there_are(expression: str, exposed: dict[str, set[str]]) -> None:
    series = SERIES.findall(expression)
    assert series
    grouped = {label for group in BY.findall(expression) for label in group.split(", ")}
    for name, matchers in series:
        assert name in exposed
        assert grouped <= exposed[name]
        for label, _, value in MATCHER.findall(matchers):
            assert label in exposed[name]
            if label == "reason":
                assert set(value.split("|")) <= {str(reason) for reason in Reason}
            if name == "qserv_czar_queries_total" and label == "state":
                assert value in get_args(QueryState)


def test_the_dashboard_shows_what_the_operator_measures(exposed: dict[str, set[str]]) -> None:
    told = (FILES / "dashboard.json").read_text()
    own = {name for name in exposed if name.startswith(("qserv_operator_", "qserv_cluster_", "qserv_catalog_"))}
    families = {re.sub("_(bucket|sum|count|total|created)$", "", name) for name in own}
    hidden = {name for name in families if not re.search(rf"\b{name}(_bucket|_total)?\b", told)}
    assert hidden == {"qserv_operator_leader", "qserv_operator_last_reconcile_timestamp_seconds"}, "these have alerts"


def test_every_alert_says_what_and_what_to_do() -> None:
    alerts = yaml.safe_load((FILES / "alerts.yaml").read_text())
    for rule in (rule for group in alerts["groups"] for rule in group["rules"]):
        assert set(rule["annotations"]) == {"summary", "description"}
        told = set(re.findall(r"\$labels\.([a-z_]+)", " ".join(rule["annotations"].values())))
        grouped = BY.findall(rule["expr"])
        assert not grouped or told <= set(grouped[0].split(", ")), f"{rule['alert']} names labels that are summed away"


def test_each_reason_says_what_it_means() -> None:
    assert all(len(reason.meaning) > 20 for reason in Reason)


def test_metrics_of_a_cluster_that_is_gone_go() -> None:
    world, metrics = World(nodes=3, workers=3), Metrics()
    reconciler = Reconciler(
        world.api, leads=lambda: True, metrics=metrics, engine_of=lambda *_: world.engine, clock=world.now
    )
    world.step()
    reconciler.reconcile(NAMESPACE, CLUSTER)
    world.api.remove(world.cluster)
    assert reconciler.reconcile(NAMESPACE, CLUSTER) is None
    assert CLUSTER.encode() not in generate_latest(metrics.registry)
