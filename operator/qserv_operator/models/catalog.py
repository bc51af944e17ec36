"""`QservCatalog`: the engine's load spec as a resource. The operator loads it through the ingest service."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from qserv_operator.models.base import Condition, LabelKey, Model, ObjectName, Observed, Resources, rules
from qserv_operator.models.cluster import Policy, SourceVolume
from qserv_operator.models.user import ClusterName

SqlName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
DirectorName = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,63}\.)?[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Url = Annotated[str, Field(pattern=r"^(https?|s3|file)://.+", max_length=2000)]


class TableKind(StrEnum):
    DIRECTOR = "director"
    CHILD = "child"
    MATCH = "match"
    REPLICATED = "replicated"


class Format(StrEnum):
    PARQUET = "parquet"
    CSV = "csv"
    FITS = "fits"
    HATS = "hats"


class Orphans(StrEnum):
    REJECT = "reject"
    DROP = "drop"


class FamilySpec(Model):
    """How the sphere is cut. Databases with equal parameters share chunks, and join locally."""

    stripes: int = Field(ge=1, le=4096, description="Declination stripes.")
    substripes: int = Field(ge=1, le=512, description="Sub-stripes of a stripe.")
    overlap: float = Field(ge=0, le=10, description="Degrees; the widest neighbour search that chunks can answer.")


class ColumnSpec(Model):
    """A column, with a type of MySQL."""

    name: SqlName = Field(description="The column's name.")
    type: str = Field(min_length=1, max_length=100, description="Its type, such as BIGINT, DOUBLE or CHAR(12).")
    nullable: bool = Field(default=True, description="May hold NULL.")


class SourceSpec(Model):
    """The files of a table."""

    urls: tuple[Url, ...] = Field(
        min_length=1,
        max_length=10000,
        description="Files: https://…, s3://…, or file:///sources/<volume>/… on a source volume.",
    )
    format: Format = Field(default=Format.PARQUET, description="What they are; .gz and .zst are unpacked.")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="Between fields of CSV.")
    header: bool = Field(default=True, description="The first line of CSV names the columns.")
    null: str = Field(default="", max_length=20, description="The text that stands for NULL in CSV.")
    quote: str = Field(default='"', min_length=1, max_length=1, description="Around fields of CSV.")


class TableSpec(Model):
    """A table and where its rows come from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.kind != 'director' || (has(self.key) && has(self.position))",
                "a director table needs key and position, such as {key: objectId, position: [ra, decl]}",
            ),
            ("self.kind != 'child' || (has(self.key) && has(self.director))", "a child table needs key and director"),
            (
                "self.kind != 'match' || (has(self.directors) && has(self.keys) && has(self.radius))",
                "a match table needs directors, keys and radius",
            ),
            ("self.kind == 'child' || !has(self.director)", "only a child table has a director"),
            (
                "self.kind == 'match' || !(has(self.directors) || has(self.keys) || has(self.radius))",
                "only a match table has directors, keys and radius",
            ),
        )
    )

    name: SqlName = Field(description="The table's name.")
    kind: TableKind = Field(description="director, child, match or replicated.")
    key: SqlName | None = Field(default=None, description="The key of a director, or a child's key of its director.")
    unique: bool = Field(default=True, description="False: a director's key may repeat.")
    position: tuple[SqlName, SqlName] | None = Field(
        default=None, description="Columns of right ascension and declination, degrees."
    )
    director: DirectorName | None = Field(default=None, description="The director of a child.")
    directors: tuple[DirectorName, DirectorName] | None = Field(
        default=None, description="The two directors of a match."
    )
    keys: tuple[SqlName, SqlName] | None = Field(
        default=None, description="Columns of a match with the directors' keys."
    )
    radius: float | None = Field(default=None, gt=0, description="Degrees; how far apart a match's pairs may be.")
    orphans: Orphans = Field(
        default=Orphans.REJECT, description="A child without its director and position: an error, or dropped."
    )
    columns: tuple[ColumnSpec, ...] = Field(min_length=1, max_length=4000, description="The columns to load.")
    source: SourceSpec = Field(description="The files.")


class PrepareSpec(Model):
    """A Job that makes or fetches the files before they are loaded: a conversion, a copy from tape, a download."""

    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Its image; absent: the engine's, with Python and pyarrow.",
    )
    command: tuple[str, ...] = Field(min_length=1, max_length=64, description="Its command, with arguments.")
    env: dict[LabelKey, str] = Field(default_factory=dict, description="Environment variables.")
    secret: ObjectName | None = Field(
        default=None, description="A Secret whose keys are environment variables, such as credentials of a store."
    )
    volumes: tuple[SourceVolume, ...] = Field(
        default=(),
        max_length=16,
        description="Volumes that it writes at /sources/<name>; workers read the same by worker.sourceVolumes.",
    )
    resources: Resources = Field(default_factory=Resources, description="Its requests and limits.")
    retries: int = Field(default=2, ge=0, le=20, description="How often it is tried again when it fails.")


class CatalogSpec(Model):
    """What is wanted of a catalog."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.cluster == oldSelf.cluster", "cluster cannot change: make another QservCatalog"),
            ("self.database == oldSelf.database", "database cannot change: make another QservCatalog"),
            (
                "has(self.family) == has(oldSelf.family) && (!has(self.family) || self.family == oldSelf.family)",
                "family cannot change, all rows are placed by it: load into another database",
            ),
            (
                "has(self.family) || self.tables.all(t, t.kind == 'replicated')",
                "a database with partitioned tables needs a family: {stripes, substripes, overlap}",
            ),
        )
    )

    cluster: ClusterName = Field(description="Name of the QservCluster, in the same namespace.")
    database: SqlName = Field(description="The database's name.")
    family: FamilySpec | None = Field(
        default=None, description="How the sphere is cut; needed unless all tables are replicated."
    )
    tables: tuple[TableSpec, ...] = Field(
        min_length=1, max_length=100, description="The tables, directors before their children."
    )
    prepare: PrepareSpec | None = Field(
        default=None,
        description="A Job that runs before files of this spec are loaded, for work outside of the workers.",
    )
    retry: str = Field(
        default="",
        max_length=63,
        description="Change this text to try a load again that failed: its files were put right.",
    )
    deletion_policy: Policy = Field(
        default=Policy.RETAIN, description="What becomes of the database when this resource is deleted."
    )


class CatalogState(StrEnum):
    PENDING = "Pending"
    PREPARING = "Preparing"
    LOADING = "Loading"
    COMMITTING = "Committing"
    PUBLISHED = "Published"
    FAILED = "Failed"


class Progress(Observed):
    """How far the load is."""

    rows: int = Field(default=0, description="Rows loaded.")
    bytes: int = Field(default=0, description="Bytes read.")
    files: str = Field(default="", description="Files done, of all.")
    eta_seconds: int | None = Field(default=None, description="Seconds until done, as it goes now.")


class CatalogStatus(Observed):
    """What is so."""

    observed_generation: int = Field(default=0, description="Generation of the resource that this speaks of.")
    state: CatalogState = Field(
        default=CatalogState.PENDING, description="Pending, Preparing, Loading, Committing, Published or Failed."
    )
    transaction: int | None = Field(default=None, description="The ingest transaction that loads it.")
    loaded: str = Field(default="", description="Fingerprint of the spec that was loaded.")
    progress: Progress = Field(default_factory=Progress, description="How far the load is.")
    errors: tuple[str, ...] = Field(default=(), description="The first errors, with file, line and column.")
    conditions: tuple[Condition, ...] = Field(default=(), description="Available, Progressing, Degraded.")
