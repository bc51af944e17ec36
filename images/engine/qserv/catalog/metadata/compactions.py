"""Small files of a unit that become one: a transaction of its own, which adds no rows.

Its state is ``compacting`` until it is ``committed`` or ``aborted``. The new files carry its number in their names, and
are known to nobody before :func:`swap`; a controller that finds one which it did not begin aborts it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from qserv.catalog.messages import StagedUnit
from qserv.catalog.metadata import ingests, schema, units
from qserv.catalog.metadata.chores import bump, collect_later
from qserv.catalog.metadata.ingests import IngestRow
from qserv.catalog.metadata.units import FileRow
from qserv.catalog.model import FileKind


@dataclass(frozen=True, slots=True)
class Merged:
    """A unit's ``old`` files, and the ``new`` one with the same rows, which all replicas ``held`` have.

    ``held`` is as :func:`qserv.catalog.metadata.units.replicas` tells it.
    """

    unit: int
    old: tuple[FileRow, ...]
    new: StagedUnit
    held: frozenset[tuple[int, int]]


def crowded(connection: Connection, least: int, limit: int, *, index: bool) -> list[int]:
    """Ids of units that have at least ``least`` files of one table and kind; of the index only where ``index``."""
    f = schema.file.c
    kinds = [kind for kind in FileKind if index or kind is not FileKind.INDEX]
    query = (
        select(f.unit_id)
        .where(f.version.is_not(None), f.kind.in_(kinds))
        .group_by(f.unit_id, f.table_id, f.kind)
        .having(func.count() >= least)
        .limit(limit)
    )
    return sorted(set(connection.execute(query).scalars()))


def begin(connection: Connection, database_id: int, table: str) -> IngestRow:
    row = ingests.start(connection, database_id, {"compaction": table})
    values = {"state": "compacting"}
    connection.execute(update(schema.ingest).where(schema.ingest.c.id == row.id).values(values))
    return ingests.get(connection, row.id)


def swap(connection: Connection, transaction: int, worker: int, merged: Sequence[Merged]) -> list[Merged]:
    """Let the new files take the place of the old ones, all at once; answers those that did.

    A unit is left as it is where an old file is gone meanwhile, or a worker was given it that lacks the new file. All
    other files, old or new, are collected once no query reads them.
    """
    ingests.set_state(connection, transaction, "committed", among=("compacting",))
    version = bump(connection)
    there = {file.id for file in units.files_of(connection, [one.unit for one in merged])}
    held = units.replicas(connection, [one.unit for one in merged])
    done = []
    for one in merged:
        now = held.get(one.unit)
        if now is not None and now <= one.held and there.issuperset(old.id for old in one.old):
            _replace(connection, transaction, worker, one, version)
            done.append(one)
            unwanted = [old.path for old in one.old]
            _forget_unit(connection, one.unit, unwanted)
        else:
            unwanted = [one.new.path]
        for holder in sorted({worker, *(holder for holder, _ in one.held)}):
            collect_later(connection, holder, unwanted, version, None)
    return done


def abort(connection: Connection, transaction: int) -> None:
    """Give a compaction up, be it that its database is gone: every worker is to remove what it has of it."""
    mine = schema.ingest.c.id == transaction
    connection.execute(update(schema.ingest).where(mine).values(state="aborted", ended=time.time()))
    ingests.discard_everywhere(connection, transaction, aborted=True)


def _replace(connection: Connection, transaction: int, worker: int, one: Merged, version: int) -> None:
    f, u = schema.file.c, schema.unit.c
    connection.execute(delete(schema.file).where(f.id.in_([old.id for old in one.old])))
    new = one.new
    connection.execute(
        insert(schema.file).values(
            table_id=new.table,
            unit_id=one.unit,
            kind=new.kind,
            name=new.path.rpartition("/")[2],
            sha256=new.sha256,
            rows=new.rows,
            bytes=new.bytes,
            transaction_id=transaction,
            source_id=worker,
            version=version,
        )
    )
    grown = new.bytes - sum(old.bytes for old in one.old)
    changed = {"bytes": u.bytes + grown, "changed": version, "replaced": version}
    connection.execute(update(schema.unit).where(u.id == one.unit).values(changed))


def _forget_unit(connection: Connection, unit: int, paths: Collection[str]) -> None:
    """Files that workers gave up are of the unit no longer: nobody needs them again."""
    g = schema.garbage.c
    given_up = g.path.in_(sorted(paths))
    connection.execute(update(schema.garbage).where(g.unit_id == unit, given_up).values(unit_id=None))
