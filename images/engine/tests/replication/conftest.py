"""One cluster for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replication.smallcluster import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three workers and a controller."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        for number in range(3):
            made.start_worker(f"worker-{number}")
        yield made
    finally:
        made.close()
