"""A loaded cluster of three workers, an empty one of two, and an object store that both reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup.objectstore import serving
from bench.cluster import Cluster, running
from qserv.catalog.spec import FamilySpec
from qserv.ingest.synth import synthesize


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The URL of an object store, which the environment names to all processes started from now on."""
    with serving() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield url


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backup")


@pytest.fixture(scope="session")
def survey(folder: Path) -> Path:
    """The load spec of a small survey: two directors, a child, a match table."""
    return synthesize(folder / "survey", 3000, 2.0, seed=4, family=FamilySpec(stripes=6, substripes=8, overlap=0.05))


@pytest.fixture(scope="session")
def source(folder: Path, survey: Path, store: str) -> Iterator[Cluster]:
    """Three workers with the survey."""
    with running(folder / "source", workers=3) as found:
        found.load(survey)
        yield found


@pytest.fixture(scope="session")
def standing(folder: Path, store: str) -> Iterator[Cluster]:
    """Two workers, shared."""
    with running(folder / "target", workers=2) as found:
        yield found


@pytest.fixture
def target(standing: Cluster) -> Iterator[Cluster]:
    """Two workers with nothing."""
    yield standing
    with standing.controller() as controller:
        for database in controller.databases():
            controller.drop_database(database.name)
