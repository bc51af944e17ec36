"""Input files become staged rows on the primaries of their units."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.catalog.flight import WorkerClient
from qserv.catalog.messages import (
    Contribute,
    ContributionKey,
    ContributionState,
    Discard,
    Prepare,
    Prepared,
    StagedUnit,
    TableFacts,
)
from qserv.catalog.model import FileKind, TableKind, UnitKind
from qserv.catalog.resources import IndexPartition
from qserv.catalog.spec import ColumnSpec, Format, SourceSpec, TableSpec
from qserv.sky.chunker import partitioning
from worker.site import Registrar, Site

SPHERE = partitioning(18, 3)
FAMILY: dict[str, Any] = {"stripes": 18, "substripes": 3, "overlap": 0.5, "index_partitions": 4}
STARS = 2000


def columns(**types: str) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(name=name, type=kind) for name, kind in types.items())


OBJECT = TableFacts(
    id=1,
    database="sky",
    spec=TableSpec(
        name="Object",
        kind=TableKind.DIRECTOR,
        key="objectid",
        position=("RA", "dec"),
        columns=columns(objectId="BIGINT", ra="DOUBLE", dec="DOUBLE"),
    ),
    **FAMILY,
)


def child(**changes: Any) -> TableFacts:
    facts: dict[str, Any] = {
        "name": "Source",
        "kind": TableKind.CHILD,
        "key": "objectId",
        "director": "Object",
        "columns": columns(id="BIGINT", objectId="BIGINT", ra="DOUBLE", dec="DOUBLE"),
    }
    return TableFacts(id=2, database="sky", spec=TableSpec(**(facts | changes)), **FAMILY)


def stars() -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table(
        {
            "chunkId": np.zeros(STARS, np.int32),
            "objectId": rng.permutation(STARS),
            "ra": rng.uniform(350, 380, STARS) % 360,
            "dec": rng.uniform(70, 90, STARS),
        }
    )


NUMBERS = itertools.count(1)
"""Of transactions and contributions: each is used once, on whatever worker."""


class Loading:
    """A transaction over two workers; even units have their primary on the one, odd ones on the other."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.clients = [site.client(site.start(name)) for name in ("w0", "w1")]
        site.registrar.place = lambda _kind, number: (f"w{number % 2}", f"w{(number + 1) % 2}")
        self.begin()

    def begin(self) -> None:
        self.transaction = next(NUMBERS)
        self.given: list[int] = []
        self.site.registrar.index = (4, ())

    def contribute(self, facts: TableFacts, url: Path, **more: Any) -> tuple[ContributionState, ContributionKey]:
        """Read a file on the first worker, to its end."""
        number = next(NUMBERS)
        self.given.append(number)
        key = ContributionKey(contribution=number, attempt=1)
        about = {"contribution": number, "attempt": 1, "transaction": self.transaction}
        wish = Contribute(table=facts, url=str(url), **about, **more)
        self.clients[0].action("contribute", wish)
        self.clients[0].action("contribute", wish)
        return wait(self.clients[0], key), key

    def prepare(self, facts: TableFacts) -> list[StagedUnit]:
        keys = tuple((number, 1) for number in self.given)
        wish = Prepare(transaction=self.transaction, tables=(facts,), contributions=keys)
        found = []
        for client in self.clients:
            prepared = client.action("prepare", wish, Prepared, timeout=60)
            found.extend(prepared.files)
        return found

    def rows(self, files: list[StagedUnit], kind: FileKind = FileKind.MAIN) -> pa.Table:
        parts = [
            pq.read_table(path, partitioning=None) for file in files if file.kind is kind for path in [self.path(file)]
        ]
        return pa.concat_tables(parts)

    def path(self, file: StagedUnit) -> Path:
        return next(path for name in ("w0", "w1") if (path := self.site.folder / name / file.path).exists())

    def publish_index(self, files: list[StagedUnit]) -> None:
        """Make the director's index known, as the controller does when it commits."""
        self.site.registrar.index = (
            4,
            tuple(
                IndexPartition(number=file.number, workers=("gone", f"w{file.number % 2}"), files=(file.path,))
                for file in files
                if file.kind is FileKind.INDEX
            ),
        )


def wait(client: WorkerClient, key: ContributionKey) -> ContributionState:
    patience = threading.Event()
    for _ in range(600):
        state = client.action("contribution", key, ContributionState)
        if state.state != "running":
            return state
        patience.wait(0.02)
    raise AssertionError("the contribution does not end")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loading]:
    registrar = Registrar()
    site = Site(tmp_path_factory.mktemp("standing"), registrar)
    yield Loading(site)
    site.close()
    registrar.close()


@pytest.fixture
def loading(standing: Loading) -> Loading:
    standing.begin()
    return standing


def load_director(loading: Loading, tmp_path: Path) -> list[StagedUnit]:
    pq.write_table(stars(), tmp_path / "stars.parquet")
    state, _ = loading.contribute(OBJECT, tmp_path / "stars.parquet")
    assert (state.state, state.rows, state.workers) == ("done", STARS, ("w0", "w1"))
    files = loading.prepare(OBJECT)
    loading.publish_index(files)
    return files


def test_a_director_is_cut_and_spread(loading: Loading, tmp_path: Path) -> None:
    files = load_director(loading, tmp_path)
    main = loading.rows(files)
    assert main.schema.names == ["objectId", "ra", "dec", "chunkId", "subChunkId"]
    expected = stars()
    chunk, subchunk = SPHERE.locate(expected["ra"].to_numpy(), expected["dec"].to_numpy())
    places = dict(
        zip(expected["objectId"].to_pylist(), zip(chunk.tolist(), subchunk.tolist(), strict=True), strict=True)
    )
    found = {row["objectId"]: (row["chunkId"], row["subChunkId"]) for row in main.to_pylist()}
    assert found == places
    for file in files:
        assert loading.path(file).is_relative_to(loading.site.folder / f"w{file.number % 2}")
    assert sum(file.rows for file in files if file.kind is FileKind.INDEX) == STARS
    assert loading.rows(files, FileKind.OVERLAP).num_rows > 0


def test_a_child_is_placed_where_its_director_is(loading: Loading, tmp_path: Path) -> None:
    directors = {row["objectId"]: row for row in loading.rows(load_director(loading, tmp_path)).to_pylist()}
    keys = np.random.default_rng(6).integers(0, STARS, 5000)
    near = np.array([directors[key]["dec"] for key in keys.tolist()])
    pq.write_table(
        pa.table(
            {
                "id": np.arange(5000),
                "objectId": keys,
                "ra": [directors[key]["ra"] for key in keys.tolist()],
                "dec": np.clip(near + 0.25, -90, 90),
            }
        ),
        tmp_path / "sources.parquet",
    )
    facts = child(position=("ra", "dec"))
    state, _ = loading.contribute(facts, tmp_path / "sources.parquet", director=OBJECT)
    assert (state.state, state.rows) == ("done", 5000)
    assert 0.0 < state.margin <= 0.25 + 1e-6
    for row in loading.rows(loading.prepare(facts)).to_pylist():
        director = directors[row["objectId"]]
        assert (row["chunkId"], row["subChunkId"]) == (director["chunkId"], director["subChunkId"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "failed"), ({"orphans": "drop"}, (2, 2)), ({"position": ("ra", "dec")}, "failed"),
     ({"position": ("ra", "dec"), "orphans": "drop"}, (3, 1))],
)  # fmt: skip
def test_orphans(loading: Loading, tmp_path: Path, changes: dict[str, Any], expected: Any) -> None:
    load_director(loading, tmp_path)
    rows = pa.table(
        {
            "id": [1, 2, 3, 4],
            "objectId": pa.array([5, 9_999_999, None, 6], pa.int64()),
            "ra": [10.0, 20.0, None, 30.0],
            "dec": [0.0, 1.0, 2.0, 3.0],
        }
    )
    pq.write_table(rows, tmp_path / "sources.parquet")
    state, _ = loading.contribute(child(**changes), tmp_path / "sources.parquet", director=OBJECT)
    if expected == "failed":
        assert state.failure is not None
        assert (state.failure.code, state.failure.details["row"]) == ("bad-data", 2 if "position" not in changes else 3)
    else:
        assert (state.state, (state.rows, state.dropped)) == ("done", expected)


def test_a_match_table_goes_with_its_first_director(loading: Loading, tmp_path: Path) -> None:
    directors = {row["objectId"]: row["chunkId"] for row in loading.rows(load_director(loading, tmp_path)).to_pylist()}
    spec = TableSpec(
        name="Match",
        kind=TableKind.MATCH,
        directors=("Object", "other.Object"),
        keys=("one", "TWO"),
        radius=0.01,
        columns=columns(one="BIGINT", two="BIGINT"),
    )
    facts = TableFacts(id=3, database="sky", spec=spec, **FAMILY)
    pq.write_table(pa.table({"one": [3, 9, 12], "two": [1, 2, 3]}), tmp_path / "match.parquet")
    state, _ = loading.contribute(facts, tmp_path / "match.parquet", director=OBJECT)
    assert state.state == "done"
    found = loading.rows(loading.prepare(facts)).to_pylist()
    assert {row["one"]: row["chunkId"] for row in found} == {key: directors[key] for key in (3, 9, 12)}


def test_a_replicated_table_is_one_unit(loading: Loading, tmp_path: Path) -> None:
    spec = TableSpec(name="Filter", kind=TableKind.REPLICATED, columns=columns(chunkId="INT", name="VARCHAR(8)"))
    facts = TableFacts(id=9, database="sky", spec=spec)
    (tmp_path / "filters.csv").write_text("chunkId,name\n2,g\n1,r\n2,i\n")
    facts = facts.model_copy(
        update={"spec": spec.model_copy(update={"source": SourceSpec(path="*.csv", format=Format.CSV)})}
    )
    state, _ = loading.contribute(facts, tmp_path / "filters.csv")
    assert (state.state, state.workers) == ("done", ("w0",))
    files = loading.prepare(facts)
    assert [(file.unit, file.number) for file in files] == [(UnitKind.FULL, 9)]
    assert loading.rows(files).to_pylist() == [
        {"chunkId": 2, "name": "g"},
        {"chunkId": 1, "name": "r"},
        {"chunkId": 2, "name": "i"},
    ]


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [("7,abc,0", "bad-data", "ra"), ("8,nan,0", "bad-data", "ra"), ("9,10,95", "bad-data", "dec"),
     (",10,5", "bad-data", "objectid")],
)  # fmt: skip
def test_a_bad_row_is_named(loading: Loading, tmp_path: Path, line: str, code: str, column: str) -> None:
    (tmp_path / "stars.csv").write_text("objectId,ra,dec\n1,2,3\n4,5,6\n" + line + "\n")
    spec = OBJECT.spec.model_copy(update={"source": SourceSpec(path="x", format=Format.CSV)})
    state, _ = loading.contribute(OBJECT.model_copy(update={"spec": spec}), tmp_path / "stars.csv")
    assert state.failure is not None
    details = state.failure.details
    assert (state.failure.code, details["line"], str(details["column"]).lower()) == (code, 4, column)
    assert details["file"] == "stars.csv"


def test_a_missing_file_fails_the_contribution(loading: Loading, tmp_path: Path) -> None:
    state, _ = loading.contribute(OBJECT, tmp_path / "nothing.parquet")
    assert state.failure is not None
    assert state.failure.code == "bad-data"


def test_an_unreachable_primary_fails_the_contribution(site: Site, tmp_path: Path) -> None:
    loading = Loading(site)
    pq.write_table(stars(), tmp_path / "stars.parquet")
    loading.site.stop("w1")
    state, _ = loading.contribute(OBJECT, tmp_path / "stars.parquet")
    assert state.failure is not None
    assert state.failure.code == "unavailable"


@pytest.mark.parametrize("how", ["cancel_contribution", "discard"])
def test_a_contribution_is_cancelled(loading: Loading, tmp_path: Path, how: str) -> None:
    url = large_file(tmp_path / "stars.csv")
    spec = OBJECT.spec.model_copy(update={"source": SourceSpec(path="x", format=Format.CSV)})
    key = ContributionKey(contribution=next(NUMBERS), attempt=1)
    client = loading.clients[0]
    wish = Contribute(
        contribution=key.contribution,
        attempt=1,
        transaction=loading.transaction,
        table=OBJECT.model_copy(update={"spec": spec}),
        url=str(url),
    )
    client.action("contribute", wish)
    message = key if how == "cancel_contribution" else Discard(transaction=loading.transaction)
    client.action(how, message)
    state = wait(client, key)
    assert state.failure is not None
    assert state.failure.code in ("query-killed", "transaction-closed")


def test_a_contribution_is_cancelled_while_its_file_is_fetched(loading: Loading) -> None:
    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):  # the worker goes away
                while True:
                    self.wfile.write(b"1,1,1\n" * 1000)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client, key = loading.clients[0], ContributionKey(contribution=next(NUMBERS), attempt=1)
        url = f"http://127.0.0.1:{server.server_port}/endless.csv"
        wish = Contribute(
            contribution=key.contribution, attempt=1, transaction=loading.transaction, table=OBJECT, url=url
        )
        client.action("contribute", wish)
        client.action("cancel_contribution", key)
        state = wait(client, key)
        server.shutdown()
        thread.join()
    assert state.failure is not None
    assert state.failure.code == "query-killed"


def large_file(path: Path) -> Path:
    """A file large enough to be still read when the cancel comes."""
    with path.open("w") as file:
        file.write("objectId,ra,dec\n")
        file.writelines(f"{row},{row % 360},{row % 90}\n" for row in range(400_000))
    return path


def test_an_unknown_contribution_is_told(loading: Loading) -> None:
    state = loading.clients[0].action("contribution", ContributionKey(contribution=10**9, attempt=1), ContributionState)
    assert state == ContributionState(state="unknown")
