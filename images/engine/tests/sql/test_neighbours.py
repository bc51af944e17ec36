"""Neighbour joins find the pairs that a KD-tree finds: at both poles, across 0/360, over all edges of chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from differential.samples import OVERLAP, unit_vectors
from qserv.sql.neighbour import Stats, cell_size
from qserv.sql.planner import plan
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


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(density=st.floats(1, 1e8), radius=st.floats(1e-4, OVERLAP))
def test_any_size_of_cells_finds_them_all(world: World, density: float, radius: float) -> None:
    sql = f"SELECT COUNT(*) FROM Object a JOIN gaia.Star b ON angSep(a.ra, a.decl, b.ra, b.decl) <= {radius!r}"
    table = world.catalog.table("gaia", "Star")
    assert table is not None
    found = world.run(plan(sql, world.catalog, "synth", Stats({table.id: density})))
    assert found.rows == [(_expected(world, "synth.Object", "gaia.Star", radius),)]


def test_dense_fields_have_small_cells() -> None:
    radius = 3 / 3600
    sizes = [cell_size(density, radius) for density in (1e2, 1e4, 1e6, 1e8)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= radius


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
