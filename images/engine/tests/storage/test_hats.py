"""HATS catalogs, laid out as hats-import lays them out, are found by their folder: on disk and on a web server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.catalog.errors import DataError
from qserv.catalog.spec import Format, SourceSpec
from qserv.storage.readers import file_columns, open_rows
from qserv.storage.sources import expand

PIXELS = {(1, 3): 5, (2, 17): 7, (5, 12_007): 4}  # (order, pixel): rows


def write_hats(catalog: Path) -> None:
    """A catalog of three pixels, with the summaries that lie beside its rows."""
    catalog.mkdir(parents=True)
    (catalog / "hats.properties").write_text("obs_collection=small\ndataproduct_type=object\nhats_nrows=16\n")
    (catalog / "partition_info.csv").write_text("Norder,Npix\n" + "".join(f"{o},{p}\n" for o, p in PIXELS))
    first = 0
    for (order, pixel), rows in PIXELS.items():
        leaf = catalog / f"dataset/Norder={order}/Dir={pixel // 10_000 * 10_000}/Npix={pixel}.parquet"
        leaf.parent.mkdir(parents=True, exist_ok=True)
        numbers = np.arange(first, first + rows)
        columns = {"_healpix_29": numbers << 40, "id": numbers, "ra": numbers * 3.0, "dec": numbers - 8.0}
        pq.write_table(pa.table(columns), leaf)
        first += rows
    pq.write_table(pa.table({"id": [0]}), catalog / "dataset/data_thumbnail.parquet")
    (catalog / "dataset/_metadata").touch()
    (catalog / "dataset/_common_metadata").touch()


def write_hats_of_folders(catalog: Path) -> None:
    """The same rows, two files a pixel, as a catalog with ``hats_npix_suffix=/`` has them."""
    write_hats(catalog)
    with (catalog / "hats.properties").open("a") as properties:
        properties.write("hats_npix_suffix=/\n")
    facts = []
    for leaf in sorted((catalog / "dataset").rglob("Npix=*.parquet")):
        rows = pq.read_table(leaf)
        leaf.unlink()
        folder = leaf.with_suffix("")
        folder.mkdir()
        for number, part in enumerate((rows.slice(0, 2), rows.slice(2))):
            pq.write_table(part, folder / f"part{number}.parquet", metadata_collector=facts)
            facts[-1].set_file_path(str((folder / f"part{number}.parquet").relative_to(catalog / "dataset")))
    pq.write_metadata(rows.schema, catalog / "dataset/_metadata", metadata_collector=facts)


def rows_of(source: SourceSpec, base: Path, spool: Path) -> list[int]:
    found: list[int] = []
    for url in expand(source, base):
        with open_rows(url, source, None, spool) as rows:
            assert [column.name for column in rows.columns] == ["id", "ra", "dec"]
            for batch in rows:
                found += batch.rows.column("id").to_pylist()
    return sorted(found)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_folder_is_a_catalog(tmp_path: Path) -> None:
    write_hats(tmp_path / "small")
    source = SourceSpec(path="small", format=Format.HATS)
    assert rows_of(source, tmp_path, tmp_path / "spool") == list(range(16))


def test_a_web_server_that_lists_nothing_serves_a_catalog(tmp_path: Path, served: str) -> None:
    write_hats(tmp_path / "small")
    source = SourceSpec(path=f"{served}/small/", format=Format.HATS)
    assert rows_of(source, tmp_path, tmp_path / "spool") == list(range(16))


def test_pixels_may_be_folders(tmp_path: Path, served: str) -> None:
    write_hats_of_folders(tmp_path / "small")
    for path in ("small", f"{served}/small"):
        assert rows_of(SourceSpec(path=path, format=Format.HATS), tmp_path, tmp_path / "spool") == list(range(16))


@pytest.mark.parametrize(("left", "message"), [(None, "copy it to a disk"), (b"", "cannot be read")])
def test_folders_whose_files_nothing_names_are_told_so(
    tmp_path: Path, served: str, left: bytes | None, message: str
) -> None:
    write_hats_of_folders(tmp_path / "small")
    names = tmp_path / "small/dataset/_metadata"
    names.unlink()
    if left is not None:
        names.write_bytes(left)
    with pytest.raises(DataError, match=rf"small: .*dataset/_metadata.*{message}"):
        expand(SourceSpec(path=f"{served}/small", format=Format.HATS), tmp_path)


def test_a_collection_is_its_primary_catalog(tmp_path: Path, served: str) -> None:
    write_hats(tmp_path / "all/main")
    write_hats(tmp_path / "all/margin")
    (tmp_path / "all/collection.properties").write_text("obs_collection=all\nhats_primary_table_url=main\n")
    for path in ("all", f"{served}/all"):
        assert rows_of(SourceSpec(path=path, format=Format.HATS), tmp_path, tmp_path / "spool") == list(range(16))


def test_the_layouts_own_column_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    write_hats(tmp_path / "small")
    source = SourceSpec(path="small", format=Format.HATS)
    plain = source.model_copy(update={"format": Format.PARQUET})
    leaf = expand(source, tmp_path)[0]
    assert "_healpix_29" in [column.name for column in file_columns(leaf, plain, tmp_path)]


def test_what_is_no_catalog_is_told_so(tmp_path: Path, served: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no such file"):
        expand(SourceSpec(path="empty", format=Format.HATS), tmp_path)
    with pytest.raises(DataError, match=r"partition_info\.csv"):
        expand(SourceSpec(path=f"{served}/empty", format=Format.HATS), tmp_path)
