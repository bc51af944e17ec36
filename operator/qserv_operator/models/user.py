"""`QservUser`: a database account with grants and a password."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from qserv_operator.models.base import Condition, Model, ObjectName, Observed, SecretKey, rules

AccountName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
Grant = Annotated[str, Field(pattern=r"^(\*|[A-Za-z_][A-Za-z0-9_]{0,63})$")]
ClusterName = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)]


class QservUserSpec(Model):
    """What is wanted of an account."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.cluster == oldSelf.cluster", "cluster cannot change: delete this QservUser and make another"),
            ("self.name == oldSelf.name", "name cannot change: delete this QservUser and make another"),
        )
    )

    cluster: ClusterName = Field(description="Name of the QservCluster, in the same namespace.")
    name: AccountName = Field(description="The account's name.")
    password_secret: SecretKey | None = Field(
        default=None,
        description="Where its password is; absent: one is generated in the Secret <this resource's name>-password.",
    )
    grants: tuple[Grant, ...] = Field(default=(), max_length=256, description="Databases it may read; * for all.")
    admin: bool = Field(default=False, description="May see and kill the queries of others.")


class QservUserStatus(Observed):
    """What is so."""

    observed_generation: int = Field(default=0, description="Generation of the resource that this speaks of.")
    secret: ObjectName | None = Field(default=None, description="The Secret with the password.")
    conditions: tuple[Condition, ...] = Field(default=(), description="Available, with its reason.")
