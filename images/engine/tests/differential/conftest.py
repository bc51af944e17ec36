"""A local cluster with the rows that MariaDB has, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymysql.connections import Connection

from bench.cluster import Cluster, running
from differential.samples import samples, write_sample


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three workers that hold every chunk twice."""
    folder = tmp_path_factory.mktemp("differential")
    with running(folder / "cluster") as found:
        for sample in samples():
            found.load(write_sample(folder / sample.spec.database, sample))
        yield found


@pytest.fixture(scope="session")
def ours(cluster: Cluster) -> Iterator[Connection]:
    """A connection to the czar."""
    with cluster.connect() as connection:
        yield connection
