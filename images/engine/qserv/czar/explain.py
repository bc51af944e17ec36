"""``EXPLAIN``: the plan as rows: what workers run, over which chunks, found how, and what the czar does with it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from qserv.catalog.model import FileKind, Placement
from qserv.czar.chunks import assign, weight
from qserv.sql.beforehand import shown, told, unasked
from qserv.sql.explain import pairs
from qserv.sql.plan import KeyLookup, Leaf, Plan

SHOWN = 20
"""How many chunk numbers are written out."""


def explain(plan: Plan, placement: Placement, chunks_of: Callable[[Leaf], tuple[int, ...]]) -> pa.Table:
    """One row a fact: ``step`` (a leaf's name, or merge; a preliminary's begin with its name), ``what``, ``value``."""
    rows: list[tuple[str, str, str]] = []
    for number, each in enumerate(plan.before):
        name = f"answer{number}"
        rows.append((name, "answered before", told(each)))
        rows += [(f"{name} {step}", what, value) for step, what, value in _steps(each.plan, placement, chunks_of)]
    rows += _steps(plan, placement, chunks_of)
    rows += [("warning", "warning", warning) for warning in plan.warnings]
    return pa.table({name: [row[index] for row in rows] for index, name in enumerate(("step", "what", "value"))})


def _steps(
    plan: Plan, placement: Placement, chunks_of: Callable[[Leaf], tuple[int, ...]]
) -> list[tuple[str, str, str]]:
    rows = [(leaf.name, what, value) for leaf in plan.leaves for what, value in _leaf(leaf, placement, chunks_of)]
    if plan.merge is None:
        return [*rows, ("merge", "merge", "none: rows stream to the client as they come")]
    return [*rows, ("merge", "merge sql", shown(plan.merge))]


def _leaf(leaf: Leaf, placement: Placement, chunks_of: Callable[[Leaf], tuple[int, ...]]) -> list[tuple[str, str]]:
    sources = ", ".join(
        f"$s{index} = {source.table.database}.{source.table.name}"
        + (" overlap" if source.kind is FileKind.OVERLAP else "")
        for index, source in enumerate(leaf.sources)
    )
    found = [*pairs(leaf), ("worker sql", shown(leaf.sql)), ("reads", sources)]
    if leaf.limit is not None:
        found.append(("limit", f"{leaf.limit} rows suffice"))
    if all(source.table.id < 0 for source in leaf.sources):
        return [*found, ("chunks", "none: the czar answers by itself")]
    if leaf.family is None:
        return [*found, ("chunks", "none: one worker answers from replicated tables")]
    known = unasked(leaf)
    chunks = chunks_of(known)
    total = len(placement.replicas.get(leaf.family.id, {}))
    listed = ", ".join(map(str, chunks[:SHOWN])) + (" …" if len(chunks) > SHOWN else "")
    workers = len(assign(leaf, placement, chunks, {})) if chunks else 0
    return [
        *found,
        ("restricted by", _restriction(leaf)),
        (
            "chunks",
            f"{'' if known == leaf else 'at most '}{len(chunks)} of {total}" + (f": {listed}" if chunks else ""),
        ),
        ("workers", str(workers)),
        ("bytes", str(weight(leaf, placement, chunks))),
    ]


def _restriction(leaf: Leaf) -> str:
    told = [] if leaf.restriction.chunks is None else [f"{len(leaf.restriction.chunks)} chunks of the region"]
    return "; ".join([*told, *map(_lookup, leaf.restriction.lookups)]) or "nothing: all chunks"


def _lookup(lookup: KeyLookup) -> str:
    name = f"{lookup.director.database}.{lookup.director.name}.{lookup.director.key}"
    if lookup.answer is not None:
        return f"index of {name}: the keys of {{answer{lookup.answer[0]}}}"
    if lookup.keys is not None:
        return f"index of {name}: {len(lookup.keys)} key{'' if len(lookup.keys) == 1 else 's'}"
    low = "" if lookup.low is None else f"{lookup.low} ≤ "
    high = "" if lookup.high is None else f" ≤ {lookup.high}"
    return f"index of {name}: {low}key{high}"
