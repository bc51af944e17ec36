"""Which rows become pairs of neighbours, step by step.

A step makes pairs out of two *items*: the rows of one relation, or the pairs of an earlier step. So ``a`` near ``b``
and ``a`` near ``c`` is the pairs of ``a`` and ``b``, and then the pairs of those with ``c``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from qserv.sql.neighbour import Near
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From, Source

_LITERAL = re.compile(r"('(?:[^']|'')*')")


@dataclass(frozen=True, eq=False)
class Item:
    """Relations whose rows are read together: one, or those of the pairs that a step makes."""

    relations: tuple[Relation, ...]
    made: Step | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """Makes pairs of rows of two items. ``number`` is its place in the leaf."""

    number: int
    near: Near
    first: Item
    second: Item


def steps_of(nears: list[Near]) -> tuple[list[Step], dict[Relation, Item]]:
    """The steps, and for each relation of a pair the last item that has it.

    A condition between two relations that are pairs already makes no step: it stays a condition.
    """
    steps: list[Step] = []
    held: dict[Relation, Item] = {}
    for near in nears:
        first, second = (held.get(each) or Item((each,)) for each in (near.first, near.second))
        if first is second:
            continue
        step = Step(len(steps), near, first, second)
        steps.append(step)
        made = Item(first.relations + second.relations, step)
        held.update(dict.fromkeys(made.relations, made))
    return steps, held


def rejecting(found: From, nears: list[Near]) -> tuple[From, list[Near]]:
    """FROM with those LEFT JOINs made inner whose NULLs a neighbour condition of WHERE rejects."""
    sides = {side for near in nears if not near.optional for side in (near.first, near.second)}
    sources: list[Source] = []
    where = list(found.where)
    inner: set[Relation] = set()
    for group in found.groups():
        if group[0].join == "LEFT" and any(source.relation in sides for source in group):
            where += [condition for source in group for condition in source.on]
            sources += [Source(source.relation, sql=source.sql) for source in group]
            inner.update(source.relation for source in group)
        else:
            sources += group
    return From(sources, where), [replace(near, optional=near.optional and near.second not in inner) for near in nears]


def alike(one: list[Condition], first: Relation, other: list[Condition], second: Relation) -> bool:
    """Whether conditions on one use of a table say the same as those on another."""
    return sorted(_parts(each, first) for each in one) == sorted(_parts(each, second) for each in other)


def _parts(condition: Condition, relation: Relation) -> list[str]:
    """A condition without the relation's name: texts between literals, and the literals, which stay as they are."""
    parts = _LITERAL.split(condition.sql)
    return [part if index % 2 else part.replace(f'{relation.sql_name}."', '."') for index, part in enumerate(parts)]
