"""A table's spec with the names of its columns written as they were declared."""

from __future__ import annotations

from qserv.catalog.messages import TableFacts
from qserv.catalog.spec import TableSpec


def declared(spec: TableSpec) -> TableSpec:
    """The same spec; ``key``, ``position`` and ``keys`` may name columns in another case than ``columns`` do."""
    names = {column.name.casefold(): column.name for column in spec.columns or ()}

    def pair(found: tuple[str, str] | None) -> tuple[str, str] | None:
        return (one(found[0]), one(found[1])) if found is not None else None

    def one(name: str) -> str:
        return names.get(name.casefold(), name)

    return spec.model_copy(
        update={
            "key": one(spec.key) if spec.key is not None else None,
            "position": pair(spec.position),
            "keys": pair(spec.keys),
        }
    )


def with_declared(facts: TableFacts) -> TableFacts:
    return facts.model_copy(update={"spec": declared(facts.spec)})
