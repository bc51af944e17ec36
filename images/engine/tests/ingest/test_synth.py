"""The synthetic survey: the same rows however it is cut, and such as a survey has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from qserv.catalog.errors import Conflict, SpecError
from qserv.catalog.spec import FamilySpec
from qserv.ingest.specfile import read_spec
from qserv.ingest.synth import synthesize
from qserv.ingest.synthshapes import BLOCK, MATCH_RADIUS, Area
from qserv.sky.overlap import separation
from qserv.storage.readers import open_rows
from qserv.storage.schema import spec_columns
from qserv.storage.sources import expand

OBJECTS = BLOCK + 1000  # a whole block, and part of one


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth")
    return synthesize(folder, OBJECTS, 2.0, forced_per_object=1.0, seed=7, objects_per_file=1)


def table(spec: Path, name: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((spec.parent / name).glob("*.parquet")))


def test_rows_do_not_depend_on_how_they_are_cut(survey: Path, tmp_path: Path) -> None:
    rows: dict[str, int] = {}

    def count(name: str, number: int) -> None:
        rows[name] = rows.get(name, 0) + number

    other = synthesize(tmp_path / "one", OBJECTS, 2.0, forced_per_object=1.0, seed=7, progress=count)
    assert len(list((survey.parent / "Object").iterdir())) == 2
    assert len(list((other.parent / "Object").iterdir())) == 1
    for name in ("Object", "TruthObject", "Source", "ForcedSource", "ObjectTruthMatch"):
        assert table(other, name).equals(table(survey, name)), name
        assert rows[name] == table(survey, name).num_rows
    assert rows["Object"] == OBJECTS


def test_another_seed_gives_another_sky(survey: Path, tmp_path: Path) -> None:
    other = synthesize(tmp_path / "other", 1000, 0.0, truth=False, seed=8)
    ours = table(survey, "Object").slice(0, 1000)
    assert (table(other, "Object")["ra"].to_numpy() != ours["ra"].to_numpy()).all()
    assert sorted(path.name for path in other.parent.iterdir()) == ["Object", "synth.yaml"]


def test_the_spec_reads_what_was_written(survey: Path, tmp_path: Path) -> None:
    spec = read_spec(survey)
    assert [entry.name for entry in spec.tables] == [
        "Object",
        "TruthObject",
        "Source",
        "ForcedSource",
        "ObjectTruthMatch",
    ]
    for entry in spec.tables:
        assert entry.source is not None
        read = 0
        for url in expand(entry.source, survey.parent):
            with open_rows(url, entry.source, spec_columns(entry), tmp_path) as rows:
                read += sum(batch.rows.num_rows for batch in rows)
        assert read == table(survey, entry.name).num_rows


def test_keys_are_unique_and_refer_to_objects(survey: Path) -> None:
    ids = set(table(survey, "Object")["objectId"].to_pylist())
    assert len(ids) == OBJECTS
    for name, key in (("Source", "sourceId"), ("ForcedSource", "forcedSourceId"), ("TruthObject", "truthId")):
        keys = table(survey, name)[key]
        assert pc.count_distinct(keys).as_py() == len(keys), name
    for name in ("Source", "ForcedSource", "ObjectTruthMatch"):
        assert set(table(survey, name)["objectId"].to_pylist()) <= ids


def test_positions_cluster_and_stay_in_the_area(survey: Path) -> None:
    objects = table(survey, "Object")
    ra, dec = objects["ra"].to_numpy(), objects["decl"].to_numpy()
    assert (ra.min(), ra.max(), dec.min(), dec.max()) == pytest.approx((30.0, 60.0, -10.0, 10.0), abs=0.3)
    cells = np.histogram2d(ra, dec, bins=(300, 200), range=((30, 60), (-10, 10)))[0]
    assert cells.var() > 5 * cells.mean(), "a uniform sky has a variance of its mean"


def test_detections_lie_near_their_object_and_pairs_within_the_radius(survey: Path) -> None:
    objects = table(survey, "Object").select(["objectId", "ra", "decl"])
    joined = table(survey, "Source").join(objects, "objectId", right_suffix="Object")
    apart = separation(*(joined[name].to_numpy() for name in ("ra", "decl", "raObject", "declObject")))
    assert 0.0 < apart.max() < 2.0 / 3600.0
    pairs = table(survey, "ObjectTruthMatch")["separation"].to_numpy()
    assert 0.0 < pairs.max() < MATCH_RADIUS


def test_measurements_have_errors_and_gaps(survey: Path) -> None:
    objects, sources = table(survey, "Object"), table(survey, "Source")
    assert objects.num_columns == 20
    assert 0.02 < objects["rPsfFlux"].null_count / OBJECTS < 0.04
    assert objects["parallax"].null_count > 0.6 * OBJECTS
    assert pc.min(objects["uPsfFlux"]).as_py() < 0 < pc.min(objects["uPsfFluxErr"]).as_py()
    assert (sources["psfMag"].is_null().to_numpy() == (sources["psfFlux"].to_numpy() <= 0)).all()
    seconds = (pc.cast(sources["obsTime"], pa.int64()).to_numpy() / 86_400e6) + 40_587
    assert seconds == pytest.approx(sources["midPointTai"].to_numpy(), abs=1e-9)


def test_a_wide_object_has_150_columns(tmp_path: Path) -> None:
    spec = synthesize(tmp_path, 500, 0.0, truth=False, wide=True)
    assert table(spec, "Object").num_columns == 150
    assert len(read_spec(spec).tables[0].columns or ()) == 150


def test_areas_may_wrap_and_hold_a_pole(tmp_path: Path) -> None:
    wrap = table(synthesize(tmp_path / "w", 5000, 0.0, area=Area(355.0, -5.0, 5.0, 5.0)), "Object")
    ra = wrap["ra"].to_numpy()
    assert (np.minimum(ra, 360.0 - ra) < 6.0).all()
    pole = table(synthesize(tmp_path / "p", 5000, 0.0, area=Area(0.0, 85.0, 360.0, 90.0)), "Object")
    dec = pole["decl"].to_numpy()
    assert 84.0 < dec.min() < dec.max() <= 90.0
    assert np.histogram(pole["ra"].to_numpy(), bins=4, range=(0, 360))[0].min() > 500


def test_memory_does_not_grow_with_the_survey(tmp_path: Path) -> None:
    """Peak memory of processes of their own: that of six blocks is that of two, within the allocator's whims."""
    program = (
        "import resource, sys; from pathlib import Path; from qserv.ingest.synth import synthesize;"
        "synthesize(Path(sys.argv[1]), int(sys.argv[2]), 4.0);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", program, str(tmp_path / str(blocks)), str(blocks * BLOCK)],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ARROW_DEFAULT_MEMORY_POOL": "system"},
            ).stdout
        )
        for blocks in (2, 6)
    ]
    assert peaks[1] < 1.25 * peaks[0]


@pytest.mark.parametrize("numbers", [{"objects": 0}, {"objects": 1, "sources_per_object": -1.0}])
def test_numbers_that_make_no_survey(tmp_path: Path, numbers: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        synthesize(tmp_path, **numbers)  # type: ignore[arg-type]  # ints and floats in one dict


def test_a_survey_is_never_overwritten(tmp_path: Path) -> None:
    family = FamilySpec(stripes=36, substripes=2, overlap=0.1)
    spec = synthesize(tmp_path, 10, 1.0, family=family, database="tiny")
    assert spec.name == "tiny.yaml"
    assert read_spec(spec).family == family
    with pytest.raises(Conflict, match="is there already"):
        synthesize(tmp_path, 10, 1.0, database="tiny")


def test_a_survey_that_breaks_off_leaves_no_half_files(tmp_path: Path) -> None:
    def stop(name: str, rows: int) -> None:
        if name == "Source":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path, 100, progress=stop)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
