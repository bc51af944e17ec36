"""The sphere through the MySQL port: as sphgeom, astropy and a KD-tree see it, poles and right ascension 0 included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from astropy.coordinates import angular_separation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsst.sphgeom import Angle, Box, Circle, ConvexPolygon, Ellipse, LonLat, Region, UnitVector3d
from pymysql.connections import Connection
from scipy.spatial import cKDTree

from differential.compare import ask
from differential.samples import samples, unit_vectors

RADIANS = 1e-12
"""How well angles agree."""

CHECKS = settings(
    max_examples=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Floats = npt.NDArray[np.float64]
_decl = st.one_of(st.floats(-90, 90), st.sampled_from((90.0, -90.0, 0.0, 89.9999999, -89.9999999)))
_ra = st.one_of(st.floats(0, 360, exclude_max=True), st.sampled_from((0.0, 359.9999999, 180.0)))
_places = st.tuples(_ra, _decl)


@CHECKS
@given(pairs=st.lists(st.tuples(_places, _places), min_size=8, max_size=8))
def test_separations_are_astropys(
    ours: Connection, pairs: list[tuple[tuple[float, float], tuple[float, float]]]
) -> None:
    flat = np.array([[*one, *other] for one, other in pairs])
    near = flat.copy()
    near[:, 2] = (near[:, 0] + 1e-7) % 360
    near[:, 3] = np.clip(near[:, 1] + 1e-7, -90, 90)
    every = np.vstack([flat, near])
    calls = ", ".join(
        f"scisql_angSep({a!r}, {b!r}, {c!r}, {d!r}) AS s{n}" for n, (a, b, c, d) in enumerate(every.tolist())
    )
    found = np.radians(np.array(ask(ours, f"SELECT {calls}").rows[0], dtype=float))
    assert np.abs(found - angular_separation(*np.radians(every).T)).max() < RADIANS


@dataclass(frozen=True)
class Place:
    """A region: the arguments of a function, and what sphgeom makes of them."""

    function: str
    arguments: tuple[float, ...]
    region: Region


def _vector(ra: float, decl: float) -> UnitVector3d:
    return UnitVector3d(LonLat.fromDegrees(ra, decl))


def _circle(ra: float, decl: float, radius: float) -> Place:
    region = Circle(_vector(ra, decl), Angle.fromDegrees(radius))
    return Place("Circle", (ra, decl, radius), region)


def _box(ra: float, decl: float, width: float, height: float) -> Place:
    low, high, end = max(decl - height, -90.0), min(decl + height, 90.0), (ra + width) % 360.0
    return Place("Box", (ra, low, end, high), Box.fromDegrees(ra, low, end, high))


def _ellipse(ra: float, decl: float, axis: float, ratio: float, angle: float) -> Place:
    smaa, smia = axis * 3600, axis * ratio * 3600
    # scisql's ellipse is one of the orthographic projection, whose half axes are sines
    axes = (Angle.fromRadians(np.arcsin(np.radians(each / 3600))) for each in (smaa, smia))
    region = Ellipse(_vector(ra, decl), *axes, Angle.fromDegrees(angle))
    return Place("Ellipse", (ra, decl, smaa, smia, angle), region)


def _polygon(ra: float, decl: float, radius: float, corners: int) -> Place:
    centre = _vector(ra, decl)
    axis = UnitVector3d.orthogonalTo(centre)
    start = centre.rotatedAround(axis, Angle.fromDegrees(radius))
    vertices = [start.rotatedAround(centre, Angle.fromDegrees(360 * each / corners)) for each in range(corners)]
    places = [LonLat(vertex) for vertex in vertices]
    flat = [(place.getLon().asDegrees(), place.getLat().asDegrees()) for place in places]
    rounded = tuple(number for place in flat for number in place)
    return Place("CPoly", rounded, ConvexPolygon([_vector(*place) for place in flat]))


_centres = st.one_of(
    st.sampled_from(
        ((267.5, -29.5), (0.0, 0.0), (359.9, 0.1), (45.0, 90.0), (200.0, 89.8), (10.0, -90.0), (0.0, 10.0))
    ),
    _places,
)
_regions = st.one_of(
    st.builds(lambda c, r: _circle(*c, r), _centres, st.floats(0.01, 30)),
    st.builds(lambda c, w, h: _box(*c, w, h), _centres, st.floats(0.01, 300), st.floats(0.01, 40)),
    st.builds(
        lambda c, a, q, t: _ellipse(*c, a, q, t), _centres, st.floats(0.05, 8), st.floats(0.1, 1), st.floats(0, 180)
    ),
    st.builds(lambda c, r, n: _polygon(*c, r, n), _centres, st.floats(0.05, 20), st.integers(3, 8)),
)


@CHECKS
@given(place=_regions)
def test_regions_hold_the_rows_that_sphgeom_says(ours: Connection, place: Place) -> None:
    objects = samples()[-1].rows["Object"]
    keys, ra, decl = (objects[name].to_numpy() for name in ("objectId", "ra", "decl"))
    expected = {int(key) for key, *where in zip(keys, ra, decl, strict=True) if place.region.contains(_vector(*where))}
    arguments = ", ".join(map(repr, place.arguments))
    by_function = f"SELECT objectId FROM Object WHERE scisql_s2PtIn{place.function}(ra, decl, {arguments}) = 1"
    restrictor = {"CPoly": "poly"}.get(place.function, place.function.lower())
    by_area = f"SELECT objectId FROM Object WHERE qserv_areaspec_{restrictor}({arguments})"
    for sql in (by_function, by_area):
        found = {key for (key,) in ask(ours, sql, "synth").rows}
        edge = {key for key in found ^ expected if not _on_edge(place, *_where(keys, ra, decl, key))}
        assert edge == set(), sql


def _where(keys: npt.NDArray[np.int64], ra: Floats, decl: Floats, key: int) -> tuple[float, float]:
    row = int(np.flatnonzero(keys == key)[0])
    return float(ra[row]), float(decl[row])


def _on_edge(place: Place, ra: float, decl: float) -> bool:
    """Whether some point within the agreed angle is on the other side: there both answers are right."""
    degrees = np.degrees(RADIANS) * 4
    stretch = 1 / max(np.cos(np.radians(decl)), 1e-9)
    around = [
        (ra + dx * degrees * stretch, np.clip(decl + dy * degrees, -90, 90)) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
    ]
    return len({place.region.contains(_vector(x % 360, float(y))) for x, y in around}) > 1


def _keyed(database: str, table: str, key: str) -> tuple[list[int], cKDTree]:
    rows = next(sample for sample in samples() if sample.spec.database == database).rows[table]
    return rows[key].to_pylist(), cKDTree(unit_vectors(rows["ra"].to_numpy(), rows["decl"].to_numpy()))


@pytest.mark.parametrize(
    ("one", "other", "arc_seconds"),
    [
        (("gaia", "Star", "source_id"), ("gaia", "Star", "source_id"), 10.0),
        (("gaia", "Star", "source_id"), ("gaia", "Star", "source_id"), 150.0),
        (("synth", "Object", "objectId"), ("synth", "Object", "objectId"), 10.0),
        (("synth", "Object", "objectId"), ("synth", "Object", "objectId"), 180.0),
        (("gaia", "Star", "source_id"), ("hip", "Star", "hip"), 1.0),
        (("gaia", "Star", "source_id"), ("hip", "Star", "hip"), 100.0),
        (("hip", "Star", "hip"), ("gaia", "Star", "source_id"), 100.0),
        (("synth", "Object", "objectId"), ("gaia", "Star", "source_id"), 36.0),
    ],
    ids=lambda value: "×".join(value[:2]) if isinstance(value, tuple) else f"{value} arc seconds",
)
def test_pairs_are_the_trees(
    ours: Connection, one: tuple[str, str, str], other: tuple[str, str, str], arc_seconds: float
) -> None:
    (first, left), (second, right) = _keyed(*one), _keyed(*other)
    chord = 2 * np.sin(np.radians(arc_seconds / 3600) / 2)
    near = left.query_ball_tree(right, chord)
    expected = sorted((first[a], second[b]) for a, found in enumerate(near) for b in found if one != other or a != b)
    differs = f" AND a.{one[2]} <> b.{other[2]}" if one == other else ""
    found = ask(
        ours,
        f"SELECT a.{one[2]}, b.{other[2]} FROM {one[0]}.{one[1]} a, {other[0]}.{other[1]} b "
        f"WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) < {arc_seconds / 3600!r}{differs}",
    )
    assert len(expected) > 0
    assert sorted(found.rows) == expected
