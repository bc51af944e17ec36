"""One running query's right to run: taken away by KILL, a dropped client, a time limit or the czar's end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from qserv.catalog.errors import QservError

RESTART_PAUSES = (0.3, 1.2, 3.5)
"""Seconds after which workers that could not be reached are asked again, when no other replica is left: one that
restarts is back in two or three."""


class Permit:
    """Asked by whoever works for the query; revoked once, with the error that the query ends with. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: QservError | None = None
        self._stops: list[Callable[[], object]] = []

    @property
    def revoked(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> QservError | None:
        return self._reason

    def check(self) -> None:
        """Raise the reason of the revocation, if there is one."""
        if self._reason is not None:
            raise self._reason

    def pause(self, seconds: float) -> None:
        """Wait; raises the reason of a revocation as soon as there is one."""
        woken = threading.Event()
        with self.stopping(woken.set):
            woken.wait(seconds)
        self.check()

    def revoke(self, reason: QservError) -> None:
        """Stop all work; later revocations change nothing."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            stops, self._stops = self._stops, []
        with contextlib.ExitStack() as each:  # all are called, also where one fails
            for stop in stops:
                each.callback(stop)

    @contextlib.contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call ``stop`` should the permit be revoked inside of the block, or where it was revoked before.

        Raises
        ------
        QservError
            The reason, where it was revoked before.
        """
        with self._lock:
            before = self._reason
            if before is None:
                self._stops.append(stop)
        if before is not None:
            stop()
            raise before
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._stops.remove(stop)
