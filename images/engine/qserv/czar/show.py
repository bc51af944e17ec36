"""``SHOW`` and ``DESCRIBE``: rows made from what the account may see, then filtered by ``LIKE`` or ``WHERE``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from sqlglot import exp

from qserv.catalog.errors import DatabaseAccessDenied, NoDatabase, UnknownDatabase, UnknownTable, Unsupported
from qserv.catalog.metadata import Account, QueryRecord, Snapshot
from qserv.catalog.model import Catalog, Database, Table, TableKind
from qserv.czar import infoschema
from qserv.czar.infoschema import CHARSET, COLLATION, ENGINE, Row

_INFO = 100
"""Characters of a statement in SHOW PROCESSLIST; FULL shows all."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What SHOW is about: the databases that the account may read, and its session."""

    account: Account
    snapshot: Snapshot
    visible: Catalog
    database: str | None
    variables: Callable[[], list[tuple[str, str]]]
    status: Callable[[], list[tuple[str, str]]]
    warnings: Callable[[], list[tuple[str, int, str]]]
    running: Callable[[], list[QueryRecord]]


Shown = tuple[str, Iterable[Row]]


def show(statement: exp.Show, scene: Scene) -> pa.Table:
    """The rows of a SHOW statement, before its WHERE.

    Raises
    ------
    Unsupported
        For what this server does not show.
    """
    kind = statement.name.upper()
    make = _KINDS.get(kind)
    if make is None:
        raise Unsupported(f"SHOW {kind} is not answered here")
    columns, rows = make(statement, scene)
    like = statement.args.get("like")
    if like is not None:
        pattern = like_pattern(like.name)
        rows = [row for row in rows if pattern.fullmatch(str(row[0]))]
    return infoschema.filled(infoschema.table_of(-1000, "SHOW", columns.split("|")), lambda: rows)


def like_pattern(like: str) -> re.Pattern[str]:
    """A LIKE pattern as a regular expression, without regard to case; a backslash escapes."""
    parts = re.split(r"(\\.|%|_)", like)
    found = "".join(
        {"%": ".*", "_": "."}.get(part, re.escape(part[1:] if part.startswith("\\") and len(part) > 1 else part))
        for part in parts
    )
    return re.compile(found, re.IGNORECASE | re.DOTALL)


def find_database(scene: Scene, name: str | None) -> Database:
    """A database that the account may read.

    Raises
    ------
    NoDatabase, DatabaseAccessDenied, UnknownDatabase
        Others' databases are refused whether they exist or not.
    """
    name = name or scene.database
    if not name:
        raise NoDatabase("No database selected: USE one, or name it")
    if name.casefold() == infoschema.NAME:
        return infoschema.schema()
    may_read(scene.account, name)
    found = scene.visible.database(name)
    if found is None:
        raise UnknownDatabase(f"Unknown database '{name}'")
    return found


def may_read(account: Account, database: str) -> None:
    """Raise DatabaseAccessDenied unless the account may read the database."""
    if database.casefold() != infoschema.NAME and not account.may_read(database):
        raise DatabaseAccessDenied(f"Access denied for user '{account.name}'@'%' to database '{database}'")


def find_table(scene: Scene, database: str | None, name: str) -> Table:
    found = find_database(scene, database)
    table = found.tables.get(name.casefold())
    if table is None:
        raise UnknownTable(f"Table '{found.name}.{name}' doesn't exist")
    return table


def _databases(_statement: exp.Show, scene: Scene) -> Shown:
    names = [infoschema.NAME, *(database.name for database in scene.visible.databases.values())]
    return "Database", [(name,) for name in sorted(names, key=str.casefold)]


def _tables(statement: exp.Show, scene: Scene) -> Shown:
    database = find_database(scene, statement.text("db"))
    tables = sorted(database.tables.values(), key=lambda table: table.name.casefold())
    if not statement.args.get("full"):
        return f"Tables_in_{database.name}", [(table.name,) for table in tables]
    kinds = ["SYSTEM VIEW" if table.id < 0 else "BASE TABLE" for table in tables]
    return f"Tables_in_{database.name}|Table_type", [
        (table.name, kind) for table, kind in zip(tables, kinds, strict=True)
    ]


def _table_status(statement: exp.Show, scene: Scene) -> Shown:
    database = find_database(scene, statement.text("db"))
    columns = (
        "Name|Engine|Version#|Row_format|Rows#|Avg_row_length#|Data_length#|Max_data_length#|Index_length#|Data_free#|"
        "Auto_increment#|Create_time|Update_time|Check_time|Collation|Checksum#|Create_options|Comment"
    )
    rows = [infoschema.table_row(table, scene.snapshot.placement) for table in database.tables.values()]
    return columns, [(row[2], *row[4:]) for row in sorted(rows, key=lambda row: str(row[2]).casefold())]


def _columns(statement: exp.Show, scene: Scene) -> Shown:
    table = find_table(scene, statement.text("db"), statement.text("target"))
    full = bool(statement.args.get("full"))
    rows: list[Row] = []
    for column in table.columns:
        nullable = "YES" if column.nullable else "NO"
        plain = (column.name, infoschema.column_type(column.type))
        rest = (nullable, infoschema.column_key(table, column), None, "")
        collation = COLLATION if column.type.text else None
        rows.append((*plain, collation, *rest, "select", "") if full else (*plain, *rest))
    return (
        "Field|Type|Collation|Null|Key|Default|Extra|Privileges|Comment"
        if full
        else "Field|Type|Null|Key|Default|Extra"
    ), rows


def _index(statement: exp.Show, scene: Scene) -> Shown:
    table = find_table(scene, statement.text("db"), statement.text("target"))
    columns = (
        "Table|Non_unique#|Key_name|Seq_in_index#|Column_name|Collation|Cardinality#|Sub_part#|Packed|Null|Index_type|"
        "Comment|Index_comment|Visible|Expression"
    )
    rows = [
        (table.name, int(key != "PRI"), "PRIMARY" if key == "PRI" else column.name, 1, column.name, "A", None, None,
         None, "YES" if column.nullable else "", "HASH", "", "", "YES", None)
        for column in table.columns
        if (key := infoschema.column_key(table, column))
    ]  # fmt: skip
    return columns, rows


def create_table(table: Table) -> str:
    """The table's declaration; how it is partitioned is told in its comment."""
    lines = [
        f"  `{column.name}` {infoschema.column_type(column.type)}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    ]
    for column in table.columns:
        key = infoschema.column_key(table, column)
        if key:
            lines.append(f"  {'PRIMARY KEY' if key == 'PRI' else f'KEY `{column.name}`'} (`{column.name}`)")
    told = [f"{table.kind} table"]
    if table.kind is TableKind.DIRECTOR and table.position:
        told.append(f"placed by {table.position[0]}, {table.position[1]}")
    if table.director:
        told.append(f"placed with {table.director[0]}.{table.director[1]} by {table.key}")
    if table.sides:
        told.append("of " + " and ".join(f"{side.database}.{side.table}" for side in table.sides))
    body = ",\n".join(lines)
    return (
        f"CREATE TABLE `{table.name}` (\n{body}\n) ENGINE={ENGINE} DEFAULT CHARSET={CHARSET} "
        f"COMMENT='{', '.join(told)}'"
    )


def _create_table(statement: exp.Show, scene: Scene) -> Shown:
    table = find_table(scene, statement.text("db"), statement.text("target"))
    return "Table|Create Table", [(table.name, create_table(table))]


def _create_database(statement: exp.Show, scene: Scene) -> Shown:
    database = find_database(scene, statement.text("target"))
    return "Database|Create Database", [
        (database.name, f"CREATE DATABASE `{database.name}` /*!40100 DEFAULT CHARACTER SET {CHARSET} */")
    ]


def process_row(query: QueryRecord, cut: int | None = None) -> Row:
    """A query that runs, as SHOW PROCESSLIST tells it; ``cut``: how many characters of its text."""
    lasted = int(time.time() - query.started)
    return query.connection, query.account, query.czar, query.database, "Query", lasted, "executing", query.sql[:cut]


def history_row(query: QueryRecord) -> Row:
    """A query as ``information_schema.QUERIES`` tells it; times are UTC."""
    ended = query.ended or time.time()
    return (
        query.id, query.account, query.czar, query.database, query.state, _moment(query.started), _moment(query.ended),
        round(1000 * (ended - query.started)), query.rows, query.chunks, query.error, query.sql,
    )  # fmt: skip


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _processlist(statement: exp.Show, scene: Scene) -> Shown:
    cut = None if statement.args.get("full") else _INFO
    rows = [process_row(query, cut) for query in scene.running()]
    return "Id#|User|Host|db|Command|Time#|State|Info", rows


def _grants(_statement: exp.Show, scene: Scene) -> Shown:
    name = scene.account.name
    grants = ("*",) if scene.account.admin else scene.account.grants
    rows = [(f"GRANT USAGE ON *.* TO '{name}'@'%'",)]
    rows += [(f"GRANT SELECT ON {'*' if grant == '*' else f'`{grant}`'}.* TO '{name}'@'%'",) for grant in grants]
    return f"Grants for {name}@%", rows


def _none(columns: str) -> Callable[[exp.Show, Scene], Shown]:
    return lambda _statement, _scene: (columns, [])


def _rows(columns: str, *rows: Row) -> Callable[[exp.Show, Scene], Shown]:
    return lambda _statement, _scene: (columns, rows)


_KINDS: dict[str, Callable[[exp.Show, Scene], Shown]] = {
    "DATABASES": _databases,
    "TABLES": _tables,
    "TABLE STATUS": _table_status,
    "COLUMNS": _columns,
    "INDEX": _index,
    "CREATE TABLE": _create_table,
    "CREATE DATABASE": _create_database,
    "PROCESSLIST": _processlist,
    "GRANTS": _grants,
    "WARNINGS": lambda _statement, scene: ("Level|Code#|Message", scene.warnings()),
    "ERRORS": lambda _statement, scene: (
        "Level|Code#|Message",
        [warning for warning in scene.warnings() if warning[0] == "Error"],
    ),
    "VARIABLES": lambda _statement, scene: ("Variable_name|Value", scene.variables()),
    "STATUS": lambda _statement, scene: ("Variable_name|Value", scene.status()),
    "ENGINES": _rows(
        "Engine|Support|Comment|Transactions|XA|Savepoints",
        (ENGINE, "DEFAULT", "Sky catalogs in chunks on many nodes", "NO", "NO", "NO"),
    ),
    "CHARACTER SET": _rows("Charset|Description|Default collation|Maxlen#", (CHARSET, "UTF-8 Unicode", COLLATION, 4)),
    "COLLATION": _rows(
        "Collation|Charset|Id#|Default|Compiled|Sortlen#|Pad_attribute",
        (COLLATION, CHARSET, 45, "Yes", "Yes", 1, "PAD SPACE"),
    ),
    "PLUGINS": _rows("Name|Status|Type|Library|License", (ENGINE, "ACTIVE", "STORAGE ENGINE", None, "Apache-2.0")),
    "PRIVILEGES": _rows("Privilege|Context|Comment", ("Select", "Tables", "To retrieve rows from table")),
    "PROCEDURE STATUS": _none("Db|Name|Type|Definer|Modified|Created|Security_type|Comment"),
    "FUNCTION STATUS": _none("Db|Name|Type|Definer|Modified|Created|Security_type|Comment"),
    "TRIGGERS": _none("Trigger|Event|Table|Statement|Timing|Created|sql_mode|Definer"),
    "EVENTS": _none("Db|Name|Definer|Time zone|Type|Execute at|Interval value|Interval field|Starts|Ends|Status"),
    "OPEN TABLES": _none("Database|Table|In_use#|Name_locked#"),
}
