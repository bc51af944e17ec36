"""Tells the controllers of files that a worker did not have whole, so that they are looked at and healed.

A query does not wait for that: it goes on at another replica.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from qserv.catalog import logs
from qserv.catalog.errors import FileMissing, QservError
from qserv.catalog.metadata import Metadata

log = logs.get(__name__)

_DEPTH = 4  # database/table/unit/file


class Damage:
    """Reports what workers' failures say of their files."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="damage")

    def note(self, worker: int, error: QservError) -> None:
        """Report the files that an error of the worker (by id) names, if it names any."""
        if not isinstance(error, FileMissing):
            return
        told = error.details.get("paths")
        named = told if isinstance(told, list) else [error.details.get("path")]
        # A worker may name them as they lie on its disk.
        paths = ["/".join(path.split("/")[-_DEPTH:]) for path in named if isinstance(path, str)]
        if paths:
            self._thread.submit(self._report, worker, paths)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _report(self, worker: int, paths: list[str]) -> None:
        try:
            self._metadata.report_damage(worker, paths)
        except QservError as error:
            log.warning("damaged files could not be reported", paths=paths, reason=error.message)
        except Exception:
            log.exception("damaged files could not be reported", paths=paths)
