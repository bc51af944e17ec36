"""Names: which relation of FROM a column belongs to, found as MySQL finds it (without regard to case)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from qserv.catalog.errors import AmbiguousColumn, NotUniqueTable, UnknownColumn, UnknownTable
from qserv.catalog.model import Column, Family, Table
from qserv.sql.values import Value, column_type, name

if TYPE_CHECKING:
    from qserv.sql.rows import Local


@dataclass(eq=False)
class Relation:
    """One use of a table, or of a derived table, in FROM.

    ``sql_name`` is its unique alias in the SQL that is written. ``table`` is None for derived tables. ``used`` are the
    columns that anything refers to, which is what is read. ``optional``: the nullable side of a LEFT JOIN. ``known``
    are the columns that were asked for so far, of a derived table all: a wide table has many that nobody asks for.
    """

    alias: str
    sql_name: str
    known: dict[str, tuple[str, Value]] = field(default_factory=dict)  # by case-folded name: the name as declared
    database: str | None = None
    table: Table | None = None
    optional: bool = False
    used: dict[str, None] = field(default_factory=dict)
    recorder: Callable[[Relation], None] | None = None
    local: Local | None = None  # of a derived table whose rows lie in chunks

    @classmethod
    def of_table(cls, table: Table, alias: str, sql_name: str, recorder: Callable[[Relation], None]) -> Relation:
        return cls(alias, sql_name, {}, table.database, table, recorder=recorder)

    @property
    def columns(self) -> dict[str, tuple[str, Value]]:
        """All columns, in order: by case-folded name, the name as declared and the value."""
        if self.table is None:
            return self.known
        return {column.name.casefold(): self._pair(column) for column in self.table.columns}

    def _pair(self, column: Column) -> tuple[str, Value]:
        folded = column.name.casefold()
        found = self.known.get(folded)
        if found is None:
            sql = f"{self.sql_name}.{name(column.name)}"
            found = self.known[folded] = (column.name, Value(sql, column_type(column.type), (self, column.name)))
        return found

    @property
    def family(self) -> Family | None:
        """The family in whose chunks the rows lie; None where they lie everywhere, or nowhere on workers."""
        if self.local is not None:
            return self.local.family
        return self.table.family if self.table is not None else None

    @property
    def base(self) -> Table:
        """The table, where it is known to be one."""
        if self.table is None:
            raise LookupError(f"{self.alias} is a derived table")
        return self.table

    def column(self, column: str) -> Value | None:
        found = self.known.get(column.casefold())
        if found is None:
            declared = self.table.column(column) if self.table is not None else None
            if declared is None:
                return None
            found = self._pair(declared)
        self.used[found[0]] = None
        if self.recorder is not None:
            self.recorder(self)
        return found[1]

    @property
    def position(self) -> tuple[Value, Value] | None:
        """Right ascension and declination in degrees, where the table has a position."""
        if self.table is None or self.table.position is None:
            return None
        ra, decl = (self.column(each) for each in self.table.position)
        return (ra, decl) if ra and decl else None

    @property
    def place(self) -> tuple[Value, Value]:
        """The position, where the table is known to have one."""
        if self.position is None:
            raise LookupError(f"table {self.alias} has no position")
        return self.position


@dataclass
class Scope:
    """The relations that a query block sees, within those of the blocks around it.

    ``merged`` are the columns that USING or NATURAL made one. ``correlated`` turns true when a name was found outside.
    """

    relations: list[Relation] = field(default_factory=list)
    parent: Scope | None = None
    merged: dict[str, tuple[str, Value]] = field(default_factory=dict)
    correlated: bool = False
    _seen: Callable[[Value], Value] | None = None

    @property
    def visible(self) -> Iterator[Relation]:
        """The relations of this block, then those of the blocks around it."""
        yield from self.relations
        if self.parent is not None:
            yield from self.parent.visible

    @contextmanager
    def seen_inside(self, seen: Callable[[Value], Value] | None) -> Iterator[None]:
        """Meanwhile subqueries see what ``seen`` makes of the columns; None: the columns themselves."""
        before, self._seen = self._seen, seen
        try:
            yield
        finally:
            self._seen = before

    def add(self, relation: Relation) -> None:
        folded = relation.alias.casefold()
        for other in self.relations:
            if other.alias.casefold() == folded and other.database == relation.database:
                raise NotUniqueTable(f"Not unique table/alias: '{relation.alias}': give each use an alias of its own")
        self.relations.append(relation)

    def _named(self, column: exp.Column) -> Iterator[Relation]:
        table, database = column.table.casefold(), column.text("db").casefold()
        for relation in self.relations:
            if table and relation.alias.casefold() != table:
                continue
            if database and (relation.database or "").casefold() != database:
                continue
            yield relation

    def find(self, column: exp.Column, clause: str) -> Value | None:
        """The column in this block alone; None where it has none of that name."""
        wanted = column.name
        if not column.table and wanted.casefold() in self.merged:
            return self.merged[wanted.casefold()][1]
        found = [value for relation in self._named(column) if (value := relation.column(wanted)) is not None]
        if len(found) > 1:
            raise AmbiguousColumn(f"Column '{shown(column)}' in {clause} is ambiguous: write table.{wanted}")
        return found[0] if found else None

    def resolve(self, column: exp.Column, clause: str) -> Value:
        """The column here or in a surrounding block.

        Raises
        ------
        UnknownColumn, AmbiguousColumn
        """
        scope: Scope | None = self
        crossed: list[Scope] = []
        while scope is not None:
            if (value := scope.find(column, clause)) is not None:
                for each in crossed:
                    each.correlated = True
                return scope._seen(value) if crossed and scope._seen is not None else value
            crossed.append(scope)
            scope = scope.parent
        raise UnknownColumn(f"Unknown column '{shown(column)}' in '{clause}'")

    def star(self, table: str | None, database: str | None) -> list[tuple[str, Value]]:
        """The columns of ``*`` or ``table.*``, in order; a USING column comes once, first."""
        if table is None:
            rest = [pair for relation in self.relations for pair in _columns(relation, self.merged)]
            return list(self.merged.values()) + rest
        column = exp.column("*", table=table, db=database)
        relations = list(self._named(column))
        if not relations:
            raise UnknownTable(f"Unknown table '{table}'", table=table)
        return _columns(relations[0], {})


def _columns(relation: Relation, without: dict[str, tuple[str, Value]]) -> list[tuple[str, Value]]:
    found = [pair for folded, pair in relation.columns.items() if folded not in without]
    relation.used.update(dict.fromkeys(declared for declared, _ in found))
    return found


def shown(column: exp.Column) -> str:
    """A column as the user wrote it."""
    return ".".join(part for part in (column.text("db"), column.table, column.name) if part)
