"""Transactions and their contributions, from the first to the commit that makes their rows visible."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from qserv.catalog.errors import Conflict, NotFound, TransactionClosed, WorkerFailed
from qserv.catalog.messages import ContributionState, Failure, StagedUnit
from qserv.catalog.metadata import schema
from qserv.catalog.metadata.chores import bump
from qserv.catalog.metadata.units import FileRow, UnitRow, files_where, find, remove_replicas
from qserv.catalog.resources import ContributionStatus, TransactionState


@dataclass(frozen=True, slots=True)
class IngestRow:
    id: int
    database_id: int
    state: TransactionState
    context: dict[str, Any]
    failure: Failure | None
    started: float
    committing: float | None
    ended: float | None


@dataclass(frozen=True, slots=True)
class ContributionRow:
    """A contribution. ``boots``: the workers that its rows went to, and the process of each that took them."""

    id: int
    transaction_id: int
    table_id: int
    name: str
    url: str
    state: ContributionStatus
    attempt: int
    worker_id: int | None
    boots: Mapping[str, str]
    rows: int
    bytes: int
    total_bytes: int
    dropped: int
    margin: float
    warnings: tuple[str, ...]
    failure: Failure | None
    changed: float


def start(connection: Connection, database_id: int, context: dict[str, Any], request: str | None = None) -> IngestRow:
    """Start a transaction, or find the one that the same ``request`` started.

    Raises
    ------
    Conflict
        When that one is of another database, or has another context.
    """
    t = schema.ingest.c
    if request is not None and (row := connection.execute(select(schema.ingest).where(t.request == request)).first()):
        found = _ingest(row)
        if (found.database_id, found.context) != (database_id, context):
            raise Conflict(f"the request {request!r} has started transaction {found.id}, which is another: choose anew")
        return found
    values = {"database_id": database_id, "state": "started", "context": context, "started": time.time()}
    result = connection.execute(insert(schema.ingest).values(values | {"request": request}))
    identifier = result.inserted_primary_key
    return get(connection, identifier[0] if identifier else 0)


def get(connection: Connection, transaction: int) -> IngestRow:
    row = connection.execute(select(schema.ingest).where(schema.ingest.c.id == transaction)).first()
    if row is None:
        raise NotFound(f"there is no transaction {transaction}")
    return _ingest(row)


def ingests(
    connection: Connection, *, database_id: int | None = None, states: Sequence[TransactionState] | None = None
) -> list[IngestRow]:
    """Transactions, newest first."""
    t = schema.ingest.c
    query = select(schema.ingest).order_by(t.id.desc())
    query = query.where(t.database_id == database_id) if database_id is not None else query
    query = query.where(t.state.in_(states)) if states is not None else query
    return [_ingest(row) for row in connection.execute(query)]


def set_state(
    connection: Connection,
    transaction: int,
    state: TransactionState,
    failure: Failure | None = None,
    *,
    among: Sequence[TransactionState],
) -> IngestRow:
    """Go to ``state``, from one of the states ``among``.

    Raises
    ------
    TransactionClosed
        When the transaction is in another state.
    """
    found = lock(connection, transaction)
    if found.state == state:
        return found
    if found.state not in among:
        raise TransactionClosed(f"transaction {transaction} is {found.state}: it cannot become {state}")
    values: dict[str, Any] = {"state": state}
    if failure is not None or state == "committed":
        values["failure"] = _as_json(failure)
    if state == "committing":
        values["committing"] = time.time()
    if state in ("committed", "aborted"):
        values["ended"] = time.time()
    connection.execute(update(schema.ingest).where(schema.ingest.c.id == transaction).values(values))
    return get(connection, transaction)


def waits(connection: Connection, transaction: int, why: Failure) -> None:
    """Note why a commit does not go on just now."""
    t = schema.ingest.c
    going_on = update(schema.ingest).where(t.id == transaction, t.state == "committing")
    connection.execute(going_on.values(failure=_as_json(why)))


def lock(connection: Connection, transaction: int) -> IngestRow:
    """The transaction, kept from others until the database's own transaction ends."""
    row = connection.execute(select(schema.ingest).where(schema.ingest.c.id == transaction).with_for_update()).first()
    if row is None:
        raise NotFound(f"there is no transaction {transaction}")
    return _ingest(row)


def contributions(connection: Connection, transaction: int) -> list[ContributionRow]:
    c = schema.contribution.c
    query = select(schema.contribution).where(c.transaction_id == transaction).order_by(c.id)
    return [_contribution(row) for row in connection.execute(query)]


def contribution_in(connection: Connection, transaction: int, name: str) -> ContributionRow:
    c = schema.contribution.c
    row = connection.execute(select(schema.contribution).where(c.transaction_id == transaction, c.name == name)).first()
    if row is None:
        raise NotFound(f"transaction {transaction} has no contribution {name!r}")
    return _contribution(row)


def contribute(connection: Connection, transaction: int, table: int, name: str, url: str) -> ContributionRow:
    """Add a contribution, or find the one of that name.

    Raises
    ------
    TransactionClosed
        When the transaction takes no more.
    Conflict
        When the name is taken by another file.
    """
    state = lock(connection, transaction).state
    if state != "started":
        raise TransactionClosed(f"transaction {transaction} is {state}: start another one for {name!r}")
    c = schema.contribution.c
    there = connection.execute(
        select(schema.contribution).where(c.transaction_id == transaction, c.name == name)
    ).first()
    if there is not None:
        if (there.table_id, there.url) != (table, url):
            raise Conflict(f"contribution {name!r} of transaction {transaction} is {there.url}: choose another name")
        return _contribution(there)
    empty: dict[str, Any] = {"rows": 0, "bytes": 0, "total_bytes": 0, "dropped": 0, "margin": 0.0, "warnings": []}
    connection.execute(
        insert(schema.contribution).values(
            transaction_id=transaction,
            table_id=table,
            name=name,
            url=url,
            state="queued",
            attempt=1,
            boots={},
            changed=time.time(),
            **empty,
        )
    )
    return contribution_in(connection, transaction, name)


def assign(connection: Connection, contribution: int, worker: int, boots: Mapping[str, str]) -> None:
    """A queued contribution is given to a worker; ``boots``: the processes of all workers that may take its rows."""
    c = schema.contribution.c
    connection.execute(
        update(schema.contribution)
        .where(c.id == contribution, c.state == "queued")
        .values(state="running", worker_id=worker, boots=dict(boots), changed=time.time())
    )


def requeue(connection: Connection, contribution: int, attempt: int, reason: Failure) -> None:
    """What ``attempt`` staged is void: run the contribution anew.

    So are the files that were prepared of its transaction: some lack its rows, or have them from that attempt.
    """
    c = schema.contribution.c
    mine = (c.id == contribution) & (c.attempt == attempt) & c.state.in_(("running", "done"))
    transaction = connection.execute(select(c.transaction_id).where(mine)).scalar()
    if transaction is None or (state := lock(connection, transaction).state) not in ("started", "committing"):
        return
    if state == "committing":
        void_prepared(connection, transaction)
    connection.execute(
        update(schema.contribution)
        .where(mine)
        .values(
            state="queued",
            attempt=attempt + 1,
            worker_id=None,
            boots={},
            rows=0,
            bytes=0,
            dropped=0,
            failure=_as_json(reason),
            changed=time.time(),
        )
    )


def fail(connection: Connection, contribution: int, attempt: int, failure: Failure) -> None:
    """A queued contribution cannot be run."""
    c = schema.contribution.c
    connection.execute(
        update(schema.contribution)
        .where(c.id == contribution, c.attempt == attempt, c.state == "queued")
        .values(state="failed", failure=_as_json(failure), changed=time.time())
    )


def report(connection: Connection, contribution: int, attempt: int, told: ContributionState) -> None:
    """Enter how far a running contribution is, or how it ended."""
    c = schema.contribution.c
    row = connection.execute(select(c.boots).where(c.id == contribution)).first()
    if row is None:
        return
    values: dict[str, Any] = {
        "rows": told.rows,
        "bytes": told.bytes,
        "total_bytes": told.total_bytes,
        "dropped": told.dropped,
        "margin": told.margin,
        "warnings": list(told.warnings),
        "changed": time.time(),
    }
    if told.state in ("done", "failed"):
        values["state"] = told.state
        values["boots"] = {name: row.boots.get(name, "") for name in told.workers}
        values["failure"] = _as_json(told.failure)
    connection.execute(
        update(schema.contribution)
        .where(c.id == contribution, c.attempt == attempt, c.state == "running")
        .values(values)
    )


def cancel(connection: Connection, transaction: int, name: str) -> ContributionRow:
    """Take a contribution out of its transaction; its rows are never written."""
    state = lock(connection, transaction).state
    if state != "started":
        raise TransactionClosed(f"transaction {transaction} is {state}: nothing of it can be cancelled")
    found = contribution_in(connection, transaction, name)
    connection.execute(
        update(schema.contribution)
        .where(schema.contribution.c.id == found.id)
        .values(state="cancelled", rows=0, bytes=0, dropped=0, changed=time.time())
    )
    return contribution_in(connection, transaction, name)


def still_done(connection: Connection, transaction: int, attempts: Iterable[tuple[int, int]]) -> bool:
    """Whether these attempts of contributions (id, attempt) count; they do until the database's transaction ends."""
    lock(connection, transaction)
    rows = contributions(connection, transaction)
    return {(row.id, row.attempt) for row in rows if row.state == "done"}.issuperset(attempts)


def prepared_workers(connection: Connection, transaction: int) -> set[int]:
    """Ids of the workers whose files of the transaction are entered."""
    p = schema.prepared.c
    return set(connection.execute(select(p.worker_id).where(p.transaction_id == transaction)).scalars())


def enter_prepared(
    connection: Connection, transaction: int, worker: int, staged: Sequence[StagedUnit], scopes: Mapping[int, int]
) -> None:
    """Enter the files that a worker wrote for a transaction; ``scopes`` are those of the tables' units by table id."""
    f = schema.file.c
    connection.execute(delete(schema.file).where(f.transaction_id == transaction, f.source_id == worker))
    wanted: dict[tuple[Any, int], set[int]] = {}
    for one in staged:
        wanted.setdefault((one.unit, scopes[one.table] if one.unit != "full" else 0), set()).add(one.number)
    units: dict[tuple[Any, int], dict[int, UnitRow]] = {
        key: find(connection, key[0], key[1], sorted(numbers)) for key, numbers in wanted.items()
    }
    rows = []
    for one in staged:
        unit = units[one.unit, scopes[one.table] if one.unit != "full" else 0].get(one.number)
        if unit is None:
            raise WorkerFailed(f"a worker wrote {one.path}, whose unit was never placed")
        rows.append(
            {
                "table_id": one.table,
                "unit_id": unit.id,
                "kind": one.kind,
                "name": one.path.rpartition("/")[2],
                "sha256": one.sha256,
                "rows": one.rows,
                "bytes": one.bytes,
                "transaction_id": transaction,
                "source_id": worker,
                "version": None,
            }
        )
    if rows:
        connection.execute(insert(schema.file), rows)
    p = schema.prepared.c
    connection.execute(delete(schema.prepared).where(p.transaction_id == transaction, p.worker_id == worker))
    connection.execute(insert(schema.prepared).values(transaction_id=transaction, worker_id=worker))


def prepared_files(connection: Connection, transaction: int) -> list[FileRow]:
    f = schema.file.c
    return files_where(connection, f.transaction_id == transaction, f.version.is_(None))


def void_prepared(connection: Connection, transaction: int) -> None:
    """Forget the files of a transaction that is not committed."""
    f = schema.file.c
    connection.execute(delete(schema.file).where(f.transaction_id == transaction, f.version.is_(None)))
    connection.execute(delete(schema.prepared).where(schema.prepared.c.transaction_id == transaction))


def commit(connection: Connection, transaction: int, without: Mapping[int, set[int]]) -> int:
    """Make a transaction's rows visible, all at once; answers the version that shows them.

    ``without``: by unit, the workers that could not be given the new files: they no longer hold a whole replica.
    """
    version = bump(connection)
    set_state(connection, transaction, "committed", among=("committing",))
    f, u = schema.file.c, schema.unit.c
    mine = f.transaction_id == transaction
    new = f.version.is_(None)
    added = select(func.sum(f.bytes)).where(mine, new, f.unit_id == u.id).scalar_subquery()
    touched = select(f.unit_id).where(mine, new).distinct()
    connection.execute(update(schema.unit).where(u.id.in_(touched)).values(bytes=u.bytes + added, changed=version))
    connection.execute(update(schema.file).where(mine, f.version.is_(None)).values(version=version))
    for worker in sorted(set().union(*without.values())):
        left = [unit for unit, absent in without.items() if worker in absent]
        remove_replicas(connection, worker, left, collect=True)
    _widen_margins(connection, transaction)
    connection.execute(delete(schema.prepared).where(schema.prepared.c.transaction_id == transaction))
    discard_everywhere(connection, transaction, aborted=False)
    return version


def abort(connection: Connection, transaction: int) -> IngestRow:
    """End an aborting transaction: its files are forgotten, and every worker is to remove what it has of it."""
    ended = set_state(connection, transaction, "aborted", among=("aborting",))
    void_prepared(connection, transaction)
    discard_everywhere(connection, transaction, aborted=True)
    return ended


def discard_everywhere(connection: Connection, transaction: int, *, aborted: bool) -> None:
    """Every worker is to remove what it staged of a transaction, and its files too where it is ``aborted``."""
    known = select(schema.discard.c.worker_id).where(schema.discard.c.transaction_id == transaction)
    missing = connection.execute(select(schema.worker.c.id).where(schema.worker.c.id.not_in(known))).scalars().all()
    if missing:
        rows = [{"transaction_id": transaction, "worker_id": worker, "aborted": aborted} for worker in missing]
        connection.execute(insert(schema.discard), rows)


def _widen_margins(connection: Connection, transaction: int) -> None:
    c, t = schema.contribution.c, schema.table.c
    query = (
        select(c.table_id, func.max(c.margin))
        .where(c.transaction_id == transaction, c.state == "done")
        .group_by(c.table_id)
    )
    for table, margin in connection.execute(query).all():
        connection.execute(update(schema.table).where(t.id == table, t.margin < margin).values(margin=margin))


def _as_json(failure: Failure | None) -> dict[str, Any] | None:
    return failure.model_dump(mode="json") if failure is not None else None


def _failure(value: Any) -> Failure | None:
    return Failure.model_validate(value) if value else None


def _ingest(row: Any) -> IngestRow:
    values = {name: getattr(row, name) for name in IngestRow.__slots__}
    return IngestRow(**values | {"context": dict(row.context), "failure": _failure(row.failure)})


def _contribution(row: Any) -> ContributionRow:
    values = {name: getattr(row, name) for name in ContributionRow.__slots__}
    return ContributionRow(**values | {"warnings": tuple(row.warnings), "failure": _failure(row.failure)})
