"""Configuration of the processes: a TOML file (``QSERV_CONFIG``), the environment, then flags of the command line.

Every setting of a process is the environment variable of its prefix and name, such as ``QSERV_CZAR_MYSQL_PORT``.
Secrets are read from files or the environment, never from a command line, and print as stars.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from qserv.catalog.errors import Conflict

MIB = 1 << 20
GIB = 1 << 30

Port = Annotated[int, Field(ge=0, le=65535)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]


class ProcessSettings(BaseSettings):
    """What all processes have."""

    model_config = SettingsConfigDict(extra="ignore")

    host: str = Field(default="127.0.0.1", description="address to listen on")
    advertise: str = Field(default="", description="host name by which others reach this process; default: host")
    secret_file: Path = Field(
        description="file with the cluster's secret; one a line, the first is sent, all are taken"
    )
    tls_cert: Path | None = Field(default=None, description="PEM certificate chain; TLS is used wherever it is set")
    tls_key: Path | None = Field(default=None, description="PEM key of the certificate")
    tls_ca: Path | None = Field(default=None, description="PEM authorities by which other processes are known")
    log_level: LogLevel = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")

    @property
    def reachable(self) -> str:
        return self.advertise or self.host

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"

    def secrets(self) -> tuple[str, ...]:
        """The cluster's secrets, newest first; read anew each time, so that a rotated file is taken up."""
        found = tuple(line.strip() for line in self.secret_file.read_text().splitlines() if line.strip())
        if not found:
            raise Conflict(f"the secret file {self.secret_file} is empty: write the cluster's secret into it")
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  no .env file is read
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get("QSERV_CONFIG")
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings, file_secret_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, Path(file))) if file else sources


class MetadataSettings(ProcessSettings):
    """What the processes that open the metadata database have."""

    metadata_url: SecretStr = Field(description="SQLAlchemy URL, sqlite:///… or mysql+pymysql://…")
    metadata_password_file: Path | None = Field(default=None, description="file with the password of metadata_url")


class CzarSettings(MetadataSettings):
    model_config = SettingsConfigDict(env_prefix="QSERV_CZAR_", extra="ignore")

    name: str = Field(default="czar-0", description="of this czar, among all of the cluster")
    mysql_port: Port = Field(default=4040, description="of MySQL clients; 0: any free one, as for all ports")
    http_port: Port = Field(default=4048, description="of HTTP: queries, health, metrics")
    flight_port: Port = Field(default=4042, description="of Arrow Flight clients")
    result_dir: Path = Field(description="folder for spilled merges and waiting results")
    memory_limit: int = Field(default=1 * GIB, gt=0, description="bytes that merges may use")
    spill_limit: int = Field(default=20 * GIB, ge=0, description="bytes on disk that merges and results may use")
    threads: int = Field(default=2, ge=1, description="of merges")
    query_timeout: float = Field(default=24 * 3600, gt=0, description="seconds after which a query is stopped")
    max_connections: int = Field(default=1000, ge=1, description="of MySQL clients at one time")


class WorkerSettings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="QSERV_WORKER_", extra="ignore")

    name: str = Field(description="of this worker, among all of the cluster")
    data_dir: Path = Field(description="the folder on its disk")
    flight_port: Port = Field(default=25000, description="of Arrow Flight: czars and other workers")
    http_port: Port = Field(default=25001, description="of HTTP: health, metrics")
    controllers: tuple[str, ...] = Field(description="base URLs of the replication controllers")
    domain: str = Field(default="", description="failure domain, such as a rack; default: the worker itself")
    capacity: int = Field(default=0, ge=0, description="bytes it may fill; 0: the file system's size")
    threads: int = Field(default=2, ge=1, description="of scans; a point query has one")
    memory_limit: int = Field(default=2 * GIB, gt=0, description="bytes that scans may use")
    point_memory_limit: int = Field(default=512 * MIB, gt=0, description="bytes that point queries may use")
    spill_limit: int = Field(default=50 * GIB, ge=0, description="bytes on disk that spilling may use")
    source_dirs: tuple[Path, ...] = Field(
        default=(), description="folders of this machine whose files may be loaded; others, and none by default, not"
    )
    ingest_memory_limit: int = Field(default=512 * MIB, gt=0, description="bytes of input rows held while loading")


class ReplicationSettings(MetadataSettings):
    model_config = SettingsConfigDict(env_prefix="QSERV_REPLICATION_", extra="ignore")

    name: str = Field(default="replication-0", description="of this controller, among all of the cluster")
    port: Port = Field(default=25081, description="of HTTP: REST, health, metrics")
    factor: int = Field(default=2, ge=1, le=16, description="copies of each chunk; unmet while there are fewer workers")
    heartbeat: float = Field(default=1.0, gt=0, description="seconds between a worker's heartbeats")
    suspect_after: float = Field(default=5.0, gt=0, description="seconds of silence until czars route around a worker")
    lost_after: float = Field(default=600.0, gt=0, description="seconds of silence until its replicas are made anew")
    bandwidth: int = Field(
        default=200 * MIB, ge=0, description="bytes a second that repair may move, in all; 0: unlimited"
    )
    parallel_moves: int = Field(default=4, ge=1, description="copies that are made at one time")
    scrub_interval: float = Field(
        default=14 * 24 * 3600.0, ge=0, description="seconds from one scrub of all files to the next; 0: none by itself"
    )
    scrub_bandwidth: int = Field(
        default=50 * MIB, ge=0, description="bytes a second that a scrub reads on each worker; 0: unlimited"
    )
    compact_files: int = Field(
        default=16, ge=0, description="small files of a table in a chunk that are made one file; 0: never"
    )
    lease: float = Field(default=5.0, gt=0, description="seconds that a leader's lease lasts")
