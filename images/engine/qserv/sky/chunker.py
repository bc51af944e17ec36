"""Chunk and sub-chunk of many positions at once.

``lsst.sphgeom.Chunker`` cuts the sphere into declination stripes of equal height, each into chunks of equal width in
right ascension, and each chunk into sub-stripes and sub-chunks likewise. It answers for one region at a time. Here the
same partitioning is a handful of arrays, taken from the library's own boxes, so that numpy places millions of rows a
second. Numbers are the library's: ``chunk = stripe * 2 * stripes + index in the stripe`` and
``sub-chunk = sub-stripe in the stripe * most sub-chunks of any + index in the chunk``.

Degrees throughout. A box holds its lower edges and not its upper ones; +90° belongs to the last stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi

import numpy as np
import numpy.typing as npt
from lsst.sphgeom import Box, Chunker

from qserv.catalog.model import Family

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Chunks' edges in degrees, arrays of one length. ``lon_low`` < ``lon_high`` ≤ 360: a chunk never wraps."""

    lon_low: Floats
    lon_high: Floats
    lat_low: Floats
    lat_high: Floats


def normalized(ra: npt.ArrayLike) -> Floats:
    """Right ascensions in [0, 360); no copy is made where they already are.

    Raises
    ------
    ValueError
        For one that is not finite.
    """
    lon = np.asarray(ra, dtype=np.float64)
    if lon.size == 0:
        return lon
    low, high = lon.min(), lon.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("right ascensions must be finite")
    if low < 0.0 or high >= 360.0:
        lon = np.mod(lon, 360.0)
        lon[lon == 360.0] = 0.0  # what np.mod makes of a tiny negative angle
    return lon


class Partitioning:
    """How a family cuts the sphere into chunks and sub-chunks.

    Attributes
    ----------
    chunker : the library's own, for single regions.
    stripes, substripes : as in the family.
    height, subheight : of a stripe and a sub-stripe, degrees.
    chunks_in_stripe : chunks of each stripe, int32[stripes].
    subchunks_in_chunk : sub-chunks of a chunk in each sub-stripe of the sphere, int32[stripes * substripes].
    """

    def __init__(self, stripes: int, substripes: int) -> None:
        self.chunker = Chunker(stripes, substripes)
        self.stripes = stripes
        self.substripes = substripes
        self.height = 180.0 / stripes
        self.subheight = 180.0 / (stripes * substripes)
        self.chunks_in_stripe = np.array(
            [_boxes_around(self.chunker.getChunkBoundingBox(stripe, 0)) for stripe in range(stripes)], dtype=np.int32
        )
        around = [
            _boxes_around(self.chunker.getSubChunkBoundingBox(substripe, 0))
            for substripe in range(stripes * substripes)
        ]
        self.subchunks_in_chunk = (
            np.array(around, dtype=np.int32) // np.repeat(self.chunks_in_stripe, substripes)
        ).astype(np.int32)
        self._subchunk_stride = int(self.subchunks_in_chunk.max())

    @classmethod
    def of(cls, family: Family) -> Partitioning:
        """The partitioning of a family; made once for equal parameters."""
        return partitioning(family.stripes, family.substripes)

    @property
    def id_bound(self) -> int:
        """A number above all chunk ids."""
        return 2 * self.stripes * self.stripes

    def locate(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Ints, Ints]:
        """Chunk and sub-chunk of each position.

        Parameters
        ----------
        ra, dec : degrees, arrays of one length. Any finite ``ra`` is taken modulo 360; ``dec`` lies in [-90, 90].

        Returns
        -------
        Two int32 arrays: chunkId, subChunkId.

        Raises
        ------
        ValueError
            For a position that is not finite, or a ``dec`` beyond a pole.
        """
        lon, lat = normalized(ra), np.asarray(dec, dtype=np.float64)
        if lat.size and not (lat.min() >= -90.0 and lat.max() <= 90.0):  # False also for NaN
            raise ValueError("declinations must be finite, and in [-90, 90] degrees")
        substripe = self._substripe(lat)
        stripe = substripe // np.int32(self.substripes)
        chunks = self.chunks_in_stripe[stripe]
        chunk = np.minimum((lon * (chunks / 360.0)).astype(np.int32), chunks - 1)
        per_chunk = self.subchunks_in_chunk[substripe]
        around = (lon * ((chunks * per_chunk) / 360.0)).astype(np.int32)
        subchunk = np.clip(around - chunk * per_chunk, 0, per_chunk - 1)
        row = substripe - stripe * np.int32(self.substripes)
        chunk_id = stripe * np.int32(2 * self.stripes) + chunk
        return chunk_id, row * np.int32(self._subchunk_stride) + subchunk

    def _substripe(self, lat: Floats) -> Ints:
        found = ((lat + 90.0) * (1.0 / self.subheight)).astype(np.int32)
        return np.minimum(found, np.int32(self.stripes * self.substripes - 1))

    def all_chunks(self) -> Ints:
        """Every chunk's number, in order."""
        first = np.arange(self.stripes, dtype=np.int32) * np.int32(2 * self.stripes)
        starts = np.cumsum(self.chunks_in_stripe) - self.chunks_in_stripe
        offsets = np.arange(int(self.chunks_in_stripe.sum()), dtype=np.int32) - np.repeat(starts, self.chunks_in_stripe)
        return (np.repeat(first, self.chunks_in_stripe) + offsets).astype(np.int32)

    def boxes(self, chunk_ids: npt.ArrayLike) -> Boxes:
        """The edges of chunks.

        Raises
        ------
        ValueError
            For a number that is no chunk of this partitioning.
        """
        ids = np.asarray(chunk_ids, dtype=np.int64)
        stripe, chunk = np.divmod(ids, 2 * self.stripes)
        inside = (stripe >= 0) & (stripe < self.stripes)
        if not (inside.all() and (chunk < self.chunks_in_stripe[stripe]).all()):
            raise ValueError("not a chunk of this partitioning")
        width = 360.0 / self.chunks_in_stripe[stripe]
        return Boxes(
            lon_low=chunk * width,
            lon_high=np.minimum((chunk + 1) * width, 360.0),
            lat_low=stripe * self.height - 90.0,
            lat_high=np.minimum((stripe + 1) * self.height - 90.0, 90.0),
        )


def _boxes_around(box: Box) -> int:
    """How many boxes of this width go around: the library widens each by some 5e-12 rad, far below a rounding error."""
    return round(2 * pi / float(box.getWidth().asRadians()))


@lru_cache(maxsize=64)
def partitioning(stripes: int, substripes: int) -> Partitioning:
    return Partitioning(stripes, substripes)
