"""A worker as a whole: its parts, made in order, and ended in reverse."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol, TypeVar

import pyarrow as pa

from qserv.catalog import flight, logs
from qserv.catalog.errors import Conflict, QservError
from qserv.catalog.messages import (
    Cancel,
    ChunkLookup,
    Compact,
    Contribute,
    ContributionKey,
    Discard,
    Export,
    Fetch,
    Inventory,
    Message,
    Prepare,
    Prepared,
    Restore,
    Verify,
)
from qserv.catalog.rest import Controller
from qserv.catalog.settings import WorkerSettings
from qserv.catalog.trust import Trust
from qserv.worker.backups import Backups
from qserv.worker.compact import Compactor
from qserv.worker.contributions import Contributions
from qserv.worker.http import HttpPort
from qserv.worker.identity import Disk
from qserv.worker.lookups import Lookups
from qserv.worker.membership import Membership
from qserv.worker.peers import Peers
from qserv.worker.prepare import Preparer
from qserv.worker.queries import Queries
from qserv.worker.service import Handler, WorkerService
from qserv.worker.staging import Staging
from qserv.worker.store import Store
from qserv.worker.transfer import Copier, FileSource
from qserv.worker.uploads import Uploads


class Closable(Protocol):
    def close(self) -> None: ...


Wish = TypeVar("Wish", bound=Message)
Part = TypeVar("Part", bound=Closable)

_BEAT_PATIENCE = 1.0

log = logs.get(__name__)


class Worker:
    """Serves from when it is made until :meth:`close`.

    Attributes
    ----------
    flight, http : addresses (host:port) where others reach it.
    ended : set when it cannot go on; ``failure`` says why.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.ended = threading.Event()
        self.failure: QservError | None = None
        self._stopping = threading.Event()
        with ExitStack() as parts:
            self._build(parts, Trust.from_settings(settings))
            self._parts = parts.pop_all()
        self._http.start()
        self._membership.start()
        log.info("serving", name=settings.name, flight=self.flight, http=self.http)

    def _build(self, parts: ExitStack, trust: Trust) -> None:
        """Make the parts, each of which needs those before it; ``parts`` ends them in reverse."""
        settings = self._settings
        disk = closed_by(parts, Disk(settings.data_dir))
        scratch = disk.private / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        self._store = Store(settings.data_dir, settings.capacity)
        log.info("inventory", files=self._store.load())
        self._staging = closed_by(parts, Staging(disk.private / "staging"))
        peers = closed_by(parts, Peers(trust))
        controller = closed_by(parts, Controller(settings.controllers, trust))
        beats = closed_by(parts, Controller(settings.controllers, trust, patience=_BEAT_PATIENCE, timeout=5.0))
        self._lookups = Lookups(self._store)
        self._files = FileSource(self._store, self._busy)
        self._copier = closed_by(parts, Copier(self._store, peers.client, self._busy))
        self._backups = closed_by(parts, Backups(self._store, self._busy))
        self._uploads = Uploads(disk.private / "uploads", settings.name)
        self._http = closed_by(
            parts,
            HttpPort(
                settings.host,
                settings.http_port,
                trust,
                ready=lambda: self.ready,
                running=lambda: self.running,
                uploads=self._uploads,
            ),
        )
        # Calls end only when what they wait for has ended: the service goes after the parts that answer for it.
        service = _Late()
        parts.callback(service.end)
        self._preparer = closed_by(parts, Preparer(self._staging, self._store, settings.ingest_memory_limit))
        self._compactor = Compactor(self._store, settings.ingest_memory_limit)
        self._queries = closed_by(parts, Queries(settings, settings.data_dir, scratch))
        self._contributions = closed_by(
            parts,
            Contributions(
                settings.name,
                controller,
                peers,
                self._staging,
                self._lookups.places,
                spool=scratch / "spool",
                memory=settings.ingest_memory_limit,
                source_dirs=settings.source_dirs,
                uploads=self._uploads,
            ),
        )
        service.service = self._listen(trust)
        self.flight = f"{settings.reachable}:{service.service.port}"
        self.http = f"{settings.reachable}:{self._http.port}"
        self._membership = closed_by(
            parts,
            Membership(
                settings.name,
                settings.domain,
                flight=self.flight,
                http=self.http,
                controller=beats,
                disk=disk,
                store=self._store,
                discard=self._discard_transaction,
                refused=self._refuse,
            ),
        )

    @property
    def ready(self) -> bool:
        return self._membership.registered and not self._stopping.is_set()

    @property
    def running(self) -> dict[str, int]:
        """Queries by lane."""
        return self._queries.running

    def _busy(self) -> bool:
        return any(self.running.values())

    def close(self) -> None:
        """Stop queries and contributions, and end; committed files stay, staged rows are void."""
        self._stopping.set()
        self._files.stop()
        self._copier.stop()
        self._backups.stop()
        self._compactor.stop()
        self._parts.close()
        log.info("ended", name=self._settings.name)

    def _listen(self, trust: Trust) -> WorkerService:
        host, port = self._settings.host, self._settings.flight_port
        scheme = "grpc+tls" if trust.certificates.cert is not None else "grpc"
        try:
            return WorkerService(
                f"{scheme}://{host}:{port}",
                trust,
                queries=self._queries,
                files=self._files,
                stage=self._staging.receive,
                actions=self._actions(),
            )
        except (pa.ArrowException, OSError) as error:
            first = str(error).partition("\n")[0]
            raise Conflict(f"cannot listen on {host}:{port}: {first}: set another flight_port") from None

    def _actions(self) -> dict[str, Handler]:
        """What answers each action; the names are those of :mod:`qserv.catalog.messages`."""
        return {
            "ping": lambda _body: None,
            "cancel": _does(Cancel, lambda wish: self._queries.cancel(wish.query)),
            "chunks": _answers(ChunkLookup, self._lookups.chunks),
            "lookup": self._lookups.answer,
            "contribute": _does(Contribute, self._contributions.start),
            "contribution": _answers(ContributionKey, self._contributions.state),
            "cancel_contribution": _does(ContributionKey, self._contributions.cancel),
            "prepare": _answers(Prepare, self._prepare),
            "compact": _answers(Compact, self._compact),
            "fetch": _does(Fetch, self._fetch),
            "export": _does(Export, self._backups.export),
            "restore": _does(Restore, self._backups.restore),
            "discard": _does(Discard, self._discard),
            "inventory": _answers(Inventory, lambda wish: self._files.inventory(wish.prefix)),
            "verify": _answers(Verify, self._files.verify),
        }

    def _fetch(self, wish: Fetch) -> None:
        try:
            self._copier.fetch(wish)
        finally:
            # A damaged file was perhaps replaced by a whole one.
            self._lookups.forget(tuple(file[0] for file in wish.files))

    def _prepare(self, wish: Prepare) -> Prepared:
        return self._preparer.prepare(wish).model_copy(update={"boot": self._membership.boot})

    def _compact(self, wish: Compact) -> Prepared:
        return self._compactor.compact(wish).model_copy(update={"boot": self._membership.boot})

    def _discard(self, wish: Discard) -> None:
        if wish.transaction is not None:
            self._discard_transaction(wish.transaction)
        if wish.staged is not None:
            self._contributions.cancel_transaction(wish.staged)
            self._staging.discard(wish.staged)
            self._uploads.discard(wish.staged)
        if wish.paths:
            self._lookups.forget(wish.paths)
            self._store.remove(wish.paths)

    def _discard_transaction(self, transaction: int) -> None:
        self._contributions.cancel_transaction(transaction)
        self._staging.discard(transaction)
        self._uploads.discard(transaction)
        self._lookups.forget(self._store.discard(transaction))

    def _refuse(self, error: QservError) -> None:
        self.failure = error
        self.ended.set()


class _Late:
    """The Flight service, once there is one."""

    service: WorkerService | None = None

    def end(self) -> None:
        if self.service is not None:
            flight.end(self.service)


def closed_by(parts: ExitStack, part: Part) -> Part:
    """The same part, which is closed with the others."""
    parts.callback(part.close)
    return part


def _answers(model: type[Wish], work: Callable[[Wish], Message]) -> Handler:
    return lambda body: work(model.model_validate_json(body or b"{}"))


def _does(model: type[Wish], work: Callable[[Wish], object]) -> Handler:
    def handle(body: bytes) -> None:
        work(model.model_validate_json(body))

    return handle
