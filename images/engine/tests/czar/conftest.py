"""The small sky and its czar, one for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from czar.smallsky import Cluster, czar_settings, fill, make_worker, objects, running_czar
from qserv.catalog.metadata import Metadata


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("czar")
    (folder / "secret").write_text("a secret of the tests\n")
    metadata = Metadata(f"sqlite:///{folder / 'metadata.db'}", migrate_schema=True)
    processes = [make_worker(folder, f"worker-{number}") for number in range(3)]
    rows = objects()
    for worker in processes:
        worker.start()
    try:
        metadata.write(lambda connection: fill(connection, processes, rows))
        found = Cluster(folder, metadata, processes, rows)
        with running_czar(czar_settings(folder)) as ports:
            found.ports = ports
            yield found
    finally:
        for worker in processes:
            worker.stop()
        metadata.close()
