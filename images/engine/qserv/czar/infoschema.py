"""``information_schema``: the catalog as tables that clients ask, such as DBeaver, TOPCAT and SQLAlchemy.

The tables are virtual: their rows are made from the databases that the account may read, for each query, and the same
planner and DuckDB answer it. So every SELECT works on them that works on other tables, and nobody sees a database that
they may not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

import pyarrow as pa

from qserv.catalog.model import Catalog, Column, Database, Placement, Table, TableKind
from qserv.catalog.types import Base, SqlType
from qserv.czar.executor import Virtual

NAME = "information_schema"
CHARSET = "utf8mb4"
COLLATION = "utf8mb4_general_ci"
ENGINE = "Qserv"

Row = Sequence[object]

_S, _I = SqlType(Base.VARCHAR, 512), SqlType(Base.BIGINT)

_COLUMNS: dict[str, str] = {
    "SCHEMATA": "CATALOG_NAME SCHEMA_NAME DEFAULT_CHARACTER_SET_NAME DEFAULT_COLLATION_NAME SQL_PATH",
    "TABLES": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE VERSION# ROW_FORMAT TABLE_ROWS# AVG_ROW_LENGTH# "
    "DATA_LENGTH# MAX_DATA_LENGTH# INDEX_LENGTH# DATA_FREE# AUTO_INCREMENT# CREATE_TIME UPDATE_TIME CHECK_TIME "
    "TABLE_COLLATION CHECKSUM# CREATE_OPTIONS TABLE_COMMENT",
    "COLUMNS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION# COLUMN_DEFAULT IS_NULLABLE "
    "DATA_TYPE CHARACTER_MAXIMUM_LENGTH# CHARACTER_OCTET_LENGTH# NUMERIC_PRECISION# NUMERIC_SCALE# "
    "DATETIME_PRECISION# CHARACTER_SET_NAME COLLATION_NAME COLUMN_TYPE COLUMN_KEY EXTRA PRIVILEGES COLUMN_COMMENT "
    "GENERATION_EXPRESSION SRS_ID#",
    "STATISTICS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME NON_UNIQUE# INDEX_SCHEMA INDEX_NAME SEQ_IN_INDEX# "
    "COLUMN_NAME COLLATION CARDINALITY# SUB_PART# PACKED NULLABLE INDEX_TYPE COMMENT INDEX_COMMENT IS_VISIBLE "
    "EXPRESSION",
    "TABLE_CONSTRAINTS": "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_SCHEMA TABLE_NAME "
    "CONSTRAINT_TYPE ENFORCED",
    "KEY_COLUMN_USAGE": "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_CATALOG TABLE_SCHEMA TABLE_NAME "
    "COLUMN_NAME ORDINAL_POSITION# POSITION_IN_UNIQUE_CONSTRAINT# REFERENCED_TABLE_SCHEMA REFERENCED_TABLE_NAME "
    "REFERENCED_COLUMN_NAME",
    "REFERENTIAL_CONSTRAINTS": "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME UNIQUE_CONSTRAINT_CATALOG "
    "UNIQUE_CONSTRAINT_SCHEMA UNIQUE_CONSTRAINT_NAME MATCH_OPTION UPDATE_RULE DELETE_RULE TABLE_NAME "
    "REFERENCED_TABLE_NAME",
    "CHECK_CONSTRAINTS": "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME CHECK_CLAUSE",
    "VIEWS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME VIEW_DEFINITION CHECK_OPTION IS_UPDATABLE DEFINER SECURITY_TYPE "
    "CHARACTER_SET_CLIENT COLLATION_CONNECTION",
    "ROUTINES": "SPECIFIC_NAME ROUTINE_CATALOG ROUTINE_SCHEMA ROUTINE_NAME ROUTINE_TYPE DATA_TYPE DTD_IDENTIFIER "
    "ROUTINE_BODY ROUTINE_DEFINITION IS_DETERMINISTIC SQL_DATA_ACCESS SECURITY_TYPE CREATED LAST_ALTERED "
    "ROUTINE_COMMENT DEFINER",
    "PARAMETERS": "SPECIFIC_CATALOG SPECIFIC_SCHEMA SPECIFIC_NAME ORDINAL_POSITION# PARAMETER_MODE PARAMETER_NAME "
    "DATA_TYPE CHARACTER_MAXIMUM_LENGTH# NUMERIC_PRECISION# NUMERIC_SCALE# DTD_IDENTIFIER ROUTINE_TYPE",
    "TRIGGERS": "TRIGGER_CATALOG TRIGGER_SCHEMA TRIGGER_NAME EVENT_MANIPULATION EVENT_OBJECT_CATALOG "
    "EVENT_OBJECT_SCHEMA EVENT_OBJECT_TABLE ACTION_ORDER# ACTION_STATEMENT ACTION_TIMING CREATED SQL_MODE DEFINER",
    "EVENTS": "EVENT_CATALOG EVENT_SCHEMA EVENT_NAME DEFINER TIME_ZONE EVENT_TYPE STATUS",
    "PARTITIONS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME PARTITION_NAME PARTITION_METHOD TABLE_ROWS#",
    "ENGINES": "ENGINE SUPPORT COMMENT TRANSACTIONS XA SAVEPOINTS",
    "PLUGINS": "PLUGIN_NAME PLUGIN_VERSION PLUGIN_STATUS PLUGIN_TYPE",
    "CHARACTER_SETS": "CHARACTER_SET_NAME DEFAULT_COLLATE_NAME DESCRIPTION MAXLEN#",
    "COLLATIONS": "COLLATION_NAME CHARACTER_SET_NAME ID# IS_DEFAULT IS_COMPILED SORTLEN#",
    "COLLATION_CHARACTER_SET_APPLICABILITY": "COLLATION_NAME CHARACTER_SET_NAME",
    "PROCESSLIST": "ID# USER HOST DB COMMAND TIME# STATE INFO",
    "QUERIES": "ID USER HOST DB STATE SUBMITTED COMPLETED TIME_MS# ROWS_SENT# CHUNKS# ERROR INFO",
    "KEYWORDS": "WORD RESERVED#",
    "USER_PRIVILEGES": "GRANTEE TABLE_CATALOG PRIVILEGE_TYPE IS_GRANTABLE",
    "SCHEMA_PRIVILEGES": "GRANTEE TABLE_CATALOG TABLE_SCHEMA PRIVILEGE_TYPE IS_GRANTABLE",
    "TABLE_PRIVILEGES": "GRANTEE TABLE_CATALOG TABLE_SCHEMA TABLE_NAME PRIVILEGE_TYPE IS_GRANTABLE",
}
"""The tables and their columns, as MySQL 8 names them; ``#`` marks numbers. QUERIES, the history, is Qserv's own."""


@lru_cache(maxsize=1)
def schema() -> Database:
    """The database itself; its tables have ids below 0."""
    tables = {
        name.casefold(): table_of(-1 - index, name, columns.split())
        for index, (name, columns) in enumerate(_COLUMNS.items())
    }
    return Database(NAME, None, tables)


def table_of(number: int, name: str, columns: Iterable[str]) -> Table:
    """A virtual table; columns marked with ``#`` hold integers, others text."""
    made = tuple(Column(column.rstrip("#"), _I if column.endswith("#") else _S) for column in columns)
    return Table(number, NAME, name, TableKind.REPLICATED, made)


def virtual(
    visible: Catalog, placement: Placement, processes: Callable[[], Iterable[Row]], queries: Callable[[], Iterable[Row]]
) -> Virtual:
    """The tables over the databases that an account may read.

    ``processes`` and ``queries``: those that it may see, as they run now and as the history has them.
    """
    makers: dict[str, Callable[[], Iterable[Row]]] = {
        "SCHEMATA": partial(_schemata, visible),
        "TABLES": partial(_tables, visible, placement),
        "COLUMNS": partial(_columns, visible),
        "STATISTICS": partial(_statistics, visible),
        "TABLE_CONSTRAINTS": partial(_constraints, visible),
        "KEY_COLUMN_USAGE": partial(_key_usage, visible),
        "ENGINES": lambda: [(ENGINE, "DEFAULT", "Sky catalogs in chunks on many nodes", "NO", "NO", "NO")],
        "CHARACTER_SETS": lambda: [(CHARSET, COLLATION, "UTF-8 Unicode", 4)],
        "COLLATION_CHARACTER_SET_APPLICABILITY": lambda: [(COLLATION, CHARSET)],
        "PROCESSLIST": processes,
        "QUERIES": queries,
        "COLLATIONS": lambda: [(COLLATION, CHARSET, 45, "Yes", "Yes", 1)],
    }
    database = schema()
    rows = {table.id: partial(filled, table, makers.get(table.name, tuple)) for table in database.tables.values()}
    catalog = Catalog(visible.version, {**visible.databases, NAME: database})
    return Virtual(catalog, rows)


def filled(table: Table, make: Callable[[], Iterable[Row]]) -> pa.Table:
    """Rows as an Arrow table with the columns of a virtual one."""
    rows = list(make())
    kinds = [pa.int64() if column.type.integer else pa.string() for column in table.columns]
    arrays = [pa.array([row[index] for row in rows], kind) for index, kind in enumerate(kinds)]
    return pa.table(arrays, names=[column.name for column in table.columns])


def _all_tables(visible: Catalog) -> list[Table]:
    own = schema().tables.values()
    return [*(table for database in visible.databases.values() for table in database.tables.values()), *own]


def _schemata(visible: Catalog) -> list[Row]:
    names = [*(database.name for database in visible.databases.values()), NAME]
    return [("def", name, CHARSET, COLLATION, None) for name in names]


def _tables(visible: Catalog, placement: Placement) -> list[Row]:
    return [table_row(table, placement) for table in _all_tables(visible)]


def table_row(table: Table, placement: Placement) -> Row:
    units = placement.files.get(table.id, {}).values()
    rows, size = sum(unit.rows for unit in units), sum(unit.bytes for unit in units)
    own = table.id < 0
    return (
        "def", table.database, table.name, "SYSTEM VIEW" if own else "BASE TABLE", None if own else ENGINE, 10,
        "Dynamic", rows, size // rows if rows else 0, size, 0, 0, 0, None, None, None, None, COLLATION, None, "",
        "" if own else f"{table.kind} table",
    )  # fmt: skip


def _columns(visible: Catalog) -> list[Row]:
    return [
        _column_row(table, column, place)
        for table in _all_tables(visible)
        for place, column in enumerate(table.columns, 1)
    ]


def data_type(kind: SqlType) -> str:
    """``DATA_TYPE``: the type's bare name."""
    return "tinyint" if kind.base is Base.BOOL else str(kind.base).lower()


def column_type(kind: SqlType) -> str:
    """``COLUMN_TYPE``: the type as declared."""
    return "tinyint(1)" if kind.base is Base.BOOL else str(kind).lower()


_PRECISION = {
    Base.BOOL: 3, Base.TINYINT: 3, Base.SMALLINT: 5, Base.MEDIUMINT: 7, Base.INT: 10, Base.BIGINT: 19,
    Base.FLOAT: 12, Base.DOUBLE: 22,
}  # fmt: skip


def _column_row(table: Table, column: Column, place: int) -> Row:
    kind = column.type
    precision = kind.length if kind.base in (Base.DECIMAL, Base.BIT) else _PRECISION.get(kind.base)
    if kind.base is Base.BIGINT and kind.unsigned:
        precision = 20
    length = (
        (kind.length or (1 if kind.base in (Base.CHAR, Base.BINARY) else 65535)) if kind.text or kind.binary else None
    )
    scale = kind.scale if kind.base is Base.DECIMAL else 0 if kind.integer else None
    fraction = (kind.length or 0) if kind.base in (Base.DATETIME, Base.TIMESTAMP, Base.TIME) else None
    return (
        "def", table.database, table.name, column.name, place, None, "YES" if column.nullable else "NO",
        data_type(kind), length, 4 * length if kind.text and length else length, precision, scale, fraction,
        CHARSET if kind.text else None, COLLATION if kind.text else None, column_type(kind), column_key(table, column),
        "", "select", "", "", None,
    )  # fmt: skip


def column_key(table: Table, column: Column) -> str:
    """``PRI`` for a director's unique key, ``MUL`` for keys by which rows are found or placed."""
    if table.key is None or column.name.casefold() != table.key.casefold() or table.id < 0:
        return ""
    return "PRI" if table.kind is TableKind.DIRECTOR and table.unique else "MUL"


def _keys(visible: Catalog) -> list[tuple[Table, Column]]:
    return [(table, column) for table in _all_tables(visible) for column in table.columns if column_key(table, column)]


def _index_name(table: Table, column: Column) -> str:
    return "PRIMARY" if column_key(table, column) == "PRI" else column.name


def _statistics(visible: Catalog) -> list[Row]:
    return [
        (
            "def", table.database, table.name, int(column_key(table, column) != "PRI"), table.database,
            _index_name(table, column), 1, column.name, "A", None, None, None, "YES" if column.nullable else "",
            "HASH", "", "", "YES", None,
        )
        for table, column in _keys(visible)
    ]  # fmt: skip


def _constraints(visible: Catalog) -> list[Row]:
    return [
        ("def", table.database, "PRIMARY", table.database, table.name, "PRIMARY KEY", "YES")
        for table, column in _keys(visible)
        if column_key(table, column) == "PRI"
    ]


def _key_usage(visible: Catalog) -> list[Row]:
    return [
        ("def", table.database, "PRIMARY", "def", table.database, table.name, column.name, 1, None, None, None, None)
        for table, column in _keys(visible)
        if column_key(table, column) == "PRI"
    ]
