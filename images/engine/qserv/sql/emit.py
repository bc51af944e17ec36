"""Writing FROM and WHERE, over files on workers or over leaves' rows on the czar."""

from __future__ import annotations

from collections.abc import Callable

from qserv.catalog.model import FileKind
from qserv.sql.plan import Source as FileSource
from qserv.sql.scope import Relation
from qserv.sql.source import From
from qserv.sql.values import name


class Files:
    """The sources of a leaf: ``$s0``, ``$s1`` …, each table and kind once."""

    def __init__(self) -> None:
        self.sources: list[FileSource] = []

    def read(self, relation: Relation, kind: FileKind = FileKind.MAIN) -> str:
        """The SQL that reads a table's files, or makes a derived table's rows of them."""
        if relation.local is not None:
            return f"({relation.local.write(self)})"
        return f"read_parquet($s{self.index(relation, kind)})"

    def index(self, relation: Relation, kind: FileKind = FileKind.MAIN) -> int:
        source = FileSource(relation.base, kind)
        for index, each in enumerate(self.sources):
            if each.table.id == source.table.id and each.kind is kind:
                return index
        self.sources.append(source)
        return len(self.sources) - 1


def from_where(found: From, read: Callable[[Relation], str], extra: list[str]) -> str:
    """FROM and WHERE; ``read`` gives the item of FROM for each relation, ``extra`` are further predicates."""
    text = ""
    for group in found.groups():
        item = " CROSS JOIN ".join(read(source.relation) for source in group)
        if not text:
            text = f" FROM {item}"
        elif group[0].join == "LEFT":
            item = f"({item})" if len(group) > 1 else item
            on = " AND ".join(condition.sql for source in group for condition in source.on) or "true"
            text += f" LEFT JOIN {item} ON {on}"
        else:
            text += f" CROSS JOIN {item}"
    predicates = [condition.sql for condition in found.where] + extra
    return text + (f" WHERE {' AND '.join(predicates)}" if predicates else "")


def columns_of(relation: Relation) -> str:
    """The columns of a relation that anything uses."""
    return ", ".join(name(column) for column in relation.used) or "1 AS one"
