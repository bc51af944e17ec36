"""Accounts, running queries, and the wish to kill one, shared by all czars."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select, update

from qserv.catalog.errors import NoSuchQuery, NotFound
from qserv.catalog.metadata import schema

QueryState = Literal["running", "done", "failed", "killed"]
ANY_DATABASE = "*"

KEPT_SECONDS = 90 * 24 * 3600.0
"""How long the history keeps a query."""

_FORGOTTEN = 1000
"""Queries that are struck out at a time, each time some are entered: more than those."""


@dataclass(frozen=True, slots=True)
class Account:
    """One who may log in. ``grants``: names of databases, or ``*`` for all.

    ``auth`` and ``sha2`` are kept of the password: see :func:`password_auth`, :func:`password_sha2`. ``sha2`` is None
    for an account whose password was set when it was not kept yet.
    """

    name: str
    auth: str
    grants: tuple[str, ...] = ()
    admin: bool = False
    sha2: str | None = None

    def may_read(self, database: str) -> bool:
        folded = database.casefold()
        return self.admin or any(grant == ANY_DATABASE or grant.casefold() == folded for grant in self.grants)


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """A query as the history keeps it. ``version`` is that of the snapshot it reads; times are seconds since 1970."""

    id: str
    czar: str
    connection: int
    account: str
    sql: str
    database: str | None = None
    version: int = 0
    started: float = 0.0
    state: QueryState = "running"
    ended: float | None = None
    rows: int | None = None
    chunks: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class KillRequest:
    """A wish that a czar stop a query, or (``query`` None) close a whole connection."""

    connection: int
    query: str | None


def password_auth(password: str) -> str:
    """What is kept of a password: hex of SHA1(SHA1(password)), as MySQL's native authentication needs it."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return hashlib.sha1(once, usedforsecurity=False).hexdigest()


def password_sha2(password: str) -> str:
    """What else is kept of it: hex of SHA256(SHA256(password)), as caching_sha2_password's short way needs it."""
    return hashlib.sha256(hashlib.sha256(password.encode()).digest()).hexdigest()


def account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(schema.account).where(schema.account.c.name == name)).first()
    return _account(row) if row else None


def accounts(connection: Connection) -> list[Account]:
    return [_account(row) for row in connection.execute(select(schema.account).order_by(schema.account.c.name))]


def set_account(connection: Connection, wanted: Account) -> None:
    """Create the account, or change it."""
    values = {"auth": wanted.auth, "grants": list(wanted.grants), "admin": wanted.admin, "sha2": wanted.sha2}
    if account(connection, wanted.name) is None:
        connection.execute(insert(schema.account).values(name=wanted.name, **values))
    else:
        connection.execute(update(schema.account).where(schema.account.c.name == wanted.name).values(values))


def remove_account(connection: Connection, name: str) -> None:
    """Remove an account; NotFound when there is none of that name."""
    if connection.execute(delete(schema.account).where(schema.account.c.name == name)).rowcount == 0:
        raise NotFound(f"there is no account {name!r}")


def record_queries(connection: Connection, records: Sequence[QueryRecord]) -> None:
    """Enter queries into the history as they are now, running or ended, in few statements; done again it is the same.

    Each query is named once. Those that are older than the history goes back are struck out.
    """
    q = schema.query
    ids = [record.id for record in records]
    known = set(connection.execute(select(q.c.id).where(q.c.id.in_(ids))).scalars())
    rows = {record.id: {name: getattr(record, name) for name in QueryRecord.__slots__} for record in records}
    new = [row for identifier, row in rows.items() if identifier not in known]
    if new:
        connection.execute(insert(q), new)
    for identifier in known:
        row = rows[identifier]
        values = {name: row[name] for name in ("state", "ended", "rows", "error", "chunks")}
        connection.execute(update(q).where(q.c.id == identifier).values(values))
    ended = [record.id for record in records if record.state != "running"]
    if ended:
        connection.execute(delete(schema.kill).where(schema.kill.c.query.in_(ended)))
    too_old = (q.c.started < time.time() - KEPT_SECONDS) & (q.c.state != "running")
    old = connection.execute(select(q.c.id).where(too_old).order_by(q.c.started).limit(_FORGOTTEN)).scalars().all()
    if old:
        connection.execute(delete(q).where(q.c.id.in_(old)))


def running_queries(connection: Connection, name: str | None) -> list[QueryRecord]:
    """The queries that run on any czar, oldest first; of one account, or of all when ``name`` is None."""
    query = select(schema.query).where(schema.query.c.state == "running").order_by(schema.query.c.started)
    if name is not None:
        query = query.where(schema.query.c.account == name)
    return [_record(row) for row in connection.execute(query)]


def history(connection: Connection, name: str | None, limit: int) -> list[QueryRecord]:
    """The newest ``limit`` queries, running ones too; of one account, or of all when ``name`` is None."""
    query = select(schema.query).order_by(schema.query.c.started.desc()).limit(limit)
    if name is not None:
        query = query.where(schema.query.c.account == name)
    return [_record(row) for row in connection.execute(query)]


def close_queries_of(connection: Connection, czar: str, error: str) -> int:
    """Mark the queries of a czar that ended without a word as failed; how many there were."""
    q = schema.query
    ended = update(q).where(q.c.czar == czar, q.c.state == "running")
    connection.execute(delete(schema.kill).where(schema.kill.c.czar == czar))
    return connection.execute(ended.values(state="failed", ended=time.time(), error=error)).rowcount


def request_kill(connection: Connection, by: Account, *, query: str | None, client: int | None, close: bool) -> None:
    """Ask the czar of a running query, named by its id or its client's connection, to stop it.

    Raises
    ------
    NoSuchQuery
        When it does not run (any more), or is another account's and ``by`` is no administrator.
    """
    q = schema.query.c
    found = select(q.id, q.czar, q.connection, q.account).where(q.state == "running")
    found = found.where(q.id == query) if query is not None else found.where(q.connection == client)
    row = connection.execute(found).first()
    if row is None or not (by.admin or row.account == by.name):
        raise NoSuchQuery(f"there is no running query {query if query is not None else client} of {by.name!r}")
    wish = {"czar": row.czar, "query": None if close else row.id, "connection": row.connection, "asked": time.time()}
    connection.execute(insert(schema.kill).values(wish))


KILL_REQUESTS = "SELECT count(*) FROM kill_request WHERE czar = ?"


def kill_requests(connection: Connection, czar: str) -> list[KillRequest]:
    """The kills that others asked of this czar; each is told once."""
    k = schema.kill.c
    rows = connection.execute(select(k.id, k.connection, k.query).where(k.czar == czar)).all()
    if rows:
        connection.execute(delete(schema.kill).where(k.id.in_([row.id for row in rows])))
    return [KillRequest(row.connection, row.query) for row in rows]


def _account(row: Any) -> Account:
    grants: Sequence[str] = row.grants
    return Account(row.name, row.auth, tuple(grants), bool(row.admin), row.sha2)


def _record(row: Any) -> QueryRecord:
    return QueryRecord(**{name: getattr(row, name) for name in QueryRecord.__slots__})
