"""What befalls the cluster. Each mishap is undone as an operator would undo it, or heals by itself."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.cluster import Cluster, await_true
from chaos.askers import Askers
from qserv.catalog.resources import ScrubView


class Mishaps:
    """Mishaps of one cluster, by name.

    ``pause``: seconds for which a process is stopped by SIGSTOP.
    """

    def __init__(self, cluster: Cluster, askers: Askers, chance: random.Random, pause: float) -> None:
        self._cluster = cluster
        self._askers = askers
        self._chance = chance
        self._pause = pause

    def all(self) -> dict[str, Callable[[], None]]:
        found: dict[str, Callable[[], None]] = {
            f"{name} killed": self._killing(name) for name in ("czar", "replication", "worker-1")
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
            victim = self._chance.choice(self._cluster.main_files("synth", "Object", all_replicas=True))
            damage(victim)
            self._askers.answered(2)
            self.scrub()
            await_true(lambda: whole(victim), f"{victim} is not healed")

        return happen

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
