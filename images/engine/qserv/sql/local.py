"""FROM and WHERE of a leaf: files of a chunk, those of its overlap for satellites, pairs of neighbours."""

from __future__ import annotations

from collections.abc import Mapping

from qserv.catalog.messages import PairStep
from qserv.catalog.model import CHUNK_COLUMN, HOST_COLUMN, FileKind
from qserv.sql.emit import Files, columns_of, from_where
from qserv.sql.locality import Layout
from qserv.sql.pairs import Item, Step, alike, rejecting, steps_of
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From, Source
from qserv.sql.values import name

_HOST = "q:host"


class LocalRows:
    """Writes the rows of a block whose relations lie as ``layout`` says.

    Parameters
    ----------
    areas : the predicates of restrictors on each relation.
    outside : what surrounds the rows: the text that says which columns it uses.

    Attributes
    ----------
    sql : FROM and WHERE.
    steps : make the pairs of neighbours that it reads.
    """

    def __init__(
        self, found: From, layout: Layout, files: Files, areas: Mapping[Relation, list[str]], outside: str
    ) -> None:
        self._layout = layout
        self._files = files
        self._found, nears = rejecting(found, layout.nears)
        steps, self._items = steps_of(nears)
        self._where = [*self._found.where, *_conditions(areas)]
        sources = self._hosted()
        decided = {id(step.near.condition) for step in steps}
        self._left = [condition for condition in self._where if id(condition) not in decided]
        owned = [(self._owned(step, step.first), self._owned(step, step.second)) for step in steps]
        on = [condition.sql for source in sources for condition in source.on if id(condition) not in decided]
        self._text = "\n".join([outside, *on, *(condition.sql for condition in self._left)])
        written = [self._step(step, *own) for step, own in zip(reversed(steps), reversed(owned), strict=True)]
        self.steps = tuple(reversed(written))
        self.sql = from_where(From(sources, self._left), self._item_of, [])

    def _hosted(self) -> list[Source]:
        """The sources, with those of one item as one; a satellite outside of its host's item is told its host."""
        sources = {source.relation: source for source in self._found.sources}
        for satellite, host in self._layout.satellites.items():
            if self._items.get(satellite, satellite) is self._items.get(host, host):
                continue
            host.column(CHUNK_COLUMN)
            same = f"{satellite.sql_name}.{name(_HOST)} = {host.sql_name}.{name(CHUNK_COLUMN)}"
            condition = Condition(None, same, frozenset({satellite, host}))
            source = sources[satellite]
            if source.join in ("LEFT", "WITH"):
                sources[satellite] = Source(satellite, source.join, [*source.on, condition], source.sql)
            else:
                self._where.append(condition)
        read: set[Item] = set()
        kept = []
        for relation, source in sources.items():
            item = self._items.get(relation)
            if item is None or item not in read:
                kept.append(source)
            if item is not None:
                read.add(item)
        return kept

    def _item_of(self, relation: Relation) -> str:
        item = self._items.get(relation)
        if item is not None and item.made is not None:
            return _pairs(item.made)
        if relation in self._layout.satellites:
            alone = [each for each in self._where if each.uses == {relation} and not each.random]
            own = [] if relation.optional else alone
            return f"{self._satellite(relation, own)} AS {relation.sql_name}"
        return f"{self._files.read(relation)} AS {relation.sql_name}"

    def _satellite(self, relation: Relation, own: list[Condition]) -> str:
        columns, rest = columns_of(relation), f"{relation.sql_name}{_where(own)}"
        parts = [
            f"SELECT {columns}, {name(column)} AS {name(_HOST)} FROM {self._files.read(relation, kind)} AS {rest}"
            for kind, column in ((FileKind.MAIN, CHUNK_COLUMN), (FileKind.OVERLAP, HOST_COLUMN))
        ]
        return f"({' UNION ALL '.join(parts)})"

    def _owned(self, step: Step, item: Item) -> list[Condition]:
        """The conditions on an item alone: its rows are those that meet them, and nothing asks for them later."""
        if step.near.optional and item is step.second:
            (source,) = (each for each in self._found.sources if each.relation is step.near.second)
            return [condition for condition in source.on if condition is not step.near.condition]
        own = [each for each in self._left if each.uses and each.uses <= set(item.relations)]
        self._left = [each for each in self._left if each not in own]
        return own

    def _step(self, step: Step, first: list[Condition], second: list[Condition]) -> PairStep:
        near = step.near
        columns = {each: self._columns(each) for item in (step.first, step.second) for each in item.relations}
        if self._twins(step) and alike(first, near.first, second, near.second):
            one, other = self._twin(step, columns, second), None
        else:
            one = self._side(step.first, near.first, columns, first)
            other = self._side(step.second, near.second, columns, second)
        self._text += f"\n{one}\n{other or ''}"
        return PairStep(
            first=one,
            second=other,
            first_columns=tuple(each.sql_name for each in step.first.relations if columns[each]),
            second_columns=tuple(each.sql_name for each in step.second.relations if columns[each]),
            radius=near.radius,
            decide=_decide(step),
            optional=near.optional,
        )

    def _columns(self, relation: Relation) -> list[str]:
        """The columns of a relation that the text named so far uses."""
        return [each for each in (*relation.used, _HOST) if f"{relation.sql_name}.{name(each)}" in self._text]

    def _side(self, item: Item, at: Relation, columns: Mapping[Relation, list[str]], own: list[Condition]) -> str:
        """The rows of an item, ``at`` the position of one of its relations."""
        host = self._host(item)
        taken = [f"{host} AS {name(_HOST)}"] if host is not None else []
        taken += _position(at)
        taken += [f"{_struct(each, columns[each])} AS {each.sql_name}" for each in item.relations if columns[each]]
        if item.made is not None:
            rows = f"{_pairs(item.made)}{_where(own)}"
        elif at in self._layout.satellites:
            rows = f"{self._satellite(at, own)} AS {at.sql_name}"
        else:
            rows = f"{self._files.read(at)} AS {at.sql_name}{_where(own)}"
        return f"SELECT {', '.join(taken)} FROM {rows}"

    def _host(self, item: Item) -> str | None:
        """The chunk beside which an item's rows are read; None where they lie everywhere."""
        for relation in item.relations:
            if relation in self._layout.satellites:
                return f"{relation.sql_name}.{name(_HOST)}"
            if relation in self._layout.home:
                relation.column(CHUNK_COLUMN)
                return f"{relation.sql_name}.{name(CHUNK_COLUMN)}"
        return None

    def _twins(self, step: Step) -> bool:
        """Whether a step pairs the rows of a table with those of the same table."""
        first, second = step.near.first, step.near.second
        if step.first.made or step.second.made or step.near.optional or first.table is not second.table:
            return False
        return first in self._layout.home and second in self._layout.satellites

    def _twin(self, step: Step, columns: Mapping[Relation, list[str]], own: list[Condition]) -> str:
        """The rows of both sides at once, read as the second of them."""
        first, second = step.near.first, step.near.second
        second.column(CHUNK_COLUMN)
        second.used.update(dict.fromkeys(columns[first]))
        host, chunk = (f"{second.sql_name}.{name(each)}" for each in (_HOST, CHUNK_COLUMN))
        taken = [f"{host} AS {name(_HOST)}", f'{chunk} = {host} AS "q:main"', *_position(second)]
        taken += [f"{_struct(second, columns[each])} AS {each.sql_name}" for each in (first, second) if columns[each]]
        return f"SELECT {', '.join(taken)} FROM {self._satellite(second, own)} AS {second.sql_name}"


def _conditions(areas: Mapping[Relation, list[str]]) -> list[Condition]:
    return [Condition(None, each, frozenset({relation})) for relation, texts in areas.items() for each in texts]


def _where(own: list[Condition]) -> str:
    return f" WHERE {' AND '.join(condition.sql for condition in own)}" if own else ""


def _pairs(step: Step) -> str:
    return name(f"q:pairs{step.number}")


def _struct(relation: Relation, columns: list[str]) -> str:
    fields = ", ".join(f"{name(each)} := {relation.sql_name}.{name(each)}" for each in columns)
    return f"struct_pack({fields})"


def _position(relation: Relation) -> list[str]:
    ra, decl = relation.place
    return [f'CAST({ra.sql} AS DOUBLE) AS "q:ra"', f'CAST({decl.sql} AS DOUBLE) AS "q:decl"']


def _decide(step: Step) -> str:
    """Says of pairs of positions which the user's own condition holds for."""
    sides = []
    for number, relation in ((1, step.near.first), (2, step.near.second)):
        ra, decl = (name(value.origin[1]) for value in relation.place if value.origin)
        sides.append(f'struct_pack({ra} := "q:ra{number}", {decl} := "q:decl{number}") AS {relation.sql_name}')
    rows = f'SELECT "q:pair", {", ".join(sides)} FROM "q:unsure"'
    return f'SELECT "q:pair" FROM ({rows}) WHERE {step.near.condition.sql}'
