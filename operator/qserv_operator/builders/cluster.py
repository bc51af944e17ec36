"""All objects of a cluster, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qserv_operator.builders.network import policies
from qserv_operator.builders.pods import stateful_set
from qserv_operator.builders.services import (
    disruption_budget,
    headless,
    ingest_service,
    metadata_config,
    service_account,
    service_monitor,
    sql_service,
)
from qserv_operator.builders.workloads import claims, replicas, templates
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import Component, Identity, Object


@dataclass(frozen=True)
class Choices:
    """What the state of the cluster, not its spec, decides of its objects.

    ``templates``: pod templates held back or rolled back. ``workers``: pods of workers, more than wanted while some are
    drained. ``disruptions``: workers that others may evict at once.
    """

    templates: Mapping[Component, Object] = field(default_factory=dict)
    workers: int | None = None
    disruptions: int = 0


def build(identity: Identity, spec: ClusterSpec, choices: Choices) -> list[Object]:
    """Every object of the cluster except its generated Secrets."""
    wanted = templates(identity, spec)
    components = [component for component in Component if component in wanted]
    found: list[Object] = [service_account(identity)]
    if Component.METADATA in wanted:
        found.append(metadata_config(identity))
    if spec.network_policy.enabled:
        found += policies(identity, spec)
    found += [headless(identity, component) for component in components]
    found += [sql_service(identity, spec), ingest_service(identity)]
    for component in components:
        allowed = choices.disruptions if component is Component.WORKER else 1
        found.append(disruption_budget(identity, component, allowed))
    for component in components:
        count = replicas(spec, component)
        if component is Component.WORKER and choices.workers is not None:
            count = choices.workers
        template = choices.templates.get(component, wanted[component])
        volumes = claims(identity, spec, component)
        found.append(stateful_set(identity, spec, component, replicas=count, pod_template=template, claims=volumes))
    if spec.monitoring.service_monitor:
        found.append(service_monitor(identity, spec))
    return found
