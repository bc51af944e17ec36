"""scisql's functions, by their names with and without ``scisql_``."""

from __future__ import annotations

from sqlglot import exp

from qserv.catalog.errors import WrongArguments
from qserv.sql.translate import FUNCTIONS, Translator, function
from qserv.sql.values import DOUBLE, INT, Value, double

_DOUBLES = {
    "angSep": 4,
    "nanojanskyToAbMag": 1,
    "nanojanskyToAbMagSigma": 2,
    "fluxToAbMag": 1,
    "fluxToAbMagSigma": 2,
    "abMagToFlux": 1,
    "abMagToFluxSigma": 2,
    "abMagToNanojansky": 1,
    "abMagToNanojanskySigma": 2,
    "dnToAbMag": 2,
    "dnToAbMagSigma": 4,
    "dnToFlux": 2,
    "dnToFluxSigma": 4,
    "fluxToDn": 2,
    "fluxToDnSigma": 4,
    "abMagToDn": 2,
    "abMagToDnSigma": 4,
}
"""Functions of numbers that give a number, and how many they take."""

_POINTS = {"s2PtInBox": 6, "s2PtInCircle": 5, "s2PtInEllipse": 7}
"""Whether a point is in a region: 1 or 0."""


def _register(name: str, count: int, whole: bool) -> None:
    def translated(*values: Value) -> Value:
        arguments = ", ".join(double(value) for value in values)
        return Value(f"scisql_{name}({arguments})", INT if whole else DOUBLE)

    function(name.lower(), f"scisql_{name.lower()}", least=count)(translated)


for _name, _count in _DOUBLES.items():
    _register(_name, _count, whole=False)
for _name, _count in _POINTS.items():
    _register(_name, _count, whole=True)


def _polygon(translator: Translator, arguments: list[exp.Expr], shown: str = "s2PtInCPoly") -> Value:
    if len(arguments) < 8 or len(arguments) % 2:
        raise WrongArguments(f"{shown} takes a point and at least three corners, each a longitude and a latitude")
    values = [double(value) for value in translator.values(arguments)]
    lons, lats = ", ".join(values[2::2]), ", ".join(values[3::2])
    return Value(f"qserv_in_polygon({values[0]}, {values[1]}, [{lons}], [{lats}])", INT)


FUNCTIONS["s2ptincpoly"] = FUNCTIONS["scisql_s2ptincpoly"] = _polygon
