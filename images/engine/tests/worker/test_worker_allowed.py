"""Which files of its machine a worker reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from qserv.catalog.errors import AccessDenied
from qserv.worker.allowed import refuse_foreign


def test_files_below_the_source_folders_may_be_read(tmp_path: Path) -> None:
    for url in (f"{tmp_path}/a.csv", f"file://{tmp_path}/sub/a.csv", "https://there/a.csv", "s3://there/a.parquet"):
        refuse_foreign(url, [tmp_path])


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "{}/../x.csv", "{}x/a.csv", "FILE:///etc/passwd"])
def test_other_files_may_not(tmp_path: Path, url: str) -> None:
    with pytest.raises(AccessDenied, match="QSERV_WORKER_SOURCE_DIRS"):
        refuse_foreign(url.format(tmp_path), [tmp_path])


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(AccessDenied):
        refuse_foreign(f"{tmp_path}/link/passwd", [tmp_path])


def test_without_folders_only_other_machines_are_read() -> None:
    refuse_foreign("https://there/a.csv", [])
    with pytest.raises(AccessDenied, match="none"):
        refuse_foreign("/data/a.csv", [])
