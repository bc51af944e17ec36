"""Catalogs: `QservCatalog` resources loaded through the engine's ingest service.

Where a load stands is read from the engine each time: a transaction of ours is known by its context
(``<uid of the resource>/<fingerprint of its spec>``), a file by its name in it. So a load goes on where it was, whoever
was killed. A load of a spec that is not wanted any more, or whose resource is gone, is aborted. When URLs are added to
a spec that was loaded, only these are loaded, in a further transaction. A Job that prepares the files runs before such
a transaction, once for each spec.
"""

from __future__ import annotations

from dataclasses import dataclass

from qserv_operator.actions import (
    Call,
    Contribute,
    CreateDatabase,
    CreateJob,
    CreateTable,
    DropDatabase,
    EndTransaction,
    Event,
    PublishTable,
    StartTransaction,
    Step,
)
from qserv_operator.builders.preparation import preparation
from qserv_operator.models.catalog import CatalogState, CatalogStatus, Progress
from qserv_operator.models.cluster import Policy
from qserv_operator.models.status import KnownCatalog
from qserv_operator.names import fingerprint
from qserv_operator.reasons import Reason
from qserv_operator.snapshot import CatalogFact, Contribution, EngineFacts, Snapshot, Transaction
from qserv_operator.tasks.conditions import condition
from qserv_operator.tasks.findings import Task, listed

OPEN = frozenset({"started", "committing", "aborting"})
"""States of a transaction that is not over."""
_ERRORS = 10
_PARALLEL_REQUESTS = 100
_JOB_NAME = 50
"""Of the resource's name in that of its Job, which has 63 characters at most."""


@dataclass(frozen=True)
class Load:
    """Where the load of one catalog stands."""

    catalog: CatalogFact
    state: CatalogState
    reason: Reason
    message: str
    step: Step | None = None
    transaction: Transaction | None = None
    loaded: str = ""

    @property
    def busy(self) -> bool:
        """It goes on by itself, and is soon to be looked at again."""
        return self.state in (CatalogState.PREPARING, CatalogState.LOADING, CatalogState.COMMITTING)


def catalog_fingerprint(catalog: CatalogFact) -> str:
    """Changes when what is to be loaded changes."""
    later = {"prepare": catalog.spec.prepare, "retry": catalog.spec.retry}
    left_out = {"deletion_policy", "cluster"} | {name for name, value in later.items() if not value}
    return fingerprint(catalog.spec.model_dump(mode="json", exclude=left_out))


def is_loaded(catalog: CatalogFact) -> bool:
    """The spec that it has now was loaded and published."""
    status = catalog.status
    return status.state is CatalogState.PUBLISHED and status.loaded == catalog_fingerprint(catalog)


def contribution_name(table: str, url: str) -> str:
    """The name by which a file is loaded once, however often it is asked for."""
    return f"{table}-{fingerprint([table, url])}"


def loads(snapshot: Snapshot) -> list[Load]:
    """Each catalog's state and next step; of two of one database the older resource has it."""
    found = []
    taken: dict[str, str] = {}
    for catalog in sorted(snapshot.catalogs, key=lambda catalog: (catalog.created, catalog.name)):
        database = catalog.spec.database.casefold()
        if database in taken:
            text = f"QservCatalog {taken[database]} loads database {catalog.spec.database} already"
            found.append(Load(catalog, CatalogState.FAILED, Reason.CATALOG_CONFLICT, text))
            continue
        taken[database] = catalog.name
        if snapshot.engine is None:
            found.append(_waiting(catalog))
        else:
            found.append(_load(snapshot, catalog, snapshot.engine))
    return found


def _waiting(catalog: CatalogFact) -> Load:
    status = catalog.status
    if is_loaded(catalog):
        return Load(catalog, status.state, Reason.PUBLISHED, "the catalog can be queried", loaded=status.loaded)
    state = status.state if status.state is not CatalogState.PUBLISHED else CatalogState.PENDING
    return Load(catalog, state, Reason.PENDING, "waits for the cluster to answer", loaded=status.loaded)


def _load(snapshot: Snapshot, catalog: CatalogFact, engine: EngineFacts) -> Load:
    spec, print_ = catalog.spec, catalog_fingerprint(catalog)
    context = f"{catalog.uid}/{print_}"
    missing = _missing_tables(catalog, engine)
    if missing:
        text = f"database {spec.database} is being made"
        return Load(catalog, CatalogState.LOADING, Reason.LOADING, text, Step(missing))
    ours = [item for item in engine.transactions if item.context.startswith(f"{catalog.uid}/")]
    former = [item for item in ours if item.context != context and item.state in OPEN]
    if former:
        return _end_former(catalog, former)
    todo = [] if is_loaded(catalog) else _todo(catalog, ours)
    current = next((item for item in sorted(ours, key=lambda item: item.id) if item.context == context), None)
    if current is not None and current.state != "committed":
        return _in_transaction(catalog, current, todo)
    if todo and (unready := _prepare(snapshot, catalog, print_)):
        return unready
    if todo:
        step = Step((StartTransaction(spec.database, context),))
        return Load(catalog, CatalogState.LOADING, Reason.LOADING, f"{len(todo)} files to load", step)
    tables = engine.databases.get(spec.database, {})
    hidden = tuple(PublishTable(spec.database, t.name) for t in spec.tables if not tables.get(t.name, False))
    if hidden:
        text = "all rows are there; tables are being published"
        return Load(catalog, CatalogState.COMMITTING, Reason.COMMITTING, text, Step(hidden), current)
    text = "the catalog can be queried"
    return Load(catalog, CatalogState.PUBLISHED, Reason.PUBLISHED, text, transaction=current, loaded=print_)


def _end_former(catalog: CatalogFact, former: list[Transaction]) -> Load:
    """A load of what is not wanted any more; one that is being committed is let go to its end."""
    ids = listed([str(item.id) for item in former])
    calls = tuple(EndTransaction(item.id, "aborted") for item in former if item.state == "started")
    text = f"the load of the former spec (transaction {ids}) ends first"
    return Load(catalog, CatalogState.LOADING, Reason.LOADING, text, Step(calls) if calls else None)


def _in_transaction(catalog: CatalogFact, current: Transaction, todo: list[tuple[str, str]]) -> Load:
    if current.state == "started":
        return _contribute(catalog, current, todo)
    if current.state in ("aborting", "aborted"):
        why = "; ".join(_errors(current)) or current.failure or "by hand, or by the engine"
        text = f"transaction {current.id} was aborted: {why}"
        return Load(catalog, CatalogState.FAILED, Reason.LOAD_FAILED, text, transaction=current)
    text = f"transaction {current.id} is {current.state}" + (f": {current.failure}" if current.failure else "")
    return Load(catalog, CatalogState.COMMITTING, Reason.COMMITTING, text, transaction=current)


def _prepare(snapshot: Snapshot, catalog: CatalogFact, print_: str) -> Load | None:
    """The Job that makes the files, where there is one to do and it is not done; None when they can be loaded."""
    wanted = catalog.spec.prepare
    if wanted is None:
        return None
    name = f"{catalog.name[:_JOB_NAME]}-{print_}"
    job = snapshot.jobs.get(name)
    before = next((item for item in catalog.status.conditions if item.reason == Reason.PREPARE_FAILED), None)
    if job is None and before is not None and name in before.message:
        return Load(catalog, CatalogState.FAILED, Reason.PREPARE_FAILED, before.message)
    if job is None:
        made = preparation(snapshot.identity, snapshot.spec, catalog, wanted, name)
        step = Step((CreateJob(name, made),))
        return Load(catalog, CatalogState.PREPARING, Reason.PREPARING, f"Job {name} is made", step)
    if job.failure:
        text = f"Job {name} failed ({job.failure}); kubectl logs job/{name} says why"
        return Load(catalog, CatalogState.FAILED, Reason.PREPARE_FAILED, text)
    if not job.done:
        return Load(catalog, CatalogState.PREPARING, Reason.PREPARING, f"Job {name} makes the files")
    return None


def _missing_tables(catalog: CatalogFact, engine: EngineFacts) -> tuple[Call, ...]:
    spec = catalog.spec
    calls: list[Call] = []
    if spec.database not in engine.databases:
        family = spec.family.model_dump(mode="json") if spec.family else None
        calls.append(CreateDatabase(spec.database, family))
    present = engine.databases.get(spec.database, {})
    calls += [CreateTable(spec.database, table) for table in spec.tables if table.name not in present]
    return tuple(calls)


def _todo(catalog: CatalogFact, ours: list[Transaction]) -> list[tuple[str, str]]:
    """Files (table, URL) that no committed transaction of this resource holds."""
    loaded = {part.name for item in ours if item.state == "committed" for part in item.contributions}
    files = [(table.name, url) for table in catalog.spec.tables for url in table.source.urls]
    return [(table, url) for table, url in files if contribution_name(table, url) not in loaded]


def _contribute(catalog: CatalogFact, current: Transaction, todo: list[tuple[str, str]]) -> Load:
    """Directors before the tables that are placed by them: the next table's files when all of the former are done."""
    parts = {part.name: part for part in current.contributions}
    failed = [part for part in current.contributions if part.state == "failed"]
    if failed:
        text = f"{len(failed)} files failed: {'; '.join(_errors(current))}"
        step = Step((EndTransaction(current.id, "aborted"),))
        return Load(catalog, CatalogState.FAILED, Reason.LOAD_FAILED, text, step, current)
    for table in catalog.spec.tables:
        names = {contribution_name(name, url): url for name, url in todo if name == table.name}
        unasked = [name for name in names if name not in parts]
        if unasked:
            calls = tuple(
                Contribute(current.id, name, table.name, names[name]) for name in unasked[:_PARALLEL_REQUESTS]
            )
            return Load(catalog, CatalogState.LOADING, Reason.LOADING, f"table {table.name}", Step(calls), current)
        if not all(parts[name].state == "done" for name in names):
            return Load(catalog, CatalogState.LOADING, Reason.LOADING, f"table {table.name}", transaction=current)
    step = Step((EndTransaction(current.id, "committed"),))
    text = "all files are loaded; they are being made visible"
    return Load(catalog, CatalogState.COMMITTING, Reason.COMMITTING, text, step, current)


def _errors(transaction: Transaction) -> list[str]:
    failed: list[Contribution] = [part for part in transaction.contributions if part.state == "failed"]
    return [f"{part.table}: {part.error}" for part in failed[:_ERRORS]]


def catalog_task(snapshot: Snapshot, found: list[Load]) -> Task:
    """Steps of all loads; what catalogs that are gone have left."""
    steps = [load.step for load in found if load.step is not None]
    if snapshot.engine is None:
        return Task(tuple(steps))
    owners = {catalog.uid for catalog in snapshot.catalogs} | {item.uid for item in snapshot.unreadable}
    left = [item for item in snapshot.engine.transactions if item.context.split("/")[0] not in owners]
    return Task((*steps, *_abort_left(left), *_drop_left(snapshot, snapshot.engine, {item.database for item in left})))


def _abort_left(left: list[Transaction]) -> list[Step]:
    """Open loads of resources that are gone."""
    steps = []
    for item in left:
        if item.state == "started":
            text = f"transaction {item.id} into {item.database} was aborted: its QservCatalog is gone"
            steps.append(Step((EndTransaction(item.id, "aborted"),), Event(Reason.LOAD_ABORTED, text)))
    return steps


def _drop_left(snapshot: Snapshot, engine: EngineFacts, busy: set[str]) -> list[Step]:
    """Databases of resources that are gone and wanted them to go too; names of databases have no case."""
    claimed = {catalog.spec.database.casefold() for catalog in snapshot.catalogs}
    claimed |= {item.database.casefold() for item in snapshot.unreadable}
    steps = []
    for known in snapshot.status.catalogs:
        gone = known.database.casefold() not in claimed and known.database in engine.databases
        if gone and known.deletion_policy is Policy.DELETE and known.database not in busy:
            event = Event(Reason.CATALOG_DROPPED, f"database {known.database} was dropped with its resource")
            steps.append(Step((DropDatabase(known.database),), event))
    return steps


def known_catalogs(snapshot: Snapshot, found: list[Load]) -> tuple[KnownCatalog, ...]:
    """Catalogs to remember for the day when their resource is gone."""
    ours = [load.catalog for load in found if load.reason is not Reason.CATALOG_CONFLICT]
    present = {
        item.spec.database: KnownCatalog(database=item.spec.database, deletion_policy=item.spec.deletion_policy)
        for item in ours
    }
    for known in snapshot.status.catalogs:
        still = snapshot.engine is None or known.database in snapshot.engine.databases
        if known.database not in present and still and known.deletion_policy is Policy.DELETE:
            present[known.database] = known
    return tuple(present[name] for name in sorted(present))


def catalog_statuses(found: list[Load], now: float) -> tuple[tuple[str, CatalogStatus], ...]:
    """The status of each `QservCatalog`."""
    return tuple((load.catalog.name, _status(load, now)) for load in found)


def _status(load: Load, now: float) -> CatalogStatus:
    catalog, transaction = load.catalog, load.transaction
    before, generation = catalog.status, catalog.generation
    published = load.state is CatalogState.PUBLISHED
    broken = load.state is CatalogState.FAILED
    available = published or bool(before.loaded)
    values = (("Available", available), ("Progressing", load.busy), ("Degraded", broken))
    made = tuple(
        condition(before.conditions, type_, value, load.reason, load.message, generation, now)
        for type_, value in values
    )
    return CatalogStatus(
        observed_generation=generation,
        state=load.state,
        transaction=transaction.id if transaction else before.transaction,
        loaded=load.loaded or before.loaded,
        progress=_progress(catalog, transaction) if transaction else before.progress,
        errors=tuple(_errors(transaction)) if transaction and broken else _without_transaction(load),
        conditions=made,
    )


def _without_transaction(load: Load) -> tuple[str, ...]:
    return (load.message,) if load.reason is Reason.PREPARE_FAILED else ()


def _progress(catalog: CatalogFact, transaction: Transaction) -> Progress:
    total = sum(len(table.source.urls) for table in catalog.spec.tables)
    parts = transaction.contributions
    done = sum(part.state == "done" for part in parts)
    return Progress(
        rows=sum(part.rows for part in parts),
        bytes=sum(part.bytes for part in parts),
        files=f"{done}/{max(total, len(parts))}",
        eta_seconds=transaction.eta_seconds,
    )
