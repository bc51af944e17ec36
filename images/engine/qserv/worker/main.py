"""``qserv worker``: runs until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
from types import FrameType

from qserv.catalog import logs
from qserv.catalog.settings import WorkerSettings
from qserv.worker import heaps
from qserv.worker.worker import Worker

_LOOK_SECONDS = 0.5


def run(settings: WorkerSettings) -> None:
    """Serve in the foreground.

    Raises
    ------
    Conflict
        Where the data folder or a port is another process's.
    WrongCluster
        Where the data folder belongs to another cluster.
    """
    heaps.share()
    logs.configure("worker", settings.log_level)
    worker = Worker(settings)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        worker.ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        # The handler runs in this thread alone, and nothing wakes it where the system gave the signal to another one.
        while not worker.ended.wait(_LOOK_SECONDS):
            pass
    finally:
        worker.close()
    if worker.failure is not None:
        raise worker.failure
    os._exit(0)  # threads of calls that did not end are not waited for
