"""The schema comes by migrations, on both databases, and programs of other versions are told so."""

from __future__ import annotations

import socket
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, text

from qserv.catalog.errors import Conflict, SchemaOutdated, SchemaVersion, Unavailable
from qserv.catalog.metadata import Metadata, chores, engine, schema


def test_migrations_make_the_schema_that_the_program_uses(metadata: Metadata) -> None:
    def difference(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))

    assert metadata.read(difference) == []


def test_opening_twice_changes_nothing(url: str, metadata: Metadata) -> None:
    cluster = metadata.read(chores.cluster)
    again = Metadata(url, migrate_schema=True)
    assert again.read(chores.cluster) == cluster
    again.close()


def test_several_controllers_may_start_at_once(url: str) -> None:
    opened: list[Metadata] = []
    threads = [threading.Thread(target=lambda: opened.append(Metadata(url, migrate_schema=True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.read(chores.cluster) for one in opened}) == 1
    assert len(opened) == 4
    for one in opened:
        one.close()


@pytest.mark.parametrize("statements", [1, 7, 30, 42])
def test_a_migration_that_was_broken_off_is_run_again(url: str, statements: int) -> None:
    class BrokenOffError(Exception):
        pass

    changes = 0

    def break_off(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal changes
        changes += statement.lstrip().startswith(("CREATE", "ALTER", "DROP"))
        if changes > statements:
            raise BrokenOffError

    event.listen(Engine, "before_cursor_execute", break_off)
    try:
        with pytest.raises(BrokenOffError):
            Metadata(url, migrate_schema=True)
    finally:
        event.remove(Engine, "before_cursor_execute", break_off)
    with pytest.raises(SchemaOutdated):
        Metadata(url)
    again = Metadata(url, migrate_schema=True)
    test_migrations_make_the_schema_that_the_program_uses(again)
    again.close()


def test_an_empty_database_is_refused_by_all_but_the_controller(url: str) -> None:
    with pytest.raises(SchemaOutdated, match="start the replication controller first"):
        Metadata(url)


def test_an_older_program_refuses_newer_metadata(url: str, metadata: Metadata) -> None:
    metadata.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    for migrate in (False, True):
        with pytest.raises(SchemaVersion, match="9999 is newer than this program"):
            Metadata(url, migrate_schema=migrate)


def test_other_databases_and_bad_urls_are_refused_without_showing_them() -> None:
    with pytest.raises(Conflict, match="postgresql"):
        Metadata("postgresql://me:secret@host/db")
    with pytest.raises(Conflict) as caught:
        Metadata("not a url with secret")
    assert "secret" not in caught.value.message


def test_a_database_that_does_not_answer_is_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="did not answer"):
            Metadata(f"mysql+pymysql://root@127.0.0.1:{held.getsockname()[1]}/x", patience=0.2)


def test_a_mariadb_that_lacks_what_is_needed_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if url.startswith("sqlite"):
        pytest.skip("SQLite comes with Python")
    monkeypatch.setattr(engine, "_SESSION", engine._SESSION.replace("snapshot_isolation", "of_a_later_version"))
    with pytest.raises(Conflict, match=r"too old \(Unknown system variable '\w+'\): take MariaDB"):
        Metadata(url, migrate_schema=True)
