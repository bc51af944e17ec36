"""Reads the `QservUser` and `QservCatalog` resources of a cluster; one that cannot be read keeps no other back."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from qserv_operator.clock import seconds
from qserv_operator.kube import Kube
from qserv_operator.models.base import API_VERSION, Condition
from qserv_operator.models.catalog import CatalogSpec, CatalogStatus
from qserv_operator.models.user import QservUserSpec, QservUserStatus
from qserv_operator.names import Object
from qserv_operator.snapshot import CatalogFact, Unreadable, UserFact

Status = TypeVar("Status", bound=BaseModel)


def observed(model: type[Status], raw: Object) -> Status:
    """The status of a resource; an empty one where another version wrote what this one does not know."""
    try:
        return model.model_validate(raw.get("status") or {})
    except ValidationError:
        return model()


def explained(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def customs(
    kube: Kube, namespace: str, cluster: str
) -> tuple[tuple[UserFact, ...], tuple[CatalogFact, ...], tuple[Unreadable, ...]]:
    """Users, catalogs, and those of both that cannot be read."""
    users, catalogs, unreadable = [], [], []
    for item in _of_cluster(kube, "QservUser", namespace, cluster):
        try:
            spec = QservUserSpec.model_validate(item["spec"])
            users.append(UserFact(spec=spec, status=observed(QservUserStatus, item), **_known(item)))
        except ValidationError as error:
            unreadable.append(_unreadable(item, error))
    for item in _of_cluster(kube, "QservCatalog", namespace, cluster):
        try:
            wanted = CatalogSpec.model_validate(item["spec"])
            catalogs.append(CatalogFact(spec=wanted, status=observed(CatalogStatus, item), **_known(item)))
        except ValidationError as error:
            unreadable.append(_unreadable(item, error))
    return tuple(users), tuple(catalogs), tuple(unreadable)


def _of_cluster(kube: Kube, kind: str, namespace: str, cluster: str) -> list[Object]:
    return [
        item | {"kind": kind}
        for item in kube.list(API_VERSION, kind, namespace)
        if item["spec"].get("cluster") == cluster and "deletionTimestamp" not in item["metadata"]
    ]


def _known(item: Object) -> dict[str, Any]:
    meta = item["metadata"]
    return {
        "name": meta["name"],
        "uid": meta["uid"],
        "generation": int(meta.get("generation", 1)),
        "created": seconds(meta.get("creationTimestamp")) or 0.0,
    }


def _unreadable(item: Object, error: ValidationError) -> Unreadable:
    meta = item["metadata"]
    conditions: tuple[Condition, ...] = observed(
        QservUserStatus if item["kind"] == "QservUser" else CatalogStatus, item
    ).conditions  # type: ignore[attr-defined]
    return Unreadable(
        kind=item["kind"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        message=explained(error),
        conditions=conditions,
        database=str(item["spec"].get("database", "")) if item["kind"] == "QservCatalog" else "",
        account=str(item["spec"].get("name", "")) if item["kind"] == "QservUser" else "",
    )
