"""The replication controller: all its parts put together, and the threads that drive them.

Every controller answers REST; only the one that holds the lease decides (``leader``). Its loops run again and again
from what stands in the metadata, so one that takes over goes on where the other stopped:

* ``watch``: heartbeats, suspect and lost workers (``registry``);
* ``contribute``: files to workers, and anew where staged rows were lost (``contributing``);
* ``commit``: commits, aborts, what they leave to be removed (``committing``);
* ``adopt``: what workers that came back bring (``adoption``);
* ``repair``: missing copies, balance, drains; ``collect``: files to remove (``repair``);
* ``scrub``: replicas read anew, and files that were reported as damaged (``scrubbing``);
* ``compact``: small files that become one (``compacting``);
* ``backup``: exports and imports (``backup``);
* ``measure``: what the metrics say of chunks and workers.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

from qserv.catalog import logs
from qserv.catalog.errors import QservError, Unsafe
from qserv.catalog.messages import Heartbeat, HeartbeatAnswer
from qserv.catalog.metadata import Metadata, chores
from qserv.catalog.model import WorkerState
from qserv.catalog.resources import RuntimeSettings, SettingsWish, WorkerView
from qserv.catalog.settings import ReplicationSettings
from qserv.catalog.trust import Trust
from qserv.replication import metrics
from qserv.replication.adoption import Adoption
from qserv.replication.backup import Backups
from qserv.replication.calls import Calls
from qserv.replication.canary import Canary
from qserv.replication.catalog import CatalogService
from qserv.replication.committing import Committing
from qserv.replication.compacting import Compacting
from qserv.replication.contributing import Contributing
from qserv.replication.exporting import Exporting
from qserv.replication.importing import Importing
from qserv.replication.ingest import Ingest
from qserv.replication.leader import Leader
from qserv.replication.placer import Placer
from qserv.replication.registry import Registry
from qserv.replication.repair import Repair
from qserv.replication.scrubbing import Scrubbing
from qserv.replication.status import StatusService
from qserv.replication.uploading import Uploading

log = logs.get(__name__)

_WATCH_SECONDS = 0.5
_CONTRIBUTE_SECONDS = 0.1
_COMMIT_SECONDS = 0.1
_ADOPT_SECONDS = 0.5
_REPAIR_SECONDS = 0.5
_COLLECT_SECONDS = 1.0
_BACKUP_SECONDS = 0.2
_SCRUB_SECONDS = 0.5
_COMPACT_SECONDS = 2.0
_MEASURE_SECONDS = 5.0
_IDLE_SECONDS = 1.0
_STOP_SECONDS = 5.0


class Controller:
    """A replication controller without its HTTP side."""

    def __init__(self, settings: ReplicationSettings, metadata: Metadata, trust: Trust) -> None:
        self.settings = settings
        self.metadata = metadata
        self.trust = trust
        self.cluster = metadata.read(chores.cluster)
        self.calls = Calls.trusting(trust)
        self.leader = Leader(
            metadata,
            name=f"{settings.name}/{uuid.uuid4().hex[:12]}",
            address=f"{settings.scheme}://{settings.reachable}:{settings.port}",
            seconds=settings.lease,
        )
        self._runtime_lock = threading.Lock()
        self._runtime = self._read_runtime()
        self.registry = Registry(metadata, self.leader, self.runtime, cluster=self.cluster)
        self.leader.on_taken(self._taken)
        metrics.LEADING.set_function(lambda: float(self.leader.leads))
        self.placer = Placer(metadata, self.leader, self.registry)
        # A load is not to wait for the next round of the loops that carry it on.
        self._bells = {"contribute": threading.Event(), "commit": threading.Event()}
        self.ingest = Ingest(
            metadata,
            self.leader,
            self.registry,
            self.calls,
            contributed=self._bells["contribute"].set,
            ended=self._bells["commit"].set,
        )
        self.uploading = Uploading(metadata, self.registry, self.calls, self.ingest, trust)
        self.contributing = Contributing(metadata, self.leader, self.registry, self.calls)
        self.committing = Committing(metadata, self.leader, self.registry, self.calls, self.runtime)
        self.catalog = CatalogService(metadata, self.leader)
        self.status = StatusService(metadata, self.leader, self.registry, self.runtime, self.cluster)
        self.repair = Repair(
            metadata,
            self.leader,
            self.registry,
            self.calls,
            runtime=self.runtime,
            picture=self.status.picture,
            parallel=settings.parallel_moves,
        )
        self.adoption = Adoption(metadata, self.leader, self.registry, self.calls, self.repair)
        self.scrubs = Scrubbing(metadata, self.leader, self.registry, self.calls, self.repair, self.runtime)
        self.backups = Backups(
            metadata,
            self.leader,
            self.calls,
            Exporting(metadata, self.registry, self.calls, self.runtime, self.cluster),
            Importing(metadata, self.leader, self.registry, self.calls, self.placer, self.runtime),
        )
        self.compacting = Compacting(metadata, self.leader, self.registry, self.calls, self.runtime)
        self.canary = Canary(metadata, self.registry, self.calls)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def runtime(self) -> RuntimeSettings:
        """The settings that can be changed while the cluster runs, as they are now."""
        with self._runtime_lock:
            return self._runtime

    def set_runtime(self, wish: SettingsWish) -> RuntimeSettings:
        values = wish.model_dump(exclude_none=True)
        self.leader.write(lambda connection: chores.set_settings(connection, values))
        with self._runtime_lock:
            self._runtime = self._read_runtime()
            return self._runtime

    def heartbeat(self, name: str, beat: Heartbeat) -> HeartbeatAnswer:
        row = self.registry.heartbeat(name, beat)
        void = self.metadata.read(lambda connection: chores.discards(connection, row.id))
        return HeartbeatAnswer(
            cluster=self.cluster,
            interval=self.settings.heartbeat,
            discard=tuple(transaction for transaction, aborted in void.items() if aborted),
        )

    def set_worker_state(self, name: str, state: WorkerState) -> WorkerView:
        """Let a worker take part, only answer, or give its chunks away.

        Raises
        ------
        Unsafe
            When a worker is to be drained that holds the last copy of chunks, and no other takes them.
        """
        if state is WorkerState.DRAINING:
            others = [row for row in self.registry.rows().values() if row.name != name]
            if not any(row.state is WorkerState.ONLINE for row in others):
                going = [row.name for row in others if row.state is WorkerState.DRAINING]
                verdict = self.status.safe_to_stop([name, *going])
                if not verdict.safe:
                    raise Unsafe(
                        f"worker {name!r} cannot be drained: no other worker is online to take its chunks",
                        count=verdict.count,
                        chunks=list(verdict.chunks),
                    )
        self.registry.set_wanted(name, state)
        return self.status.worker(name)

    def forget_worker(self, name: str) -> None:
        """Strike a worker off the registry.

        Raises
        ------
        Unsafe
            While it is heard, or holds the last copy of a chunk.
        """
        view = self.status.worker(name)
        if view.state not in (WorkerState.SUSPECT, WorkerState.LOST):
            raise Unsafe(f"worker {name!r} is {view.state}: stop it first")
        verdict = self.status.safe_to_stop([name])
        if not verdict.safe:
            raise Unsafe(
                f"worker {name!r} holds chunks that no other worker has: {verdict.reason}",
                count=verdict.count,
                chunks=list(verdict.chunks),
            )
        self.registry.forget(name)

    def start(self) -> None:
        """Begin to ask for the lease, and to act while this controller holds it."""
        loops: dict[str, Callable[[], None]] = {
            "lease": lambda: self.leader.run(self._stop),
            "watch": lambda: self._loop(self.registry.watch, _WATCH_SECONDS),
            "contribute": lambda: self._loop(
                self.contributing.step, _CONTRIBUTE_SECONDS, self._bells["contribute"], _IDLE_SECONDS
            ),
            "adopt": lambda: self._loop(self.adoption.step, _ADOPT_SECONDS),
            "repair": lambda: self._loop(self.repair.step, _REPAIR_SECONDS),
            "collect": lambda: self._loop(self.repair.collect, _COLLECT_SECONDS),
            "scrub": lambda: self._loop(self.scrubs.step, _SCRUB_SECONDS),
            "backup": lambda: self._loop(self.backups.step, _BACKUP_SECONDS, idle=_IDLE_SECONDS),
            "compact": lambda: self._loop(self.compacting.step, _COMPACT_SECONDS),
            "measure": lambda: self._loop(self._measure, _MEASURE_SECONDS),
            "commit": lambda: self._loop(self.committing.step, _COMMIT_SECONDS, self._bells["commit"], _IDLE_SECONDS),
        }
        for name, target in loops.items():
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the loops, and let another controller lead at once."""
        self._stop.set()
        for bell in self._bells.values():
            bell.set()
        until = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self.leader.release()
        self.calls.close()
        self.metadata.close()

    def _loop(
        self,
        step: Callable[[], bool | None],
        seconds: float,
        bell: threading.Event | None = None,
        idle: float | None = None,
    ) -> None:
        """Run a step again and again, sooner when ``bell`` is set.

        One that answers True has more to do at once; one that answers False has nothing under way, and may be run after
        ``idle`` seconds.
        """
        pause = seconds
        while True:
            (bell or self._stop).wait(pause)
            if self._stop.is_set():
                return
            if bell is not None:
                bell.clear()
            pause = seconds
            if not self.leader.leads:
                continue
            try:
                more = step()
                if more:
                    pause = 0.0
                elif more is False and idle is not None:
                    pause = idle
            except QservError as error:
                log.warning("a step failed and is tried again", step=step.__qualname__, reason=error.message)
            except Exception:
                log.exception("a step failed and is tried again", step=step.__qualname__)

    def _measure(self) -> None:
        state = self.status.status()
        for name in ("total", "at_risk", "under_replicated", "lost"):
            metrics.CHUNKS.labels(name).set(getattr(state.chunks, name))
        for kind in WorkerState:
            metrics.WORKERS.labels(kind).set(sum(worker.state is kind for worker in state.workers))
        loads = self.ingest.open()
        metrics.LOADS.labels("open").set(len(loads))
        metrics.LOADS.labels("waiting").set(len(state.waiting))
        metrics.LOAD_ROWS.set(sum(load.rows for load in loads))
        metrics.LOAD_BYTES.labels("read").set(sum(load.bytes for load in loads))
        metrics.LOAD_BYTES.labels("total").set(sum(load.total_bytes for load in loads))
        metrics.LOAD_ETA.set(max((load.eta_seconds or 0.0 for load in loads), default=0.0))

    def _taken(self) -> None:
        with self._runtime_lock:
            self._runtime = self._read_runtime()
        self.registry.reload()

    def _read_runtime(self) -> RuntimeSettings:
        s = self.settings
        own = {
            "factor": s.factor,
            "bandwidth": s.bandwidth,
            "lost_after": s.lost_after,
            "suspect_after": s.suspect_after,
            "scrub_interval": s.scrub_interval,
            "scrub_bandwidth": s.scrub_bandwidth,
            "compact_files": s.compact_files,
        }
        return RuntimeSettings.model_validate(own | self.metadata.read(chores.settings))
