"""Whose disk this is: an identity written once, the cluster it belongs to, and a lock against a second process."""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ValidationError

from qserv.catalog.errors import Conflict, FileTrouble, WrongCluster
from qserv.storage.files import make_folder, sync_folder
from qserv.worker.store import PRIVATE

_NAME = "identity.json"


class _Facts(BaseModel):
    identity: str
    cluster: str | None = None


class Disk:
    """The data folder of one worker, locked for this process until :meth:`close`.

    Raises
    ------
    Conflict
        Where another process has it.
    FileTrouble
        Where it cannot be written, or its identity cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = root / PRIVATE
        self._mutex = threading.Lock()
        try:
            root.mkdir(parents=True, exist_ok=True)
            make_folder(root, self.private)
            self._held = _locked(self.private / "lock")
            try:
                path = self.private / _NAME
                self._facts = _read(path) if path.exists() else self._new()
            except BaseException:
                self._held.close()
                raise
        except OSError as error:
            raise FileTrouble(f"the data folder {root} cannot be used: {error.strerror or error}") from error

    @property
    def identity(self) -> str:
        return self._facts.identity

    @property
    def cluster(self) -> str | None:
        """The cluster that the disk belongs to; None: a new disk."""
        return self._facts.cluster

    def join(self, cluster: str) -> None:
        """Belong to a cluster from now on; written to the disk once.

        Raises
        ------
        WrongCluster
            Where the disk belongs to another.
        """
        with self._mutex:
            if self._facts.cluster == cluster:
                return
            if self._facts.cluster is not None:
                raise WrongCluster(
                    f"the data folder {self.root} belongs to cluster {self._facts.cluster}, not to {cluster}: "
                    "give this worker an empty folder, or its own"
                )
            self._facts = self._written(self._facts.model_copy(update={"cluster": cluster}))

    def close(self) -> None:
        self._held.close()

    def _new(self) -> _Facts:
        return self._written(_Facts(identity=uuid.uuid4().hex))

    def _written(self, facts: _Facts) -> _Facts:
        temporary = self.private / f"{_NAME}.new"
        with temporary.open("wb") as file:
            file.write(facts.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.private / _NAME)
        sync_folder(self.private)
        return facts


def _read(path: Path) -> _Facts:
    try:
        return _Facts.model_validate_json(path.read_bytes())
    except ValidationError:
        raise FileTrouble(
            f"{path} is damaged, so it is not known whose disk this is: give this worker an empty folder, and the"
            " cluster will fill it"
        ) from None


def _locked(path: Path) -> BinaryIO:
    held = path.open("ab")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise Conflict(
            f"another process uses the data folder {path.parent.parent}: a folder serves one worker at a time"
        ) from None
    return held
