"""CustomResourceDefinitions, generated from the pydantic models: ``python -m qserv_operator.crd FOLDER…``.

Kubernetes takes *structural* schemas only, so what pydantic writes is rewritten: references are put in place, ``anyOf``
with null becomes an optional field, ``const`` an enum, a numeric ``exclusiveMinimum`` a bound with a flag, tuples
arrays of one kind of item, and ``additionalProperties: false`` is left away, since the API server closes objects by
itself: it drops unknown fields, and ``kubectl`` refuses them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from qserv_operator.models.base import GROUP, VERSION
from qserv_operator.models.catalog import CatalogSpec, CatalogStatus
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.status import ClusterStatus
from qserv_operator.models.user import QservUserSpec, QservUserStatus

Schema = dict[str, Any]

_AGE = {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _column(name: str, kind: str, path: str, description: str) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, "description": description}


def _ready(type_: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].status'


def structural(model: type[BaseModel]) -> Schema:
    """The structural OpenAPI schema of a model."""
    schema = model.model_json_schema(by_alias=True)
    return _rewrite(schema, schema.get("$defs", {}))


def _rewrite(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
    if "$ref" in schema:
        target = defs[schema["$ref"].rsplit("/", 1)[1]]
        return _rewrite({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, defs)
    if schema.get("x-kubernetes-int-or-string"):
        return _without(schema, "title")
    if "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]
        if len(kinds) != 1:
            raise ValueError(f"a custom resource's field must be of one type, not {kinds}")
        around = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
        return {**_rewrite(kinds[0], defs), **_without(around, "title")}
    result = _without(schema, "title", "$defs")
    _rewrite_values(result)
    if result.get("type") == "array":
        _rewrite_items(result, defs)
    if result.get("type") == "object":
        _rewrite_object(result, defs)
    return result


def _rewrite_values(schema: Schema) -> None:
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in schema:
            schema[bound.lower()] = schema[f"exclusive{bound}"]
            schema[f"exclusive{bound}"] = True
    if schema.get("type") == "integer":
        schema["format"] = "int64"


def _rewrite_items(schema: Schema, defs: Mapping[str, Schema]) -> None:
    if "prefixItems" in schema:
        schema["items"] = schema.pop("prefixItems")[0]
    schema["items"] = _rewrite(schema["items"], defs)


def _rewrite_object(schema: Schema, defs: Mapping[str, Schema]) -> None:
    schema.pop("propertyNames", None)
    values = schema.pop("additionalProperties", False)
    if isinstance(values, dict):
        schema["additionalProperties"] = _rewrite(values, defs)
    if "properties" not in schema:
        return
    required = schema.get("required", [])
    schema["properties"] = {
        name: _defaulted(_rewrite(part, defs), optional=name not in required and not _nullable(part))
        for name, part in schema["properties"].items()
    }


def _nullable(part: Schema) -> bool:
    return any(kind.get("type") == "null" for kind in part.get("anyOf", ()))


def _defaulted(part: Schema, *, optional: bool) -> Schema:
    """An absent object is one of its fields' defaults, so that they show and rules may speak of them."""
    if optional and "properties" in part and "required" not in part:
        fields = {name: field["default"] for name, field in part["properties"].items() if "default" in field}
        return {**part, "default": {**fields, **_without_nulls(part.get("default", {}))}}
    if "default" in part:
        return {**part, "default": _without_nulls(part["default"])}
    return part


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def definition(
    *,
    kind: str,
    plural: str,
    short: str,
    spec: type[BaseModel],
    status: type[BaseModel],
    columns: list[Schema],
    scale: Schema | None = None,
    name_rules: list[Schema] | None = None,
) -> Schema:
    """A CustomResourceDefinition of one version."""
    root: Schema = {
        "type": "object",
        "description": spec.__doc__ or "",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec),
            "status": structural(status),
        },
    }
    if name_rules:
        root["x-kubernetes-validations"] = name_rules
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/name": "qserv-operator"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["qserv"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": root},
                    "subresources": {"status": {}} | ({"scale": scale} if scale else {}),
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }


def _cluster() -> Schema:
    return definition(
        kind="QservCluster",
        plural="qservclusters",
        short="qsc",
        spec=ClusterSpec,
        status=ClusterStatus,
        scale={
            "specReplicasPath": ".spec.worker.replicas",
            "statusReplicasPath": ".status.worker.replicas",
            "labelSelectorPath": ".status.worker.selector",
        },
        columns=[
            _column("READY", "string", _ready("Available"), "SQL is answered"),
            _column("WORKERS", "string", ".status.worker.ready", "workers ready, of those wanted"),
            _column("CHUNKS", "integer", ".status.chunks.total", "chunks with data"),
            _column("AT-RISK", "integer", ".status.chunks.atRisk", "chunks with one good copy left"),
            _column("LOST", "integer", ".status.chunks.lost", "chunks without a copy that can be reached"),
            _AGE,
        ],
        name_rules=[
            {
                "rule": "self.metadata.name.size() <= 40",
                "message": "the name is too long: write at most 40 characters, pods and Services are named after it",
            },
            {
                "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "message": "the name must begin with a letter and hold a-z, 0-9 and - only: Services are named so",
            },
            {
                "rule": "!self.metadata.name.matches('-(czar|worker|replication|metadata|ingest)$')",
                "message": "the name must not end in -czar, -worker, -replication, -metadata or -ingest: "
                "Services of another cluster could have it",
            },
        ],
    )


def _catalog() -> Schema:
    return definition(
        kind="QservCatalog",
        plural="qservcatalogs",
        short="qcat",
        spec=CatalogSpec,
        status=CatalogStatus,
        columns=[
            _column("CLUSTER", "string", ".spec.cluster", "its cluster"),
            _column("DATABASE", "string", ".spec.database", "its database"),
            _column("STATE", "string", ".status.state", "how far it is"),
            _column("FILES", "string", ".status.progress.files", "files done, of all"),
            _column("ROWS", "integer", ".status.progress.rows", "rows loaded"),
            _AGE,
        ],
        name_rules=[
            {
                "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$')",
                "message": "the name must have at most 50 of a-z, 0-9 and -, without dots: Jobs are named after it",
            },
        ],
    )


def _user() -> Schema:
    return definition(
        kind="QservUser",
        plural="qservusers",
        short="quser",
        spec=QservUserSpec,
        status=QservUserStatus,
        columns=[
            _column("CLUSTER", "string", ".spec.cluster", "its cluster"),
            _column("ACCOUNT", "string", ".spec.name", "the account's name"),
            _column("READY", "string", _ready("Available"), "the account can log in"),
            _column("SECRET", "string", ".status.secret", "the Secret with its password"),
            _AGE,
        ],
    )


def definitions() -> dict[str, Schema]:
    """All CRDs, by file name."""
    return {f"{made['metadata']['name'].split('.')[0]}.yaml": made for made in (_cluster(), _catalog(), _user())}


def render(made: Schema) -> str:
    """YAML of a CRD, the same bytes each time."""
    return yaml.safe_dump(made, sort_keys=True, width=120, allow_unicode=True)


def main() -> None:
    """Write all CRDs into each of the folders that the command line names."""
    for folder in [Path(name) for name in sys.argv[1:]] or [Path("crds")]:
        folder.mkdir(parents=True, exist_ok=True)
        for name, made in definitions().items():
            (folder / name).write_text(render(made))


if __name__ == "__main__":
    main()
