"""Snapshots in files, and the plan that is made of each.

``plans/NAME.yaml`` says how a calm cluster of three workers (two controllers, one czar, an own database) differs, and
``plans/NAME.plan.yaml`` what is to be done. ``UPDATE_GOLDEN=1`` writes the latter anew: read what it says.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_world.golden import check, dump
from pydantic import TypeAdapter

from qserv_operator.actions import Plan, PutAccount, Step
from qserv_operator.builders.workloads import templates
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.names import TEMPLATE_LABEL, Component, Identity
from qserv_operator.plan import plan, questions
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import Snapshot
from qserv_operator.tasks.conditions import news
from qserv_operator.tasks.rollout import template_hash

PLANS = Path(__file__).parent / "plans"
CASES = [file.stem for file in sorted(PLANS.glob("*.yaml")) if not file.stem.endswith(".plan")]
NOW = 1_800_000_000.0
SNAPSHOT = TypeAdapter(Snapshot)
IDENTITY = Identity("sky", "survey", "uid-sky")
COUNTS = {Component.METADATA: 1, Component.REPLICATION: 2, Component.WORKER: 3, Component.CZAR: 1}


def merged(base: Any, change: Any) -> Any:
    """A change laid over a base; null takes away."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    found = {key: merged(base.get(key), value) for key, value in change.items() if value is not None}
    return {**{key: value for key, value in base.items() if key not in change}, **found}


def calm(spec: ClusterSpec) -> dict[str, Any]:
    """A cluster with nothing to do; pods and nodes by name."""
    made = templates(IDENTITY, spec)
    pods, nodes, claims = {}, {}, {}
    for component, count in COUNTS.items():
        if component not in made:
            continue
        for ordinal in range(count):
            name, node = IDENTITY.pod(component, ordinal), f"n{ordinal}"
            pods[name] = {
                "name": name,
                "uid": f"uid-{name}",
                "component": str(component),
                "template": "now",
                "image": "now",
                "node": node,
                "ready": True,
                "created": NOW - 10_000,
            }
            nodes[node] = {"name": node, "labels": {"kubernetes.io/hostname": node}, "ready_since": NOW - 90_000}
            if component in (Component.WORKER, Component.METADATA):
                claim = IDENTITY.claim(component, ordinal)
                claims[claim] = {"name": claim, "uid": f"uid-{claim}", "node": node}
    sets = {str(c): {"replicas": COUNTS[c], "hash": "now", "template": made[c]} for c in COUNTS if c in made}
    keys = {"sky-secret": ["secret"], "sky-metadata": ["password", "root-password"], "sky-user-qserv": ["password"]}
    workers = {
        f"sky-worker-{i}": {"name": f"sky-worker-{i}", "state": "online", "chunks": 20, "capacity": 100, "free": 50}
        for i in range(3)
    }
    return {
        "identity": {"name": "sky", "namespace": "survey", "uid": "uid-sky"},
        "pods": pods,
        "nodes": nodes,
        "claims": claims,
        "sets": sets,
        "secrets": {name: {"name": name, "keys": found, "version": "1"} for name, found in keys.items()},
        "status": {
            "image": spec.image,
            "rollout": {str(c): {"good": "now"} for c in COUNTS if c in made},
            "accounts": [{"name": "qserv", "secret": "sky-user-qserv", "version": "1"}],
        },
        "engine": {
            "workers": workers,
            "chunks": {"total": 30},
            "settings": {"factor": 2, "bandwidth": 200 * 1024**2, "lost_after": 600},
            "accounts": [{"name": "qserv", "grants": ["*"], "admin": True}],
        },
    }


def snapshot_of(case: str) -> Snapshot:
    change = yaml.safe_load((PLANS / f"{case}.yaml").read_text())
    change.pop("about")
    spec = ClusterSpec.model_validate(change.pop("spec", {}))
    raw = merged(calm(spec), change)
    made = templates(IDENTITY, spec)
    raw["spec"] = spec
    for component, found in raw["sets"].items():
        wanted = made[Component(component)]
        found["template"] = _labelled(wanted, found["hash"])
        if found["hash"] == "now":
            found["hash"] = template_hash(wanted)
        revisions = found.get("revisions", [])
        found["revisions"] = {name: _labelled(wanted, name) for name in revisions}
    for pod in raw["pods"].values():
        wanted = made[Component(pod["component"])]
        pod["template"] = template_hash(wanted) if pod["template"] == "now" else pod["template"]
        pod["image"] = wanted["spec"]["containers"][0]["image"] if pod["image"] == "now" else pod["image"]
    for component, row in raw["status"]["rollout"].items():
        hash_ = template_hash(made[Component(component)])
        raw["status"]["rollout"][component] = {k: hash_ if v == "now" else v for k, v in row.items()}
    canary = (raw.get("answers") or {}).get("canary")
    if canary:
        canary["template"] = template_hash(made[Component.WORKER])
    raw["pods"] = tuple(raw["pods"].values())
    return SNAPSHOT.validate_python(raw)


def _labelled(template: dict[str, Any], hash_: str) -> dict[str, Any]:
    made = copy.deepcopy(template)
    if hash_ != "now":
        made["metadata"]["labels"][TEMPLATE_LABEL] = hash_
        made["spec"]["containers"][0]["image"] = f"image-of-{hash_}"
    return made


def _call(call: Any) -> str:
    if isinstance(call, PutAccount):
        return f"PutAccount({call.account.name}, grants={list(call.account.grants)}, secret={call.secret})"
    values = {key: value for key, value in vars(call).items() if key not in ("uid", "manifest")}
    shown = ", ".join(f"{key}={value if not hasattr(value, 'name') else value.name}" for key, value in values.items())
    return f"{type(call).__name__}({shown})"


def _step(step: Step) -> dict[str, Any]:
    event = {"event": f"{step.event.reason}: {step.event.message}"} if step.event else {}
    return {"calls": [_call(call) for call in step.calls], **event}


def summary(snapshot: Snapshot, made: Plan) -> dict[str, Any]:
    """What of a plan is worth a look."""
    spec_templates = {c: template_hash(t) for c, t in templates(snapshot.identity, snapshot.spec).items()}
    sets, budget = {}, None
    for item in made.apply:
        name = item["metadata"]["name"]
        if item["kind"] == "StatefulSet":
            component = Component(name.removeprefix("sky-"))
            hash_ = template_hash(item["spec"]["template"])
            shown = "now" if hash_ == spec_templates[component] else hash_
            sets[str(component)] = f"{item['spec']['replicas']} pods of template {shown}"
        if item["kind"] == "PodDisruptionBudget" and name == "sky-worker":
            budget = item["spec"]["maxUnavailable"]
    told = news(snapshot.status.conditions, made.status.conditions)
    asked = questions(snapshot, NOW)
    found: dict[str, Any] = {
        "asked": {"stop": list(asked.stop), "canary": asked.canary[0] if asked.canary else None},
        "sets": sets,
        "workers others may evict": budget,
        "secrets": [new.name for new in made.secrets],
        "prune": [f"{key.kind} {key.name}" for key in made.prune],
        "steps": [_step(step) for step in made.steps],
        "conditions": {i.type: f"{i.status} {i.reason}: {i.message}" for i in made.status.conditions},
        "events": [f"{event.reason}: {event.message}" for event in (*made.events, *told)],
        "users": {name: f"{s.conditions[0].status} {s.conditions[0].reason}" for name, s in made.users},
        "catalogs": {name: f"{s.state} {s.progress.files} {list(s.errors)}" for name, s in made.catalogs},
        "lost": {row.name: f"{row.cause}, replaced at {row.replace_at}" for row in made.status.workers if row.cause},
    }
    text = {key: value for key, value in found.items() if value not in ({}, [], None)}
    known = yaml.safe_load(dump(text))
    return known if isinstance(known, dict) else {}


@pytest.mark.parametrize("case", CASES)
def test_plan(case: str) -> None:
    snapshot = snapshot_of(case)
    made = plan(snapshot, NOW)
    text = dump(summary(snapshot, made))
    for component, template in templates(snapshot.identity, snapshot.spec).items():
        text = text.replace(template_hash(template), f"<{component} now>")
    check(PLANS / f"{case}.plan.yaml", text)


def test_every_reason_is_said_in_some_case() -> None:
    said: set[str] = set()
    for snapshot in map(snapshot_of, CASES):
        made = plan(snapshot, NOW)
        statuses = (made.status, *(status for _, status in made.users), *(status for _, status in made.catalogs))
        said |= {condition.reason for status in statuses for condition in status.conditions}
        said |= {str(event.reason) for event in (*made.events, *(step.event for step in made.steps)) if event}
    told_elsewhere = {Reason.APPLY_REFUSED, Reason.INVALID_SPEC, Reason.CLUSTER_MISSING}
    assert set(Reason) - said == told_elsewhere, "these are the rounds', see test_operator_rounds.py"


@pytest.mark.parametrize("case", CASES)
def test_plan_is_a_function(case: str) -> None:
    assert plan(snapshot_of(case), NOW) == plan(snapshot_of(case), NOW)
