"""An engine in memory: workers on disks, chunks with copies, repair, drain, and a view that lags behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qserv_operator.engine import (
    CONTEXT,
    AccountView,
    CanaryView,
    ChunksView,
    ContributionView,
    DatabaseView,
    EngineError,
    SettingsView,
    StatusView,
    StopView,
    TableView,
    TransactionView,
    WorkerView,
)
from qserv_operator.models.catalog import TableSpec
from qserv_operator.snapshot import Account, EngineSettings

_ANSWERING = ("online", "read-only", "draining")
_SUSPECT, _LOST = 3, 12


@dataclass
class Worker:
    """A registered worker; ``silent``: steps since it was last heard of."""

    disk: str
    state: str = "online"
    silent: int = 0

    @property
    def seen(self) -> str:
        """The state as the engine shows it: silence overrides what was asked of it."""
        if self.silent >= _LOST:
            return "lost"
        return "suspect" if self.silent >= _SUSPECT else self.state


@dataclass
class Engine:
    """Implements :class:`qserv_operator.engine.Engine`. ``copies``: the disks that hold each chunk."""

    copies: dict[int, set[str]] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    factor: int = 2
    bandwidth: int = 0
    lost_after: float = 0.0
    up: bool = False
    bad_images: frozenset[str] = frozenset()
    images: dict[str, str] = field(default_factory=dict)
    people: dict[str, Account] = field(default_factory=dict)
    tables: dict[str, dict[str, bool]] = field(default_factory=dict)
    loads: dict[int, TransactionView] = field(default_factory=dict)
    parts: dict[int, dict[str, ContributionView]] = field(default_factory=dict)

    def answering(self, disks: set[str], without: frozenset[str] = frozenset()) -> list[str]:
        """Workers that, as the engine sees it, answer for one of these disks."""
        return [
            name
            for name, worker in self.workers.items()
            if worker.disk in disks and worker.seen in _ANSWERING and name not in without
        ]

    def step(self, running: dict[str, str], images: dict[str, str], moves: int) -> None:
        """Time goes on: ``running`` workers (with their disk) are heard of, and copies are made."""
        self.images = images
        for number, load in self.loads.items():
            self._transit(number, {"committing": "committed", "aborting": "aborted"}.get(load.state, load.state))
        for name, worker in self.workers.items():
            worker.silent = 0 if running.get(name) == worker.disk else worker.silent + 1
        for name, disk in running.items():
            known = self.workers.get(name)
            if known is None or (known.disk != disk and known.seen == "lost" and not self._held(known.disk)):
                self.workers[name] = Worker(disk)
        if not self.copies and len(self.workers) >= 2:
            disks = sorted(worker.disk for worker in self.workers.values())
            self.copies = {chunk: {disks[chunk % len(disks)], disks[(chunk + 1) % len(disks)]} for chunk in range(12)}
        self._repair(moves)

    def _held(self, disk: str) -> list[int]:
        return [chunk for chunk, disks in self.copies.items() if disk in disks]

    def _repair(self, moves: int) -> None:
        targets = {w.disk: len(self._held(w.disk)) for w in self.workers.values() if w.seen == "online"}
        for disks in sorted(self.copies.values(), key=lambda disks: len(self.answering(disks))):
            if not moves:
                return
            sources = self.answering(disks)
            staying = [name for name in sources if self.workers[name].state != "draining"]
            free = sorted((load, disk) for disk, load in targets.items() if disk not in disks)
            if sources and len(staying) < self.factor and free:
                disks.add(free[0][1])
                targets[free[0][1]] += 1
                moves -= 1
            elif len(staying) >= min(self.factor, 1 + bool(targets)) and len(staying) != len(sources):
                leaving = next(name for name in sources if name not in staying)
                disks.discard(self.workers[leaving].disk)
                moves -= 1

    def _check(self) -> None:
        if not self.up:
            raise EngineError("unavailable", "no controller answers")

    def status(self) -> StatusView:
        self._check()
        counts = {chunk: len(self.answering(disks)) for chunk, disks in self.copies.items()}
        chunks = ChunksView(
            total=len(counts),
            at_risk=sum(count == 1 for count in counts.values()) if self.factor > 1 else 0,
            lost=sum(count == 0 for count in counts.values()),
            under_replicated=sum(count < min(self.factor, len(self.workers)) for count in counts.values()),
        )
        return StatusView(chunks=chunks, workers=tuple(self._view(name) for name in sorted(self.workers)))

    def _view(self, name: str) -> WorkerView:
        worker = self.workers[name]
        held = self._held(worker.disk)
        last = [chunk for chunk in held if not self.answering(self.copies[chunk], frozenset({name}))]
        return WorkerView(name=name, state=worker.seen, chunks=len(held), at_risk=len(last))

    def settings(self) -> SettingsView:
        self._check()
        return SettingsView(factor=self.factor, bandwidth=self.bandwidth, lost_after=self.lost_after)

    def change_settings(self, settings: EngineSettings) -> None:
        self._check()
        self.factor, self.bandwidth, self.lost_after = settings.factor, settings.bandwidth, settings.lost_after

    def safe_to_stop(self, workers: Sequence[str]) -> StopView:
        self._check()
        gone = frozenset(workers)
        if unknown := gone - self.workers.keys():
            raise EngineError("not-found", f"there is no worker {min(unknown)}")
        disks = {self.workers[name].disk for name in gone}
        forbidding = [c for c, held in self.copies.items() if held & disks and not self.answering(held, gone)]
        return StopView(safe=not forbidding, reason=f"{len(forbidding)} chunks", count=len(forbidding))

    def canary(self, worker: str) -> CanaryView:
        self._check()
        wrong = self.images.get(worker) in self.bad_images
        return CanaryView(ok=not wrong, checked=3, mismatches=("chunk 1",) if wrong else ())

    def set_worker_state(self, worker: str, state: str) -> None:
        self._check()
        if worker not in self.workers:
            raise EngineError("not-found", f"no worker {worker}")
        self.workers[worker].state = state

    def forget(self, worker: str) -> None:
        self._check()
        known = self.workers.get(worker)
        if known is None:
            return
        if known.seen in _ANSWERING:
            raise EngineError("unsafe", f"{worker} is {known.seen}: stop it first")
        if not self.safe_to_stop([worker]).safe:
            raise EngineError("conflict", f"{worker} holds last copies")
        for disks in self.copies.values():
            disks.discard(known.disk)
        del self.workers[worker]

    def accounts(self) -> tuple[AccountView, ...]:
        self._check()
        return tuple(AccountView(name=a.name, grants=a.grants, admin=a.admin) for a in self.people.values())

    def put_account(self, account: Account, password: str) -> None:
        self._check()
        assert password
        self.people[account.name] = account

    def drop_account(self, name: str) -> None:
        self._check()
        self.people.pop(name, None)

    def databases(self) -> tuple[DatabaseView, ...]:
        self._check()
        return tuple(
            DatabaseView(name=name, tables=tuple(TableView(name=t, published=p) for t, p in tables.items()))
            for name, tables in self.tables.items()
        )

    def create_database(self, name: str, family: dict[str, Any] | None) -> None:
        self._check()
        self.tables.setdefault(name, {})

    def create_table(self, database: str, table: TableSpec) -> None:
        self._check()
        self.tables[database].setdefault(table.name, False)

    def publish(self, database: str, table: str) -> None:
        self._check()
        self.tables[database][table] = True

    def drop_database(self, name: str) -> None:
        self._check()
        if any(load.database == name and load.state not in ("committed", "aborted") for load in self.loads.values()):
            raise EngineError("conflict", f"{name} has an open transaction")
        self.tables.pop(name, None)

    def transactions(self) -> tuple[TransactionView, ...]:
        self._check()
        return tuple(self.loads.values())

    def open_loads(self) -> list[int]:
        """Transactions that are not over."""
        return [number for number, load in self.loads.items() if load.state not in ("committed", "aborted")]

    def loaded(self, resource: str) -> list[str]:
        """URLs of the files that a resource, by its uid, has loaded for good."""
        return [
            part.url
            for number, load in self.loads.items()
            if load.state == "committed" and str(load.context[CONTEXT]).startswith(f"{resource}/")
            for part in self.parts[number].values()
        ]

    def contributions(self, transaction: int) -> tuple[ContributionView, ...]:
        self._check()
        return tuple(self.parts[transaction].values())

    def start_transaction(self, database: str, context: str) -> None:
        self._check()
        number = len(self.loads) + 1
        self.loads[number] = TransactionView(id=number, database=database, state="started", context={CONTEXT: context})
        self.parts[number] = {}

    def end_transaction(self, transaction: int, state: str) -> None:
        self._check()
        if self.loads[transaction].state == "started":
            on_its_way = {"committed": "committing", "aborted": "aborting"}[state]
            self._transit(transaction, on_its_way)

    def _transit(self, transaction: int, state: str) -> None:
        self.loads[transaction] = self.loads[transaction].model_copy(update={"state": state})

    def contribute(self, transaction: int, name: str, table: str, url: str) -> None:
        self._check()
        if self.loads[transaction].state != "started":
            raise EngineError("closed", f"transaction {transaction} is {self.loads[transaction].state}")
        done = "failed" if "broken" in url else "done"
        part = ContributionView(name=name, table=table, url=url, state=done, rows=10)
        self.parts[transaction].setdefault(name, part)
