"""What all resources' models share: camel case outside, closed, frozen; and Kubernetes' own value types."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP = "qserv.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_POWERS = {"k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


class Model(BaseModel):
    """A part of a resource. Unknown fields are refused; names are camel case in manifests."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Observed(BaseModel):
    """A part of a status. Fields that another version wrote are left out of account."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


def quantity(text: str) -> float:
    """The number that a quantity stands for: ``quantity("1.5Gi") == 1610612736``, ``quantity("250m") == 0.25``."""
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: write a number with a unit, such as 500m, 2, 4Gi or 1.5T")
    number, unit = float(match[1]), match[2]
    if unit is None:
        return number
    if unit == "m":
        return number / 1000
    return number * float((1024 if unit.endswith("i") else 1000) ** _POWERS[unit[0]])


def _checked(text: str) -> str:
    quantity(text)
    return text


Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value),
    AfterValidator(_checked),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": _QUANTITY.pattern,
            "x-kubernetes-int-or-string": True,
        }
    ),
]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Label = Annotated[str, Field(max_length=63)]
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]


def rules(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    """``json_schema_extra`` with CEL validations of (rule, message)."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs], **more}


class Resources(Model):
    """Requests and limits of a container, such as ``{cpu: 2, memory: 8Gi}``."""

    requests: dict[str, Quantity] = Field(default_factory=dict, description="What the scheduler sets aside for it.")
    limits: dict[str, Quantity] = Field(
        default_factory=dict,
        description="What it may use. The memory limit also sizes the engine's own limits (scans half of it).",
    )


class Toleration(Model):
    """A taint of nodes that the pods put up with."""

    key: str | None = Field(default=None, max_length=317, description="The taint's key; absent: all keys.")
    operator: str | None = Field(
        default=None, json_schema_extra={"enum": ["Exists", "Equal"]}, description="How the value is compared."
    )
    value: str | None = Field(default=None, max_length=63, description="The taint's value.")
    effect: str | None = Field(
        default=None,
        json_schema_extra={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        description="The taint's effect; absent: all effects.",
    )
    toleration_seconds: int | None = Field(default=None, description="How long a NoExecute taint is put up with.")


class SecretKey(Model):
    """A key of a Secret in the resource's namespace."""

    name: ObjectName = Field(description="The Secret's name.")
    key: str = Field(default="password", min_length=1, max_length=253, description="The key inside of it.")


class Storage(Model):
    """A volume of its own for each pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.storageClass) == has(oldSelf.storageClass) && "
                "(!has(self.storageClass) || self.storageClass == oldSelf.storageClass)",
                "the storage class of existing volumes cannot change: make a new cluster, or load its data anew",
            ),
            (
                "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) == 0",
                "the size of existing volumes cannot change: add workers instead",
            ),
        )
    )

    storage_class: ObjectName | None = Field(
        default=None,
        description="Any StorageClass with volumeBindingMode WaitForFirstConsumer; absent: the default class.",
    )
    size: Quantity = Field(default="100Gi", description="Size that each volume must at least have.")


class Condition(Observed):
    """One aspect of the state, with a reason from the documented list."""

    type: str = Field(description="Available, Progressing or Degraded.")
    status: str = Field(json_schema_extra={"enum": ["True", "False", "Unknown"]}, description="True, False or Unknown.")
    reason: str = Field(description="Why, one word of the documented list.")
    message: str = Field(default="", description="What it is about, and what to do.")
    last_transition_time: str = Field(
        json_schema_extra={"format": "date-time"}, description="When the status last changed."
    )
    observed_generation: int = Field(default=0, description="Generation of the resource that it speaks of.")
