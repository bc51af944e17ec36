"""A cluster on this machine: the same processes and protocols as anywhere, each in the background.

One replication controller, some workers, one czar, with SQLite as metadata. Everything lies in one folder (``Home``):
data, logs, the cluster's secret, and how to connect. Ports are chosen once and kept, so that clients find the cluster
again after ``down`` and ``up``.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from qserv.catalog.errors import Conflict, NotFound, Unavailable
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import AccountWish, Status
from qserv.catalog.rest import Controller
from qserv.catalog.settings import ReplicationSettings
from qserv.catalog.trust import Trust
from qserv.cli import processes
from qserv.cli.home import ACCOUNT, Facts, Home, WorkerPorts
from qserv.cli.ports import HOST, free_ports
from qserv.cli.processes import Process

_UP_SECONDS = 60.0
_DOWN_SECONDS = 20.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports that the user gave; 0: any free one."""

    mysql: int = 0
    http: int = 0
    flight: int = 0
    controller: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A process that the cluster is to have, and where its health is asked."""

    name: str
    command: str
    port: int
    environment: dict[str, str]
    ports: tuple[int, ...]


def up(
    home: Home,
    workers: int,
    ports: Ports,
    tell: Callable[[str], None] = lambda _text: None,
    metadata: str | None = None,
) -> Facts:
    """Start what of the cluster does not run, and wait until all of it answers.

    ``metadata`` is the URL of another database than SQLite, for a new cluster.

    Raises
    ------
    Conflict
        When a port is in use, or the cluster has another number of workers.
    Unavailable
        When a process ends or does not answer within a minute: with the end of its log.
    """
    home.create()
    with _alone(home):
        facts = _facts(home, workers, ports, metadata)
        members = _members(home, facts)
        for member in members:
            _refuse_taken_ports(home, member)
        home.save_facts(facts)
        started: set[str] = set()
        for member in members:
            tell(f"starting {member.name}")
            _start(home, member, started)
            if member.command == "replication":
                _wait(home, member, started)
        for member in members:
            _wait(home, member, started)
        tell("waiting for the workers to register")
        _registered(home, facts)
        _make_account(home, facts)
    return facts


def down(home: Home) -> tuple[int, list[str]]:
    """End the cluster's processes: how many there were, and the names of those that had to be forced."""
    home.facts()
    with _alone(home):
        running = [process for process in _known(home) if process.alive]
        first = [process for process in running if process.name != "replication"]
        forced = processes.stop(first, _DOWN_SECONDS)
        forced += processes.stop([process for process in running if process.name == "replication"], _DOWN_SECONDS)
        for file in home.run.glob("*.pid"):
            file.unlink()
    return len(running), [process.name for process in forced]


def running(home: Home) -> dict[str, bool]:
    """The processes that the cluster is to have, and whether each runs."""
    alive = {process.name for process in _known(home) if process.alive}
    return {member.name: member.name in alive for member in _members(home, home.facts())}


def controller(home: Home, patience: float = 15.0) -> Controller:
    """A client of the local cluster's controller."""
    url = f"http://{HOST}:{home.facts().controller}"
    return Controller([url], _trust(home), patience=patience)


def status(home: Home) -> Status:
    client = controller(home, patience=2.0)
    try:
        return client.status()
    finally:
        client.close()


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Two of ``up`` and ``down`` do not work on one folder at a time."""
    with (home.path / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another 'qserv local' is at work in {home.path}: wait for it") from error
        yield


def _facts(home: Home, workers: int, ports: Ports, metadata: str | None) -> Facts:
    """The ports of the cluster: those given, those of before, or free ones."""
    there = home.known_facts()
    if there is not None and len(there.workers) > workers:
        raise Conflict(
            f"the cluster in {home.path} has {len(there.workers)} workers: give --workers {len(there.workers)}"
        )
    free = iter(free_ports(4 + 2 * workers))
    before = there.workers if there is not None else ()
    more = tuple(WorkerPorts(next(free), next(free)) for _ in range(workers - len(before)))
    return Facts(
        mysql=ports.mysql or (there.mysql if there else next(free)),
        http=ports.http or (there.http if there else next(free)),
        flight=ports.flight or (there.flight if there else next(free)),
        controller=ports.controller or (there.controller if there else next(free)),
        workers=before + more,
        metadata=there.metadata if there else metadata,
    )


def _members(home: Home, facts: Facts) -> list[Member]:
    secret = str(home.secret_file)
    metadata = facts.metadata or f"sqlite:///{home.metadata_file}"
    cores = os.cpu_count() or 1
    found = [
        Member(
            "replication",
            "replication",
            facts.controller,
            {
                "QSERV_REPLICATION_SECRET_FILE": secret,
                "QSERV_REPLICATION_METADATA_URL": metadata,
                "QSERV_REPLICATION_PORT": str(facts.controller),
            },
            (facts.controller,),
        )
    ]
    for number, ports in enumerate(facts.workers):
        environment = {
            "NAME": f"worker-{number}",
            "DATA_DIR": str(home.path / "workers" / f"worker-{number}"),
            "SECRET_FILE": secret,
            "FLIGHT_PORT": str(ports.flight),
            "HTTP_PORT": str(ports.http),
            "CONTROLLERS": json.dumps([f"http://{HOST}:{facts.controller}"]),
            # Together they have the cores: more threads than these cost a scan of warm files a sixth.
            "THREADS": str(math.ceil(cores / len(facts.workers))),
            # The workers run as the user who loads: they read no more than that user may.
            "SOURCE_DIRS": json.dumps(["/"]),
        }
        named = {f"QSERV_WORKER_{key}": value for key, value in environment.items()}
        found.append(Member(f"worker-{number}", "worker", ports.http, named, (ports.flight, ports.http)))
    czar = {
        "SECRET_FILE": secret,
        "METADATA_URL": metadata,
        "RESULT_DIR": str(home.path / "czar"),
        "MYSQL_PORT": str(facts.mysql),
        "HTTP_PORT": str(facts.http),
        "FLIGHT_PORT": str(facts.flight),
        "THREADS": str(cores),
    }
    named = {f"QSERV_CZAR_{key}": value for key, value in czar.items()}
    found.append(Member("czar", "czar", facts.http, named, (facts.mysql, facts.http, facts.flight)))
    return found


def _refuse_taken_ports(home: Home, member: Member) -> None:
    there = processes.known(home.run, member.name)
    if there is not None and there.alive:
        return
    for port in member.ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise Conflict(
                    f"port {port} of {member.name} is in use ({error.strerror}): end the process that listens there,"
                    " or give another port (see 'qserv local up --help')"
                ) from error


def _start(home: Home, member: Member, started: set[str]) -> None:
    there = processes.known(home.run, member.name)
    if there is None or not there.alive:
        started.add(member.name)
        processes.start(home.run, home.logs, member.name, member.command, member.environment)


def _wait(home: Home, member: Member, started: set[str]) -> None:
    """Wait until a process answers on ``/health``; one that was just ending when it was found is started anew."""
    deadline = time.monotonic() + _UP_SECONDS
    while True:
        process = processes.known(home.run, member.name)
        if process is None or not process.alive:
            if member.name in started:
                raise processes.ended_early(process or Process(member.name, 0, ""), home.logs)
            _start(home, member, started)
        try:
            if httpx.get(f"http://{HOST}:{member.port}/health", timeout=2.0).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        if time.monotonic() > deadline:
            raise Unavailable(f"{member.name} does not answer: look at {home.logs / member.name}.log")
        time.sleep(_POLL_SECONDS)


def _registered(home: Home, facts: Facts) -> None:
    """Wait until the controller hears of all workers as they run now."""
    deadline = time.monotonic() + _UP_SECONDS
    client = controller(home)
    try:
        while True:
            heard = [view for view in client.workers() if view.state is not WorkerState.SUSPECT]
            if sum(view.state is not WorkerState.LOST for view in heard) >= len(facts.workers):
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"{len(heard)} of {len(facts.workers)} workers registered: look at {home.logs}")
            time.sleep(_POLL_SECONDS)
    finally:
        client.close()


def _make_account(home: Home, facts: Facts) -> None:
    password = home.password()
    client = controller(home)
    try:
        client.set_account(ACCOUNT, AccountWish(password=SecretStr(password), grants=("*",), admin=True))
    finally:
        client.close()
    home.save_client(facts.mysql, password)


def _known(home: Home) -> list[Process]:
    names = sorted(file.stem for file in home.run.glob("*.pid"))
    found = (processes.known(home.run, name) for name in names)
    return [process for process in found if process is not None]


def _trust(home: Home) -> Trust:
    if not home.secret_file.exists():
        raise NotFound(f"there is no local cluster in {home.path}: start one with 'qserv local up'")
    # Trust is made from a process' settings; of the local cluster's only the secret matters to a client.
    return Trust.from_settings(ReplicationSettings(secret_file=home.secret_file, metadata_url=SecretStr("sqlite://")))
