"""A cluster whose processes the tests kill, with a few of the differential suite's tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cluster import Cluster, running
from differential.samples import samples, write_sample


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def standing(folder: Path) -> Iterator[Cluster]:
    """Three workers that hold every chunk twice; shared, so a test leaves it whole."""
    with running(folder / "cluster") as found:
        for sample in samples():
            if sample.spec.database in ("gaia", "synth"):
                found.load(write_sample(folder / sample.spec.database, sample))
        yield found


@pytest.fixture
def cluster(standing: Cluster) -> Iterator[Cluster]:
    """The cluster, all of whose processes run before and after the test."""
    yield standing
    standing.start()
