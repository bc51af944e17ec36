"""An API server in memory: objects, versions, server-side apply, preconditions."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from qserv_operator.kube import RefusedError

Object = dict[str, Any]
Key = tuple[str, str, str]


def matches(labels: dict[str, str], selector: str) -> bool:
    """Whether labels fit a selector such as ``a=b,c=d``."""
    return all(labels.get(part.split("=")[0]) == part.split("=")[1] for part in selector.split(",") if part)


class Api:
    """Implements :class:`qserv_operator.kube.Kube`; ``deleting`` is told of each deletion before it happens."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.applied: dict[tuple[Key, str], Object] = {}
        self.deleting: Callable[[Key, Object], None] = lambda _key, _made: None
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    def of_kind(self, kind: str) -> list[Object]:
        """The objects themselves, for the world's controllers to change."""
        return [made for key, made in sorted(self.objects.items()) if key[0] == kind]

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return self.objects.get((kind, namespace, name))

    def put(self, made: Object) -> Object:
        """Store a new object."""
        meta = made["metadata"]
        meta.setdefault("uid", f"uid-{next(self._uids)}")
        meta.setdefault("generation", 1)
        meta.setdefault("labels", {})
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[made["kind"], meta.get("namespace") or "", meta["name"]] = made
        return made

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        return copy.deepcopy(self.find(kind, namespace or "", name))

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        return [
            copy.deepcopy(made)
            for made in self.of_kind(kind)
            if (namespace is None or made["metadata"].get("namespace") == namespace)
            and matches(made["metadata"].get("labels") or {}, selector)
        ]

    def create(self, made: Object) -> Object:
        made = copy.deepcopy(made)
        meta = made["metadata"]
        if "generateName" in meta:
            meta["name"] = f"{meta.pop('generateName')}{next(self._uids)}"
        if self.find(made["kind"], meta.get("namespace") or "", meta["name"]) is not None:
            raise RefusedError(409, "create", f"{meta['name']} already exists")
        return copy.deepcopy(self.put(made))

    def replace(self, made: Object) -> Object:
        meta = made["metadata"]
        found = self.find(made["kind"], meta.get("namespace") or "", meta["name"])
        if found is None:
            raise RefusedError(404, "replace", "not found")
        if meta["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise RefusedError(409, "replace", "the object has been modified")
        return copy.deepcopy(self.put({**copy.deepcopy(made), "metadata": {**found["metadata"], **meta}}))

    def merge(self, api_version: str, kind: str, namespace: str, name: str, patch: Object) -> Object:
        found = self.find(kind, namespace, name)
        if found is None:
            raise RefusedError(404, "merge", f"{name} not found")
        _merge(found, patch)
        self._touch(found)
        return copy.deepcopy(found)

    def apply(self, made: Object, *, subresource: str = "") -> Object:
        made = copy.deepcopy(made)
        meta = made["metadata"]
        key = (made["kind"], meta.get("namespace") or "", meta["name"])
        found = self.objects.get(key)
        if found is None:
            if subresource:
                raise RefusedError(404, "apply", f"{meta['name']} not found")
            found = self.put({"kind": made["kind"], "apiVersion": made["apiVersion"], "metadata": dict(meta)})
        elif "uid" in meta and meta["uid"] != found["metadata"]["uid"]:
            raise RefusedError(409, "apply", "the uid does not match")
        before = copy.deepcopy(found)
        _drop(found, self.applied.get((key, subresource), {}), made)
        _merge(found, made)
        self.applied[key, subresource] = made
        if found != before:
            self._touch(found, spec=found.get("spec") != before.get("spec"))
        return copy.deepcopy(found)

    def delete(
        self, api_version: str, kind: str, namespace: str, name: str, *, uid: str = "", grace: int | None = None
    ) -> None:
        key = (kind, namespace, name)
        found = self.objects.get(key)
        if found is None:
            return
        if uid and found["metadata"]["uid"] != uid:
            raise RefusedError(409, "delete", "the uid in the precondition does not match")
        self.deleting(key, found)
        if kind in ("Pod", "PersistentVolumeClaim") and grace != 0:
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._touch(found)
        else:
            self.remove(found)

    def remove(self, made: Object) -> None:
        """It is gone."""
        meta = made["metadata"]
        key = (made["kind"], meta.get("namespace") or "", meta["name"])
        self.objects.pop(key, None)
        for name in [name for name in self.applied if name[0] == key]:
            del self.applied[name]

    def _touch(self, made: Object, *, spec: bool = False) -> None:
        made["metadata"]["resourceVersion"] = str(next(self._versions))
        made["metadata"]["generation"] += int(spec)


def _merge(found: Object, patch: Object) -> None:
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(found.get(name), dict):
            _merge(found[name], value)
        else:
            found[name] = copy.deepcopy(value)


def _drop(found: Object, before: Object, after: Object) -> None:
    """Removes fields that were applied before and are not any more."""
    for name, value in before.items():
        if name not in after:
            found.pop(name, None)
        elif isinstance(value, dict) and isinstance(after[name], dict) and isinstance(found.get(name), dict):
            _drop(found[name], value, after[name])
