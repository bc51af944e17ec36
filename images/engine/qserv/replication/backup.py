"""Exports and imports as REST asks for them, carried on in the background by whichever controller leads."""

from __future__ import annotations

import time
from concurrent.futures import Future
from functools import partial

from qserv.catalog import logs
from qserv.catalog.errors import Conflict, QservError, Unavailable
from qserv.catalog.flight import failure_of
from qserv.catalog.metadata import Metadata, backups
from qserv.catalog.metadata.backups import OPEN, BackupRow
from qserv.catalog.resources import BackupView, BackupWish
from qserv.replication.calls import Calls
from qserv.replication.exporting import Exporting
from qserv.replication.importing import Importing
from qserv.replication.leader import Leader
from qserv.storage.depot import depot

log = logs.get(__name__)


class _CancelledError(Exception):
    """Somebody asked for the end of what is under way."""


class Backups:
    """One round is :meth:`step`; each export or import is carried on in a thread of its own."""

    def __init__(
        self, metadata: Metadata, leader: Leader, calls: Calls, exporting: Exporting, importing: Importing
    ) -> None:
        self._metadata = metadata
        self._leader = leader
        self._calls = calls
        self._exporting = exporting
        self._importing = importing
        self._running: dict[int, Future[None]] = {}

    def start(self, wish: BackupWish) -> BackupView:
        """Begin an export or import, or find the same one under way.

        Raises
        ------
        SpecError
            When the place is neither an absolute path nor in an object store.
        Conflict
            When another is under way there.
        """
        depot(wish.url)
        url = wish.url.rstrip("/")
        return view(self._leader.write(partial(backups.start, kind=wish.kind, url=url, databases=wish.databases)))

    def all(self) -> list[BackupView]:
        return [view(row) for row in self._metadata.read(backups.backups)]

    def one(self, backup: int) -> BackupView:
        return view(self._metadata.read(partial(backups.get, backup=backup)))

    def cancel(self, backup: int) -> BackupView:
        return view(self._leader.write(partial(backups.cancel, backup=backup)))

    def step(self) -> bool | None:
        """False when there is no backup to carry on."""
        self._running = {key: future for key, future in self._running.items() if not future.done()}
        for row in self._metadata.read(partial(backups.backups, states=OPEN)):
            if row.id not in self._running:
                self._running[row.id] = self._calls.background(partial(self._carry, row))
        return None if self._running else False

    def _carry(self, row: BackupRow) -> None:
        with logs.bound(backup=row.id):
            try:
                if row.state == "cancelling":
                    raise _CancelledError
                self._run(row)
            except _CancelledError:
                self._end(row, None)
            except Unavailable as error:
                if self._leader.leads:
                    self._end(row, error)
                else:
                    log.warning("another controller is to go on", reason=error.message)
            except QservError as error:
                self._end(row, error)
            except Exception:
                log.exception("it is tried again")

    def _run(self, row: BackupRow) -> None:
        def tell(done: tuple[int, int], total: tuple[int, int]) -> None:
            now = self._leader.write(partial(backups.progress, backup=row.id, done=done, total=total))
            if now.state != "running":
                raise _CancelledError

        if row.kind == "export":
            self._exporting.run(row, tell)
            self._leader.write(partial(backups.end, backup=row.id, state="done"))
        else:
            self._importing.run(row, tell)

    def _end(self, row: BackupRow, error: QservError | None) -> None:
        """Clear up, and say how it ended."""
        if error is not None:
            log.warning("failed", kind=row.kind, url=row.url, code=error.code, reason=error.message)
        try:
            if row.kind == "import":
                self._importing.remove(row)
            state = partial(backups.end, backup=row.id, state="cancelled" if error is None else "failed")
            self._leader.write(partial(state, failure=failure_of(error) if error is not None else None))
        except Conflict as refused:
            log.warning("it is cleared up later", reason=refused.message)
        except Unavailable as away:
            log.warning("another controller is to clear up", reason=away.message)


def view(row: BackupRow) -> BackupView:
    """How far it is; the time left is at the mean speed until now."""
    seconds = (row.ended or time.time()) - row.started
    left = row.total_bytes - row.bytes
    return BackupView(
        id=row.id,
        kind=row.kind,
        url=row.url,
        databases=row.databases,
        state=row.state,
        files=row.files,
        bytes=row.bytes,
        total_files=row.total_files,
        total_bytes=row.total_bytes,
        failure=row.failure,
        started=row.started,
        ended=row.ended,
        eta_seconds=left * seconds / row.bytes if row.ended is None and row.bytes and left else None,
    )
