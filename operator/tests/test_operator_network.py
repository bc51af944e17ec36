"""The NetworkPolicies, evaluated: the flows of the picture are let through, and no other."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from qserv_operator.builders.network import policies
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import Component, Identity

IDENTITY = Identity("sky", "survey", "uid")
Pod = dict[str, Any]


def engine_pod(component: str, cluster: str = "sky", namespace: str = "survey") -> Pod:
    return {
        "labels": Identity(cluster, namespace).labels(Component(component)),
        "namespace": namespace,
        "ip": "10.0.0.1",
    }


def other_pod(labels: dict[str, str] | None = None, namespace: str = "other") -> Pod:
    return {"labels": labels or {}, "namespace": namespace, "ip": "10.0.0.9"}


def outside(ip: str) -> Pod:
    return {"labels": None, "namespace": None, "ip": ip}


OPERATOR = other_pod({"app.kubernetes.io/name": "qserv-operator"}, "qserv-system")
PROMETHEUS = other_pod({"app": "prometheus"}, "monitoring")
DNS = other_pod({"k8s-app": "kube-dns"}, "kube-system")
STRANGER = other_pod()


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def peer_fits(peer: dict[str, Any], pod: Pod, own_namespace: str) -> bool:
    if "ipBlock" in peer:
        net, address = ipaddress.ip_network(peer["ipBlock"]["cidr"]), ipaddress.ip_address(pod["ip"])
        return net.version == address.version and address in net
    if pod["namespace"] is None:
        return False
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": pod["namespace"]}
        if not selects(peer["namespaceSelector"], names):
            return False
    elif pod["namespace"] != own_namespace:
        return False
    return selects(peer.get("podSelector", {}), pod["labels"])


def lets(rules: list[dict[str, Any]], side: str, pod: Pod, port: int, protocol: str, namespace: str) -> bool:
    for rule in rules:
        ports = rule.get("ports")
        if ports and not any(p["port"] == port and p["protocol"] == protocol for p in ports):
            continue
        if side not in rule or any(peer_fits(peer, pod, namespace) for peer in rule[side]):
            return True
    return False


def allowed(spec: ClusterSpec, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether Kubernetes lets a connection through: the source's egress and the target's ingress both agree."""
    made = policies(IDENTITY, spec)

    def of(pod: Pod) -> list[dict[str, Any]]:
        if pod["namespace"] != IDENTITY.namespace:
            return []
        return [item["spec"] for item in made if selects(item["spec"]["podSelector"], pod["labels"])]

    out, into = of(source), of(target)
    return (not out or any(lets(p["egress"], "to", target, port, protocol, IDENTITY.namespace) for p in out)) and (
        not into or any(lets(p["ingress"], "from", source, port, protocol, IDENTITY.namespace) for p in into)
    )


SPEC = ClusterSpec.model_validate(
    {
        "networkPolicy": {
            "clients": [{"cidr": "192.0.2.0/24"}, {"namespaceLabels": {"kubernetes.io/metadata.name": "notebooks"}}],
            "monitoring": [{"namespaceLabels": {"kubernetes.io/metadata.name": "monitoring"}}],
            "loaders": [{"namespaceLabels": {"kubernetes.io/metadata.name": "loaders"}}],
            "sources": ["198.51.100.0/24"],
        }
    }
)
CZAR, WORKER, REPLICATION, METADATA = (engine_pod(name) for name in ("czar", "worker", "replication", "metadata"))
CLIENT, NOTEBOOK, LOADER = outside("192.0.2.7"), other_pod(namespace="notebooks"), other_pod(namespace="loaders")

FLOWS = {
    "a client asks a czar": (CLIENT, CZAR, 4040, True),
    "a notebook asks a czar by HTTP": (NOTEBOOK, CZAR, 4048, True),
    "a notebook asks a czar by Flight": (NOTEBOOK, CZAR, 4042, True),
    "a czar asks a worker": (CZAR, WORKER, 25000, True),
    "a czar asks the metadata": (CZAR, METADATA, 3306, True),
    "a worker sends to a worker": (WORKER, WORKER, 25000, True),
    "a worker reports": (WORKER, REPLICATION, 25081, True),
    "a worker sends to a czar": (WORKER, CZAR, 4042, True),
    "a controller moves chunks": (REPLICATION, WORKER, 25000, True),
    "a controller writes metadata": (REPLICATION, METADATA, 3306, True),
    "the operator asks": (OPERATOR, REPLICATION, 25081, True),
    "a loader asks": (LOADER, REPLICATION, 25081, True),
    "Prometheus reads a worker": (PROMETHEUS, WORKER, 25001, True),
    "Prometheus reads a czar": (PROMETHEUS, CZAR, 4048, True),
    "a worker fetches a file": (WORKER, outside("198.51.100.3"), 443, True),
    "a stranger asks a czar": (STRANGER, CZAR, 4040, False),
    "an address from outside asks a czar": (outside("203.0.113.1"), CZAR, 4040, False),
    "a client asks a worker": (CLIENT, WORKER, 25000, False),
    "a client asks the metadata": (CLIENT, METADATA, 3306, False),
    "a stranger asks a worker": (STRANGER, WORKER, 25000, False),
    "a stranger asks the ingest service": (STRANGER, REPLICATION, 25081, False),
    "a worker asks the metadata": (WORKER, METADATA, 3306, False),
    "the operator asks the metadata": (OPERATOR, METADATA, 3306, False),
    "Prometheus asks for data": (PROMETHEUS, WORKER, 25000, False),
    "another cluster's czar asks a worker": (engine_pod("czar", "other"), WORKER, 25000, False),
    "a czar of that name in another namespace": (engine_pod("czar", "sky", "elsewhere"), WORKER, 25000, False),
    "a worker calls out": (WORKER, outside("203.0.113.1"), 443, False),
    "a czar calls out": (CZAR, outside("203.0.113.1"), 443, False),
    "the metadata calls out": (METADATA, outside("203.0.113.1"), 443, False),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_flow(flow: str) -> None:
    source, target, port, expected = FLOWS[flow]
    assert allowed(SPEC, source, target, port) is expected


@pytest.mark.parametrize("component", ["czar", "worker", "replication", "metadata"])
def test_every_pod_may_ask_for_names(component: str) -> None:
    assert allowed(SPEC, engine_pod(component), DNS, 53, "UDP")


def test_without_clients_anyone_may_send_sql_and_nothing_else() -> None:
    spec = ClusterSpec()
    assert allowed(spec, STRANGER, CZAR, 4040)
    assert not allowed(spec, STRANGER, WORKER, 25000)
    assert not allowed(spec, PROMETHEUS, WORKER, 25001)


def test_every_pod_has_a_policy_of_both_kinds() -> None:
    for made in policies(IDENTITY, SPEC):
        assert made["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert {made["metadata"]["name"] for made in policies(IDENTITY, SPEC)} == {f"sky-{c}" for c in Component}
