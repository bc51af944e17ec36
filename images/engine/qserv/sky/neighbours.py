"""Pairs of points of the sphere that are near one another, by KD-trees over their unit vectors.

The chord between two unit vectors grows with the angle between them, and vectors of doubles are right to some 1e-15.
So a chord tells of all pairs but those within a hair of the radius whether they are within it; which those are is
said, and whoever asked decides.

Searches come in *blocks*, each of about as many pairs as may be held at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Check = Callable[[], None]

_RELATIVE, _ABSOLUTE = 1e-9, 1e-14
"""How far a chord may be from that of the radius and be too near to say."""

_TILE = 100_000
"""Points of a tile: its tree fits a processor's cache."""

_WIDE = 4
"""Radii that a stripe has to be wide at least: what neighbouring ones share is searched twice."""

_SHRUNK = 0.75
"""Of the points that a stripe may have: crowds in one place are not cut further."""

_LEVELS = 65_535
_SAMPLED = 1000
"""Points whose neighbours are counted at a time, and to guess how many pairs there are."""

_STEP = 1 << 15
"""Pairs whose chords are computed at a time."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Chords below ``inner`` are within a radius for certain, those above ``outer`` are not."""

    inner: float
    outer: float

    @classmethod
    def of(cls, radius: float) -> Reach:
        """The reach of a radius in degrees."""
        chord = float(2 * np.sin(np.radians(min(radius, 180.0)) / 2))
        margin = max(chord * _RELATIVE, _ABSOLUTE)
        return cls(chord - margin, chord + margin)


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs, as places of their first and second points. ``unsure``: those too near the radius to say, if any."""

    first: Places
    second: Places
    unsure: Mask | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A search of the neighbours of the first points ``start`` … ``end - 1``."""

    start: int
    end: int
    find: Callable[[], list[Found]]


def unit_vectors(ra: Floats, decl: Floats) -> Floats:
    """The vectors of positions in degrees, one a row."""
    lon, lat = np.radians(ra), np.radians(decl)
    around = np.cos(lat)
    return np.column_stack([around * np.cos(lon), around * np.sin(lon), np.sin(lat)])


def on_sphere(ra: Floats, decl: Floats) -> Mask:
    """Which positions are ones."""
    return np.isfinite(ra) & (np.abs(decl) <= 90.0)


def tree(points: Floats) -> cKDTree:
    # unbalanced: made in two thirds of the time, and searched as fast
    return cKDTree(points, balanced_tree=False)


def between(first: Floats, second: cKDTree, reach: Reach, most: int, check: Check) -> list[Block]:
    """The pairs of a point of ``first`` with one of ``second``, in blocks of about ``most`` pairs.

    ``check`` is called now and then; it raises what ends the search.
    """
    starts = [0]
    if _guess(first, second, reach) > most:
        starts = _starts(_counts(first, second, reach, check), most)
    bounds = pairwise([*starts, len(first)])
    return [Block(start, end, partial(_between, first[start:end], start, second, reach)) for start, end in bounds]


def among(points: Floats, own: int, reach: Reach, most: int, check: Check) -> list[Block]:
    """The pairs of one of the first ``own`` points with any, itself included: each order is a pair."""
    every = tree(points)
    pairs = _guess(points[:own], every, reach)
    if pairs <= most:
        return [Block(0, own, partial(_among, every, points, own, reach))]
    stripes = _stripes(points, own, reach, ceil(pairs / most))
    if max(count for _, count in stripes) > _SHRUNK * own:
        return between(points[:own], every, reach, most, check)
    return [
        Block(0, own, partial(_placed, block, places))
        for places, count in stripes
        for block in among(points[places], count, reach, most, check)
    ]


def tiles(points: Floats, own: int, reach: Reach) -> list[tuple[Places, int]]:
    """The points in parts whose trees are small.

    Each is the places of some of the first ``own`` points, followed by all others within their reach, and how many the
    former are.
    """
    return _stripes(points, own, reach, ceil(own / _TILE))


def _stripes(points: Floats, own: int, reach: Reach, count: int) -> list[tuple[Places, int]]:
    """About ``count`` parts of as many points; one where what they share were much of them."""
    whole = [(np.arange(len(points)), own)]
    if count < 2 or own < 2 * count:
        return whole
    axis = int(np.argmax(np.ptp(points[:own], axis=0)))
    along = points[:, axis]
    if np.ptp(along) < _WIDE * reach.outer * count:
        return whole
    # in whole numbers of sixteen bits, which are sorted by counting
    scale = _LEVELS / np.ptp(along)
    level = ((along - along.min()) * scale).astype(np.uint16)
    order = np.argsort(level, kind="stable")
    sorted_ = level[order].astype(np.int64)
    cuts = np.unique(sorted_[order < own][own // count :: own // count])
    margin = int(reach.outer * scale) + 2
    found = []
    for start, end in pairwise([0, *cuts.tolist(), _LEVELS + 1]):
        within = slice(*np.searchsorted(sorted_, [start - margin, end + margin]))
        places, levels = order[within], sorted_[within]
        mine = (places < own) & (levels >= start) & (levels < end)
        found.append((np.concatenate([places[mine], places[~mine]]), int(np.count_nonzero(mine))))
    return found


def _guess(first: Floats, second: cKDTree, reach: Reach) -> float:
    """About how many pairs there are."""
    if len(first) <= _SAMPLED:
        return len(first) * float(second.n)
    sample = first[:: len(first) // _SAMPLED]
    return float(second.query_ball_point(sample, reach.outer, return_length=True).mean()) * len(first)


def _counts(first: Floats, second: cKDTree, reach: Reach, check: Check) -> Places:
    """How many pairs each first point has."""
    counts = []
    for start in range(0, len(first), _SAMPLED):
        check()
        counts.append(second.query_ball_point(first[start : start + _SAMPLED], reach.outer, return_length=True))
    return np.concatenate(counts)


def _starts(counts: Places, most: int) -> list[int]:
    """Where blocks begin that have as many pairs as may be, and a point at least."""
    total = np.cumsum(counts)
    starts = [0]
    while True:
        before = total[starts[-1] - 1] if starts[-1] else 0
        end = max(int(np.searchsorted(total, before + most, side="right")), starts[-1] + 1)
        if end >= len(counts):
            return starts
        starts.append(end)


def _between(first: Floats, start: int, second: cKDTree, reach: Reach) -> list[Found]:
    near = tree(first).sparse_distance_matrix(second, reach.outer, output_type="ndarray")
    unsure = near["v"] > reach.inner
    return [Found(near["i"] + start, near["j"], unsure if unsure.any() else None)]


def _among(every: cKDTree, points: Floats, own: int, reach: Reach) -> list[Found]:
    one, other = every.query_pairs(reach.outer, output_type="ndarray").T.copy()
    unsure = _long(points, one, other, reach.inner)
    itself = np.arange(own)
    found = [Found(itself, itself, np.ones(own, np.bool_) if reach.inner < 0 else None)]
    for first, second in ((one, other), (other, one)):
        mine = first < own
        if mine.all():
            found.append(Found(first, second, unsure))
        else:
            found.append(Found(first[mine], second[mine], None if unsure is None else unsure[mine]))
    return found


def _placed(block: Block, places: Places) -> list[Found]:
    return [Found(places[each.first], places[each.second], each.unsure) for each in block.find()]


def _long(points: Floats, one: Places, other: Places, chord: float) -> Mask | None:
    """Which pairs are further apart than a chord, if any."""
    squares = np.empty(len(one))
    for start in range(0, len(one), _STEP):
        part = slice(start, start + _STEP)
        apart = np.take(points, one[part], axis=0)
        apart -= np.take(points, other[part], axis=0)
        np.einsum("ij,ij->i", apart, apart, out=squares[part])
    longer = squares > chord * abs(chord)
    return longer if longer.any() else None
