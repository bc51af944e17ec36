"""scisql's functions as macros, against sphgeom and astropy."""

from __future__ import annotations

from collections.abc import Iterator

import astropy.units as u
import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from astropy.coordinates import angular_separation
from lsst.sphgeom import LonLat, UnitVector3d

from qserv.sky.regions import Shape, region
from qserv.sql.functions import SETUP

RADIANS = 1e-12
COUNT = 4000
Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(SETUP)
    yield connection
    connection.close()


def _call(con: duckdb.DuckDBPyConnection, expression: str, **columns: Floats) -> Floats:
    rows = ", ".join(f"unnest(${name}) AS {name}" for name in columns)
    sql = f"SELECT {expression} AS x FROM (SELECT {rows})"
    return np.asarray(con.sql(sql, params={k: v.tolist() for k, v in columns.items()}).fetchnumpy()["x"], dtype=float)


def _pairs() -> dict[str, Floats]:
    """Positions over the whole sky; pairs far apart, close by, equal, at the poles, nearly opposite."""
    rng = np.random.default_rng(7)
    ra1, dec1 = rng.uniform(-360, 720, COUNT), np.degrees(np.arcsin(rng.uniform(-1, 1, COUNT)))
    ra2, dec2 = rng.uniform(-360, 720, COUNT), np.degrees(np.arcsin(rng.uniform(-1, 1, COUNT)))
    near = slice(0, 2000)
    scale = 10.0 ** rng.uniform(-12, 0, 2000)
    ra2[near] = ra1[near] + scale * rng.normal(size=2000)
    dec2[near] = np.clip(dec1[near] + scale * rng.normal(size=2000), -90, 90)
    dec1[2000:2100], dec2[2050:2150] = 90.0, -90.0
    ra2[2200:2300], dec2[2200:2300] = ra1[2200:2300] + 180 + 1e-7, -dec1[2200:2300]
    ra2[2300:2310], dec2[2300:2310] = ra1[2300:2310], dec1[2300:2310]
    return {"ra1": ra1, "dec1": dec1, "ra2": ra2, "dec2": dec2}


def test_separation(con: duckdb.DuckDBPyConnection) -> None:
    pairs = _pairs()
    found = _call(con, "scisql_angSep(ra1, dec1, ra2, dec2)", **pairs)
    expected = angular_separation(*(np.radians(pairs[name]) for name in ("ra1", "dec1", "ra2", "dec2")))
    # beyond 360 degrees, reducing the angle costs both sides some digits
    assert np.max(np.abs(np.radians(found) - expected)) < RADIANS


@pytest.mark.parametrize(
    "arguments", ["NULL, 1, 2, 3", "1, NULL, 2, 3", "1, 91, 2, 3", "1, 2, 3, -90.5"], ids=["ra", "decl", "high", "low"]
)
def test_no_separation(con: duckdb.DuckDBPyConnection, arguments: str) -> None:
    assert con.sql(f"SELECT scisql_angSep({arguments})").fetchall() == [(None,)]


SHAPES: list[tuple[Shape, list[float]]] = [
    (Shape.BOX, [350, -20, 10, 20]),
    (Shape.BOX, [0, -90, 360, -80]),
    (Shape.BOX, [10, 60, 200, 90]),
    (Shape.CIRCLE, [0, 0, 10]),
    (Shape.CIRCLE, [120, 89, 3]),
    (Shape.CIRCLE, [50, -88, 120]),
    (Shape.ELLIPSE, [0, 10, 36000, 9000, 30]),
    (Shape.ELLIPSE, [200, -89, 30000, 20000, 110]),
    (Shape.POLY, [350, -10, 10, -12, 12, 15, 345, 14]),
    (Shape.POLY, [345, 14, 12, 15, 10, -12, 350, -10]),
    (Shape.POLY, [0, 80, 120, 80, 240, 80]),
]
_CALLS = {
    Shape.BOX: "scisql_s2PtInBox(ra, dec, {})",
    Shape.CIRCLE: "scisql_s2PtInCircle(ra, dec, {})",
    Shape.ELLIPSE: "scisql_s2PtInEllipse(ra, dec, {})",
}


@pytest.mark.parametrize(("shape", "arguments"), SHAPES, ids=str)
def test_regions(con: duckdb.DuckDBPyConnection, shape: Shape, arguments: list[float]) -> None:
    rng = np.random.default_rng(11)
    ra = np.concatenate([rng.uniform(0, 360, COUNT), rng.uniform(-15, 15, COUNT)])
    dec = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, COUNT))), rng.uniform(-20, 25, COUNT)])
    listed = ", ".join(f"{value}::DOUBLE" for value in arguments)
    if shape is Shape.POLY:
        lons, lats = (", ".join(f"{value}::DOUBLE" for value in arguments[start::2]) for start in (0, 1))
        call = f"qserv_in_polygon(ra, dec, [{lons}], [{lats}])"
    else:
        call = _CALLS[shape].format(listed)
    found = _call(con, call, ra=ra, dec=dec)
    area = region(shape, arguments)
    expected = [area.contains(UnitVector3d(LonLat.fromDegrees(x, y))) for x, y in zip(ra, dec, strict=True)]
    assert 0 < found.sum() < found.size
    assert np.array_equal(found.astype(bool), expected)


def test_magnitudes(con: duckdb.DuckDBPyConnection) -> None:
    """Against astropy's AB magnitudes, whose zero point is 3631 Jy, not 10^(-48.6/2.5): 66 µmag apart."""
    flux = 10.0 ** np.random.default_rng(3).uniform(-3, 8, 200)
    found = _call(con, "scisql_nanojanskyToAbMag(flux)", flux=flux)
    assert np.max(np.abs(found - (flux * u.nJy).to_value(u.ABmag))) < 7e-5
    assert np.allclose(_call(con, "scisql_fluxToAbMag(flux * 1e-32)", flux=flux), found, rtol=1e-13)
    assert np.allclose(
        _call(con, "scisql_abMagToNanojansky(scisql_nanojanskyToAbMag(flux))", flux=flux), flux, rtol=1e-12
    )
    assert np.allclose(_call(con, "scisql_abMagToFlux(scisql_fluxToAbMag(flux))", flux=flux), flux, rtol=1e-12)
    assert np.allclose(_call(con, "scisql_abMagToDn(scisql_dnToAbMag(flux, 1e12), 1e12)", flux=flux), flux, rtol=1e-12)
    assert np.allclose(_call(con, "scisql_fluxToDn(scisql_dnToFlux(flux, 1e12), 1e12)", flux=flux), flux, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "sigma", "values"),
    [
        ("scisql_nanojanskyToAbMag({x})", "scisql_nanojanskyToAbMagSigma({x}, {s})", (120.0, 0.5)),
        ("scisql_fluxToAbMag({x})", "scisql_fluxToAbMagSigma({x}, {s})", (1e-29, 1e-31)),
        ("scisql_abMagToFlux({x})", "scisql_abMagToFluxSigma({x}, {s})", (21.0, 0.01)),
        ("scisql_abMagToNanojansky({x})", "scisql_abMagToNanojanskySigma({x}, {s})", (21.0, 0.01)),
        ("scisql_dnToAbMag({x}, 1e12)", "scisql_dnToAbMagSigma({x}, {s}, 1e12, 0)", (500.0, 2.0)),
        ("scisql_dnToFlux({x}, 1e12)", "scisql_dnToFluxSigma({x}, {s}, 1e12, 0)", (500.0, 2.0)),
        ("scisql_fluxToDn({x}, 1e12)", "scisql_fluxToDnSigma({x}, {s}, 1e12, 0)", (1e-29, 1e-31)),
        ("scisql_abMagToDn({x}, 1e12)", "scisql_abMagToDnSigma({x}, {s}, 1e12, 0)", (21.0, 0.01)),
    ],
)
def test_sigmas(con: duckdb.DuckDBPyConnection, function: str, sigma: str, values: tuple[float, float]) -> None:
    """A sigma is the derivative of its function times the argument's sigma."""
    x, s = values
    step = x * 1e-6
    low, high, found = con.sql(
        f"SELECT {function.format(x=f'{x - step!r}::DOUBLE')}, {function.format(x=f'{x + step!r}::DOUBLE')}, "
        f"{sigma.format(x=f'{x!r}::DOUBLE', s=f'{s!r}::DOUBLE')}"
    ).fetchall()[0]
    assert found == pytest.approx(abs(high - low) / (2 * step) * s, rel=1e-5)


@pytest.mark.parametrize(
    "call", ["scisql_fluxToAbMag(0)", "scisql_fluxToAbMag(-1)", "scisql_dnToAbMag(1, 0)", "scisql_abMagToFlux(NULL)"]
)
def test_no_magnitude(con: duckdb.DuckDBPyConnection, call: str) -> None:
    assert con.sql(f"SELECT {call}").fetchall() == [(None,)]
