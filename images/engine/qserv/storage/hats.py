"""A catalog in HATS, the layout of LSDB: its data files, found by its folder.

::

    <catalog>/hats.properties          what it is; a collection.properties names the catalog of a collection
    <catalog>/partition_info.csv       Norder and Npix of its pixels
    <catalog>/dataset/Norder=<k>/Dir=<d>/Npix=<p>.parquet      rows; or a folder Npix=<p> of several files

Summaries lie beside the rows: ``dataset/_metadata``, ``data_thumbnail.parquet`` and the like.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from qserv.catalog.errors import DataError

MADE_COLUMNS = frozenset({"_healpix_29", "_hipscat_index", "Norder", "Dir", "Npix"})
"""Columns that the layout adds to a catalog's own."""

_DIR_PIXELS = 10_000
_PRIMARY = "hats_primary_table_url"

Read = Callable[[str], str | None]
"""A text file of a folder by its name; None where it is not there."""


def is_leaf(path: str) -> bool:
    """Whether a path below ``dataset`` is one of rows."""
    name = path.rpartition("/")[2]
    return name.endswith(".parquet") and not name.startswith((".", "_")) and name != "data_thumbnail.parquet"


def primary(read: Read) -> str | None:
    """The folder of a collection's catalog, relative to it; None for what is a catalog itself."""
    text = read("collection.properties")
    if text is None:
        return None
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == _PRIMARY and value.strip():
            return value.strip().rstrip("/")
    raise DataError(f"collection.properties does not say its {_PRIMARY}: name the catalog's own folder")


def listed(read: Read) -> list[str]:
    """The files of rows, relative to the catalog, where only its own list can tell them.

    Raises
    ------
    DataError
        Where there is no list, or it cannot be read.
    """
    text = read("partition_info.csv")
    if text is None:
        raise DataError("there is no partition_info.csv: is it the folder of a HATS catalog?")
    try:
        pixels = sorted({(int(row["Norder"]), int(row["Npix"])) for row in csv.DictReader(io.StringIO(text))})
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"partition_info.csv cannot be read: {error}") from error
    return [
        f"dataset/Norder={order}/Dir={pixel // _DIR_PIXELS * _DIR_PIXELS}/Npix={pixel}.parquet"
        for order, pixel in pixels
    ]
