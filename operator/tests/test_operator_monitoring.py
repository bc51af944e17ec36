"""Alerts and the dashboard ask only for what the operator really exposes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from operator_world.world import CLUSTER, NAMESPACE, World
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from qserv_operator.metrics import Metrics
from qserv_operator.reasons import Reason
from qserv_operator.reconcile import Reconciler

FILES = Path(__file__).parents[2] / "charts" / "qserv-operator" / "files"
SERIES = re.compile(r"\b(qserv_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)"')


def expressions() -> list[str]:
    alerts = yaml.safe_load((FILES / "alerts.yaml").read_text())
    found = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    found += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found + [item["query"] for item in dashboard["templating"]["list"] if item["type"] == "query"]


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """Names of series with their labels, after some rounds over a cluster."""
    world, metrics = World(nodes=4, workers=3), Metrics()
    reconciler = Reconciler(
        world.api, leads=lambda: True, metrics=metrics, engine_of=lambda *_: world.engine, clock=world.now
    )
    metrics.leads(True)
    for _ in range(10):
        world.step()
        reconciler.reconcile(NAMESPACE, CLUSTER)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("expression", expressions())
def test_expression_asks_for_series_that_there_are(expression: str, exposed: dict[str, set[str]]) -> None:
    series = SERIES.findall(expression)
    assert series
    for name, matchers in series:
        assert name in exposed
        for label, _, value in MATCHER.findall(matchers):
            assert label in exposed[name]
            if label == "reason":
                assert set(value.split("|")) <= {str(reason) for reason in Reason}


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
