"""Queries inside of expressions: marks in the SQL that is written, until it is known where they run.

An expression is written before it is known whether its block runs on workers, where a subquery must read files, or on
the czar, where it reads leaves. So a mark stands for it. No text of a user can hold one: it has a NUL at each end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qserv.sql.locality import Layout
from qserv.sql.rows import Rows
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From, Source

if TYPE_CHECKING:
    from qserv.sql.block import Written

_MARK = re.compile("\0([0-9]+)\0")


@dataclass(frozen=True, eq=False)
class Nested:
    """A query of an expression. ``tied``: relations whose key the expression compares with the query's own.

    ``leaves`` are the names of those that it reads on the czar.
    """

    rows: Rows
    tied: frozenset[Relation]
    leaves: frozenset[str]

    @property
    def apart(self) -> bool:
        """Whether it reads chunks, and has one answer whoever asks: it can be answered before all else."""
        local = self.rows.local
        return bool(self.leaves) and not self.rows.correlated and (local is None or local.family is not None)

    def lies(self, found: Layout) -> bool:
        """Whether it can be answered in the chunk of each row that asks for it."""
        local = self.rows.local
        if local is None or local.family is None:
            return local is not None
        home = [relation for relation in (*found.home, *found.beside) if not relation.optional]
        return local.family == found.family and any(relation in home for relation in local.beside or self.tied)


@dataclass
class Marks:
    """The nested queries of a statement, by their marks."""

    _queries: list[Nested] = field(default_factory=list)

    def add(self, nested: Nested) -> Rows:
        """The query's rows, with its mark as their SQL."""
        self._queries.append(nested)
        return replace(nested.rows, sql=f"\0{len(self._queries) - 1}\0")

    def answered(self, nested: Nested, rows: Rows) -> None:
        """Let a mark stand for rows that are known by then."""
        self._queries[self._queries.index(nested)] = Nested(rows, frozenset(), frozenset())

    def of(self, *texts: str) -> list[Nested]:
        return [self._queries[int(number)] for text in texts for number in _MARK.findall(text)]

    def of_rows(self, found: From) -> list[Nested]:
        """Those of FROM and WHERE."""
        on = [condition.sql for source in found.sources for condition in source.on]
        return self.of(*on, *(condition.sql for condition in found.where))

    def written(self, text: str, write: Callable[[Nested], str]) -> str:
        """The text with SQL instead of the marks."""
        return _MARK.sub(lambda found: write(self._queries[int(found[1])]), text)

    def written_rows(self, found: From, write: Callable[[Nested], str]) -> From:
        def conditions(each: list[Condition]) -> list[Condition]:
            return [replace(one, sql=self.written(one.sql, write)) if _MARK.search(one.sql) else one for one in each]

        sources = [Source(one.relation, one.join, conditions(one.on), one.sql) for one in found.sources]
        return From(sources, conditions(found.where))

    def written_block(self, block: Written, write: Callable[[Nested], str]) -> Written:
        middle = None
        if block.middle is not None:
            middle = (self.written(block.middle[0], write), self.written(block.middle[1], write))
        select, closing = self.written(block.select, write), self.written(block.closing, write)
        return replace(block, select=select, closing=closing, middle=middle)
