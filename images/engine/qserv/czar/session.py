"""A client's session: its account, default database and variables, and what each kind of statement does.

The same for all doors: the MySQL protocol, HTTP and Flight. ``run`` blocks until the answer's columns are known and is
called in a thread; the rows then come as they are made.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa
from sqlglot import exp

from qserv.catalog.errors import (
    EmptyStatement,
    NoSuchQuery,
    QservError,
    SubqueryRows,
    UnknownDatabase,
    Unsupported,
)
from qserv.catalog.metadata import Account, Snapshot
from qserv.catalog.model import Catalog, Database
from qserv.czar import infoschema, marks, statements, variables
from qserv.czar.cancelling import Permit
from qserv.czar.executor import Answer, Executor, Virtual
from qserv.czar.explain import explain
from qserv.czar.preparing import Execution, Named
from qserv.czar.queries import Queries
from qserv.czar.show import Scene, history_row, may_read, process_row, show
from qserv.czar.statements import Value
from qserv.sql.plan import Plan
from qserv.sql.planner import plan as make_plan

Warning_ = tuple[str, int, str]
"""Level, MySQL's number, message."""

_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)
_NOTHING = (exp.Transaction, exp.Commit, exp.Rollback)


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a statement: rows with their schema, or (``schema`` None) none.

    ``answer`` is set for queries on the catalog: it must be iterated to its end, or closed.
    """

    schema: pa.Schema | None = None
    rows: pa.Table | None = None
    answer: Answer | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self.answer is not None:
            yield from self.answer
        elif self.rows is not None:
            yield from self.rows.to_batches()

    @property
    def stopped(self) -> bool:
        """Whether its query was stopped, or was to be."""
        return self.answer is not None and self.answer.query.permit.revoked

    def close(self, reason: QservError | None = None) -> None:
        if self.answer is not None:
            self.answer.close(reason)


@dataclass(slots=True)
class Czar:
    """What all sessions share. ``facts`` are the system variables that tell where and how this czar is reached."""

    executor: Executor
    queries: Queries
    query_timeout: float
    facts: dict[str, str | int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    _clients: Iterator[int] = field(default_factory=lambda: itertools.count((1 + secrets.randbelow(1 << 30)) << 32))

    def new_client(self) -> int:
        """An id for a client that has no MySQL connection, beyond the ids of those; other czars give others."""
        return next(self._clients)


class Session:
    """For one statement at a time. ``connection`` is the client's id, ``cipher`` that of its TLS, if any."""

    def __init__(
        self, czar: Czar, account: Account, *, database: str | None = None, connection: int, cipher: str = ""
    ) -> None:
        self._czar = czar
        self.account = account
        self.connection = connection
        self._cipher = cipher
        self.database: str | None = None
        self.variables = variables.session_variables(czar.facts)
        self.own: dict[str, Value] = {}
        self._named = Named()
        self.warnings: list[Warning_] = []
        if database:
            self.use(database)

    def use(self, database: str) -> None:
        """Make a database the default.

        Raises
        ------
        DatabaseAccessDenied, UnknownDatabase
            Others' databases are refused whether they exist or not.
        """
        may_read(self.account, database)
        if database.casefold() == infoschema.NAME:
            self.database = infoschema.NAME
            return
        found = self._czar.executor.snapshot().catalog.database(database)
        if found is None:
            raise UnknownDatabase(f"Unknown database '{database}'")
        self.database = found.name

    def drop(self) -> None:
        """Stop what runs: the client went away. From any thread."""
        self._czar.queries.drop(self.connection)

    def run(self, sql: str) -> Result:
        """Answer a statement. An error is also kept for ``SHOW WARNINGS``."""
        try:
            named = self._named.read(sql, self.own)
            if isinstance(named, Execution):
                return self.execute(named.statement, named.sql)
            return Result() if named else self.execute(statements.parse(sql), sql)
        except QservError as error:
            self.warnings = [("Error", error.mysql, error.message)]
            raise

    def execute(self, statement: exp.Expression | None, sql: str) -> Result:
        """Answer a parsed statement; ``sql`` is its text for the history."""
        if statement is None:
            if sql.strip():
                return Result()
            raise EmptyStatement("Query was empty")
        keep = isinstance(statement, exp.Show) and statement.name.upper() in ("WARNINGS", "ERRORS")
        if not keep and "@@warning_count" not in sql:
            self.warnings = []
        if isinstance(statement, _QUERIES):
            return self._select(statement, sql)
        if isinstance(statement, exp.Show):
            return self._show(statement)
        if isinstance(statement, exp.Describe):
            return self._describe(statement)
        self._command(statement)
        return Result()

    def columns(self, statement: exp.Expression, parameters: int, sql: str) -> tuple[str, ...]:
        """The names of the columns that a prepared statement will answer, where they are known before it runs."""
        try:
            bound = statements.bind(statement, [None] * parameters)
            if isinstance(bound, _QUERIES):
                snapshot = self._czar.executor.snapshot()
                return self._plan(bound, snapshot, self._virtual(bound, snapshot), sql).columns
        except QservError:
            return ()
        return ()

    def _command(self, statement: exp.Expression) -> None:
        if isinstance(statement, exp.Use):
            self.use(statement.this.name)
        elif isinstance(statement, exp.Set):
            for item in statement.expressions:
                if isinstance(item.this, exp.Binary):
                    item.this.set("expression", self._set_value(self._prepared(item.this.expression)))
            variables.assign(statement, self.variables, self.own)
        elif isinstance(statement, exp.Kill):
            self._kill(statement)
        elif not isinstance(statement, _NOTHING):
            raise Unsupported(
                f"{statement.key.upper()} is not answered: catalogs are read-only through SQL. "
                "Load data with `qserv load` or the controller's REST"
            )

    def _set_value(self, node: exp.Expression) -> exp.Expression:
        """What is on the right of SET: a function or a subquery as the value that it has."""
        if not isinstance(node, exp.Func | exp.Subquery | exp.Binary):
            return node
        select = node.this if isinstance(node, exp.Subquery) else exp.select(node)
        result = self._select(select, f"SELECT {node.sql(dialect='mysql')}")
        values: list[Value] = []
        try:
            for batch in result.batches():
                values += batch.column(0).to_pylist()
                if len(values) > 1:
                    raise SubqueryRows("Subquery returns more than 1 row")
        except QservError as error:
            result.close(error)
            raise
        return statements.literal(values[0] if values else None)

    def _kill(self, statement: exp.Kill) -> None:
        whole = statement.text("kind").upper() != "QUERY"
        target = statement.this.name
        try:
            if target.isdigit():
                self._czar.queries.kill(self.account, connection=int(target), close=whole)
            else:
                self._czar.queries.kill(self.account, query=target)
        except NoSuchQuery:
            if target.isdigit() and whole and self._czar.queries.close_connection(int(target), self.account):
                return
            raise NoSuchQuery(f"Unknown thread id: {target}") from None
        if target.isdigit() and whole:
            self._czar.queries.close_connection(int(target), self.account)

    def _prepared(self, statement: exp.Expression, text: str = "") -> exp.Expression:
        functions = {
            "DATABASE": lambda: self.database,
            "USER": lambda: f"{self.account.name}@%",
            "CURRENT_ROLE": lambda: "NONE",
            "CURRENT_USER": lambda: f"{self.account.name}@%",
            "VERSION": lambda: variables.VERSION,
            "CONNECTION_ID": lambda: self.connection,
            "LAST_INSERT_ID": lambda: 0,
            "ROW_COUNT": lambda: -1,
        }
        return statements.answer_session(statement, functions, self._variable, self.own, text)

    def _variable(self, name: str) -> Value:
        if name.casefold() in ("warning_count", "error_count"):
            return len(self.warnings)
        return variables.get(self.variables, name)

    def _visible(self, snapshot: Snapshot) -> Catalog:
        return _visible(snapshot.catalog, self.account)

    def _virtual(self, statement: exp.Expression, snapshot: Snapshot) -> Virtual | None:
        """``information_schema``, where the statement asks for it; refuses what the account may not read."""
        names = {table.db or self.database or "" for table in statement.find_all(exp.Table)}
        for name in sorted(names - {""}):
            may_read(self.account, name)
        if any(name.casefold() == infoschema.NAME for name in names):
            return infoschema.virtual(self._visible(snapshot), snapshot.placement, self._processes, self._history)
        return None

    def _processes(self) -> list[infoschema.Row]:
        return [process_row(query) for query in self._czar.queries.running(self.account)]

    def _history(self) -> list[infoschema.Row]:
        return [history_row(query) for query in self._czar.queries.history(self.account)]

    def _plan(self, statement: exp.Expression, snapshot: Snapshot, virtual: Virtual | None, text: str) -> Plan:
        catalog = virtual.catalog if virtual else self._visible(snapshot)
        tree = self._prepared(statement, text)
        return make_plan(tree, catalog, self.database, text)

    def _select(self, statement: exp.Expression, sql: str) -> Result:
        snapshot = self._czar.executor.snapshot()
        virtual = self._virtual(statement, snapshot)
        plan = self._plan(statement, snapshot, virtual, sql)
        self.warnings += [("Warning", 1105, text) for text in plan.warnings]
        return self._answer(plan, snapshot, sql, virtual)

    def _answer(self, plan: Plan, snapshot: Snapshot, sql: str, virtual: Virtual | None) -> Result:
        czar = self._czar
        query = czar.queries.start(
            self.account,
            sql,
            database=self.database,
            connection=self.connection,
            version=snapshot.catalog.version,
            limit=self._limit(),
        )
        answer = czar.executor.answer(query, plan, snapshot.placement, czar.queries, virtual)
        return Result(schema=marks.marked(answer.schema, plan.types), answer=answer)

    def _limit(self) -> float:
        asked = self._variable("max_execution_time")
        seconds = float(asked) / 1000 if isinstance(asked, int | float) and asked else self._czar.query_timeout
        return min(seconds, self._czar.query_timeout)

    def _scene(self) -> Scene:
        snapshot = self._czar.executor.snapshot()
        return Scene(
            account=self.account,
            snapshot=snapshot,
            visible=self._visible(snapshot),
            database=self.database,
            variables=lambda: variables.shown(self.variables),
            status=self._status,
            warnings=lambda: self.warnings,
            running=lambda: self._czar.queries.running(self.account),
        )

    def _status(self) -> list[tuple[str, str]]:
        return [
            ("Ssl_cipher", self._cipher),
            ("Threads_running", str(len(self._czar.queries.running(self.account)))),
            ("Uptime", str(int(time.monotonic() - self._czar.began))),
        ]

    def _show(self, statement: exp.Show) -> Result:
        rows = show(statement, self._scene())
        where = statement.args.get("where")
        if where is None:
            return Result(schema=rows.schema, rows=rows)
        table = infoschema.table_of(
            -1000, "SHOW", [field.name + "#" * pa.types.is_integer(field.type) for field in rows.schema]
        )
        catalog = Catalog(0, {infoschema.NAME: Database(infoschema.NAME, None, {"show": table})})
        virtual = Virtual(catalog, {table.id: lambda: rows})
        select = exp.select("*").from_(exp.table_("SHOW", db=infoschema.NAME)).where(where.this)
        snapshot = self._czar.executor.snapshot()
        plan = make_plan(self._prepared(select), catalog, infoschema.NAME)
        return self._answer(plan, snapshot, statement.sql(dialect="mysql"), virtual)

    def _describe(self, statement: exp.Describe) -> Result:
        target = statement.this
        if not isinstance(target, _QUERIES):
            return self._show(exp.Show(this="COLUMNS", target=exp.to_identifier(target.name), db=target.args.get("db")))
        snapshot = self._czar.executor.snapshot()
        plan = self._plan(target, snapshot, self._virtual(target, snapshot), target.sql(dialect="mysql"))
        placement = snapshot.placement
        rows = explain(plan, placement, lambda leaf: self._czar.executor.chunks(leaf, placement, Permit()))
        return Result(schema=rows.schema, rows=rows)


@lru_cache(maxsize=256)
def _readable(grants: tuple[str, ...], admin: bool, names: tuple[str, ...]) -> frozenset[str]:
    account = Account("", "", grants, admin)
    return frozenset(name for name in names if account.may_read(name))


def _visible(catalog: Catalog, account: Account) -> Catalog:
    """The catalog less the databases that the account may not read."""
    readable = _readable(account.grants, account.admin, tuple(catalog.databases))
    if len(readable) == len(catalog.databases):
        return catalog
    return Catalog(catalog.version, {name: found for name, found in catalog.databases.items() if name in readable})
