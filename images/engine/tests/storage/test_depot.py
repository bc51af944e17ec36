"""Folders of backups."""

from __future__ import annotations

from pathlib import Path

import pytest

from qserv.catalog.errors import DataError, Unavailable
from qserv.storage.depot import Folder


def test_a_folder_that_cannot_be_made_is_not_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("no folder")
    with pytest.raises(Unavailable, match="workspace/backup: Not a directory"):
        Folder(tmp_path / "workspace" / "backup").put("a", [b"x"])


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield b"x"
        raise DataError("the source is damaged")

    depot = Folder(tmp_path)
    depot.put("sky/a", [b"whole"])
    for path in ("sky/a", "sky/b"):
        with pytest.raises(DataError):
            depot.put(path, broken())
    assert depot.sizes() == {"sky/a": 5}
    assert [path.name for path in (tmp_path / "sky").iterdir()] == ["a"]
