"""The handlers under kopf itself, on kmock's API server: what happens becomes rounds, and rounds become objects."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import attrs
import kmock
import kopf.testing
import pytest
import yaml

from qserv_operator.engine import Controllers
from qserv_operator.kube import PLURALS, ApiServer
from qserv_operator.main import Marks, Settings, handlers, kopf_settings, run
from qserv_operator.metrics import Metrics
from qserv_operator.reconcile import Reconciler

OURS = "qserv.io/v1alpha1"
VERSIONS = {
    "apps/v1": ("ControllerRevision", "StatefulSet"),
    "batch/v1": ("Job",),
    "coordination.k8s.io/v1": ("Lease",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
    OURS: ("QservCatalog", "QservCluster", "QservUser"),
}
CLUSTER = {
    "apiVersion": OURS,
    "kind": "QservCluster",
    "metadata": {"name": "sky", "namespace": "survey", "uid": "uid-sky", "generation": 1},
    "spec": {"worker": {"replicas": 3}},
}
WATCHED = (
    "qservclusters",
    "qservcatalogs",
    "qservusers",
    "pods",
    "statefulsets",
    "jobs",
    "poddisruptionbudgets",
    "nodes",
)


class ApiServerEmulator(kmock.KubernetesEmulator):
    """kmock's, with two things of the real one that it lacks: server-side apply makes what is missing, and PUT."""

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        if request.method == kmock.method.PUT:
            request = attrs.evolve(request, action=kmock.action.UPDATE)
        if request.action == kmock.action.UPDATE and request.resource and request.name and not request.subresource:
            key = (request.resource, request.namespace, request.name)
            if key not in self.objects or self.objects[key].deleted:
                self.objects[key] = {"metadata": {"uid": f"uid-{request.name}", "generation": 1}}
        return await super()._handle(request)


def plural(kind: str) -> str:
    version = next((version for version, kinds in VERSIONS.items() if kind in kinds), "v1")
    return f"{version}/{PLURALS[kind]}"


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServerEmulator]:
    """An API server that knows what the operator asks for, and is named by ``KUBECONFIG``."""
    async with ApiServerEmulator() as api, kmock.Server(api):
        known = {plural(kind): kind for kind in PLURALS if kind != "ServiceMonitor"}
        known |= {"v1/namespaces": "Namespace", "apiextensions.k8s.io/v1/customresourcedefinitions": "CRD"}
        verbs = {"get", "list", "watch", "create", "patch", "update", "delete"}
        for name, kind in known.items():
            flat = kind in ("Namespace", "CRD", "Node", "PersistentVolume")
            parts = {"status"} if kind.startswith("Qserv") else set()
            api.resources[name] = kmock.ResourceInfo(kind=kind, namespaced=not flat, verbs=verbs, subresources=parts)
        file = tmp_path / "kubeconfig"
        file.write_text(yaml.safe_dump(_kubeconfig(str(api.url).rstrip("/"))))
        monkeypatch.setenv("KUBECONFIG", str(file))  # kopf reads it when it logs in, the client when it is imported
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
        yield api


def _kubeconfig(url: str) -> dict[str, Any]:
    context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [context],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": "none"}}],
    }


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  what is waited for happens in threads
            await asyncio.sleep(0.02)


def names(server: ApiServerEmulator, kind: str) -> set[str]:
    return {
        str(name)
        for (found, _, name), made in server.objects.items()
        if found.plural == PLURALS[kind] and not made.deleted
    }


def nobody(*_: object) -> Controllers:
    """An engine that does not answer."""
    return Controllers(["http://127.0.0.1:9"], "secret")


def marks() -> Marks:
    return Marks(Reconciler(ApiServer(), leads=lambda: True, metrics=Metrics(), engine_of=nobody))


@contextlib.asynccontextmanager
async def running(server: ApiServerEmulator, found: Marks) -> AsyncIterator[None]:
    """The handlers in kopf's runner, which has a thread of its own; from when everything is watched."""
    arguments = ["run", "--standalone", "--all-namespaces", "--quiet"]
    runner = kopf.testing.KopfRunner(arguments, registry=handlers(found), settings=kopf_settings(), timeout=60)
    with contextlib.ExitStack() as stack:
        stack.enter_context(runner)
        try:
            await until(lambda: watched(server))
            yield
        finally:
            await asyncio.to_thread(stack.close)
    assert runner.exit_code == 0


def watched(server: ApiServerEmulator) -> bool:
    asked = {request.resource.plural for request in server if request.action == kmock.action.WATCH and request.resource}
    return set(WATCHED) <= asked


async def test_a_cluster_that_is_applied_gets_its_objects_and_its_status(server: ApiServerEmulator) -> None:
    async with running(server, marks()), aiohttp.ClientSession(str(server.url)) as session:
        await session.post("/apis/qserv.io/v1alpha1/namespaces/survey/qservclusters", json=CLUSTER)
        await until(lambda: "status" in cluster(server))
    assert names(server, "StatefulSet") == {f"sky-{part}" for part in ("metadata", "replication", "worker", "czar")}
    assert {"sky-secret", "sky-metadata", "sky-user-qserv"} <= names(server, "Secret")
    reasons = {item["type"]: item["reason"] for item in cluster(server)["status"]["conditions"]}
    assert reasons["Progressing"] == "Creating"
    assert set(cluster(server)["metadata"]) == set(CLUSTER["metadata"]), "kopf wrote to the resource"


def cluster(server: ApiServerEmulator) -> dict[str, Any]:
    key = (kmock.resource(plural("QservCluster")), "survey", "sky")
    return dict(server.objects[key].last.raw) if key in server.objects else {}


async def test_events_of_its_parts_mark_a_cluster(server: ApiServerEmulator) -> None:
    marked: list[tuple[str, str]] = []

    class Noted(Marks):
        def mark(self, namespace: str, name: str) -> None:
            marked.append((namespace, name))

    def one(kind: str, name: str, **more: Any) -> dict[str, Any]:
        meta = {"name": name, "namespace": "survey", "uid": f"uid-{kind}-{name}", "generation": 1}
        return {"kind": kind, "metadata": meta | more.pop("metadata", {}), **more}

    ours = {"app.kubernetes.io/managed-by": "qserv-operator", "app.kubernetes.io/instance": "of-a-pod"}
    noted = Noted(Reconciler(ApiServer(), leads=lambda: True, metrics=Metrics(), engine_of=nobody))
    async with running(server, noted), aiohttp.ClientSession(str(server.url)) as session:
        base = "/apis/qserv.io/v1alpha1/namespaces/survey"
        await session.post(f"{base}/qservusers", json=one("QservUser", "joe", spec={"cluster": "of-a-user"}))
        await session.post(f"{base}/qservcatalogs", json=one("QservCatalog", "gaia", spec={"cluster": "of-a-catalog"}))
        pods = "/api/v1/namespaces/survey/pods"
        await session.post(pods, json=one("Pod", "of-others"))
        await session.post(pods, json=one("Pod", "worker", metadata={"labels": ours}))
        await until(lambda: len(marked) >= 3)
    assert set(marked) == {("survey", "of-a-user"), ("survey", "of-a-catalog"), ("survey", "of-a-pod")}


async def test_the_program_leads_reconciles_and_gives_its_lease_back(server: ApiServerEmulator) -> None:
    stop = asyncio.Event()
    program = asyncio.create_task(run(Settings(identity="me", host="127.0.0.1", port=0), stop))
    try:
        await until(lambda: holder(server) == "me" and watched(server))
        async with aiohttp.ClientSession(str(server.url)) as session:
            await session.post("/apis/qserv.io/v1alpha1/namespaces/survey/qservclusters", json=CLUSTER)
            await until(lambda: "status" in cluster(server))
    finally:
        stop.set()
        await asyncio.wait_for(program, 60)
    assert holder(server) == ""


def holder(server: ApiServerEmulator) -> str | None:
    key = (kmock.resource(plural("Lease")), "qserv-system", "qserv-operator")
    return str(server.objects[key].last.raw["spec"]["holderIdentity"]) if key in server.objects else None
