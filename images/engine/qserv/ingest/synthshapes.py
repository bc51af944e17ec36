"""The columns of the synthetic tables, and the values of one block of them.

A block is a fixed number of objects, made from a random stream of its own, (seed, table, block): so its rows are the
same whatever blocks are made before or beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.sky.overlap import separation

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BLOCK = 65_536
"""Objects of a block."""

BANDS = ("u", "g", "r", "i", "z", "y")
FIRST_OBJECT = 1_000_000_000_000
MATCH_RADIUS = 1.0 / 3600.0
"""Degrees: true positions lie within it of the measured ones."""

_CLUSTERED = 0.3
_PER_CLUSTER = 500
_CLUSTER_SIZE = 2.0 / 60.0  # degrees, of the Gaussian radius
_SURVEY_BEGIN = 60_796.0  # MJD of 2025-05-01
_SURVEY_DAYS = 3_652.5
_MJD_OF_UNIX = 40_587.0
_AB_ZERO = 31.4  # magnitude of 1 nJy

WIDE_SHAPES = (
    *("kronFlux", "kronFluxErr", "cModelFlux", "cModelFluxErr", "gaapFlux", "gaapFluxErr"),
    *("ap03Flux", "ap06Flux", "ap09Flux", "ap12Flux", "ap17Flux", "ap25Flux", "ap35Flux", "ap50Flux", "ap70Flux"),
    *("ixx", "iyy", "ixy", "ixxPsf", "iyyPsf", "ixyPsf"),
)
"""What the wide Object has of each band besides the narrow one's."""


@dataclass(frozen=True, slots=True)
class Area:
    """A box of right ascension and declination in degrees; ``ra_min`` above ``ra_max`` wraps through 0."""

    ra_min: float = 30.0
    dec_min: float = -10.0
    ra_max: float = 60.0
    dec_max: float = 10.0

    @property
    def width(self) -> float:
        return (self.ra_max - self.ra_min) % 360.0 or 360.0

    def position(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Positions uniform on the sphere within the box, of two uniform deviates."""
        low, high = np.sin(np.radians((self.dec_min, self.dec_max)))
        return (self.ra_min + u * self.width) % 360.0, np.degrees(np.arcsin(low + v * (high - low)))


@dataclass(frozen=True, slots=True)
class Objects:
    """True values of a block of objects: positions in degrees, ``flux`` in nJy as [band, object]."""

    ids: Integers
    ra: Floats
    dec: Floats
    flux: Floats
    galaxy: npt.NDArray[np.bool_]


def stream(seed: int, table: str, block: int) -> np.random.Generator:
    """The random stream of one block of one table."""
    return np.random.default_rng(np.random.SeedSequence([seed, *table.encode(), block]))


def true_objects(seed: int, block: int, objects: int, area: Area) -> Objects:
    """The objects of a block, of a catalog of ``objects`` in all; the last block may be shorter."""
    rng = stream(seed, "true", block)
    ra, dec = area.position(rng.random(BLOCK), rng.random(BLOCK))
    clustered = rng.random(BLOCK) < _CLUSTERED
    clusters = max(1, objects // _PER_CLUSTER)
    member = rng.integers(0, clusters, BLOCK)
    centre = area.position(_uniform(seed, 2 * member), _uniform(seed, 2 * member + 1))
    moved = offset(*centre, _CLUSTER_SIZE * np.sqrt(-2.0 * np.log1p(-rng.random(BLOCK))), rng.random(BLOCK))
    magnitude = 16.0 + 11.0 * rng.random(BLOCK) ** 0.45  # counts rise towards the faint
    colours = np.cumsum(rng.normal((1.1, 0.55, 0.35, 0.2, 0.1, 0.0), 0.35, (BLOCK, 6))[:, ::-1], axis=1)[:, ::-1]
    flux = 10.0 ** (-0.4 * (magnitude[:, None] + colours - colours[:, 3:4] - _AB_ZERO))
    count = min(BLOCK, objects - block * BLOCK)
    galaxy = rng.random(BLOCK) < 0.7
    return Objects(
        ids=FIRST_OBJECT + block * BLOCK + np.arange(count),
        ra=np.where(clustered, moved[0], ra)[:count],
        dec=np.where(clustered, moved[1], dec)[:count],
        flux=np.ascontiguousarray(flux[:count].T),
        galaxy=galaxy[:count],
    )


def offset(ra: Floats, dec: Floats, distance: Floats, turn: Floats) -> tuple[Floats, Floats]:
    """The positions at angles of ``distance`` degrees from others, in the directions of ``turn`` in [0, 1)."""
    lat, angle, bearing = np.radians(dec), np.radians(distance), 2.0 * np.pi * turn
    sine = np.sin(lat) * np.cos(angle) + np.cos(lat) * np.sin(angle) * np.cos(bearing)
    east = np.arctan2(np.sin(bearing) * np.sin(angle) * np.cos(lat), np.cos(angle) - np.sin(lat) * sine)
    return (ra + np.degrees(east)) % 360.0, np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def _uniform(seed: int, number: Integers) -> Floats:
    """A deviate in [0, 1) of each number: what all blocks agree on, such as where a cluster lies (SplitMix64)."""
    mixed = (number.astype(np.uint64) + np.uint64(seed % (1 << 32) << 32)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def object_rows(seed: int, block: int, objects: Objects, *, wide: bool) -> pa.Table:
    """Object: a director of 20 columns, or 150."""
    rng = stream(seed, "Object", block)
    count = objects.ids.size
    error = 0.02 + 0.1 * rng.random(count)  # arc seconds
    ra, dec = offset(objects.ra, objects.dec, error * rng.random(count) / 3600.0, rng.random(count))
    columns: dict[str, Any] = {"objectId": objects.ids, "ra": ra, "decl": dec}
    columns["raErr"], columns["declErr"] = _single(error / 3600.0), _single(error / 3600.0)
    for index, band in enumerate(BANDS):
        flux, sigma = _measured(rng, objects.flux[index], 25.0)
        missed = rng.random(count) < 0.03
        columns[f"{band}PsfFlux"] = pa.array(_single(flux), mask=missed)
        columns[f"{band}PsfFluxErr"] = pa.array(_single(sigma), mask=missed)
    extended = np.clip(objects.galaxy + rng.normal(0.0, 0.1, count), 0.0, 1.0)
    columns["extendedness"] = pa.array(_single(extended), mask=rng.random(count) < 0.02)
    columns["parallax"] = pa.array(_single(rng.exponential(0.5, count)), mask=objects.galaxy)
    columns["blendCount"] = rng.poisson(0.4, count).astype(np.int16)
    if wide:
        _widen(columns, rng, objects)
    return pa.table(columns)


def _widen(columns: dict[str, Any], rng: np.random.Generator, objects: Objects) -> None:
    count = objects.ids.size
    for index, band in enumerate(BANDS):
        for shape in WIDE_SHAPES:
            scale = objects.flux[index] if "Flux" in shape else 0.5
            columns[f"{band}_{shape}"] = _single(scale * (1.0 + 0.1 * rng.standard_normal(count, dtype=np.float32)))
    columns["ebv"] = _single(rng.gamma(2.0, 0.03, count))
    columns["tract"] = (objects.ids // 100_000 % 20_000).astype(np.int32)
    columns["flags"] = rng.integers(0, 1 << 40, count)
    columns["refBand"] = pa.array(np.array(BANDS)[rng.integers(0, 6, count)])


def truth_rows(seed: int, block: int, objects: Objects) -> tuple[pa.Table, Integers]:
    """TruthObject: a second director, of nine in ten objects; and which objects of the block these are."""
    rng = stream(seed, "TruthObject", block)
    known = np.flatnonzero(rng.random(objects.ids.size) < 0.9)
    rows = pa.table(
        {
            "truthId": objects.ids[known] * 2 + 1,
            "ra": objects.ra[known],
            "decl": objects.dec[known],
            "rMag": _single(_AB_ZERO - 2.5 * np.log10(objects.flux[2, known])),
            "isGalaxy": objects.galaxy[known].astype(np.int8),
        }
    )
    return rows, known


def match_rows(measured: pa.Table, truth: pa.Table, known: Integers) -> pa.Table:
    """ObjectTruthMatch: each true object with the one measured of it, and their separation in degrees."""
    found = measured.select(["objectId", "ra", "decl"]).take(pa.array(known))
    apart = separation(
        found["ra"].to_numpy(), found["decl"].to_numpy(), truth["ra"].to_numpy(), truth["decl"].to_numpy()
    )
    return pa.table({"objectId": found["objectId"], "truthId": truth["truthId"], "separation": apart})


def source_rows(seed: int, block: int, objects: Objects, mean: float) -> pa.Table:
    """Source: detections of the block's objects, Poisson of ``mean`` each, near their object."""
    rng = stream(seed, "Source", block)
    per_object = rng.poisson(mean, objects.ids.size)
    of, number = _repeated(per_object)
    count = of.size
    error = rng.gamma(4.0, 0.02, count)  # arc seconds
    ra, dec = offset(objects.ra[of], objects.dec[of], error * rng.random(count) / 3600.0, rng.random(count))
    visit, band, mjd = _visits(rng, count)
    flux, sigma = _measured(rng, objects.flux[band, of], 120.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = _single(_AB_ZERO - 2.5 * np.log10(flux))
    return pa.table(
        {
            "sourceId": objects.ids[of] * 4096 + number,
            "objectId": objects.ids[of],
            "ra": ra,
            "decl": dec,
            "posErr": _single(error / 3600.0),
            "ccdVisitId": visit,
            "band": pa.array(np.array(BANDS)[band]),
            "midPointTai": mjd,
            "obsTime": _datetimes(mjd),
            "psfFlux": _single(flux),
            "psfFluxErr": _single(sigma),
            "psfMag": pa.array(magnitude, mask=~np.isfinite(magnitude)),
        }
    )


def forced_rows(seed: int, block: int, objects: Objects, mean: float) -> pa.Table:
    """ForcedSource: fluxes at the objects' places in visits that may not have detected them; no position."""
    rng = stream(seed, "ForcedSource", block)
    of, number = _repeated(rng.poisson(mean, objects.ids.size))
    visit, band, mjd = _visits(rng, of.size)
    flux, sigma = _measured(rng, objects.flux[band, of], 200.0)
    edge = rng.random(of.size) < 0.01
    return pa.table(
        {
            "forcedSourceId": objects.ids[of] * 4096 + number,
            "objectId": objects.ids[of],
            "ccdVisitId": visit,
            "band": pa.array(np.array(BANDS)[band]),
            "midPointTai": mjd,
            "psfFlux": pa.array(_single(flux), mask=edge),
            "psfFluxErr": pa.array(_single(sigma), mask=edge),
        }
    )


def _repeated(counts: Integers) -> tuple[Integers, Integers]:
    """The index of each repeated item, and its number among its like."""
    of = np.repeat(np.arange(counts.size), counts)
    return of, np.arange(of.size) - np.repeat(np.cumsum(counts) - counts, counts)


def _visits(rng: np.random.Generator, count: int) -> tuple[Integers, Integers, Floats]:
    """Visits: their ids, bands as indexes, and times of mid-exposure as MJD."""
    visit = rng.integers(0, 2_500_000, count)
    mjd = np.asarray(_SURVEY_BEGIN + visit * (_SURVEY_DAYS / 2_500_000), dtype=np.float64)
    return np.asarray(visit * 200 + rng.integers(0, 189, count)), np.asarray(visit % 6), mjd


def _datetimes(mjd: Floats) -> npt.NDArray[np.datetime64]:
    return ((mjd - _MJD_OF_UNIX) * 86_400e6).astype(np.int64).view("datetime64[us]")


def _measured(rng: np.random.Generator, flux: Floats, background: float) -> tuple[Floats, Floats]:
    """A flux as measured, and its error: photon noise over a background, both in nJy."""
    sigma = np.sqrt(background**2 + 5.0 * flux)
    return flux + sigma * rng.standard_normal(flux.size), sigma * (1.0 + 0.05 * rng.random(flux.size))


def _single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)
