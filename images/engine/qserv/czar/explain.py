"""``EXPLAIN``: the plan as rows: what workers run, over which chunks, found how, and what the czar does with it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from qserv.catalog.model import FileKind, Placement
from qserv.czar.chunks import assign, weight
from qserv.sql.explain import pairs
from qserv.sql.plan import KeyLookup, Leaf, Plan

SHOWN = 20
"""How many chunk numbers are written out."""


def explain(plan: Plan, placement: Placement, chunks_of: Callable[[Leaf], tuple[int, ...]]) -> pa.Table:
    """One row a fact: ``step`` (a leaf's name, or merge), ``what``, ``value``."""
    rows: list[tuple[str, str, str]] = []
    for leaf in plan.leaves:
        rows += [(leaf.name, what, value) for what, value in _leaf(leaf, placement, chunks_of)]
    if plan.merge is None:
        rows.append(("merge", "merge", "none: rows stream to the client as they come"))
    else:
        rows.append(("merge", "merge sql", plan.merge))
    rows += [("warning", "warning", warning) for warning in plan.warnings]
    return pa.table({name: [row[index] for row in rows] for index, name in enumerate(("step", "what", "value"))})


def _leaf(leaf: Leaf, placement: Placement, chunks_of: Callable[[Leaf], tuple[int, ...]]) -> list[tuple[str, str]]:
    sources = ", ".join(
        f"$s{index} = {source.table.database}.{source.table.name}"
        + (" overlap" if source.kind is FileKind.OVERLAP else "")
        for index, source in enumerate(leaf.sources)
    )
    found = [*pairs(leaf), ("worker sql", leaf.sql), ("reads", sources)]
    if leaf.limit is not None:
        found.append(("limit", f"{leaf.limit} rows suffice"))
    if all(source.table.id < 0 for source in leaf.sources):
        return [*found, ("chunks", "none: the czar answers by itself")]
    if leaf.family is None:
        return [*found, ("chunks", "none: one worker answers from replicated tables")]
    chunks = chunks_of(leaf)
    total = len(placement.replicas.get(leaf.family.id, {}))
    listed = ", ".join(map(str, chunks[:SHOWN])) + (" …" if len(chunks) > SHOWN else "")
    workers = len(assign(leaf, placement, chunks, {})) if chunks else 0
    return [
        *found,
        ("restricted by", _restriction(leaf)),
        ("chunks", f"{len(chunks)} of {total}" + (f": {listed}" if chunks else "")),
        ("workers", str(workers)),
        ("bytes", str(weight(leaf, placement, chunks))),
    ]


def _restriction(leaf: Leaf) -> str:
    told = [] if leaf.restriction.chunks is None else [f"{len(leaf.restriction.chunks)} chunks of the region"]
    return "; ".join([*told, *map(_lookup, leaf.restriction.lookups)]) or "nothing: all chunks"


def _lookup(lookup: KeyLookup) -> str:
    name = f"{lookup.director.database}.{lookup.director.name}.{lookup.director.key}"
    if lookup.keys is not None:
        return f"index of {name}: {len(lookup.keys)} key{'' if len(lookup.keys) == 1 else 's'}"
    low = "" if lookup.low is None else f"{lookup.low} ≤ "
    high = "" if lookup.high is None else f" ≤ {lookup.high}"
    return f"index of {name}: {low}key{high}"
