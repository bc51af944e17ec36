"""Memory of the workers while they load: the same for three times the rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cluster import running
from bench.processes import anonymous_bytes
from bench.results import Results
from qserv.ingest.synth import synthesize

GOAL = "<= 1.25"
_SAMPLE_SECONDS = 0.1


def measure(results: Results, folder: Path, rows: Sequence[int]) -> None:
    """Each number of rows is loaded into a cluster of its own; files that are mapped do not count."""
    peaks = []
    for objects in rows:
        with TemporaryDirectory(prefix="memory-", dir=folder) as place:
            spec = synthesize(Path(place) / "survey", objects, 0, truth=False, database="memory")
            with (
                running(Path(place) / "home") as cluster,
                _highest([cluster.pid(name) for name in cluster.workers()]) as peak,
            ):
                cluster.load(spec)
        peaks.append(max(peak))
        results.add(f"{objects:,} rows: memory of the worker that needs most", peaks[-1] / 1e6, "MB")
    results.add(f"memory at {rows[-1]:,} rows / at {rows[0]:,}", peaks[-1] / peaks[0], "ratio", GOAL)


@contextmanager
def _highest(pids: Sequence[int]) -> Iterator[list[int]]:
    """The most anonymous memory that each process had within the context, sampled."""
    peaks = [anonymous_bytes(pid) for pid in pids]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            peaks[:] = [max(peak, anonymous_bytes(pid)) for peak, pid in zip(peaks, pids, strict=True)]

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peaks
    finally:
        ended.set()
        sampler.join()
