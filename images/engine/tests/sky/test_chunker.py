"""Vectorised location is the library's, row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lsst.sphgeom import Angle, Circle, LonLat, UnitVector3d

from qserv.sky.chunker import Partitioning, normalized, partitioning

SHAPES = [(1, 1), (1, 3), (2, 5), (10, 3), (18, 10), (85, 12), (340, 3)]
POLES_AND_WRAP = [
    (0.0, 90.0),
    (123.0, -90.0),
    (359.9999999999, 89.9999999),
    (0.0, 0.0),
    (360.0, 12.0),
    (-1e-13, 45.0),
    (-190.0, -45.0),
    (725.0, 1.0),
]


def point(ra: float, dec: float) -> Circle:
    """As small a region as the library's boxes, which are 5e-12 rad too wide, resolve."""
    return Circle(UnitVector3d(LonLat.fromDegrees(ra, dec)), Angle(1e-14))


def assert_library_agrees(sky: Partitioning, ra: list[float], dec: list[float]) -> None:
    chunks, subchunks = sky.locate(np.array(ra), np.array(dec))
    for lon, lat, chunk, subchunk in zip(ra, dec, chunks, subchunks, strict=True):
        allowed = dict(sky.chunker.getSubChunksIntersecting(point(lon, lat)))
        assert int(subchunk) in allowed.get(int(chunk), []), (lon, lat, chunk, subchunk, allowed)


@pytest.mark.parametrize(("stripes", "substripes"), SHAPES)
def test_every_chunk_and_sub_chunk_has_the_librarys_number(stripes: int, substripes: int) -> None:
    sky = partitioning(stripes, substripes)
    chunks = sky.all_chunks()
    assert chunks.tolist() == sky.chunker.getAllChunks()
    for chunk in chunks[:: max(1, chunks.size // 50)].tolist():
        # the middle of each of the library's sub-chunks lies, for us, in the sub-chunk of that number
        stripe = sky.chunker.getStripe(chunk)
        index = sky.chunker.getChunk(chunk, stripe)
        ra, dec = [], []
        for row in range(substripes):
            per_chunk = int(sky.subchunks_in_chunk[stripe * substripes + row])
            for column in range(per_chunk):
                box = sky.chunker.getSubChunkBoundingBox(stripe * substripes + row, index * per_chunk + column)
                centre = box.getCenter()
                ra.append(centre.getLon().asDegrees())
                dec.append(centre.getLat().asDegrees())
        found, subchunks = sky.locate(np.array(ra), np.array(dec))
        assert set(found.tolist()) == {chunk}
        assert subchunks.tolist() == sky.chunker.getAllSubChunks(chunk)


@pytest.mark.parametrize(("stripes", "substripes"), SHAPES)
def test_random_points_poles_and_wrap_are_where_the_library_has_them(stripes: int, substripes: int) -> None:
    rng = np.random.default_rng(stripes)
    ra = rng.uniform(-360.0, 720.0, 400).tolist() + [lon for lon, _ in POLES_AND_WRAP]
    dec = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, 400))).tolist() + [lat for _, lat in POLES_AND_WRAP]
    assert_library_agrees(partitioning(stripes, substripes), ra, dec)


@settings(max_examples=200, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    ra=st.floats(-720.0, 1080.0),
    dec=st.floats(-90.0, 90.0),
)
@example(shape=(340, 3), ra=5e-324, dec=-5e-324)
def test_any_point_is_where_the_library_has_it(shape: tuple[int, int], ra: float, dec: float) -> None:
    assert_library_agrees(partitioning(*shape), [ra], [dec])


@settings(max_examples=200, deadline=None)
@given(shape=st.sampled_from(SHAPES), stripe=st.floats(0.0, 1.0), edge=st.integers(0, 2000), above=st.booleans())
def test_points_on_edges_belong_to_a_box_that_they_touch(
    shape: tuple[int, int], stripe: float, edge: int, above: bool
) -> None:
    sky = partitioning(*shape)
    row = round(stripe * (sky.stripes - 1))
    lat = min(90.0, (row + above) * sky.height - 90.0)
    count = int(sky.chunks_in_stripe[row])
    assert_library_agrees(sky, [360.0 * (edge % (count + 1)) / count], [lat])


def test_equal_directions_have_equal_places() -> None:
    sky = partitioning(85, 12)
    ra, dec = np.array([10.0, 10.0 + 360.0, 10.0 - 360.0]), np.full(3, -33.3)
    chunks, subchunks = sky.locate(ra, dec)
    assert len(set(chunks.tolist())) == len(set(subchunks.tolist())) == 1


def test_right_ascensions_are_normalised_without_360() -> None:
    found = normalized(np.array([-1e-15, 360.0, 359.0, -90.0]))
    assert found.tolist() == [0.0, 0.0, 359.0, 270.0]
    inside = np.array([0.0, 12.0])
    assert normalized(inside) is inside


@pytest.mark.parametrize(("ra", "dec"), [(np.nan, 0.0), (0.0, np.nan), (np.inf, 0.0), (0.0, 90.0001), (0.0, -91.0)])
def test_positions_that_are_none_are_refused(ra: float, dec: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        partitioning(10, 3).locate(np.array([1.0, ra]), np.array([1.0, dec]))


@pytest.mark.parametrize(("stripes", "substripes"), SHAPES)
def test_boxes_tile_the_sphere(stripes: int, substripes: int) -> None:
    sky = partitioning(stripes, substripes)
    chunks = sky.all_chunks()
    boxes = sky.boxes(chunks)
    heights = np.sin(np.radians(boxes.lat_high)) - np.sin(np.radians(boxes.lat_low))
    assert (np.radians(boxes.lon_high - boxes.lon_low) * heights).sum() == pytest.approx(4 * np.pi, rel=1e-12)
    middle = sky.locate((boxes.lon_low + boxes.lon_high) / 2, (boxes.lat_low + boxes.lat_high) / 2)[0]
    assert (middle == chunks).all()


@pytest.mark.parametrize("number", [-1, 1, 20, 10**6])
def test_a_number_that_is_no_chunk_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="not a chunk"):
        partitioning(2, 5).boxes([number]) if number != 1 else partitioning(1, 1).boxes([number])


def test_no_rows_give_no_places() -> None:
    chunks, subchunks = partitioning(10, 3).locate(np.empty(0), np.empty(0))
    assert chunks.size == subchunks.size == 0
    assert chunks.dtype == subchunks.dtype == np.int32
