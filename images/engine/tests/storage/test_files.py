"""Names of stored files, and publishing: whole under a new name, or not at all."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qserv.catalog.errors import DataError, FileMissing
from qserv.catalog.model import FileKind, UnitKind
from qserv.storage.files import (
    FileName,
    HashingFile,
    existing,
    folder_of,
    inventory,
    remove,
    resolve,
    sum_of,
    sweep,
)
from qserv.storage.publishing import Batch, publish, receive

FOLDER = folder_of("sky", "Object", UnitKind.CHUNK, 4711)


def write(content: bytes):  # type: ignore[no-untyped-def]
    def to(target: HashingFile) -> None:
        target.write(content[:3])
        target.write(content[3:])

    return to


def test_a_published_file_carries_its_sum(tmp_path: Path) -> None:
    stored = publish(tmp_path, FOLDER, FileKind.MAIN, 7, write(b"rows and rows"))
    digest = hashlib.sha256(b"rows and rows").hexdigest()
    assert stored.path == f"sky/Object/4711/main-7-{digest[:8]}.parquet"
    assert (stored.sha256, stored.bytes) == (digest, 13)
    assert existing(tmp_path, stored.path).read_bytes() == b"rows and rows"
    assert sum_of(tmp_path / stored.path) == digest
    assert list(inventory(tmp_path)) == [(stored.path, 13)]


def test_publishing_again_is_the_same_file(tmp_path: Path) -> None:
    first = publish(tmp_path, FOLDER, FileKind.OVERLAP, 7, write(b"abcdef"))
    assert publish(tmp_path, FOLDER, FileKind.OVERLAP, 7, write(b"abcdef")) == first
    assert len(list(inventory(tmp_path))) == 1


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(target: HashingFile) -> None:
        target.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path, FOLDER, FileKind.MAIN, 1, fail)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_units_have_folders() -> None:
    assert folder_of("d", "t", UnitKind.INDEX, 3) == "d/t/index-3"
    assert folder_of("d", "t", UnitKind.FULL, 12) == "d/t/full"


@pytest.mark.parametrize("name", ["main-7-0123abcd.parquet", "overlap-0-ffffffff.parquet", "index-12-00000000.arrow"])
def test_names_are_read_back(name: str) -> None:
    assert str(FileName.parse(name)) == name


@pytest.mark.parametrize(
    "name", ["main-7-0123abcd.arrow", "index-1-0123abcd.parquet", "main-7-0123ABCD.parquet", ".tmp-1", "main.parquet"]
)
def test_other_names_are_not_ours(name: str) -> None:
    assert FileName.parse(name) is None


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "sky/../../x", "sky//x", "sky/./x", "sky/.hidden", "sky\\..\\x", "sky/x\0", "sky/"],
)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError):
        resolve(tmp_path, path)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "sky").symlink_to("/etc")
    with pytest.raises(DataError, match="out of the data folder"):
        existing(data, "sky/passwd")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="not on this worker"):
        existing(tmp_path, "sky/Object/1/main-1-00000000.parquet")


def test_a_copy_is_checked(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    stored = publish(here, FOLDER, FileKind.MAIN, 7, write(b"0123456789"))
    assert receive(there, stored.path, stored.sha256, stored.bytes, [b"01234", b"56789"]) == stored
    assert (there / stored.path).read_bytes() == b"0123456789"


@pytest.mark.parametrize("blocks", [[b"012345678"], [b"0123456788"], [b"0123456789", b"0"], []])
def test_a_damaged_copy_leaves_nothing(tmp_path: Path, blocks: list[bytes]) -> None:
    digest = hashlib.sha256(b"0123456789").hexdigest()
    with pytest.raises(DataError, match="damaged"):
        receive(tmp_path, f"{FOLDER}/main-7-{digest[:8]}.parquet", digest, 10, blocks)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_copy_under_another_sums_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not the name"):
        receive(tmp_path, f"{FOLDER}/main-7-00000000.parquet", hashlib.sha256(b"x").hexdigest(), 1, [b"x"])


def test_removing_takes_empty_folders_along(tmp_path: Path) -> None:
    one = publish(tmp_path, FOLDER, FileKind.MAIN, 1, write(b"one"))
    two = publish(tmp_path, folder_of("sky", "Source", UnitKind.CHUNK, 1), FileKind.MAIN, 1, write(b"two"))
    assert remove(tmp_path, [one.path, one.path]) == 1
    assert [path.name for path in (tmp_path / "sky").iterdir()] == ["Source"]
    assert remove(tmp_path, [two.path]) == 1
    assert list(tmp_path.iterdir()) == []


def test_many_remove_and_write_in_the_same_folders(tmp_path: Path) -> None:
    def again(worker: int) -> None:
        for turn in range(300):
            one = publish(tmp_path, FOLDER, FileKind.MAIN, worker, write(f"{worker} {turn}".encode()))
            list(inventory(tmp_path))
            remove(tmp_path, [one.path, shared])

    shared = f"{FOLDER}/main-1-00000000.parquet"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(again, range(4)))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_goes_while_it_is_listed_is_left_out(tmp_path: Path) -> None:
    one = publish(tmp_path, FOLDER, FileKind.MAIN, 1, write(b"one"))
    (tmp_path / FOLDER / "main-2-00000000.parquet").symlink_to("nowhere")
    assert list(inventory(tmp_path)) == [(one.path, 3)]


def test_what_a_crash_left_is_swept_and_never_listed(tmp_path: Path) -> None:
    stored = publish(tmp_path, FOLDER, FileKind.MAIN, 1, write(b"one"))
    (tmp_path / FOLDER / ".tmp-dead").write_bytes(b"half")
    assert [path for path, _ in inventory(tmp_path)] == [stored.path]
    assert sweep(tmp_path) == 1
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [Path(stored.path).name]


def test_an_inventory_below_a_prefix(tmp_path: Path) -> None:
    one = publish(tmp_path, FOLDER, FileKind.MAIN, 1, write(b"one"))
    publish(tmp_path, folder_of("other", "Object", UnitKind.CHUNK, 1), FileKind.MAIN, 1, write(b"two"))
    assert list(inventory(tmp_path, "sky")) == [(one.path, 3)]
    assert list(inventory(tmp_path, "nothing/here")) == []


def test_a_batch_names_its_files_when_it_is_finished(tmp_path: Path) -> None:
    folders = [folder_of("sky", "Object", UnitKind.CHUNK, number) for number in range(20)]
    with Batch(tmp_path) as batch:
        made = [batch.write(folder, FileKind.MAIN, 7, write(folder.encode())) for folder in folders]
        assert list(inventory(tmp_path)) == []
        assert batch.finish() == tuple(made)
    assert sorted(inventory(tmp_path)) == sorted((one.path, one.bytes) for one in made)
    assert [sum_of(tmp_path / one.path) for one in made] == [one.sha256 for one in made]
    assert sweep(tmp_path) == 0


def test_a_batch_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with Batch(tmp_path) as batch:
        batch.write(FOLDER, FileKind.MAIN, 7, write(b"whole"))
    assert list(inventory(tmp_path)) == []
    assert sweep(tmp_path) == 0


def test_a_batch_of_copies_keeps_the_whole_ones(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"whole").hexdigest()
    good = f"{FOLDER}/main-7-{digest[:8]}.parquet"
    with Batch(tmp_path) as batch:
        stored = batch.receive(good, digest, 5, [b"wh", b"ole"])
        with pytest.raises(DataError, match="damaged"):
            batch.receive(good, digest, 5, [b"wh"])
        assert batch.finish() == (stored,)
    assert (tmp_path / good).read_bytes() == b"whole"
    assert sweep(tmp_path) == 0
