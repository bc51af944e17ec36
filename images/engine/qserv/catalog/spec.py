"""The load spec: the public contract for data, as a file (``qserv load``) and as a Kubernetes resource.

Positions and the overlap are in degrees. Unknown keys are refused, so that a misspelt one is not ignored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from qserv.catalog.errors import SpecError
from qserv.catalog.model import TableKind
from qserv.catalog.types import SqlType

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FamilySpec(Closed):
    """How the sphere is cut. Databases with equal parameters share chunks, and join locally."""

    stripes: int = Field(ge=1, le=4096, description="declination stripes")
    substripes: int = Field(ge=1, le=512, description="sub-stripes of a stripe")
    overlap: float = Field(ge=0, le=10, description="degrees; the widest neighbour search that chunks can answer")


class ColumnSpec(Closed):
    name: Name
    type: str
    nullable: bool = True

    @field_validator("type")
    @classmethod
    def _mysql_type(cls, text: str) -> str:
        try:
            return str(SqlType.parse(text))
        except SpecError as error:
            raise ValueError(error.message) from error


class Format(StrEnum):
    PARQUET = "parquet"
    CSV = "csv"
    FITS = "fits"
    HATS = "hats"


class SourceSpec(Closed):
    """Files to read: paths, globs or URLs (``file:``, ``http(s):``, ``s3:``). ``.gz`` and ``.zst`` are unpacked."""

    path: str | tuple[str, ...]
    format: Format = Format.PARQUET
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    header: bool = True
    null: str = Field(default="", description="the text that stands for NULL in CSV")
    quote: str = Field(default='"', min_length=1, max_length=1)

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,) if isinstance(self.path, str) else self.path


class TableSpec(Closed):
    name: Name
    kind: TableKind
    key: Name | None = None
    unique: bool = True
    position: tuple[Name, Name] | None = None
    director: str | None = None
    directors: tuple[str, str] | None = None
    keys: tuple[Name, Name] | None = None
    radius: float | None = Field(default=None, gt=0, description="degrees; of a match table")
    orphans: Literal["reject", "drop"] = Field(
        default="reject",
        description="a child without its director and without a position: an error, or dropped and counted",
    )
    columns: tuple[ColumnSpec, ...] | None = None
    source: SourceSpec | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        needed: dict[TableKind, tuple[str, ...]] = {
            TableKind.DIRECTOR: ("key", "position"),
            TableKind.CHILD: ("key", "director"),
            TableKind.MATCH: ("directors", "keys", "radius"),
            TableKind.REPLICATED: (),
        }
        allowed: dict[TableKind, tuple[str, ...]] = {
            TableKind.DIRECTOR: ("key", "position"),
            TableKind.CHILD: ("key", "director", "position"),
            TableKind.MATCH: ("directors", "keys", "radius"),
            TableKind.REPLICATED: ("key", "position"),
        }
        for field in needed[self.kind]:
            if getattr(self, field) is None:
                raise ValueError(f"a {self.kind} table needs {field!r}")
        for field in ("key", "position", "director", "directors", "keys", "radius"):
            if getattr(self, field) is not None and field not in allowed[self.kind]:
                raise ValueError(f"a {self.kind} table has no {field!r}")
        if self.columns is not None:
            names = [column.name.casefold() for column in self.columns]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"columns named twice: {', '.join(twice)}")
            for name in (self.key, *(self.position or ()), *(self.keys or ())):
                if name is not None and name.casefold() not in names:
                    raise ValueError(f"{name!r} is not one of its columns")
        return self


class LoadSpec(Closed):
    database: Name
    family: FamilySpec | None = Field(default=None, description="needed unless all tables are replicated")
    tables: tuple[TableSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [table.name.casefold() for table in self.tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tables named twice: {', '.join(twice)}")
        if self.family is None and any(table.kind is not TableKind.REPLICATED for table in self.tables):
            raise ValueError("a database with partitioned tables needs a 'family': {stripes, substripes, overlap}")
        return self
