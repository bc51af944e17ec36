"""The program: take the lease, watch, and let one worker a cluster reconcile.

::

    kopf's watches ── mark ──► one task a cluster ── thread ──► gather → plan → apply
    lease ── renewed all the time; lost: the program ends, and Kubernetes starts it anew as a stand-by

Handlers of events only mark a cluster. Nothing is written to the resources by kopf: no finalizer, no annotation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, cast

import kopf
import structlog
from aiohttp import web
from prometheus_client import generate_latest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from qserv_operator.kube import ApiServer, RefusedError
from qserv_operator.lease import Lease
from qserv_operator.metrics import Metrics
from qserv_operator.models.base import GROUP, VERSION
from qserv_operator.names import MANAGER
from qserv_operator.reconcile import Reconciler

log = structlog.get_logger()
_ROUNDS = 16
"""Clusters that are reconciled at the same time; others wait for their turn."""
_OURS = {"app.kubernetes.io/managed-by": MANAGER}


class Settings(BaseSettings):
    """Settings of the operator: environment variables ``QSERV_OPERATOR_…``."""

    model_config = SettingsConfigDict(env_prefix="QSERV_OPERATOR_")

    namespace: str = Field(default="qserv-system", description="where the lease is")
    identity: str = Field(default_factory=lambda: f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}")
    host: str = Field(default="0.0.0.0", description="address of /metrics and /healthz")  # noqa: S104
    port: int = 8080
    watch: tuple[str, ...] = Field(default=(), description="namespaces to look after; none: all")
    log_level: str = "INFO"


class Marks:
    """A task a cluster, that reconciles when it is marked or when its time has come; rounds of one never overlap."""

    pause = 1.0
    """Seconds between two rounds at least, so that a storm of events is one round."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._marks: dict[tuple[str, str], asyncio.Event] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._generations: dict[str, int] = {}
        self._nodes: dict[str, object] = {}
        self._closing = False

    def mark(self, namespace: str, name: str) -> None:
        """Look at this cluster soon."""
        key = (namespace, name)
        self._marks.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks or self._tasks[key].done():
            self._tasks[key] = asyncio.create_task(self._run(key), name=f"{namespace}/{name}")

    def mark_all(self) -> None:
        for namespace, name in list(self._marks):
            self.mark(namespace, name)

    def changed(self, meta: Mapping[str, Any], type_: str | None = None) -> bool:
        """Whether a resource's spec changed since it was seen: its status is our own writing."""
        uid, generation = meta["uid"], int(meta.get("generation", 0))
        if type_ == "DELETED":
            self._generations.pop(uid, None)
            return True
        seen = self._generations.get(uid)
        self._generations[uid] = generation
        return seen != generation or "deletionTimestamp" in meta

    def node_changed(self, node: Mapping[str, Any], type_: str | None = None) -> bool:
        """Whether a node came, went, or changed in what clusters care for: kubelets report far more than that."""
        name = node["metadata"]["name"]
        if type_ == "DELETED":
            self._nodes.pop(name, None)
            return True
        conditions = (node.get("status") or {}).get("conditions") or ()
        ready = next((item.get("status") for item in conditions if item["type"] == "Ready"), None)
        now = (ready, node.get("spec") or {}, node["metadata"].get("labels") or {})
        seen = self._nodes.get(name)
        self._nodes[name] = now
        return seen != now

    async def close(self) -> None:
        """End all tasks, each after the round it is in."""
        self._closing = True
        for mark in self._marks.values():
            mark.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, key: tuple[str, str]) -> None:
        mark = self._marks[key]
        failures = 0
        while not self._closing:
            mark.clear()
            try:
                wait = await asyncio.to_thread(self._reconciler.reconcile, *key)
                failures = 0
            except RefusedError as error:
                failures += 1
                wait = min(60.0, 2.0**failures)
                log.warning("the API server refused", namespace=key[0], cluster=key[1], error=str(error), retry=wait)
            except Exception:
                failures += 1
                wait = min(60.0, 2.0**failures)
                log.exception("a round failed", namespace=key[0], cluster=key[1], retry=wait)
            if wait is None:
                if mark.is_set():
                    continue
                del self._marks[key], self._tasks[key]
                return
            if self._closing:
                return
            await asyncio.sleep(self.pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(mark.wait(), max(0.0, wait - self.pause))


def handlers(marks: Marks) -> kopf.OperatorRegistry:
    """What is watched, and which cluster it marks."""
    registry = kopf.OperatorRegistry()

    async def cluster(*, namespace: str | None, name: str, meta: kopf.Meta, **more: Any) -> None:
        if marks.changed(meta, more["type"]):
            marks.mark(namespace or "", name)

    async def of_cluster(*, namespace: str | None, spec: kopf.Spec, meta: kopf.Meta, **more: Any) -> None:
        if marks.changed(meta, more["type"]):
            marks.mark(namespace or "", str(spec.get("cluster", "")))

    async def made(*, namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        marks.mark(namespace or "", labels["app.kubernetes.io/instance"])

    async def node(*, body: kopf.Body, **more: Any) -> None:
        if marks.node_changed(dict(body), more["type"]):
            marks.mark_all()

    kopf.on.login(registry=registry)(_login)
    kopf.on.event(GROUP, VERSION, "qservclusters", registry=registry)(cluster)
    kopf.on.event(GROUP, VERSION, "qservcatalogs", registry=registry)(of_cluster)
    kopf.on.event(GROUP, VERSION, "qservusers", registry=registry)(of_cluster)
    for kind in (
        ("v1", "pods"),
        ("apps", "v1", "statefulsets"),
        ("batch", "v1", "jobs"),
        ("policy", "v1", "poddisruptionbudgets"),
    ):
        kopf.on.event(*kind, labels=_OURS, registry=registry)(made)
    kopf.on.event("v1", "nodes", registry=registry)(node)
    return registry


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def kopf_settings() -> kopf.OperatorSettings:
    """No events of kopf's own, watches that end and begin anew, and fixed resources: ours are there before we start."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    return settings


async def serve(settings: Settings, metrics: Metrics, alive: asyncio.Event) -> web.AppRunner:
    """``/metrics`` and ``/healthz``."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), content_type="text/plain")

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok") if alive.is_set() else web.Response(status=503, text="stopping")

    app = web.Application()
    app.add_routes([web.get("/metrics", show), web.get("/healthz", health)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    return runner


async def hold(lease: Lease, metrics: Metrics, leading: asyncio.Event, stop: asyncio.Event) -> None:
    """Renews the lease until it is cancelled; once it was held and is lost, everything stops.

    In a thread of its own: rounds that wait for engines that do not answer must not keep it from being renewed. A
    defect here ends the program too, which is started anew; without a lease it would wait in silence for ever.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="lease")
    try:
        await _renew(lease, thread, metrics, leading, stop)
    except Exception:
        log.exception("the lease cannot be renewed")
        stop.set()
    finally:
        thread.shutdown(wait=False)


async def _renew(lease: Lease, thread: Executor, metrics: Metrics, leading: asyncio.Event, stop: asyncio.Event) -> None:
    while True:
        held = await asyncio.get_running_loop().run_in_executor(thread, lease.renew)
        metrics.leads(held)
        if held and not leading.is_set():
            log.info("this operator leads")
            leading.set()
        elif leading.is_set() and not held:
            log.error("the lease is lost")
            stop.set()
        await asyncio.sleep(4.0)


async def give_back(lease: Lease, holding: asyncio.Task[None]) -> None:
    """Ends the holding of the lease when all that needed it has ended, so that another operator need not wait."""
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    if lease.leads():
        with contextlib.suppress(RefusedError):
            await asyncio.to_thread(lease.release)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Runs until ``stop``, or until the lease is lost."""
    kube, metrics = ApiServer(), Metrics()
    lease = Lease(kube, namespace=settings.namespace, holder=settings.identity)
    alive, leading = asyncio.Event(), asyncio.Event()
    alive.set()
    server = await serve(settings, metrics, alive)
    holding = asyncio.create_task(hold(lease, metrics, leading, stop))
    stopping = asyncio.create_task(stop.wait())
    elected = asyncio.create_task(leading.wait())
    await asyncio.wait([stopping, elected], return_when=asyncio.FIRST_COMPLETED)
    elected.cancel()
    if leading.is_set() and not stop.is_set():
        await _watch(settings, Marks(Reconciler(kube, leads=lease.leads, metrics=metrics)), stop)
    alive.clear()
    await give_back(lease, holding)
    stopping.cancel()
    await server.cleanup()


async def _watch(settings: Settings, marks: Marks, stop: asyncio.Event) -> None:
    """Watches until ``stop``. A defect of the watching is told, and ends the program in order."""
    try:
        await kopf.operator(
            registry=handlers(marks),
            settings=kopf_settings(),
            identity=cast("Any", settings.identity),  # the name of its type is not public
            standalone=True,
            clusterwide=not settings.watch,
            namespaces=settings.watch,
            stop_flag=stop,
        )
    except Exception:
        log.exception("watching ended")
    finally:
        stop.set()
        await marks.close()


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_ROUNDS, thread_name_prefix="round"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def main() -> None:
    """Entry point of ``qserv-operator``."""
    settings = Settings()
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logging.basicConfig(level=max(level, logging.WARNING), format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    asyncio.run(_main(settings))


if __name__ == "__main__":
    main()
