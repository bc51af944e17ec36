"""Files that are damaged under a running cluster: answers stay right, and a query that meets one has it healed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cluster import Cluster, await_true
from faults.test_killed import QUERIES, ask
from qserv.catalog.resources import ScrubView
from qserv.catalog.rest import Controller
from qserv.storage.files import sum_of


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def whole(file: Path) -> bool:
    return file.exists() and sum_of(file).startswith(file.stem.rpartition("-")[2])


def scrubbed(controller: Controller) -> ScrubView:
    began = controller.start_scrub().id
    await_true(lambda: controller.scrub(began).state == "done", "the scrub did not end")
    return controller.scrub(began)


def safe(controller: Controller) -> bool:
    state = controller.status()
    kinds = (state.chunks, state.index, state.replicated)
    return state.chunks.moving == 0 and all(kind.under_replicated == kind.lost == 0 for kind in kinds)


@pytest.mark.parametrize(
    ("query", "pattern", "harm"),
    [
        pytest.param("count", "[0-9]*/main*", cut, id="cut"),
        pytest.param("count", "[0-9]*/main*", Path.unlink, id="gone"),
        pytest.param("keys", "index-*/*", Path.unlink, id="index"),
    ],
)
def test_a_damaged_file_is_healed_by_the_query_that_meets_it(
    cluster: Cluster, query: str, pattern: str, harm: Callable[[Path], object]
) -> None:
    keys = ", ".join(str(row[0]) for row in ask(cluster, QUERIES["rows"])[:200])
    sql = {"count": QUERIES["count"], "keys": f"SELECT COUNT(*) FROM Object WHERE objectId IN ({keys})"}[query]
    expected = ask(cluster, sql)
    victims = list((cluster.data("worker-0") / "synth" / "Object").glob(pattern))
    for file in victims:
        harm(file)
    for _ in range(3):
        assert ask(cluster, sql) == expected

    def healed() -> bool:
        assert ask(cluster, sql) == expected
        return any(whole(file) for file in victims)

    await_true(healed, "no damaged file was healed")
    with cluster.controller() as controller:
        scrubbed(controller)
        await_true(lambda: safe(controller), "healing did not end")
        assert scrubbed(controller).damaged == 0
    assert ask(cluster, sql) == expected
