"""The process ``qserv replication``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from qserv.catalog import logs
from qserv.catalog.metadata import Metadata
from qserv.catalog.settings import ReplicationSettings
from qserv.catalog.trust import Trust
from qserv.replication.app import build
from qserv.replication.controller import Controller


def run(settings: ReplicationSettings) -> None:
    """Serve until SIGTERM or SIGINT, having brought the metadata's schema up to date."""
    logs.configure("replication", settings.log_level)
    trust = Trust.from_settings(settings)
    metadata = Metadata.from_settings(settings, migrate_schema=True)
    controller = Controller(settings, metadata, trust)
    config = uvicorn.Config(
        build(controller),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        **trust.uvicorn_options(),
    )
    controller.start()
    try:
        _Server(config).run()
    finally:
        controller.stop()
    # Calls to workers, which copy or read files for minutes, cannot be broken off: nobody waits for their answers.
    os._exit(0)


class _Server(uvicorn.Server):
    """uvicorn that only stops serving at a signal: by itself it would then end the process, and keep the lease."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield
