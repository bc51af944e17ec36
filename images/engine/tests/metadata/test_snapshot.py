"""A snapshot read by what changed is the snapshot read whole, whatever happened in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from qserv.catalog.messages import ContributionState, Failure, Heartbeat, StagedUnit
from qserv.catalog.metadata import Metadata, chores, compactions, ingests, snapshot, tables, units, workers
from qserv.catalog.model import FileKind, UnitKind, WorkerState
from qserv.catalog.spec import ColumnSpec, FamilySpec, TableSpec

COLUMNS = tuple(
    ColumnSpec(name=name, type=kind) for name, kind in (("id", "BIGINT"), ("ra", "DOUBLE"), ("decl", "DOUBLE"))
)
STAR = TableSpec.model_validate(
    {"name": "Star", "kind": "director", "key": "id", "position": ("ra", "decl"), "columns": COLUMNS}
)
FILTER = TableSpec.model_validate({"name": "Filter", "kind": "replicated", "columns": COLUMNS})


def beat(number: int) -> Heartbeat:
    return Heartbeat(
        flight=f"h:{number}",
        http=f"h:{number + 1}",
        boot="b",
        identity=f"disk-{number}",
        cluster=None,
        domain="",
        capacity=1 << 40,
        free=1 << 40,
    )


class World:
    """A database whose metadata is changed as the controller changes it."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.workers = [
            metadata.write(lambda connection, n=n: workers.register(connection, f"w{n}", beat(n), 0.0)).id
            for n in range(3)
        ]
        metadata.write(
            lambda connection: tables.create_database(
                connection, "sky", FamilySpec(stripes=10, substripes=2, overlap=0.1)
            )
        )

    def create(self, spec: TableSpec) -> None:
        self.metadata.write(lambda connection: tables.create_table(connection, "sky", spec))
        self.metadata.write(lambda connection: tables.set_published(connection, "sky", spec.name, True))

    def load(self, spec: TableSpec, numbers: list[int]) -> None:
        """A transaction that adds a file to each of some chunks, and the index."""
        table = self.metadata.read(lambda connection: tables.table(connection, "sky", spec.name))
        kind, scope = table.unit
        wanted = numbers if kind is UnitKind.CHUNK else [table.id]

        def work(connection: Connection) -> None:
            home = tables.database(connection, "sky")
            row = ingests.start(connection, home.id, {})
            chosen = {number: (self.workers[number % 3], self.workers[(number + 1) % 3]) for number in wanted}
            units.place(connection, kind, scope, chosen)
            staged = [
                StagedUnit(
                    table=table.id,
                    kind=FileKind.MAIN,
                    unit=kind,
                    number=number,
                    path=f"sky/{spec.name}/{units.folder(kind, number)}/main-{row.id}-{number:08x}.parquet",
                    sha256="0" * 64,
                    rows=5,
                    bytes=100,
                )
                for number in wanted
            ]
            ingests.enter_prepared(connection, row.id, self.workers[0], staged, {table.id: scope})
            ingests.set_state(connection, row.id, "committing", among=("started",))
            ingests.commit(connection, row.id, {})

        self.metadata.write(work)

    def compact(self) -> None:
        """Make the files of each chunk one, where there are several."""
        table = self.metadata.read(lambda connection: tables.table(connection, "sky", STAR.name))

        def work(connection: Connection) -> None:
            row = compactions.begin(connection, table.database.id, STAR.name)
            held = units.replicas(connection, [unit.id for unit in units.every(connection)])
            merged = []
            for unit in units.every(connection):
                old = tuple(units.files_of(connection, [unit.id]))
                if unit.kind is UnitKind.CHUNK and len(old) > 1:
                    new = StagedUnit(
                        table=table.id,
                        kind=FileKind.MAIN,
                        unit=unit.kind,
                        number=unit.number,
                        path=f"sky/Star/{unit.number}/main-{row.id}-{unit.number:08x}.parquet",
                        sha256="1" * 64,
                        rows=sum(file.rows for file in old),
                        bytes=sum(file.bytes for file in old) - 1,
                    )
                    merged.append(compactions.Merged(unit.id, old, new, held.get(unit.id, frozenset())))
            assert len(compactions.swap(connection, row.id, self.workers[0], merged)) == len(merged)

        self.metadata.write(work)

    def drop(self, spec: TableSpec) -> None:
        self.metadata.write(lambda connection: tables.drop_table(connection, "sky", spec.name))

    def forget(self, worker: int) -> None:
        held = [unit.id for unit in self.metadata.read(units.every) if worker in unit.workers]
        self.metadata.write(lambda connection: units.remove_replicas(connection, worker, held, collect=True))

    def whole(self) -> snapshot.Snapshot:
        return self.metadata.read(snapshot.load)


def test_what_is_committed_is_seen_and_what_is_not_is_not(metadata: Metadata) -> None:
    world = World(metadata)
    world.create(STAR)
    world.create(FILTER)
    before = metadata.snapshot()
    world.load(STAR, [3, 4, 500])
    world.load(FILTER, [])
    now = metadata.snapshot()
    star, filters = (now.catalog.table("SKY", name) for name in ("star", "FILTER"))
    assert star is not None
    assert filters is not None
    assert [column.name for column in star.columns] == ["id", "ra", "decl", "chunkId", "subChunkId"]
    assert [column.name for column in filters.columns] == ["id", "ra", "decl"]
    assert star.family is not None
    assert sorted(now.placement.files[star.id]) == [3, 4, 500]
    assert now.placement.files[star.id][3].rows == 5
    assert now.placement.replicas[star.family.id][3] == (world.workers[0], world.workers[1])
    assert now.placement.full_replicas[filters.id]
    assert before.placement.files == {}
    assert metadata.snapshot() is now


OPERATIONS = st.one_of(
    st.tuples(st.just("load"), st.lists(st.integers(0, 8), min_size=1, max_size=6, unique=True)),
    st.tuples(st.just("filter"), st.none()),
    st.tuples(st.just("compact"), st.none()),
    st.tuples(st.just("drop"), st.sampled_from([STAR, FILTER])),
    st.tuples(st.just("forget"), st.integers(0, 2)),
)


@given(operations=st.lists(OPERATIONS, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_what_changed_is_reading_all(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, Any]]
) -> None:
    metadata = Metadata(f"sqlite:///{tmp_path_factory.mktemp('m') / 'm.db'}", migrate_schema=True)
    world = World(metadata)
    for spec in (STAR, FILTER):
        world.create(spec)
    metadata.snapshot()
    for name, argument in operations:
        if name == "load":
            world.load(STAR, argument)
        elif name == "filter":
            world.load(FILTER, [])
        elif name == "drop":
            world.drop(argument)
            world.create(argument)
        elif name == "compact":
            world.compact()
        else:
            world.forget(world.workers[argument])
        seen, whole = metadata.snapshot(), world.whole()
        assert seen.catalog == whole.catalog
        assert seen.placement.files == whole.placement.files
        assert seen.placement.full_replicas == whole.placement.full_replicas
        assert seen.placement.replicas == whole.placement.replicas
    metadata.close()


def test_what_was_given_up_of_a_unit_stays_until_others_have_enough_of_it(metadata: Metadata) -> None:
    world = World(metadata)
    world.create(STAR)
    world.load(STAR, [3])
    first, second, third = world.workers
    unit = next(one for one in metadata.read(units.every))
    holder, other = unit.workers
    spare = next(one for one in (first, second, third) if one not in unit.workers)
    metadata.write(lambda connection: units.remove_replicas(connection, other, [unit.id], collect=True))

    def removable(copies: int) -> int:
        found = metadata.read(lambda connection: chores.collectable_garbage(connection, other, 10, copies, 1 << 40))
        return len(found)

    assert (removable(2), removable(1)) == (0, 1)
    metadata.write(lambda connection: units.add_replica(connection, unit.id, spare))
    assert removable(2) == 1
    metadata.write(lambda connection: workers.set_silent(connection, holder, WorkerState.SUSPECT))
    assert removable(2) == 0
    assert metadata.read(lambda connection: chores.stranded(connection, [other])) == {other}
    assert metadata.read(lambda connection: chores.stranded(connection, [other, spare])) == set()
    world.drop(STAR)
    assert removable(2) == 1


def test_a_contribution_of_a_former_attempt_is_not_heard(metadata: Metadata) -> None:
    world = World(metadata)
    world.create(STAR)
    home = metadata.read(lambda connection: tables.database(connection, "sky"))
    table = metadata.read(lambda connection: tables.table(connection, "sky", "Star"))
    row = metadata.write(lambda connection: ingests.start(connection, home.id, {}))
    one = metadata.write(lambda connection: ingests.contribute(connection, row.id, table.id, "a", "/a"))
    again = metadata.write(lambda connection: ingests.contribute(connection, row.id, table.id, "a", "/a"))
    assert one.id == again.id
    metadata.write(lambda connection: ingests.assign(connection, one.id, world.workers[0], {"w0": "b"}))
    lost = Failure(code="worker-failed", message="gone")
    metadata.write(lambda connection: ingests.requeue(connection, one.id, 1, lost))
    late = ContributionState(state="done", rows=7, workers=("w0",))
    metadata.write(lambda connection: ingests.report(connection, one.id, 1, late))
    now = metadata.read(lambda connection: ingests.contribution_in(connection, row.id, "a"))
    assert (now.state, now.attempt, now.rows) == ("queued", 2, 0)
