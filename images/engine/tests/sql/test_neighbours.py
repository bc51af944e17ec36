"""Neighbour joins find the pairs that a KD-tree finds: at both poles, across 0/360, over all edges of chunks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from differential.samples import OVERLAP, unit_vectors
from sql.world import World


def _expected(world: World, one: str, other: str, radius: float) -> int:
    trees = []
    for name in (one, other):
        table = world.catalog.table(*name.split("."))
        assert table is not None
        rows = world.connection.sql(f"SELECT ra, decl FROM main_{table.id} WHERE ra IS NOT NULL").fetchnumpy()
        trees.append(cKDTree(unit_vectors(rows["ra"], rows["decl"])))
    return int(trees[0].count_neighbors(trees[1], 2 * np.sin(np.radians(radius) / 2)))


@pytest.mark.parametrize("radius", [1 / 3600, 0.01, 0.0301, OVERLAP])
@pytest.mark.parametrize(
    ("one", "other"), [("synth.Object", "synth.Object"), ("gaia.Star", "hip.Star"), ("synth.Object", "gaia.Star")]
)
def test_pairs(world: World, one: str, other: str, radius: float) -> None:
    sql = f"SELECT COUNT(*) FROM {one} a, {other} b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) <= {radius}"
    found = world.ask(sql, None)
    assert found.rows == [(_expected(world, one, other, radius),)]
    assert len(found.plan.leaves) == 1


@pytest.mark.parametrize("radius", [0.002, 0.3])
@pytest.mark.parametrize(
    ("one", "other"), [("gaia.Star", "ongc.Object"), ("ongc.Object", "hip.Star"), ("ongc.Object", "ongc.Object")]
)
def test_a_replicated_table_has_neighbours_at_any_radius(world: World, one: str, other: str, radius: float) -> None:
    sql = f"SELECT COUNT(*) FROM {one} a, {other} b WHERE scisql_angSep(a.ra, a.decl, b.ra, b.decl) <= {radius}"
    found = world.ask(sql, None)
    assert found.rows == [(_expected(world, one, other, radius),)]
    assert len(found.plan.leaves) == 1


def test_three_tables(world: World) -> None:
    """A star with its neighbours in two catalogs."""
    near = "scisql_angSep(a.ra, a.decl, {0}.ra, {0}.decl) < 0.01"
    both = world.ask(
        f"SELECT COUNT(*) FROM gaia.Star a, hip.Star b, Object c WHERE {near.format('b')} AND {near.format('c')}",
        "synth",
    )
    assert len(both.plan.leaves) == 1
    counted = (
        "SELECT SUM(x.n * y.n) FROM (SELECT a.source_id AS k, COUNT(*) AS n FROM gaia.Star a, {0} b WHERE "
        + near.format("b")
        + " GROUP BY a.source_id) x JOIN (SELECT a.source_id AS k, COUNT(*) AS n FROM gaia.Star a, Object b WHERE "
        + near.format("b")
        + " GROUP BY a.source_id) y ON x.k = y.k"
    )
    assert both.rows[0][0] == int(world.ask(counted.format("hip.Star"), "synth").rows[0][0] or 0)
