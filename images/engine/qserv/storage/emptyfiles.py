"""Parquet files of no rows: what a statement reads of a source that has no files where it runs."""

from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path

import pyarrow as pa

from qserv.storage.chunkfile import write_empty


class EmptyFiles:
    """A file for each schema, made when it is first asked for, in a folder that starts empty. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._made: set[Path] = set()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def path(self, schema: pa.Schema) -> Path:
        path = self.folder / f"{hashlib.sha256(schema.serialize().to_pybytes()).hexdigest()[:32]}.parquet"
        with self._lock:
            if path not in self._made:
                write_empty(path, schema)
                self._made.add(path)
        return path
