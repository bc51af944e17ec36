"""A QservCluster under test: its resource, its pods, and SQL through its Service."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from kubectl import Kubectl, KubectlError, Object, wait_for
from stars import truths

READY_SECONDS = 300


@dataclass(frozen=True)
class Cluster:
    """One QservCluster, by its name and the kubectl of its namespace."""

    name: str
    kubectl: Kubectl

    # -- the resource

    def resource(self) -> Object:
        return self.kubectl.get("qservcluster", self.name)

    def spec(self, **change: Any) -> None:
        self.kubectl.patch("qservcluster", self.name, {"spec": change})

    def condition(self, kind: str) -> Object:
        """A condition that speaks of the resource as it is now; {} while the operator has not seen it."""
        found = self.resource()
        status = found.get("status", {})
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return {}
        return next((dict(one) for one in status.get("conditions", []) if one["type"] == kind), {})

    def wait_condition(
        self, kind: str, status: str, reason: str | None = None, seconds: float = READY_SECONDS
    ) -> Object:
        def seen() -> Object | None:
            now = self.condition(kind)
            return now if now.get("status") == status and reason in (None, now.get("reason")) else None

        return wait_for(f"{self.name}: {kind}={status} {reason or ''}", seen, seconds)

    def wait_calm(self, seconds: float = READY_SECONDS) -> None:
        """All pods as wanted, all chunks with all their copies."""

        def calm() -> bool:
            found = self.resource()
            status = found.get("status", {})
            if status.get("observedGeneration") != found["metadata"]["generation"]:
                return False
            by_type = {one["type"]: one["status"] for one in status.get("conditions", [])}
            chunks = status.get("chunks", {})
            return by_type == {"Available": "True", "Progressing": "False", "Degraded": "False"} and not (
                chunks.get("atRisk") or chunks.get("underReplicated") or chunks.get("lost") or chunks.get("moving")
            )

        try:
            wait_for(f"{self.name}: calm", calm, seconds)
        except TimeoutError as error:
            pods = self.kubectl("get", "pods", "-o", "wide")
            raise TimeoutError(f"{error}\n{self.resource().get('status')}\n{pods}") from error

    def events(self) -> list[str]:
        return [
            event["reason"] for event in self.kubectl.find("events") if event["involvedObject"]["name"] == self.name
        ]

    def story(self, kind: str, name: str) -> list[str]:
        """What ``kubectl describe`` of a resource tells at its end: type and reason of each event, in their order."""
        events = self.kubectl("describe", kind, name).rpartition("\nEvents:")[2]
        return re.findall(r"^  (Normal +\w+|Warning +\w+)", events, re.MULTILINE)

    # -- catalogs

    def catalog(self, name: str) -> Object:
        """Status of a catalog; {} while it has none."""
        return dict(self.kubectl.get("qservcatalog", name).get("status", {}))

    def load(self, catalog: Object) -> None:
        """Apply a catalog, and wait until it can be queried."""
        name = catalog["metadata"]["name"]
        self.kubectl.apply(catalog)

        def published() -> bool:
            status = self.catalog(name)
            assert status.get("state") != "Failed", status
            return bool(status.get("state") == "Published")

        wait_for(f"catalog {name} is published", published, READY_SECONDS)

    # -- pods

    def pods(self, component: str) -> list[Object]:
        chosen = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return sorted(self.kubectl.find("pods", chosen), key=lambda pod: str(pod["metadata"]["name"]))

    def uids(self, component: str) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.pods(component)}

    def node_of(self, pod: str) -> str:
        """The node of a pod; empty while it has none."""
        return str(self.kubectl.get("pod", pod)["spec"].get("nodeName", ""))

    def chunks(self) -> dict[str, int]:
        """Chunks of each worker, as the status says."""
        return {row["name"]: int(row["chunks"]) for row in self.resource().get("status", {}).get("workers", [])}

    def schema(self) -> str:
        """The version of the metadata's schema."""
        read = 'MYSQL_PWD="$(cat /run/qserv/metadata/password)" mariadb --host=127.0.0.1 --user=qserv -N qserv -e'
        query = "SELECT version_num FROM alembic_version"
        return self.kubectl("exec", f"{self.name}-metadata-0", "--", "sh", "-c", f"{read} '{query}'").strip()

    def protocol(self, pod: str) -> int:
        """Of the messages that an engine's pod speaks."""
        ask = "from qserv.catalog.messages import PROTOCOL; print(PROTOCOL)"
        return int(self.kubectl("exec", pod, "--", "python", "-c", ask))

    # -- SQL

    def secret(self, name: str, key: str) -> str:
        return base64.b64decode(self.kubectl.get("secret", name)["data"][key]).decode()

    def password(self, user: str = "qserv") -> str:
        return self.secret(f"{self.name}-user-{user}", "password")

    @contextmanager
    def connection(self, user: str = "qserv", **options: Any) -> Iterator[pymysql.Connection[Any]]:
        """A MySQL connection through the cluster's Service; ``options``: others of pymysql."""
        if "password" not in options:
            options["password"] = self.password(user)
        with self.kubectl.forwarded(f"service/{self.name}", 4040) as port:
            connection = pymysql.connect(
                host="127.0.0.1", port=port, user=user, **{"connect_timeout": 10, "read_timeout": 120} | options
            )
            try:
                yield connection
            finally:
                connection.close()

    def ask(self, sql: str, user: str = "qserv") -> list[tuple[Any, ...]]:
        with self.connection(user) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def try_ask(self, sql: str) -> list[tuple[Any, ...]] | None:
        """The answer, or None where there is none just now; a wrong answer stays a wrong answer."""
        try:
            return self.ask(sql)
        except (pymysql.MySQLError, KubectlError, OSError):
            return None


@contextmanager
def queries_go_on(cluster: Cluster) -> Iterator[list[object]]:
    """Ask all the while; what was answered is right. Errors are allowed, wrong answers are not."""
    stop = threading.Event()
    wrong: list[object] = []
    right: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            for sql, truth in truths().items():
                answer = cluster.try_ask(sql)
                if answer is not None:
                    (right if answer == truth else wrong).append((sql, answer))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield right
    finally:
        stop.set()
        thread.join()
    assert not wrong
    assert right, "nothing was answered all the while"
