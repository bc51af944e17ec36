"""NetworkPolicies: the flows of the picture, and no other.

::

    clients ──► czar ──► worker ◄──► worker ◄── replication ◄── loaders, operator
                  │         └──────────────────────►│
                  └──────────► metadata ◄───────────┘

Workers also reach the czars (Flight), and the addresses that input files come from. Everyone may ask the cluster's DNS.
"""

from __future__ import annotations

from collections.abc import Sequence

from qserv_operator.models.cluster import ClusterSpec, Peer
from qserv_operator.names import (
    CZAR_FLIGHT_PORT,
    CZAR_HTTP_PORT,
    METADATA_PORT,
    MYSQL_PORT,
    REPLICATION_PORT,
    WORKER_FLIGHT_PORT,
    WORKER_HTTP_PORT,
    Component,
    Identity,
    Object,
)

_SOURCE_PORTS = (80, 443, 9000)  # HTTP, HTTPS, and S3 as object stores of centres usually serve it


def _ports(*ports: int) -> list[Object]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _pods(identity: Identity, component: Component) -> Object:
    return {"podSelector": {"matchLabels": identity.selector(component)}}


def _peer(peer: Peer) -> Object:
    if peer.cidr is not None:
        return {"ipBlock": {"cidr": peer.cidr}}
    found: Object = {}
    if peer.namespace_labels is not None:
        found["namespaceSelector"] = {"matchLabels": dict(peer.namespace_labels)} if peer.namespace_labels else {}
    if peer.pod_labels is not None:
        found["podSelector"] = {"matchLabels": dict(peer.pod_labels)} if peer.pod_labels else {}
    return found


def _from(peers: Sequence[Object], *ports: int) -> list[Object]:
    """A rule that lets these peers in; none, where there are no peers (an empty list would mean everyone)."""
    return [{"from": list(peers), "ports": _ports(*ports)}] if peers else []


_DNS: Object = {
    "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.20.10/32"}}],  # NodeLocal DNSCache's address
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
_OPERATOR: Object = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "qserv-operator"}},
}


def _policy(identity: Identity, component: Component, ingress: list[Object], egress: list[Object]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": identity.meta(identity.component(component), component),
        "spec": {
            "podSelector": {"matchLabels": identity.selector(component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [_DNS, *egress],
        },
    }


def policies(identity: Identity, spec: ClusterSpec) -> list[Object]:
    """One policy a component."""
    network = spec.network_policy
    czar, worker = _pods(identity, Component.CZAR), _pods(identity, Component.WORKER)
    replication, metadata = _pods(identity, Component.REPLICATION), _pods(identity, Component.METADATA)
    monitoring = [_peer(peer) for peer in network.monitoring]
    sql = {"ports": _ports(MYSQL_PORT, CZAR_HTTP_PORT, CZAR_FLIGHT_PORT)}
    clients = [sql | ({"from": [_peer(peer) for peer in network.clients]} if network.clients else {})]
    to_metadata: list[Object] = (
        [{"to": [metadata], "ports": _ports(METADATA_PORT)}]
        if spec.metadata.external is None
        else [{"ports": _ports(spec.metadata.external.port)}]
    )
    to_workers: Object = {"to": [worker], "ports": _ports(WORKER_FLIGHT_PORT, WORKER_HTTP_PORT)}
    to_sources = (
        [{"to": [{"ipBlock": {"cidr": cidr}} for cidr in network.sources], "ports": _ports(*_SOURCE_PORTS)}]
        if network.sources
        else []
    )
    loaders = [_OPERATOR, *(_peer(peer) for peer in network.loaders)]
    found = [
        _policy(
            identity,
            Component.CZAR,
            [*clients, *_from([worker], CZAR_FLIGHT_PORT), *_from(monitoring, CZAR_HTTP_PORT)],
            [to_workers, *to_metadata],
        ),
        _policy(
            identity,
            Component.WORKER,
            [
                *_from([czar, replication, worker], WORKER_FLIGHT_PORT, WORKER_HTTP_PORT),
                *_from(monitoring, WORKER_HTTP_PORT),
            ],
            [
                to_workers,
                {"to": [replication], "ports": _ports(REPLICATION_PORT)},
                {"to": [czar], "ports": _ports(CZAR_FLIGHT_PORT)},
                *to_sources,
            ],
        ),
        _policy(
            identity,
            Component.REPLICATION,
            [*_from([worker, replication, *loaders], REPLICATION_PORT), *_from(monitoring, REPLICATION_PORT)],
            [to_workers, {"to": [replication], "ports": _ports(REPLICATION_PORT)}, *to_metadata],
        ),
    ]
    if spec.metadata.external is None:
        found.append(_policy(identity, Component.METADATA, _from([czar, replication], METADATA_PORT), []))
    return found
