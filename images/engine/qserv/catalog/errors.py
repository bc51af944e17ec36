"""The one tree of errors.

::

    QservError
    ├── SqlError            a statement that cannot be answered as written
    │   ├── ParseError
    │   ├── UnknownDatabase, UnknownTable, UnknownColumn, UnknownFunction, UnknownVariable
    │   ├── NoDatabase, EmptyStatement, UnknownStatement, NoCursor
    │   ├── AmbiguousColumn, NotUniqueTable, WrongColumnCount, SubqueryRows
    │   ├── ArithmeticOverflow
    │   ├── WrongArguments        a function or restrictor called with what it cannot take
    │   ├── WrongValue, UnknownCharset    what a variable cannot be set to
    │   ├── RadiusAboveOverlap    a neighbour search wider than the stored overlap
    │   └── Unsupported           understood, and refused
    ├── AccessDenied        a wrong credential, or one without the right
    │   ├── Unauthenticated
    │   └── DatabaseAccessDenied
    ├── QueryKilled         stopped by KILL, by a dropped client, or by shutdown
    ├── QueryInterrupted    a query's time limit
    ├── NoSuchQuery         KILL of one that does not run, or is another's
    ├── ResourceExhausted   memory, disk or another limit reached
    │   └── DiskFull
    ├── ChunkUnavailable    no worker that can be reached holds a replica of the chunk
    ├── WorkerFailed        a worker did not do what it was asked
    │   └── FileMissing
    ├── DataError           input rows that cannot be loaded (file, line, column)
    │   ├── SpecError             a load spec or request that says what cannot be
    │   └── DuplicateKey
    ├── Conflict            what is asked does not go with the present state
    │   ├── AlreadyExists
    │   ├── TransactionClosed
    │   ├── Unsafe
    │   ├── WrongCluster
    │   └── SchemaVersion
    │       └── SchemaOutdated
    ├── NotFound            no such object in the metadata, or path of an interface
    ├── WrongMethod         a path of an interface, asked by a method that it does not know
    ├── FileTrouble         a file or folder of the user's that cannot be read or written
    └── Unavailable         a process or database that cannot be reached just now

Every error says what was wrong, where, and what to do. ``code`` is stable: it is what REST answers, what metrics and
events are labelled with, and what the documentation lists. ``mysql`` and ``sqlstate`` are what a MySQL client sees.
"""

from __future__ import annotations

from typing import ClassVar


class QservError(Exception):
    """Base of all errors that this program raises on purpose.

    Attributes
    ----------
    code : stable name of the kind of error, in kebab case.
    mysql, sqlstate : MySQL's error number and five-character state.
    http : status of a REST answer.
    """

    code: ClassVar[str] = "internal-error"
    mysql: ClassVar[int] = 1105
    sqlstate: ClassVar[str] = "HY000"
    http: ClassVar[int] = 500

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class SqlError(QservError):
    code = "sql-error"
    mysql = 1105
    sqlstate = "42000"
    http = 400


class ParseError(SqlError):
    code = "parse-error"
    mysql = 1064


class UnknownDatabase(SqlError):
    code = "unknown-database"
    mysql = 1049


class UnknownTable(SqlError):
    code = "unknown-table"
    mysql = 1146
    sqlstate = "42S02"


class UnknownColumn(SqlError):
    code = "unknown-column"
    mysql = 1054
    sqlstate = "42S22"


class UnknownVariable(SqlError):
    code = "unknown-variable"
    mysql = 1193
    sqlstate = "HY000"


class NoDatabase(SqlError):
    """A statement that needs a default database, and none was chosen."""

    code = "no-database"
    mysql = 1046
    sqlstate = "3D000"


class EmptyStatement(SqlError):
    code = "empty-statement"
    mysql = 1065


class AmbiguousColumn(SqlError):
    code = "ambiguous-column"
    mysql = 1052
    sqlstate = "23000"


class UnknownFunction(SqlError):
    code = "unknown-function"
    mysql = 1305


class WrongArguments(SqlError):
    code = "wrong-arguments"
    mysql = 1210
    sqlstate = "HY000"


class WrongValue(SqlError):
    code = "wrong-value"
    mysql = 1231


class UnknownCharset(SqlError):
    code = "unknown-character-set"
    mysql = 1115


class RadiusAboveOverlap(SqlError):
    code = "radius-above-overlap"
    mysql = 1210
    sqlstate = "HY000"


class Unsupported(SqlError):
    code = "unsupported"
    mysql = 1235


class NotUniqueTable(SqlError):
    code = "not-unique-table"
    mysql = 1066


class WrongColumnCount(SqlError):
    code = "wrong-column-count"
    mysql = 1222
    sqlstate = "21000"


class SubqueryRows(SqlError):
    """A subquery that stands for one value has several."""

    code = "subquery-rows"
    mysql = 1242
    sqlstate = "21000"


class UnknownStatement(SqlError):
    code = "unknown-statement"
    mysql = 1243


class NoCursor(SqlError):
    """Rows are asked of a prepared statement that has no open cursor."""

    code = "no-cursor"
    mysql = 1421
    sqlstate = "HY000"


class ArithmeticOverflow(SqlError):
    code = "out-of-range"
    mysql = 1690
    sqlstate = "22003"


class AccessDenied(QservError):
    code = "access-denied"
    mysql = 1045
    sqlstate = "28000"
    http = 403


class DatabaseAccessDenied(AccessDenied):
    code = "database-access-denied"
    mysql = 1044
    sqlstate = "42000"


class Unauthenticated(AccessDenied):
    code = "unauthenticated"
    http = 401


class QueryKilled(QservError):
    code = "query-killed"
    mysql = 1317
    sqlstate = "70100"
    http = 409


class QueryInterrupted(QservError):
    code = "query-timeout"
    mysql = 3024
    http = 408


class NoSuchQuery(QservError):
    code = "no-such-query"
    mysql = 1094
    http = 404


class ResourceExhausted(QservError):
    code = "resource-exhausted"
    mysql = 1041
    http = 507


class DiskFull(ResourceExhausted):
    code = "disk-full"
    mysql = 1021


class ChunkUnavailable(QservError):
    code = "chunk-unavailable"
    mysql = 1105
    http = 503


class WorkerFailed(QservError):
    code = "worker-failed"
    http = 502


class FileMissing(WorkerFailed):
    """A worker was asked for a file that it does not have whole."""

    code = "file-missing"


class DataError(QservError):
    code = "bad-data"
    mysql = 1366
    sqlstate = "22007"
    http = 422


class SpecError(DataError):
    code = "bad-spec"


class DuplicateKey(DataError):
    code = "duplicate-key"
    mysql = 1062
    sqlstate = "23000"


class Conflict(QservError):
    code = "conflict"
    http = 409


class AlreadyExists(Conflict):
    code = "already-exists"
    mysql = 1050
    sqlstate = "42S01"


class TransactionClosed(Conflict):
    code = "transaction-closed"


class Unsafe(Conflict):
    """An act that would lose rows or put a chunk out of reach."""

    code = "unsafe"


class NotFound(QservError):
    code = "not-found"
    http = 404


class WrongMethod(QservError):
    code = "wrong-method"
    http = 405


class FileTrouble(QservError):
    code = "file-error"


class Unavailable(QservError):
    code = "unavailable"
    mysql = 1053
    sqlstate = "08S01"
    http = 503


class WrongCluster(Conflict):
    code = "wrong-cluster"


class SchemaVersion(Conflict):
    """This program and the metadata's schema do not go together."""

    code = "schema-version"


class SchemaOutdated(SchemaVersion):
    """The metadata's schema is not made yet, or older than this program: the replication controller brings it up."""

    code = "schema-outdated"


def _tree(base: type[QservError]) -> dict[str, type[QservError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found.update(_tree(child))
    return found


def from_code(code: str, message: str, **details: object) -> QservError:
    """The error that another process of the cluster named by its ``code``; unknown codes become plain errors."""
    return _tree(QservError).get(code, QservError)(message, **details)
