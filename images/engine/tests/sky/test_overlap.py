"""Overlap pairs equal those found by asking the library about every chunk."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.sphgeom import DISJOINT, Angle, Box, Circle, LonLat, UnitVector3d

from qserv.sky.chunker import partitioning
from qserv.sky.overlap import distance_to_chunks, half_width, overlap_rows, separation

EPSILON = 1e-8  # degrees: the slack that storing allows itself, and the library's own


def polar_and_random(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ra = rng.uniform(0.0, 360.0, 2 * count)
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, count)))
    near_pole = (90.0 - rng.exponential(2.0, count)) * rng.choice([-1.0, 1.0], count)
    return ra, np.clip(np.concatenate([dec, near_pole]), -90.0, 90.0)


def library_pairs(shape: tuple[int, int], ra: float, dec: float, own: int, radius: float) -> set[int]:
    """Chunks that a circle touches, in the library's word."""
    if radius <= 0:
        return set()
    circle = Circle(UnitVector3d(LonLat.fromDegrees(ra, dec)), Angle.fromDegrees(radius))
    return set(partitioning(*shape).chunker.getChunksIntersecting(circle)) - {own}


@pytest.mark.parametrize(
    ("shape", "overlap"),
    [((10, 3), 0.5), ((10, 3), 17.0), ((18, 10), 0.1), ((18, 10), 30.0), ((60, 2), 0.3), ((3, 2), 1.0), ((1, 1), 5.0)],
)
def test_pairs_are_those_of_the_library(shape: tuple[int, int], overlap: float) -> None:
    sky = partitioning(*shape)
    ra, dec = polar_and_random(sky.stripes, 150)
    own = sky.locate(ra, dec)[0]
    pairs = overlap_rows(sky, ra, dec, own, overlap)
    found = set(zip(pairs.row.tolist(), pairs.host.tolist(), strict=True))
    assert len(found) == pairs.row.size, "a pair was found twice"
    for row in range(ra.size):
        hosts = {host for index, host in found if index == row}
        assert library_pairs(shape, ra[row], dec[row], own[row], overlap - EPSILON) <= hosts
        assert hosts <= library_pairs(shape, ra[row], dec[row], own[row], overlap + EPSILON)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.sampled_from([(10, 3), (36, 2), (2, 2)]),
    ra=st.one_of(st.floats(-5.0, 365.0), st.sampled_from([0.0, 360.0, 359.9999999999])),
    dec=st.one_of(st.floats(-90.0, 90.0), st.floats(89.0, 90.0), st.sampled_from([-90.0, 90.0, 0.0])),
    overlap=st.floats(1e-4, 20.0),
)
def test_pairs_of_any_point_are_those_of_the_library(
    shape: tuple[int, int], ra: float, dec: float, overlap: float
) -> None:
    sky = partitioning(*shape)
    own = sky.locate([ra], [dec])[0]
    hosts = set(overlap_rows(sky, [ra], [dec], own, overlap).host.tolist())
    assert library_pairs(shape, ra, dec, int(own[0]), overlap - EPSILON) <= hosts
    assert hosts <= library_pairs(shape, ra, dec, int(own[0]), overlap + EPSILON)


def test_no_overlap_stores_nothing() -> None:
    sky = partitioning(10, 3)
    ra, dec = polar_and_random(1, 50)
    assert overlap_rows(sky, ra, dec, sky.locate(ra, dec)[0], 0.0).row.size == 0


def test_every_close_pair_is_local_to_the_first_rows_chunk() -> None:
    """What overlap is for: both rows of a pair within the radius are beside one another in a chunk."""
    sky, radius = partitioning(36, 2), 0.5
    rng = np.random.default_rng(7)
    dec = np.concatenate([rng.uniform(-90, -88, 200), rng.uniform(84.0, 86.0, 200), rng.uniform(-1.0, 1.0, 200)])
    ra = np.concatenate([rng.uniform(0, 360, 200), rng.uniform(-2, 2, 200) % 360, rng.uniform(-1.0, 11.0, 200) % 360])
    own = sky.locate(ra, dec)[0]
    overlap = overlap_rows(sky, ra, dec, own, radius)
    stored = set(zip(overlap.host.tolist(), overlap.row.tolist(), strict=True))
    places = SkyCoord(ra * units.deg, dec * units.deg)
    first, second, _, _ = places.search_around_sky(places, radius * units.deg)
    assert (first != second).sum() > 500
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        assert own[other] == own[one] or (int(own[one]), other) in stored


@settings(max_examples=200, deadline=None)
@given(ra=st.floats(0.0, 359.999999), dec=st.floats(-90.0, 90.0), chunk=st.integers(0, 10**6))
def test_distances_to_chunks_are_true(ra: float, dec: float, chunk: int) -> None:
    """A circle of the distance just touches the chunk, by the library's own test of a circle with a box."""
    sky = partitioning(12, 2)
    chunks = sky.all_chunks()
    number = int(chunks[chunk % chunks.size])
    distance = float(distance_to_chunks(sky, [ra], [dec], [number])[0])
    boxes = sky.boxes([number])
    box = Box.fromDegrees(boxes.lon_low[0], boxes.lat_low[0], boxes.lon_high[0], boxes.lat_high[0])
    centre = UnitVector3d(LonLat.fromDegrees(ra, dec))
    if distance > EPSILON:
        assert Circle(centre, Angle.fromDegrees(distance - EPSILON)).relate(box) & DISJOINT
    assert not Circle(centre, Angle.fromDegrees(distance + EPSILON)).relate(box) & DISJOINT


def test_separation_is_astropys() -> None:
    ra, dec = polar_and_random(3, 100)
    here, there = SkyCoord(ra[:-1], dec[:-1], unit="deg"), SkyCoord(ra[1:], dec[1:], unit="deg")
    expected = here.separation(there).deg
    assert separation(ra[:-1], dec[:-1], ra[1:], dec[1:]) == pytest.approx(expected, abs=1e-10)


@given(lat=st.floats(-90.0, 90.0), radius=st.floats(0.0, 89.0))
def test_the_half_width_is_the_librarys(lat: float, radius: float) -> None:
    expected = Box.halfWidthForCircle(Angle.fromDegrees(radius), Angle.fromDegrees(lat)).asDegrees()
    assert half_width(lat, radius) >= min(expected, 180.0) - 1e-6
    if abs(lat) + radius < 89.9:
        assert half_width(lat, radius) == pytest.approx(expected, abs=1e-6)
