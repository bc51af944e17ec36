"""The plan of a query: values only, made by the planner and carried out by the czar.

A plan has *leaves*, each a statement for workers over some chunks, and a *merge*, a statement that the czar's own
DuckDB runs over the leaves' rows. Where ``merge`` is None the rows of the only leaf are the answer, in any order, and
stream to the client as they come, cut to the leaf's ``limit`` where it has one. A plan without leaves (``SELECT 1+1``)
is a merge alone. A plan may have *preliminaries*, whose answers its statements hold as constants.
"""

from __future__ import annotations

from dataclasses import dataclass

from qserv.catalog.messages import PairStep
from qserv.catalog.model import Family, FileKind, Table
from qserv.sql.values import Type


@dataclass(frozen=True, slots=True)
class Source:
    """What ``read_parquet($s<i>)`` reads in a leaf: a table's rows, or those of its overlap."""

    table: Table
    kind: FileKind = FileKind.MAIN


@dataclass(frozen=True, slots=True)
class KeyLookup:
    """Rows whose director key is one of ``keys``, or between ``low`` and ``high`` (inclusive; None: open).

    ``director`` is the table whose index knows where they are. ``answer``: a preliminary's number and column, whose
    values will be the keys.
    """

    director: Table
    keys: tuple[int, ...] | None = None
    low: int | None = None
    high: int | None = None
    answer: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Restriction:
    """Which chunks can hold rows of the answer: those in all of ``chunks`` (None: any) and all ``lookups``."""

    chunks: frozenset[int] | None = None
    lookups: tuple[KeyLookup, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A statement for workers.

    ``name`` is the table under which the merge reads its rows. ``sql`` is DuckDB's and its rows over several batches
    of chunks may simply be put together. ``family`` is None where all sources are replicated tables: then one worker
    answers. ``required`` are the sources without whose rows a chunk has nothing to answer (inner joins): a chunk that
    lacks files of one of them is not asked. ``limit`` is how many rows suffice, any of them. ``steps`` find the
    pairs of neighbours that ``sql`` reads. ``grouped``: its rows are whole groups, of which none comes before its batch
    of chunks is read.
    """

    name: str
    sql: str
    sources: tuple[Source, ...]
    family: Family | None
    required: tuple[int, ...]
    restriction: Restriction = Restriction()
    limit: int | None = None
    steps: tuple[PairStep, ...] = ()
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is answered. ``columns`` are the names that the client sees, in order.

    ``ordered``: the merge's rows come in the order that the query asks for. ``types`` are MySQL's types of the
    columns; empty where nothing is to be told of them. ``before`` are answered first, in their order. ``otherwise`` is
    the plan where one of these has more rows than it may.
    """

    leaves: tuple[Leaf, ...]
    merge: str | None
    columns: tuple[str, ...]
    ordered: bool = False
    warnings: tuple[str, ...] = ()
    types: tuple[Type, ...] = ()
    before: tuple[Preliminary, ...] = ()
    otherwise: Plan | None = None


@dataclass(frozen=True, slots=True)
class Preliminary:
    """A query in a statement that is answered before it (see :mod:`qserv.sql.beforehand`).

    Statements of ``plan`` may hold the answers of the preliminaries before this one. ``types`` are those of its
    columns. ``single``: it is one value, NULL where there is no row. ``most`` is how many rows it may have.
    """

    plan: Plan
    types: tuple[Type, ...]
    most: int
    single: bool
