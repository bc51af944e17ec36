"""The one door to the API server: blocking requests on plain objects, each with a time limit.

Everything that speaks to Kubernetes goes through :class:`Kube`, a protocol, so that the same code runs against the
simulator. Paths are made from a short table: the operator knows all the kinds that it touches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from qserv_operator.names import MANAGER, Object

PLURALS: Mapping[str, str] = {
    "ConfigMap": "configmaps",
    "ControllerRevision": "controllerrevisions",
    "Event": "events",
    "Job": "jobs",
    "Lease": "leases",
    "NetworkPolicy": "networkpolicies",
    "Node": "nodes",
    "PersistentVolume": "persistentvolumes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "QservCatalog": "qservcatalogs",
    "QservCluster": "qservclusters",
    "QservUser": "qservusers",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "ServiceMonitor": "servicemonitors",
    "StatefulSet": "statefulsets",
}
_LIST_TIMEOUT = (3.0, 30.0)
_TIMEOUT = (3.0, 6.0)  # less than a third of a lease: see qserv_operator.lease
_PAGE = 500


class RefusedError(Exception):
    """The API server refused or did not answer. ``status``: HTTP's, 0 where there was no answer."""

    def __init__(self, status: int, what: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.status = status


class Kube(Protocol):
    """What the operator asks of an API server. All raise :class:`RefusedError`."""

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        """The object, or None where there is none."""

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind, in a namespace or everywhere, with these labels."""

    def apply(self, made: Object, *, subresource: str = "") -> Object:
        """Server-side apply: the object then has these fields, whoever had set them."""

    def create(self, made: Object) -> Object: ...

    def replace(self, made: Object) -> Object:
        """Replace an object that was read; refused with 409 when it changed since."""

    def merge(self, api_version: str, kind: str, namespace: str, name: str, patch: Object) -> Object: ...

    def delete(
        self, api_version: str, kind: str, namespace: str, name: str, *, uid: str = "", grace: int | None = None
    ) -> None:
        """Delete; only the object of this uid where one is given. One that is not there is as good."""


def path(api_version: str, kind: str, namespace: str | None, name: str = "", subresource: str = "") -> str:
    """Path of an object, or of all of a kind, in the API."""
    base = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    parts = [base, *(["namespaces", quote(namespace)] if namespace else []), PLURALS[kind]]
    return "/".join([*parts, *([quote(name)] if name else []), *([subresource] if subresource else [])])


class ApiServer:
    """:class:`Kube` on a real API server, as the pod's account or the user's kubeconfig."""

    def __init__(self) -> None:
        try:
            config.load_incluster_config()
        except config.ConfigException:
            config.load_kube_config()
        settings = client.Configuration.get_default_copy()
        settings.retries = False  # a change that is sent again could come after the lease has ended
        self._client = client.ApiClient(settings)

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        try:
            return self._send("GET", path(api_version, kind, namespace, name))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        found: list[Object] = []
        query = {"limit": str(_PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            answer = self._send("GET", path(api_version, kind, namespace), query=query, limit=_LIST_TIMEOUT)
            found += answer["items"]
            more = answer["metadata"].get("continue")
            if not more:
                return found
            query["continue"] = more

    def apply(self, made: Object, *, subresource: str = "") -> Object:
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._send("PATCH", _path_of(made, subresource), made, query, "application/apply-patch+yaml")

    def create(self, made: Object) -> Object:
        where = path(made["apiVersion"], made["kind"], made["metadata"].get("namespace"))
        return self._send("POST", where, made, {"fieldManager": MANAGER})

    def replace(self, made: Object) -> Object:
        return self._send("PUT", _path_of(made, ""), made, {"fieldManager": MANAGER})

    def merge(self, api_version: str, kind: str, namespace: str, name: str, patch: Object) -> Object:
        where = path(api_version, kind, namespace, name)
        return self._send("PATCH", where, patch, {"fieldManager": MANAGER}, "application/merge-patch+json")

    def delete(
        self, api_version: str, kind: str, namespace: str, name: str, *, uid: str = "", grace: int | None = None
    ) -> None:
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self._send("DELETE", path(api_version, kind, namespace, name), body)
        except RefusedError as error:
            if error.status != 404:
                raise

    def _send(
        self,
        method: str,
        where: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        limit: tuple[float, float] = _TIMEOUT,
    ) -> Object:
        headers = {"Accept": "application/json", "Content-Type": content}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], where, method, body)
        url = self._client.configuration.host + where + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self._client.call_api(method, url, headers, body=body, _request_timeout=limit)
            text = answer.read()
        except ApiException as error:
            raise RefusedError(error.status or 0, f"{method} {where}", _message(error.body or error.reason)) from error
        except Exception as error:  # urllib3's own tree of errors of the connection
            raise RefusedError(0, f"{method} {where}", str(error)) from error
        if not 200 <= answer.status < 300:
            raise RefusedError(answer.status, f"{method} {where}", _message(text))
        try:
            found: Object = json.loads(text)
        except ValueError as error:
            raise RefusedError(0, f"{method} {where}", f"no JSON in the answer: {text[:100]!r}") from error
        return found


def _path_of(made: Object, subresource: str) -> str:
    meta = made["metadata"]
    return path(made["apiVersion"], made["kind"], meta.get("namespace"), meta["name"], subresource)


def _message(body: Any) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:500]
