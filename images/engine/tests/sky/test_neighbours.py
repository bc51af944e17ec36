"""Pairs of points: those of brute force, whatever the sky, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qserv.sky import neighbours
from qserv.sky.neighbours import Block, Floats, Reach

Pairs = list[tuple[int, int]]


def _sky(seed: int, count: int, pole: float) -> Floats:
    """Points around a place, some of them twice."""
    random = np.random.default_rng(seed)
    ra = random.normal(0, 1, count) % 360 if abs(pole) < 89 else random.uniform(0, 360, count)
    decl = np.clip(pole + random.normal(0, 1, count), -90, 90)
    points = neighbours.unit_vectors(ra, decl)
    points[count // 2 : count // 2 + count // 8] = points[: count // 8]
    return points


def _brute(first: Floats, second: Floats, chord: float) -> Pairs:
    apart = np.linalg.norm(first[:, None, :] - second[None, :, :], axis=2)
    return sorted(zip(*(each.tolist() for each in np.nonzero(apart <= chord)), strict=True))


def _found(blocks: list[Block]) -> Pairs:
    return [pair for block in blocks for each in block.find() for pair in zip(each.first, each.second, strict=True)]


@settings(deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    count=st.integers(0, 300),
    share=st.floats(0, 1),
    pole=st.sampled_from((0.0, 90.0, -90.0, 89.5, 40.0)),
    radius=st.sampled_from((0.0, 1e-3, 0.05, 0.3, 3.0, 180.0)),
    most=st.sampled_from((1, 50, 1000, 1 << 30)),
    tile=st.sampled_from((7, 60, 1 << 20)),
)
def test_all_pairs_once(seed: int, count: int, share: float, pole: float, radius: float, most: int, tile: int) -> None:
    points, reach = _sky(seed, count, pole), Reach.of(radius)
    own = int(count * share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_TILE", tile)
        patch.setattr(neighbours, "_SAMPLED", 20)
        found = [
            (int(places[one]), int(places[other]))
            for places, first in neighbours.tiles(points, own, reach)
            for one, other in _found(neighbours.among(points[places], first, reach, most, lambda: None))
        ]
        assert sorted(found) == _brute(points[:own], points, reach.outer)
        blocks = neighbours.between(points[:own], neighbours.tree(points), reach, most, lambda: None)
    assert sorted(_found(blocks)) == _brute(points[:own], points, reach.outer)
    assert [place for block in blocks for place in range(block.start, block.end)] == list(range(own))


@pytest.mark.parametrize("radius", [0.0, 1e-9, 3 / 3600, 1.0, 90.0, 179.0])
def test_only_pairs_at_the_radius_are_unsure(radius: float) -> None:
    reach = Reach.of(radius)
    decl = np.array([0.0, radius / 2, radius, min(2 * radius + 1e-6, 180.0)]) - 90
    points = neighbours.unit_vectors(np.zeros(4), np.where(decl > 90, 180 - decl, decl))
    unsure = {
        (int(one), int(other))
        for block in neighbours.among(points, 1, reach, 1000, lambda: None)
        for each in block.find()
        if each.unsure is not None
        for one, other in zip(each.first[each.unsure], each.second[each.unsure], strict=True)
    }
    assert (0, 2) in unsure
    assert unsure <= {(0, 0), (0, 1), (0, 2)} if radius < 1e-6 else unsure == {(0, 2)}


def test_blocks_are_bounded() -> None:
    points = _sky(3, 400, 0.0)
    reach = Reach.of(1.0)
    counts = [
        sum(len(each.first) for each in block.find())
        for block in neighbours.between(points, neighbours.tree(points), reach, 1000, lambda: None)
    ]
    assert len(counts) > 1
    assert max(counts) <= 1000
