"""Transactions at the same time: what one decides from what it read is right when it commits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection

from metadata.test_snapshot import STAR, beat
from qserv.catalog.errors import AlreadyExists
from qserv.catalog.metadata import Metadata, chores, tables, workers
from qserv.catalog.spec import FamilySpec, TableSpec

AT_ONCE = 8


def test_a_change_that_was_decided_from_rows_which_others_changed_is_decided_anew(metadata: Metadata) -> None:
    metadata.write(lambda connection: chores.set_settings(connection, {"counted": 0}))

    def count(connection: Connection, meanwhile: Callable[[], None]) -> None:
        before = chores.settings(connection)["counted"]
        meanwhile()
        chores.bump(connection)
        chores.set_settings(connection, {"counted": before + 1})

    other = threading.Thread(target=lambda: metadata.write(lambda connection: count(connection, lambda: None)))

    def let_the_other_go_first() -> None:
        if other.ident is None:
            other.start()
            # on MariaDB it commits in this moment; on SQLite it waits until this transaction has ended
            other.join(timeout=1.0)

    metadata.write(lambda connection: count(connection, let_the_other_go_first))
    other.join()
    assert metadata.read(chores.settings)["counted"] == 2


def _all_at_once(act: Callable[[int], object]) -> list[object]:
    """What the act answers, or raises, for each of some numbers."""
    ready = threading.Barrier(AT_ONCE)

    def one(number: int) -> object:
        ready.wait()
        try:
            return act(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_databases_and_tables_may_be_created_by_many_at_once(metadata: Metadata) -> None:
    family = FamilySpec(stripes=10, substripes=2, overlap=0.1)

    def database(number: int) -> tables.DatabaseRow:
        return metadata.write(lambda connection: tables.create_database(connection, f"sky{number % 2}", family))

    rows = _all_at_once(database)
    assert {row.name for row in rows if isinstance(row, tables.DatabaseRow)} == {"sky0", "sky1"}, rows
    assert len({row.family for row in rows if isinstance(row, tables.DatabaseRow)}) == 1

    def table(_number: int) -> tables.TableRow:
        return metadata.write(lambda connection: tables.create_table(connection, "sky0", STAR))

    made = _all_at_once(table)
    assert sum(isinstance(one, tables.TableRow) for one in made) == 1, made
    assert sum(isinstance(one, AlreadyExists) for one in made) == AT_ONCE - 1, made


def test_a_worker_may_register_twice_at_once(metadata: Metadata) -> None:
    def register(_number: int) -> workers.WorkerRow:
        return metadata.write(lambda connection: workers.register(connection, "w", beat(1), 0.0))

    rows = _all_at_once(register)
    assert len({row.id for row in rows if isinstance(row, workers.WorkerRow)}) == 1, rows
    assert all(isinstance(row, workers.WorkerRow) for row in rows), rows


def test_tables_are_found_by_number_name_and_database(metadata: Metadata) -> None:
    family = FamilySpec(stripes=10, substripes=2, overlap=0.1)
    for name in ("one", "two"):
        metadata.write(lambda connection, name=name: tables.create_database(connection, name, family))
    filters = TableSpec.model_validate({"name": "Filter", "kind": "replicated", "columns": STAR.columns})
    made = [
        metadata.write(lambda connection, home=home, spec=spec: tables.create_table(connection, home, spec))
        for home, spec in (("one", STAR), ("two", STAR), ("two", filters))
    ]
    assert made[2].database.name == "two"
    for row in made:
        named = row.database.name, row.spec.name
        assert metadata.read(lambda connection, row=row: tables.by_id(connection, row.id)) == row
        assert metadata.read(lambda connection, named=named: tables.table(connection, *named)) == row
    home = metadata.read(lambda connection: tables.database(connection, "TWO"))
    assert metadata.read(lambda connection: tables.tables(connection, home)) == made[1:]
