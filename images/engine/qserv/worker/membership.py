"""The worker's place in the cluster: it registers with the controller, and says every second that it is there.

A controller that is away changes nothing for queries: what the czars know of the placement stays true.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from qserv.catalog import logs
from qserv.catalog.errors import QservError, Unavailable, WrongCluster
from qserv.catalog.messages import Heartbeat
from qserv.catalog.rest import Controller
from qserv.worker import metrics
from qserv.worker.identity import Disk
from qserv.worker.store import Store

_RETRY = 1.0

log = logs.get(__name__)


class Membership:
    """Beats until it is stopped.

    Parameters
    ----------
    flight, http : addresses (host:port) where others reach this worker.
    discard : removes what a transaction left here, of those that the controller calls void.
    refused : is told when the disk turns out to be another cluster's; nothing beats after that.
    """

    def __init__(
        self,
        name: str,
        domain: str,
        *,
        flight: str,
        http: str,
        controller: Controller,
        disk: Disk,
        store: Store,
        discard: Callable[[int], None],
        refused: Callable[[QservError], None],
    ) -> None:
        self._name = name
        self._domain = domain or name
        self._flight = flight
        self._http = http
        self._controller = controller
        self._disk = disk
        self._store = store
        self._discard = discard
        self._refused = refused
        self._stopping = threading.Event()
        self._registered = threading.Event()
        self._away = False
        self.boot = uuid.uuid4().hex
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)

    @property
    def registered(self) -> bool:
        """Whether a controller has taken this process in; it stays so when the controller goes away."""
        return self._registered.is_set()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        interval = 0.0
        while not self._stopping.wait(interval):
            try:
                interval = self._beat()
            except WrongCluster as error:
                log.error("refused", reason=error.message)
                self._refused(error)
                return
            except QservError as error:
                self._note_away(error)
                interval = _RETRY
            except Exception:
                log.exception("heartbeat failed")
                interval = _RETRY

    def _beat(self) -> float:
        """One heartbeat; answers the seconds until the next."""
        space = self._store.space()
        metrics.DISK_USED.set(space.used)
        metrics.DISK_FREE.set(space.free)
        answer = self._controller.heartbeat(
            self._name,
            Heartbeat(
                flight=self._flight,
                http=self._http,
                boot=self.boot,
                identity=self._disk.identity,
                cluster=self._disk.cluster,
                domain=self._domain,
                capacity=space.capacity,
                free=space.free,
            ),
        )
        self._disk.join(answer.cluster)
        if not self._registered.is_set() or self._away:
            log.info("registered", cluster=answer.cluster, boot=self.boot)
        self._away = False
        self._registered.set()
        metrics.READY.set(1)
        for transaction in answer.discard:
            self._discard(transaction)
        return answer.interval

    def _note_away(self, error: QservError) -> None:
        if not self._away:
            away = isinstance(error, Unavailable)
            log.warning(
                "the controller does not answer" if away else "the controller refuses this worker: it is asked again",
                code=error.code,
                reason=error.message,
            )
        self._away = True
