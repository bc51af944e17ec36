"""Regions of restrictors: which chunks they touch, and which arguments make none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.sphgeom import LonLat, UnitVector3d

from qserv.catalog.errors import WrongArguments
from qserv.sky.chunker import partitioning
from qserv.sky.overlap import separation
from qserv.sky.regions import Shape, chunks, region

SKY = partitioning(36, 3)
RNG_POINTS = 4000


def points_in(shape: Shape, arguments: tuple[float, ...], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random positions inside of a region, by formulas of our own."""
    rng = np.random.default_rng(seed)
    ra = rng.uniform(0.0, 360.0, RNG_POINTS * 20)
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, ra.size)))
    inside = contains(shape, arguments, ra, dec)
    return ra[inside][:RNG_POINTS], dec[inside][:RNG_POINTS]


def contains(shape: Shape, arguments: tuple[float, ...], ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    if shape is Shape.BOX:
        low, south, high, north = arguments
        width = 360.0 if high - low >= 360.0 else (high - low) % 360.0
        return ((ra - low) % 360.0 <= width) & (dec >= south) & (dec <= north)
    if shape is Shape.CIRCLE:
        return np.asarray(separation(ra, dec, arguments[0], arguments[1]) <= arguments[2])
    lon, lat, major, minor, angle = arguments
    # orthographic projection about the centre, axes to the north and the east, as scisql's ellipse
    delta, phi, centre = np.radians(ra - lon), np.radians(dec), math.radians(lat)
    east = np.cos(phi) * np.sin(delta)
    north = math.cos(centre) * np.sin(phi) - math.sin(centre) * np.cos(phi) * np.cos(delta)
    front = math.sin(centre) * np.sin(phi) + math.cos(centre) * np.cos(phi) * np.cos(delta) > 0
    turn = math.radians(angle)
    along = north * math.cos(turn) + east * math.sin(turn)
    across = east * math.cos(turn) - north * math.sin(turn)
    a, b = (math.radians(axis / 3600.0) for axis in (major, minor))
    return front & ((along / a) ** 2 + (across / b) ** 2 <= 1.0)


REGIONS: list[tuple[Shape, tuple[float, ...]]] = [
    (Shape.BOX, (10.0, -5.0, 25.0, 5.0)),
    (Shape.BOX, (350.0, -80.0, 10.0, 80.0)),
    (Shape.BOX, (-10.0, 20.0, 10.0, 40.0)),
    (Shape.BOX, (0.0, 85.0, 360.0, 90.0)),
    (Shape.BOX, (100.0, -90.0, 90.0, -60.0)),
    (Shape.CIRCLE, (0.1, 0.0, 7.0)),
    (Shape.CIRCLE, (200.0, 89.0, 5.0)),
    (Shape.ELLIPSE, (359.9, 10.0, 36000.0, 9000.0, 0.0)),
    (Shape.ELLIPSE, (120.0, -60.0, 36000.0, 9000.0, 90.0)),
    (Shape.ELLIPSE, (50.0, 45.0, 36000.0, 7200.0, 30.0)),
    (Shape.ELLIPSE, (50.0, -88.0, 30000.0, 18000.0, 200.0)),
]


@pytest.mark.parametrize(("shape", "arguments"), REGIONS)
def test_the_chunks_of_a_region_hold_all_its_points(shape: Shape, arguments: tuple[float, ...]) -> None:
    area = region(shape, arguments)
    found = chunks(SKY, area)
    ra, dec = points_in(shape, arguments)
    assert ra.size > 30
    needed = set(SKY.locate(ra, dec)[0].tolist())
    assert needed <= found
    assert len(found) < SKY.all_chunks().size / 2, "the restriction is worth little"


@pytest.mark.parametrize("turn", [0.0, 45.0, 90.0])
def test_a_thin_ellipse_touches_few_chunks(turn: float) -> None:
    """10° by 1′: fewer chunks than the circle around it, and at least those along its axis."""
    thin = chunks(SKY, region(Shape.ELLIPSE, (102.5, 2.5, 36000.0, 60.0, turn)))
    assert len(thin) < len(chunks(SKY, region(Shape.CIRCLE, (102.5, 2.5, 10.0)))) / 1.5
    steps = np.linspace(-9.9, 9.9, 50)
    ra, dec = 102.5 + steps * math.sin(math.radians(turn)), 2.5 + steps * math.cos(math.radians(turn))
    if turn != 45.0:  # there the axis is no straight line in these coordinates
        assert set(SKY.locate(ra, dec)[0].tolist()) <= thin


@pytest.mark.parametrize("axes", [(0.0, 0.0), (1.0, 0.0), (1e-3, 1e-3)])
def test_a_tiny_ellipse_is_somewhere(axes: tuple[float, float]) -> None:
    found = chunks(SKY, region(Shape.ELLIPSE, (201.0, -89.0, *axes, 10.0)))
    assert int(SKY.locate([201.0], [-89.0])[0][0]) in found


@pytest.mark.parametrize(("shape", "arguments"), [case for case in REGIONS if case[0] is Shape.ELLIPSE])
def test_an_ellipse_holds_its_points_and_few_others(shape: Shape, arguments: tuple[float, ...]) -> None:
    rng = np.random.default_rng(2)
    lon, lat = arguments[:2]
    # around the ellipse, by rotation of points about the pole of the library's frame
    distance, bearing = rng.uniform(0.0, math.radians(12.0), 3000), rng.uniform(0.0, 2 * math.pi, 3000)
    centre = math.radians(lat)
    dec = np.arcsin(math.sin(centre) * np.cos(distance) + math.cos(centre) * np.sin(distance) * np.cos(bearing))
    ra = math.radians(lon) + np.arctan2(
        np.sin(bearing) * np.sin(distance) * math.cos(centre), np.cos(distance) - math.sin(centre) * np.sin(dec)
    )
    ra, dec = np.degrees(ra) % 360.0, np.degrees(dec)
    expected = contains(shape, arguments, ra, dec)
    area = region(shape, arguments)
    found = np.array(
        [area.contains(UnitVector3d(LonLat.fromDegrees(lon, lat))) for lon, lat in zip(ra, dec, strict=True)]
    )
    assert expected.sum() > 100
    assert (found == expected).all()


@settings(max_examples=60, deadline=None)
@given(
    lon=st.floats(0.0, 360.0),
    lat=st.floats(-89.0, 89.0),
    radius=st.floats(0.01, 8.0),
    turn=st.floats(0.0, 120.0),
    corners=st.integers(3, 8),
    backwards=st.booleans(),
    margin=st.sampled_from([0.0, 0.05, 3.0]),
)
def test_polygons_in_either_order_cover_their_vertices_and_a_margin(
    lon: float, lat: float, radius: float, turn: float, corners: int, backwards: bool, margin: float
) -> None:
    bearing = np.radians(turn + 360.0 * np.arange(corners) / corners)
    centre, angle = math.radians(lat), math.radians(radius)
    dec = np.arcsin(math.sin(centre) * math.cos(angle) + math.cos(centre) * math.sin(angle) * np.cos(bearing))
    ra = math.radians(lon) + np.arctan2(
        np.sin(bearing) * math.sin(angle) * math.cos(centre), math.cos(angle) - math.sin(centre) * np.sin(dec)
    )
    pairs = np.degrees(np.column_stack([ra % (2 * math.pi), dec]))
    area = region(Shape.POLY, (pairs[::-1] if backwards else pairs).ravel().tolist())
    found = chunks(SKY, area, margin)
    assert set(SKY.locate(pairs[:, 0], pairs[:, 1])[0].tolist()) <= found
    assert int(SKY.locate([lon], [lat])[0][0]) in found
    if margin and abs(lat) + radius + margin < 89.0:
        north = min(90.0, float(np.max(pairs[:, 1])) + 0.99 * margin)
        assert int(SKY.locate([pairs[np.argmax(pairs[:, 1]), 0]], [north])[0][0]) in found


@pytest.mark.parametrize(("shape", "arguments"), REGIONS)
@pytest.mark.parametrize("margin", [0.01, 2.0])
def test_a_margin_adds_the_chunks_nearby(shape: Shape, arguments: tuple[float, ...], margin: float) -> None:
    area = region(shape, arguments)
    ra, dec = points_in(shape, arguments)
    bearing = np.random.default_rng(3).uniform(0.0, 2 * np.pi, ra.size)
    moved_dec = np.clip(dec + 0.7 * margin * np.cos(bearing), -90.0, 90.0)
    moved_ra = (ra + 0.7 * margin * np.sin(bearing) / np.maximum(np.cos(np.radians(dec)), 1e-3)) % 360.0
    near = separation(ra, dec, moved_ra, moved_dec) <= margin
    assert near.any()
    assert set(SKY.locate(moved_ra[near], moved_dec[near])[0].tolist()) <= chunks(SKY, area, margin)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        (Shape.BOX, (1.0, 2.0, 3.0), "4 arguments"),
        (Shape.BOX, (400.0, 0.0, 410.0, 1.0), "right ascension 400 is out of range"),
        (Shape.BOX, (0.0, -91.0, 1.0, 0.0), "declination -91 is out of range"),
        (Shape.BOX, (0.0, 5.0, 1.0, 4.0), "latMin 5 is above latMax 4"),
        (Shape.BOX, (10.0, 0.0, -10.0, 1.0), "wraps through 0"),
        (Shape.BOX, (0.0, 0.0, math.nan, 1.0), "finite"),
        (Shape.CIRCLE, (0.0, 0.0, -1.0), "radius"),
        (Shape.CIRCLE, (0.0, 0.0, 181.0), "radius"),
        (Shape.CIRCLE, (0.0, 95.0, 1.0), "declination 95"),
        (Shape.CIRCLE, (0.0, math.inf, 1.0), "finite"),
        (Shape.ELLIPSE, (0.0, 0.0, 10.0, 20.0, 0.0), "semiMinor"),
        (Shape.ELLIPSE, (0.0, 0.0, 36001.0, 20.0, 0.0), "36000"),
        (Shape.ELLIPSE, (0.0, 0.0, 10.0, -1.0, 0.0), "semiMinor"),
        (Shape.ELLIPSE, (0.0, 0.0, 10.0, 1.0), "5 arguments"),
        (Shape.POLY, (0.0, 0.0, 1.0, 0.0), "3 to 20 vertices"),
        (Shape.POLY, (0.0, 0.0, 1.0, 0.0, 1.0), "pairs"),
        (Shape.POLY, (0.0, 0.0, 1.0, 0.0, 2.0, 0.0), "vertices"),
        (Shape.POLY, (0.0, 0.0, 1.0, 0.0, 1.0, 0.0), "vertices"),
        (Shape.POLY, (0.0, 0.0, 2.0, 0.0, 1.0, 0.5, 1.0, 2.0), "convex"),
        (Shape.POLY, (0.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, 2.0), "convex"),
        (Shape.POLY, (0.0, 0.0, 120.0, 0.0, 240.0, 0.0), "vertices"),
    ],
)
def test_arguments_that_make_no_region_are_refused(shape: Shape, arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(WrongArguments, match=message):
        region(shape, arguments)


def test_all_around_is_all_chunks_of_the_stripes() -> None:
    found = chunks(SKY, region(Shape.BOX, (0.0, 1.0, 360.0, 2.0)))
    stripe = {chunk for chunk in SKY.all_chunks().tolist() if chunk // (2 * SKY.stripes) == SKY.stripes // 2}
    assert found == stripe
