"""A plan as text, for EXPLAIN."""

from __future__ import annotations

from qserv.catalog.model import FileKind
from qserv.sql.beforehand import shown, told
from qserv.sql.plan import KeyLookup, Leaf, Plan, Restriction, Source


def explain(plan: Plan) -> list[tuple[str, str]]:
    """Rows of (what, text): the preliminaries, for each leaf its tables, chunks and SQL, then the SQL of the merge."""
    rows: list[tuple[str, str]] = []
    for number, each in enumerate(plan.before):
        rows.append((f"answer{number}", told(each)))
        rows += [(f"answer{number} {what}", text) for what, text in explain(each.plan)]
    for leaf in plan.leaves:
        rows.append((f"{leaf.name} tables", ", ".join(_source(index, each) for index, each in enumerate(leaf.sources))))
        rows.append((f"{leaf.name} chunks", _where(leaf)))
        rows += [(f"{leaf.name} {what}", text) for what, text in pairs(leaf)]
        rows.append((f"{leaf.name} worker SQL", shown(leaf.sql)))
        if leaf.limit is not None:
            rows.append((f"{leaf.name} limit", f"{leaf.limit} rows suffice"))
    rows.append(("merge SQL", shown(plan.merge or "none: the workers' rows are the answer")))
    return rows


def pairs(leaf: Leaf) -> list[tuple[str, str]]:
    """Rows of (what, text): for each step of a leaf the radius, and the SQL of both sides."""
    rows: list[tuple[str, str]] = []
    for number, step in enumerate(leaf.steps):
        kept = "; rows without a neighbour too" if step.optional else ""
        rows.append((f"pairs{number}", f"neighbours within {step.radius:g} degrees{kept}"))
        rows.append((f"pairs{number} of", shown(step.first)))
        rows.append((f"pairs{number} with", shown(step.second or "one another")))
    return rows


def _source(index: int, source: Source) -> str:
    overlap = " (overlap)" if source.kind is FileKind.OVERLAP else ""
    return f"$s{index}: {source.table.database}.{source.table.name}{overlap}"


def _where(leaf: Leaf) -> str:
    if leaf.family is None:
        return "none: replicated tables, on one worker"
    parts = [*_chunks(leaf.restriction), *(_lookup(each) for each in leaf.restriction.lookups)]
    return "; ".join(parts) or "all"


def _chunks(restriction: Restriction) -> list[str]:
    if restriction.chunks is None:
        return []
    first = ", ".join(str(chunk) for chunk in sorted(restriction.chunks)[:20])
    more = f", … {len(restriction.chunks)} in all" if len(restriction.chunks) > 20 else ""
    return [f"{first}{more}" if restriction.chunks else "none"]


def _lookup(lookup: KeyLookup) -> str:
    key = f"{lookup.director.database}.{lookup.director.name}.{lookup.director.key}"
    if lookup.answer is not None:
        return f"where the director index finds {key} in {{answer{lookup.answer[0]}}}"
    if lookup.keys is not None:
        shown = ", ".join(str(each) for each in lookup.keys[:20])
        return f"where the director index finds {key} in ({shown}{', …' if len(lookup.keys) > 20 else ''})"
    low = "" if lookup.low is None else f"{lookup.low} <= "
    high = "" if lookup.high is None else f" <= {lookup.high}"
    return f"where the director index finds {low}{key}{high}"
