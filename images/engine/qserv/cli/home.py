"""The folder of a local cluster: where its files are, and what clients need to reach it."""

from __future__ import annotations

import json
import os
import secrets
from configparser import ConfigParser
from dataclasses import asdict, dataclass
from pathlib import Path

from qserv.catalog.errors import Conflict, NotFound

ACCOUNT = "qserv"


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    flight: int
    http: int


@dataclass(frozen=True, slots=True)
class Facts:
    """How a local cluster is reached: ``cluster.json``. All ports are on 127.0.0.1.

    ``metadata``: URL of the metadata database; None: a file of the folder.
    """

    mysql: int
    http: int
    flight: int
    controller: int
    workers: tuple[WorkerPorts, ...]
    metadata: str | None = None


class Home:
    """A local cluster's folder; ``default`` is where it is when nothing else is said."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.facts_file = self.path / "cluster.json"
        self.secret_file = self.path / "secret"
        self.client_file = self.path / "client.cnf"
        self.metadata_file = self.path / "metadata.db"
        self.logs = self.path / "logs"
        self.run = self.path / "run"

    @classmethod
    def default(cls) -> Home:
        data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        return cls(Path(os.environ.get("QSERV_HOME") or Path(data) / "qserv" / "local"))

    def create(self) -> None:
        """Make the folder and the cluster's secret; what is there stays."""
        for folder in (self.path, self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.secret_file.exists():
            write_private(self.secret_file, secrets.token_hex(32) + "\n")

    def facts(self) -> Facts:
        """Raises NotFound where no local cluster was started."""
        found = self.known_facts()
        if found is None:
            raise NotFound(f"there is no local cluster in {self.path}: start one with 'qserv local up'")
        return found

    def known_facts(self) -> Facts | None:
        try:
            content = json.loads(self.facts_file.read_text())
            workers = tuple(WorkerPorts(**ports) for ports in content.pop("workers"))
            return Facts(workers=workers, **content)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise Conflict(f"{self.facts_file} cannot be read ({error}): remove it, then 'qserv local up'") from error

    def save_facts(self, facts: Facts) -> None:
        write_private(self.facts_file, json.dumps(asdict(facts), indent=2) + "\n")

    def password(self) -> str:
        """The password of the cluster's own account, made when first asked for."""
        if self.client_file.exists():
            return read_option_file(self.client_file).password
        return secrets.token_urlsafe(18)

    def save_client(self, port: int, password: str) -> None:
        """The MySQL option file, for ``mysql --defaults-file=…`` and pymysql's ``read_default_file``."""
        lines = ["[client]", "host=127.0.0.1", f"port={port}", f"user={ACCOUNT}", f"password={password}"]
        write_private(self.client_file, "\n".join([*lines, "protocol=tcp", ""]))


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str


def read_option_file(path: Path) -> Login:
    """User and password of a MySQL option file.

    Raises
    ------
    Conflict
        Where it cannot be read, or lacks them.
    """
    parser = ConfigParser(interpolation=None, allow_no_value=True)
    try:
        parser.read_string(path.read_text())
        return Login(parser["client"]["user"], parser["client"]["password"].strip("\"'"))
    except (OSError, KeyError, AttributeError) as error:
        raise Conflict(f"{path} is no MySQL option file with [client], user and password ({error})") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
