"""What befalls the cluster. Each mishap is undone as an operator would undo it, or heals by itself."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.cluster import Cluster, await_true
from bench.mariadb import Server
from chaos.askers import Askers
from qserv.catalog.resources import ScrubView
from qserv.ingest.synth import synthesize

_LOADED = 20_000
"""Objects of a load in which the metadata's database ends."""


class Mishaps:
    """Mishaps of one cluster, by name.

    ``pause``: seconds for which a process is stopped by SIGSTOP. ``database``: of the metadata, where it is a server.
    """

    def __init__(
        self, cluster: Cluster, askers: Askers, chance: random.Random, pause: float, database: Server | None
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._askers = askers
        self._chance = chance
        self._pause = pause
        self._loads = 0

    def all(self) -> dict[str, Callable[[], None]]:
        found: dict[str, Callable[[], None]] = {
            f"{name} killed": self._killing(name) for name in ("czar", "replication", "worker-1")
        }
        if self._database is not None:
            found |= {
                "metadata database killed": self._without_database(self._database),
                "metadata database killed in a load": self._loading_without_database(self._database),
            }
        return found | {
            "two workers killed": self.two_killed,
            "a worker wiped": self.wiped,
            "a file truncated": self._damaging(lambda path: os.truncate(path, path.stat().st_size // 2)),
            "bits flipped": self._damaging(flip),
            "a file deleted": self._damaging(Path.unlink),
            "a worker stopped": self.stopped,
        }

    def _killing(self, name: str) -> Callable[[], None]:
        def happen() -> None:
            self._cluster.kill(name)
            self._askers.answered(3)
            self._cluster.start()

        return happen

    def _without_database(self, database: Server) -> Callable[[], None]:
        def happen() -> None:
            database.kill()
            try:
                until = time.monotonic() + self._chance.uniform(0.5, 3.0)
                await_true(lambda: time.monotonic() > until, "time stands still")
            finally:
                database.start()
            self._askers.answered(3)

        return happen

    def _loading_without_database(self, database: Server) -> Callable[[], None]:
        """Rows of a load are there once, though what was decided of it had to wait."""

        def happen() -> None:
            self._loads += 1
            name = f"load{self._loads}"
            with tempfile.TemporaryDirectory(prefix="qserv-chaos-load-") as folder:
                spec = synthesize(Path(folder), _LOADED, 1.0, truth=False, database=name, objects_per_file=1 << 12)
                with ThreadPoolExecutor(1) as pool:
                    loading = pool.submit(self._cluster.load, spec)
                    self._without_database(database)()
                    loading.result()
            with self._cluster.connect(name) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT COUNT(*), COUNT(DISTINCT objectId) FROM Object")
                if cursor.fetchall() != ((_LOADED, _LOADED),):
                    self._askers.told.wrong.append(f"{name}: rows of a load are not there once")
            with self._cluster.controller() as controller:
                controller.drop_database(name)

        return happen

    def two_killed(self) -> None:
        """Factor 3: each chunk has a copy on another worker."""
        for worker in self._chance.sample(self._cluster.workers(), k=2):
            self._cluster.kill(worker)
        self._askers.answered(6)
        self._cluster.start()

    def wiped(self) -> None:
        """A new, empty disk under the old name."""
        worker = self._chance.choice(self._cluster.workers())
        self._cluster.kill(worker)
        shutil.rmtree(self._cluster.data(worker))
        self._askers.answered(3)
        self._cluster.start()

    def stopped(self) -> None:
        worker = self._cluster.pid(self._chance.choice(self._cluster.workers()))
        os.kill(worker, signal.SIGSTOP)
        try:
            until = time.monotonic() + self._pause
            await_true(lambda: time.monotonic() > until, "time stands still")
        finally:
            os.kill(worker, signal.SIGCONT)
        self._askers.answered(3)

    def _damaging(self, damage: Callable[[Path], object]) -> Callable[[], None]:
        def happen() -> None:
            # What a worker gave up stays for some seconds more, and nobody would heal it.
            await_true(self._tidy, "copies that were given up are still there")
            victim = self._chance.choice(self._cluster.main_files("synth", "Object", all_replicas=True))
            damage(victim)
            self._askers.answered(2)
            self.scrub()
            await_true(lambda: whole(victim), f"{victim} is not healed")

        return happen

    def _tidy(self) -> bool:
        """Whether the disks have as many copies as are wanted, and no more."""
        with self._cluster.controller() as controller:
            factor = controller.status().factor
        files = partial(self._cluster.main_files, "synth", "Object")
        return len(files(all_replicas=True)) == factor * len(files())

    def scrub(self) -> ScrubView:
        """Read all replicas anew."""
        with self._cluster.controller() as controller:
            began = controller.start_scrub()
            await_true(lambda: controller.scrub(began.id).ended is not None, "the scrub does not end")
            return controller.scrub(began.id)


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))


def whole(path: Path) -> bool:
    """Whether a stored file's bytes have the sum that its name begins to tell."""
    from qserv.storage.files import FileName, sum_of

    name = FileName.parse(path.name)
    return name is not None and path.is_file() and sum_of(path).startswith(name.digest)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """A file system of ``size`` bytes at ``place``; False where this user may not mount one."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", place], check=True)
