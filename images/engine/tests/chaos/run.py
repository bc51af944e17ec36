"""One run: a cluster of five workers, factor 3, that is asked while mishaps befall it one after another."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import mariadb
from bench.cluster import Cluster, running
from chaos.askers import QUERIES, Askers, ask
from chaos.mishaps import Mishaps, small_disk
from qserv.catalog.resources import SettingsWish, Status
from qserv.catalog.spec import FamilySpec
from qserv.ingest.synth import synthesize

WORKERS, FACTOR = 5, 3
FAMILY = FamilySpec(stripes=12, substripes=8, overlap=0.05)
FULL_DISK = 6 << 20
RESTORED_SECONDS = 300.0


@dataclass(frozen=True)
class Totals:
    """How a run ended. ``lost``: queries whose answer in the end is not that of the beginning."""

    mishaps: int
    right: int
    refused: int
    wrong: tuple[str, ...]
    lost: tuple[str, ...]
    seconds: float
    skipped: tuple[str, ...] = ()

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def well(self) -> bool:
        return not self.wrong and not self.lost

    def __str__(self) -> str:
        skipped = f", skipped: {', '.join(self.skipped)}" if self.skipped else ""
        return (
            f"{self.mishaps} mishaps, {self.right} right answers, {self.refused} refused, {len(self.wrong)} wrong,"
            f" {len(self.lost)} queries short of rows, factor {FACTOR} restored, {self.seconds:.0f} s{skipped}"
        )


def run(
    folder: Path,
    *,
    objects: int,
    seconds: float,
    pause: float,
    seed: int,
    only: tuple[str, ...] = (),
    server: bool = False,
    tell: Callable[[str], None] = lambda _text: None,
) -> Totals:
    """Every mishap once (or those of ``only``), then others at random until ``seconds`` have passed.

    With ``server`` the metadata is on a MariaDB server, which may end as all else.
    """
    began = time.monotonic()
    chance = random.Random(seed)
    with small_disk(folder / "home" / "workers" / f"worker-{WORKERS - 1}", FULL_DISK) as small:
        disk = small and not only
    skipped: tuple[str, ...] = () if disk or only else ("full disk: tmpfs may not be mounted here",)
    with ExitStack() as parts:
        database = parts.enter_context(mariadb.private()) if server and mariadb.installed() else None
        if server and database is None:
            skipped += ("metadata on MariaDB: mariadb-server is not installed",)
        cluster = parts.enter_context(running(folder / "home", WORKERS, _url(database)))
        with cluster.controller() as controller:
            controller.set_settings(SettingsWish(factor=FACTOR))
        cluster.load(synthesize(folder / "survey", objects, 2.0, seed=seed, truth=False, family=FAMILY))
        whole(cluster)
        with Askers(cluster) as askers:
            mishaps = Mishaps(cluster, askers, chance, pause, database).all()
            names = [name for name in mishaps if not only or name in only]
            count = 0
            while count < len(names) or time.monotonic() < began + seconds:
                name = names[count] if count < len(names) else chance.choice(names)
                tell(f"{time.monotonic() - began:6.0f} s  {name}")
                mishaps[name]()
                whole(cluster)
                count += 1
        if disk:
            tell(f"{time.monotonic() - began:6.0f} s  a full disk")
            full_disk(cluster, folder, seed)
            count += 1
        lost = tuple(name for name, sql in QUERIES.items() if ask(cluster, sql) != askers.expected[name])
    told = askers.told
    return Totals(
        count, sum(told.right.values()), len(told.errors), tuple(told.wrong), lost, time.monotonic() - began, skipped
    )


def _url(database: mariadb.Server | None) -> str | None:
    """Of a new database for metadata on a server."""
    if database is None:
        return None
    with mariadb.connect(database.socket) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE qserv_metadata")
    return f"mysql+pymysql://root@localhost/qserv_metadata?unix_socket={database.socket}"


def whole(cluster: Cluster) -> Status:
    """Wait until every chunk has all its copies again."""

    def restored() -> bool:
        with cluster.controller() as controller:
            found = controller.status()
        chunks = found.chunks
        online = sum(worker.state == "online" for worker in found.workers)
        return online == WORKERS and not (chunks.under_replicated or chunks.lost or chunks.at_risk or chunks.moving)

    # A worker that was wiped is given every chunk again.
    deadline = time.monotonic() + RESTORED_SECONDS
    while not restored():
        if time.monotonic() > deadline:
            with cluster.controller() as controller:
                raise RuntimeError(f"the factor is not restored: {controller.status().chunks}")
        time.sleep(0.2)
    with cluster.controller() as controller:
        return controller.status()


def full_disk(cluster: Cluster, folder: Path, seed: int) -> None:
    """A worker comes back with a disk that is far too small: a load and the repair go on without it."""
    victim = f"worker-{WORKERS - 1}"
    cluster.kill(victim)
    with small_disk(cluster.data(victim), FULL_DISK) as small:
        if not small:
            return
        cluster.start()
        cluster.load(
            synthesize(folder / "more", 20_000, 1.0, seed=seed + 1, truth=False, database="more", family=FAMILY)
        )
        with cluster.connect("more") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM Object")
            if cursor.fetchall() != ((20_000,),):
                raise RuntimeError("rows of a load beside a full disk are lost")
        cluster.kill(victim)
    cluster.start()
    whole(cluster)
