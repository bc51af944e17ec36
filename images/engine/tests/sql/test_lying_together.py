"""Queries inside of others, groups and windows: which of them workers answer, and which are fetched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qserv.catalog.model import Catalog
from qserv.sql.plan import Plan
from qserv.sql.planner import plan
from sql.world import World

LOCAL = (
    "SELECT COUNT(*) FROM Object WHERE objectId IN (SELECT objectId FROM Source WHERE psfFlux > 100)",
    "SELECT COUNT(*) FROM Object WHERE (detections, objectId) NOT IN (SELECT filterId, objectId FROM Source)",
    "SELECT COUNT(*) FROM Object WHERE objectId = ANY (SELECT objectId FROM Source) AND rMag < 20",
    "SELECT COUNT(*) FROM Object WHERE objectId <> ALL (SELECT objectId FROM Source)",
    "SELECT COUNT(*) FROM Object o WHERE NOT EXISTS (SELECT 1 FROM Source s WHERE o.objectId = s.objectId)",
    "SELECT COUNT(*) FROM Object o WHERE EXISTS (SELECT 1 FROM Source s WHERE s.objectId = o.objectId AND s.psfFlux > "
    "(SELECT AVG(f.psfFlux) FROM ForcedSource f WHERE f.objectId = o.objectId))",
    "SELECT (SELECT MAX(psfFlux) FROM Source s WHERE s.objectId = o.objectId) FROM Object o",
    "SELECT o.objectId FROM Object o ORDER BY (SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId) LIMIT 3",
    "SELECT COUNT(*) FROM Object o LEFT JOIN (SELECT objectId, AVG(psfFlux) f FROM Source GROUP BY objectId) s "
    "USING (objectId) WHERE s.f IS NULL",
    "WITH s AS (SELECT objectId, AVG(psfFlux) f FROM Source GROUP BY objectId), t AS (SELECT objectId FROM Object) "
    "SELECT COUNT(*) FROM s JOIN t ON s.objectId = t.objectId",
    "SELECT COUNT(*) FROM (SELECT DISTINCT objectId, filterId FROM Source) t",
    "SELECT MAX(n) FROM (SELECT COUNT(*) n FROM Source GROUP BY chunkId) t",
    "SELECT COUNT(*) FROM (SELECT objectId, RANK() OVER (PARTITION BY objectId ORDER BY psfFlux) r FROM Source) t "
    "WHERE r = 1",
    "SELECT objectId FROM Source GROUP BY objectId HAVING COUNT(*) > "
    "(SELECT COUNT(*) FROM ForcedSource f WHERE f.objectId = Source.objectId)",
    "SELECT COUNT(*) FROM (SELECT objectId FROM Source EXCEPT SELECT objectId FROM ForcedSource) t",
    "SELECT COUNT(*) FROM Source WHERE filterId NOT IN (SELECT filterId FROM Filter WHERE wavelength > 700)",
    "SELECT o.objectId, x.mag FROM Object o JOIN (SELECT m.objectId, MIN(g.mag) mag FROM ObjectStar m "
    "JOIN gaia.Star g ON g.source_id = m.source_id GROUP BY m.objectId) x ON x.objectId = o.objectId",
)
"""One leaf answers; what the czar does is at most to add up and to order."""

FETCHED = (
    "SELECT COUNT(*) FROM Object a JOIN Object b ON a.detections = b.detections",
    "SELECT COUNT(*) FROM gaia.Star g WHERE EXISTS (SELECT 1 FROM ObjectStar m WHERE m.source_id = g.source_id)",
    "SELECT COUNT(*) FROM (SELECT objectId FROM Source UNION ALL SELECT filterId FROM Filter) t",
)
"""Several leaves: the rows that belong together may lie in different chunks."""


@pytest.mark.parametrize("sql", LOCAL)
def test_what_lies_together_stays_on_the_workers(sql: str, world: World) -> None:
    assert len(plan(sql, world.catalog, "synth").leaves) == 1


def test_a_random_condition_is_asked_once(world: World) -> None:
    found = plan(
        "SELECT COUNT(*) FROM Object o, Source s WHERE o.detections = s.filterId AND RAND() < 0.5",
        world.catalog,
        "synth",
    )
    assert len(found.leaves) > 1
    assert not any("random()" in leaf.sql for leaf in found.leaves)
    assert found.merge is not None
    assert found.merge.count("random()") == 1


@pytest.mark.parametrize("sql", FETCHED)
def test_what_does_not_is_fetched(sql: str, world: World) -> None:
    assert len(plan(sql, world.catalog, "synth").leaves) > 1


@pytest.mark.parametrize(
    ("sql", "streams"),
    [
        ("SELECT objectId, COUNT(*) AS n FROM Source GROUP BY objectId HAVING n > 3", True),
        ("SELECT DISTINCT objectId, filterId FROM Source LIMIT 5", True),
        ("SELECT chunkId, MAX(ra) FROM Object GROUP BY chunkId", True),
        ("SELECT sourceId, LAG(psfFlux) OVER (PARTITION BY objectId ORDER BY midPoint) FROM Source", True),
        ("SELECT filterId, COUNT(*) FROM Source GROUP BY filterId", False),
        ("SELECT objectId, COUNT(*) FROM Source GROUP BY objectId WITH ROLLUP", False),
        ("SELECT s.objectId, COUNT(*) FROM Object o LEFT JOIN Source s USING (objectId) GROUP BY s.objectId", False),
    ],
)
def test_groups_by_a_key_are_ended_by_workers(sql: str, streams: bool, world: World) -> None:
    found = plan(sql, world.catalog, "synth")
    assert (found.merge is None) is streams
    assert found.leaves[0].grouped is (streams and "GROUP BY" in sql)


def _repeated(world: World) -> Catalog:
    """The catalog as if an objectId could stand in several chunks."""
    database = world.catalog.databases["synth"]
    tables = {**database.tables, "object": replace(database.tables["object"], unique=False)}
    return replace(world.catalog, databases={**world.catalog.databases, "synth": replace(database, tables=tables)})


def test_keys_that_may_repeat_bring_nothing_together(world: World) -> None:
    catalog = _repeated(world)

    def planned(sql: str) -> Plan:
        return plan(sql, catalog, "synth")

    assert planned("SELECT objectId, COUNT(*) FROM Object GROUP BY objectId").merge is not None
    assert planned("SELECT COUNT(*) FROM Object WHERE objectId IN (SELECT objectId FROM Source)").before
    correlated = "SELECT (SELECT COUNT(*) FROM Source s WHERE s.objectId = o.objectId) FROM Object o"
    assert len(planned(correlated).leaves) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM (SELECT objectId, COUNT(*) FROM Source GROUP BY objectId) t WHERE objectId = 433327840430132",
        "SELECT * FROM (SELECT objectId k FROM Source WHERE objectId = 433327840430132) t JOIN Object ON k = objectId",
        "SELECT COUNT(*) FROM ObjectStar WHERE objectId = 433327840430132",
        "SELECT * FROM (SELECT chunkId c, COUNT(*) FROM Source GROUP BY chunkId) t WHERE c = 288",
        "SELECT COUNT(*) FROM (SELECT objectId FROM Object WHERE chunkId = 288 UNION ALL "
        "SELECT objectId FROM Source WHERE chunkId = 288) t",
    ],
)
def test_restrictions_reach_through_derived_tables(sql: str, world: World) -> None:
    assert world.ask(sql, "synth").asked == (1,)
