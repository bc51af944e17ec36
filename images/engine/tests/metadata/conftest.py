"""Metadata on both databases that it runs on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from qserv.catalog.metadata import Metadata


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'metadata.db'}"
    server = request.getfixturevalue("mariadb")
    name = f"meta_{uuid.uuid4().hex[:8]}"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={server.socket}"


@pytest.fixture
def metadata(url: str) -> Iterator[Metadata]:
    opened = Metadata(url, migrate_schema=True, patience=10.0)
    yield opened
    opened.close()
