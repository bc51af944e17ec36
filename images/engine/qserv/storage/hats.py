"""A catalog in HATS, the layout of LSDB: its data files, found by its folder.

::

    <catalog>/hats.properties          what it is; a collection.properties names the catalog of a collection
    <catalog>/partition_info.csv       Norder and Npix of its pixels
    <catalog>/dataset/Norder=<k>/Dir=<d>/Npix=<p>.parquet      rows; or a folder Npix=<p> of several files

Summaries lie beside the rows: ``dataset/_metadata``, which names all files of rows, ``data_thumbnail.parquet`` and the
like.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.errors import DataError

MADE_COLUMNS = frozenset({"_healpix_29", "_hipscat_index", "Norder", "Dir", "Npix"})
"""Columns that the layout adds to a catalog's own."""

_DIR_PIXELS = 10_000
_PRIMARY = "hats_primary_table_url"
_SUFFIX = "hats_npix_suffix"

Read = Callable[[str], bytes | None]
"""A file of a folder by its name; None where it is not there."""


def is_leaf(path: str) -> bool:
    """Whether a path below ``dataset`` is one of rows."""
    name = path.rpartition("/")[2]
    return name.endswith(".parquet") and not name.startswith((".", "_")) and name != "data_thumbnail.parquet"


def primary(read: Read) -> str | None:
    """The folder of a collection's catalog, relative to it; None for what is a catalog itself."""
    found = _properties(read, "collection.properties")
    if found is None:
        return None
    if not found.get(_PRIMARY):
        raise DataError(f"collection.properties does not say its {_PRIMARY}: name the catalog's own folder")
    return found[_PRIMARY].rstrip("/")


def listed(read: Read) -> list[str]:
    """The files of rows, relative to the catalog, where only its own lists can tell them.

    Raises
    ------
    DataError
        Where there is no list, or it cannot be read.
    """
    suffix = (_properties(read, "hats.properties") or {}).get(_SUFFIX, ".parquet")
    return _of_folders(read) if suffix == "/" else _of_pixels(read, suffix)


def _of_pixels(read: Read, suffix: str) -> list[str]:
    data = read("partition_info.csv")
    if data is None:
        raise DataError("there is no partition_info.csv: is it the folder of a HATS catalog?")
    try:
        rows = csv.DictReader(io.StringIO(data.decode()))
        pixels = sorted({(int(row["Norder"]), int(row["Npix"])) for row in rows})
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"partition_info.csv cannot be read: {error}") from error
    return [
        f"dataset/Norder={order}/Dir={pixel // _DIR_PIXELS * _DIR_PIXELS}/Npix={pixel}{suffix}"
        for order, pixel in pixels
    ]


def _of_folders(read: Read) -> list[str]:
    data = read("dataset/_metadata")
    if data is None:
        raise DataError(
            "its pixels are folders, and there is no dataset/_metadata that names their files: copy it to a disk"
        )
    try:
        facts = pq.read_metadata(pa.BufferReader(data))
    except pa.ArrowException as error:
        raise DataError(f"dataset/_metadata cannot be read: {error}") from error
    paths = {facts.row_group(number).column(0).file_path for number in range(facts.num_row_groups)}
    return sorted(f"dataset/{path}" for path in paths if is_leaf(path))


def _properties(read: Read, name: str) -> dict[str, str] | None:
    data = read(name)
    if data is None:
        return None
    pairs = (line.partition("=") for line in data.decode(errors="replace").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
