"""Catalogs are exported and restored, whatever happens meanwhile, to a folder and to an object store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backup.objectstore import BUCKET
from bench.cluster import Cluster, await_true
from qserv.catalog.errors import AlreadyExists, Conflict, DataError, NotFound, QservError, from_code
from qserv.catalog.resources import BackupKind, BackupView, BackupWish
from qserv.ingest.load import Load
from qserv.ingest.specfile import read_spec

QUERIES = (
    "SELECT COUNT(*), SUM(objectId), MIN(ra), MAX(decl) FROM Object",
    "SELECT COUNT(*), SUM(sourceId), SUM(chunkId) FROM Source",
    "SELECT COUNT(*) FROM Object o JOIN Source s ON o.objectId = s.objectId WHERE o.decl > 0",
    "SELECT COUNT(*) FROM Object a, Object b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < 0.016",
)


def answers(cluster: Cluster) -> list[tuple[tuple[object, ...], ...]]:
    found = []
    with cluster.connect("synth") as connection, connection.cursor() as cursor:
        for sql in QUERIES:
            cursor.execute(sql)
            found.append(tuple(cursor.fetchall()))
        # A point query goes by the director's index, which was restored too.
        cursor.execute("SELECT MAX(objectId) FROM Object")
        (key,) = cursor.fetchone() or (None,)
        cursor.execute(f"SELECT objectId, ra, decl FROM Object WHERE objectId = {key}")
        found.append(tuple(cursor.fetchall()))
    return found


def ended(cluster: Cluster, kind: BackupKind, url: object, *databases: str) -> BackupView:
    """An export or import at its end; raises as it failed."""
    with cluster.controller() as controller:
        began = controller.start_backup(BackupWish(kind=kind, url=str(url), databases=databases))
        await_true(lambda: controller.backup(began.id).ended is not None, f"{kind} does not end")
        found = controller.backup(began.id)
    if found.failure is not None:
        raise from_code(found.failure.code, found.failure.message, **found.failure.details)
    return found


def test_a_catalog_comes_back_in_a_cluster_of_another_size(source: Cluster, target: Cluster, tmp_path: Path) -> None:
    there = tmp_path / "backup"
    out = ended(source, "export", there)
    assert out.state == "done"
    assert out.files == out.total_files > 0
    back = ended(target, "import", there)
    assert back.state == "done"
    assert back.total_bytes == out.total_bytes
    assert answers(target) == answers(source)
    with source.controller() as before, target.controller() as after:
        was, now = (
            [(table.name, table.rows, table.published, table.margin) for table in one.database("synth").tables]
            for one in (before, after)
        )
        assert sorted(now) == sorted(was)
        status = after.status()
    assert (status.chunks.under_replicated, status.chunks.lost) == (0, 0)
    assert not list(target.home.path.rglob(".tmp-*"))


def test_any_parquet_reader_reads_a_backup(source: Cluster, tmp_path: Path) -> None:
    ended(source, "export", tmp_path / "backup", "synth")
    rows = sum(pq.read_metadata(path).num_rows for path in (tmp_path / "backup").glob("synth/Object/*/main-*.parquet"))
    with source.controller() as controller:
        assert rows == next(t.rows for t in controller.database("synth").tables if t.name == "Object")


def test_a_catalog_goes_through_an_object_store(source: Cluster, target: Cluster) -> None:
    for cluster, command in ((source, "export"), (target, "import")):
        done = subprocess.run(
            [sys.executable, "-m", "qserv.cli.main", command, f"s3://{BUCKET}/nightly", "--home", cluster.home.path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert f"{command} of" in done.stderr
    assert answers(target) == answers(source)


def test_an_export_goes_on_where_it_stopped(source: Cluster, tmp_path: Path) -> None:
    there = tmp_path / "backup"
    ended(source, "export", there)
    (there / "manifest.json").unlink()
    mains = sorted(there.glob("synth/Object/*/main-*.parquet"))
    kept = {path: path.stat().st_mtime_ns for path in mains[2:]}
    mains[0].unlink()
    mains[1].write_bytes(b"cut short")
    ended(source, "export", there)
    assert (there / "manifest.json").exists()
    assert pq.read_metadata(mains[0]).num_rows + pq.read_metadata(mains[1]).num_rows > 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_rows_that_were_added_are_added_to_the_backup(
    source: Cluster, target: Cluster, survey: Path, tmp_path: Path
) -> None:
    """The same children twice, as two transactions loaded them: they come back twice."""
    there = tmp_path / "backup"
    ended(source, "export", there)
    spec = read_spec(survey)
    children = spec.model_copy(update={"tables": tuple(t for t in spec.tables if t.name == "Source")})
    with source.controller() as controller:
        Load(controller, children, survey.parent, append=True).run()
    ended(source, "export", there)
    ended(target, "import", there)
    assert answers(target) == answers(source)


def test_a_damaged_replica_is_not_exported(source: Cluster, target: Cluster, tmp_path: Path) -> None:
    victim = source.main_files("synth", "Object")[0]
    content = victim.read_bytes()
    try:
        victim.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        ended(source, "export", tmp_path / "backup")
    finally:
        victim.write_bytes(content)
    ended(target, "import", tmp_path / "backup")
    assert answers(target) == answers(source)


def test_a_damaged_backup_leaves_nothing_behind(source: Cluster, target: Cluster, tmp_path: Path) -> None:
    there = tmp_path / "backup"
    ended(source, "export", there)
    victim = sorted(there.glob("synth/Object/*/main-*.parquet"))[0]
    content = victim.read_bytes()
    victim.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(DataError, match="damaged"):
        ended(target, "import", there)
    with target.controller() as controller:
        assert controller.databases() == ()
    await_true(lambda: not target.main_files("synth", "Object"), "files of the failed import stay")
    victim.write_bytes(content)
    ended(target, "import", there)
    assert answers(target) == answers(source)


def test_a_controller_and_a_worker_that_are_killed_do_not_stop_an_import(
    source: Cluster, target: Cluster, tmp_path: Path
) -> None:
    there = tmp_path / "backup"
    ended(source, "export", there)
    with target.controller() as controller:
        began = controller.start_backup(BackupWish(kind="import", url=str(there)))
        for victim in ("replication", "worker-0"):
            target.kill(victim)
            target.start()
        await_true(lambda: controller.backup(began.id).ended is not None, "the import does not end")
        assert controller.backup(began.id).state == "done"
    assert answers(target) == answers(source)


def test_what_cannot_be_done_is_refused(source: Cluster, target: Cluster, tmp_path: Path) -> None:
    there = tmp_path / "backup"
    with pytest.raises(NotFound, match="no backup"):
        ended(target, "import", there)
    with pytest.raises(DataError, match="absolute path"):
        ended(target, "import", "backups/nightly")
    ended(source, "export", there)
    with pytest.raises(NotFound, match="no database 'gaia'"):
        ended(target, "import", there, "gaia")
    with pytest.raises(AlreadyExists):
        ended(source, "import", there)
    assert answers(source)[0][0][0] == 3000
    with pytest.raises(Conflict, match="another place"):
        ended(target, "export", there)
    with pytest.raises(QservError, match="no database"):
        ended(source, "export", tmp_path / "other", "gaia")
