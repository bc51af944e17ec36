"""The CRDs: what is in the repository is what the models say, it is structural, and it explains itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from qserv_operator.crd import definitions, render
from qserv_operator.models.base import API_VERSION, quantity
from qserv_operator.models.catalog import CatalogSpec
from qserv_operator.models.cluster import ClusterSpec
from qserv_operator.models.user import QservUserSpec

ROOT = Path(__file__).parents[2]
SPECS: dict[str, type[BaseModel]] = {
    "QservCluster": ClusterSpec,
    "QservCatalog": CatalogSpec,
    "QservUser": QservUserSpec,
}
BAD = yaml.safe_load((Path(__file__).parent / "bad" / "manifests.yaml").read_text())
STRUCTURAL = {
    "type", "description", "properties", "required", "items", "enum", "default", "format", "pattern",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
    "additionalProperties", "anyOf",
    "x-kubernetes-validations", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
}  # fmt: skip


def schema_of(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def spec_schema(kind: str) -> dict[str, Any]:
    made = next(item for item in definitions().values() if item["spec"]["names"]["kind"] == kind)
    found: dict[str, Any] = schema_of(made)["properties"]["spec"]
    return found


def parts(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from parts(inner, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from parts(schema[name], f"{path}[]")


def defaulted(value: Any, schema: dict[str, Any]) -> Any:
    """A value with the schema's defaults, as the API server fills them in."""
    if schema.get("type") == "array" and isinstance(value, list):
        return [defaulted(item, schema["items"]) for item in value]
    if "properties" not in schema or not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, part in schema["properties"].items():
        if name not in filled and "default" in part:
            filled[name] = part["default"]
        if name in filled:
            filled[name] = defaulted(filled[name], part)
    return filled


@pytest.mark.parametrize("folder", ["crds", "charts/qserv-operator/files/crds"])
def test_files_are_what_the_models_say(folder: str) -> None:
    written = {file.name: file.read_text() for file in (ROOT / folder).glob("*.yaml")}
    assert written == {name: render(made) for name, made in definitions().items()}, "run `make crds`"


@pytest.mark.parametrize("name", definitions())
def test_schema_is_structural(name: str) -> None:
    for path, part in parts(schema_of(definitions()[name]), name):
        assert set(part) <= STRUCTURAL, path
        assert "type" in part or part.get("x-kubernetes-int-or-string"), path
        assert isinstance(part.get("additionalProperties", {}), dict), path


@pytest.mark.parametrize("name", definitions())
def test_every_field_is_explained(name: str) -> None:
    for path, part in parts(schema_of(definitions()[name]), ""):
        if path.startswith((".spec.", ".status.")) and "[]" not in path.rsplit(".", 1)[-1]:
            assert part.get("description"), f"kubectl explain says nothing of {name}{path}"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("QservCluster", {}),
        ("QservCluster", {"worker": {"replicas": 3}}),
        ("QservCluster", {"czar": {"service": {"type": "NodePort"}}, "users": [{"name": "reader"}]}),
        ("QservCluster", yaml.safe_load((Path(__file__).parent / "samples" / "centre.cluster.yaml").read_text())),
        ("QservCatalog", yaml.safe_load((ROOT / "docs/examples/catalog.yaml").read_text())["spec"]),
        ("QservUser", yaml.safe_load((ROOT / "docs/examples/user.yaml").read_text())["spec"]),
    ],
)
def test_defaults_of_crd_and_models_agree(kind: str, spec: dict[str, Any]) -> None:
    model = SPECS[kind]
    dumped = model.model_validate(spec).model_dump(mode="json", by_alias=True, exclude_none=True)
    by_crd = model.model_validate(defaulted(spec, spec_schema(kind)))
    assert by_crd == model.model_validate(spec)
    assert by_crd.model_dump(mode="json", by_alias=True, exclude_none=True) == dumped


@pytest.mark.parametrize("text", ["much", "", "1 Gi", "-1", "1gi", "Gi"])
def test_a_wrong_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a quantity"):
        ClusterSpec.model_validate({"worker": {"storage": {"size": text}}})


@pytest.mark.parametrize(
    ("text", "value"), [("250m", 0.25), ("2", 2), ("1.5Gi", 1610612736), ("3k", 3000), ("1T", 1e12)]
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ClusterSpec.model_validate({"worker": {"replica": 3}})


@pytest.mark.parametrize("example", sorted((ROOT / "docs/examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_examples_are_valid(example: Path) -> None:
    for made in yaml.safe_load_all(example.read_text()):
        if made["apiVersion"] == API_VERSION:
            SPECS[made["kind"]].model_validate(made["spec"])


@pytest.fixture(scope="module")
def server() -> str:
    """An API server with the CRDs, where there is one."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no KUBECONFIG: the CRDs' rules are tried on a real API server only")
    subprocess.run(["kubectl", "apply", "--server-side", "--force-conflicts", "-f", ROOT / "crds"], check=True)
    subprocess.run(["kubectl", "wait", "--for=condition=Established", "-f", ROOT / "crds"], check=True)
    return os.environ["KUBECONFIG"]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad["name"]))
def test_the_api_server_refuses(bad: dict[str, Any], server: str) -> None:
    before = bad.get("before")
    kind = (before or bad)["kind"]
    meta = {"name": "refused", **bad.get("metadata", {})}
    if before is not None:
        first = {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": before["spec"]}
        subprocess.run(["kubectl", "apply", "-f", "-"], input=yaml.safe_dump(first), text=True, check=True)
    try:
        made = {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": bad["spec"]}
        command = ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-"]
        done = subprocess.run(command, input=yaml.safe_dump(made), text=True, capture_output=True)
    finally:
        if before is not None:
            subprocess.run(["kubectl", "delete", kind, meta["name"]], check=True)
    assert done.returncode != 0
    assert bad["message"] in done.stderr
