"""Which rows lie near a chunk that is not theirs: the rows a chunk needs for neighbour joins at its edge.

A row belongs to the overlap of a chunk if it lies outside of the chunk's box and within the overlap radius of it, by
the true angle on the sphere. Rows farther than that inside of their own chunk fall out after a few comparisons, so the
work goes with the number of rows near edges.

The distance of a point to a longitude-latitude box: where the point's longitude is within the box's, the difference of
latitudes. Elsewhere the nearest point lies on one of the box's two meridian edges. Along the meridian at a longitude
difference Δ the cosine of the distance is ``sin φ sin φ' + cos φ cos φ' cos Δ``, largest at
``φ' = atan2(sin φ, cos φ cos Δ)`` if the edge has that latitude, else at one of its ends. Distances are computed by the
haversine, which keeps its digits at small angles.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from qserv.sky.chunker import Boxes, Floats, Ints, Partitioning, normalized

SLACK = 1e-9
"""Degrees (4 micro-arcseconds) added to the radius: rounding may store a row too many, never one too few."""


@dataclass(frozen=True, slots=True)
class OverlapRows:
    """Pairs of a row and the chunk beside which it is stored. ``row`` indexes the input arrays."""

    row: npt.NDArray[np.int64]
    host: Ints


def overlap_rows(
    partitioning: Partitioning, ra: npt.ArrayLike, dec: npt.ArrayLike, chunk_id: Ints, overlap: float
) -> OverlapRows:
    """All pairs of a row and a foreign chunk within ``overlap`` of it.

    Parameters
    ----------
    ra, dec : degrees, as :meth:`Partitioning.locate` takes them. ``chunk_id`` is what it answered.
    overlap : degrees, inclusive.

    Returns
    -------
    Pairs in no particular order, each once.
    """
    if overlap <= 0.0:
        return OverlapRows(np.empty(0, np.int64), np.empty(0, np.int32))
    lon, lat = normalized(ra), np.asarray(dec, dtype=np.float64)
    radius = overlap + SLACK
    stripe = chunk_id // np.int32(2 * partitioning.stripes)
    reach = ceil(radius / partitioning.height)
    if reach >= 2 or partitioning.stripes < 3:
        offsets = range(-min(reach, partitioning.stripes), min(reach, partitioning.stripes) + 1)
    else:
        offsets = range(-1, 2)
    found = [_in_stripe(partitioning, lon, lat, stripe, chunk_id, offset, radius) for offset in offsets]
    return OverlapRows(np.concatenate([pair.row for pair in found]), np.concatenate([pair.host for pair in found]))


def _in_stripe(
    partitioning: Partitioning, lon: Floats, lat: Floats, stripe: Ints, chunk_id: Ints, offset: int, radius: float
) -> OverlapRows:
    """The pairs whose host chunk lies ``offset`` stripes above the row's own."""
    if offset == 0:
        rows = _near_sides(partitioning, lon, stripe, radius)
    else:
        rows = _near_stripe(partitioning, lat, stripe, offset, radius)
    host_stripe = (stripe[rows] + offset).astype(np.int64)
    around = partitioning.chunks_in_stripe[host_stripe]
    half = half_width(lat[rows], radius)
    scale = around / 360.0
    first = np.floor((lon[rows] - half) * scale).astype(np.int64)
    last = np.floor((lon[rows] + half) * scale).astype(np.int64)
    count = np.minimum(last - first + 1, around)
    if offset == 0:
        # a row whose reach stays in one chunk of its own stripe is in its own chunk
        several = count > 1
        rows, host_stripe, around, first, count = (a[several] for a in (rows, host_stripe, around, first, count))
    pair = np.repeat(np.arange(rows.size), count)
    step = np.arange(pair.size) - np.repeat(np.cumsum(count) - count, count)
    host = (host_stripe[pair] * 2 * partitioning.stripes + (first[pair] + step) % around[pair]).astype(np.int32)
    row = rows[pair]
    foreign = host != chunk_id[row]
    row, host = row[foreign], host[foreign]
    near = distance_to_boxes(partitioning.boxes(host), lon[row], lat[row]) <= radius
    return OverlapRows(row[near], host[near])


def _near_sides(partitioning: Partitioning, lon: Floats, stripe: Ints, radius: float) -> npt.NDArray[np.int64]:
    """Rows that may be near the sides of their chunk: by the widest reach in the stripe, which is cheap to compare."""
    edges = np.abs(np.arange(partitioning.stripes + 1) * partitioning.height - 90.0)
    reach = half_width(np.minimum(np.maximum(edges[:-1], edges[1:]), 90.0), radius)
    scale = partitioning.chunks_in_stripe / 360.0
    within = lon * scale[stripe]
    within -= np.floor(within)
    return np.flatnonzero(np.minimum(within, 1.0 - within) <= (reach * scale + SLACK)[stripe])


def _near_stripe(
    partitioning: Partitioning, lat: Floats, stripe: Ints, offset: int, radius: float
) -> npt.NDArray[np.int64]:
    """Rows within ``radius`` in latitude of the stripe ``offset`` above or below their own, where there is one."""
    inside = lat - (stripe * partitioning.height - 90.0)  # degrees above the lower edge of the row's stripe
    if offset > 0:
        near = inside >= offset * partitioning.height - radius
        return np.flatnonzero(near & (stripe < partitioning.stripes - offset))
    near = inside <= (offset + 1) * partitioning.height + radius
    return np.flatnonzero(near & (stripe >= -offset))


def half_width(lat: npt.ArrayLike, radius: float) -> Floats:
    """Half the extent in longitude, degrees, of circles of ``radius`` around points at ``lat``: 180 around a pole.

    The tangent meridians of a circle of radius r at latitude φ are at ``asin(sin r / cos φ)``.
    """
    lat = np.abs(np.asarray(lat, dtype=np.float64))
    ratio = np.sin(np.radians(min(radius, 90.0))) / np.cos(np.radians(lat))
    pole = lat + radius >= 90.0
    return np.where(pole, 180.0, np.degrees(np.arcsin(np.minimum(ratio, 1.0))) + SLACK)


def distance_to_boxes(boxes: Boxes, lon: Floats, lat: Floats) -> Floats:
    """The angle in degrees of each point to its box; 0 inside. ``lon`` lies in [0, 360)."""
    below, above = boxes.lat_low - lat, lat - boxes.lat_high
    distance = np.maximum(np.maximum(below, above), 0.0)
    aside = np.flatnonzero((lon < boxes.lon_low) | (lon > boxes.lon_high))
    if aside.size:
        point_lon, point_lat = lon[aside], lat[aside]
        low, high = boxes.lat_low[aside], boxes.lat_high[aside]
        # of two edges with the same latitudes, the one less far in longitude is the nearer
        delta = np.minimum(_turn(boxes.lon_low[aside], point_lon), _turn(boxes.lon_high[aside], point_lon))
        distance[aside] = _distance_to_meridian(delta, point_lat, low, high)
    return distance


def distance_to_chunks(
    partitioning: Partitioning, ra: npt.ArrayLike, dec: npt.ArrayLike, chunk_ids: npt.ArrayLike
) -> Floats:
    """The angle in degrees of each position to the chunk beside it in ``chunk_ids``; 0 inside."""
    return distance_to_boxes(partitioning.boxes(chunk_ids), normalized(ra), np.asarray(dec, dtype=np.float64))


def separation(ra1: npt.ArrayLike, dec1: npt.ArrayLike, ra2: npt.ArrayLike, dec2: npt.ArrayLike) -> Floats:
    """Great-circle distance in degrees, by the haversine formula."""
    delta = np.radians(np.asarray(ra1, dtype=np.float64) - np.asarray(ra2, dtype=np.float64))
    lat1, lat2 = np.radians(np.asarray(dec1, dtype=np.float64)), np.radians(np.asarray(dec2, dtype=np.float64))
    return np.degrees(_haversine_angle(delta, lat1, lat2))


def _turn(lon1: Floats, lon2: Floats) -> Floats:
    """The difference of longitudes in [0, 180]."""
    delta = np.abs(lon1 - lon2)
    return np.minimum(delta, 360.0 - delta)


def _distance_to_meridian(delta: Floats, lat: Floats, low: Floats, high: Floats) -> Floats:
    turn, phi = np.radians(delta), np.radians(lat)
    south, north = np.radians(low), np.radians(high)
    foot = np.clip(np.arctan2(np.sin(phi), np.cos(phi) * np.cos(turn)), south, north)
    ends = np.minimum(_haversine_angle(turn, phi, south), _haversine_angle(turn, phi, north))
    return np.degrees(np.minimum(ends, _haversine_angle(turn, phi, foot)))


def _haversine_angle(delta: Floats, lat1: Floats, lat2: Floats) -> Floats:
    half = np.sin((lat1 - lat2) / 2.0) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin(delta / 2.0) ** 2
    return np.asarray(2.0 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))
