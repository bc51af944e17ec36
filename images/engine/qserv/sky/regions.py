"""Regions of the sky as a query names them, and the chunks they touch.

Shapes and arguments are those of ``qserv_areaspec_*`` and ``scisql_s2PtIn*``; longitudes (right ascension) and
latitudes (declination) are in degrees:

``box``      lonMin, latMin, lonMax, latMax; lonMin above lonMax wraps through 0, and 360 or more apart is all around
``circle``   lon, lat, radius in degrees
``ellipse``  lon, lat, semi-major and semi-minor axis in arc seconds, position angle in degrees east of north
``poly``     lon1, lat1, lon2, lat2, lon3, lat3, …: the vertices of a convex polygon in either order

A bounding set of chunks may hold one that the region just misses, never miss one that it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import asin, cos, degrees, isfinite, pi, radians, tan

import numpy as np
from lsst.sphgeom import DISJOINT, Angle, Box, Circle, ConvexPolygon, Ellipse, LonLat, Region, UnitVector3d

from qserv.catalog.errors import WrongArguments
from qserv.sky.chunker import Partitioning

MAX_SEMI_MAJOR = 36000.0
"""Arc seconds (10 degrees): as scisql."""

MAX_VERTICES = 20
"""As scisql."""


class Shape(StrEnum):
    BOX = "box"
    CIRCLE = "circle"
    ELLIPSE = "ellipse"
    POLY = "poly"


def region(shape: Shape, arguments: Sequence[float]) -> Region:
    """The region that a restrictor of a query describes.

    Raises
    ------
    WrongArguments
        For a wrong number of arguments, or values that make no such region.
    """
    for value in arguments:
        if not isfinite(value):
            raise WrongArguments(f"{shape}: arguments must be finite numbers, not {value}")
    return _BUILDERS[shape](arguments)


def chunks(partitioning: Partitioning, area: Region, margin: float = 0.0) -> frozenset[int]:
    """The chunks that a region touches, or comes within ``margin`` degrees of."""
    chunker = partitioning.chunker
    if isinstance(area, Ellipse):
        area = _around(area)
    if margin <= 0.0:
        return frozenset(chunker.getChunksIntersecting(area))
    angle = Angle.fromDegrees(margin)
    if isinstance(area, Box | Circle):
        return frozenset(chunker.getChunksIntersecting(area.dilatedBy(angle)))
    near = chunker.getChunksIntersecting(area.getBoundingCircle().dilatedBy(angle))
    return frozenset(chunk for chunk in near if not area.relate(_box(partitioning, chunk).dilatedBy(angle)) & DISJOINT)


def _around(ellipse: Ellipse) -> ConvexPolygon:
    """A polygon around an ellipse: the library knows of an ellipse only whether its bounding circle touches a box.

    In the gnomonic projection about its centre a spherical ellipse of the axes α, β is the plane one of tan α, tan β.
    """
    matrix = ellipse.getTransformMatrix()
    along, across, centre = (
        np.array([row.x(), row.y(), row.z()]) for row in (matrix.getRow(index) for index in range(3))
    )
    axes = [tan(max(axis.asRadians(), _LEAST_AXIS)) for axis in (ellipse.getAlpha(), ellipse.getBeta())]
    turn = 2.0 * pi * np.arange(_CORNERS)[:, np.newaxis] / _CORNERS
    outside = 1.0 / cos(pi / _CORNERS)
    corners = centre + outside * (axes[0] * np.cos(turn) * along + axes[1] * np.sin(turn) * across)
    return ConvexPolygon.convexHull([UnitVector3d(float(x), float(y), float(z)) for x, y, z in corners])


_CORNERS = 24
_LEAST_AXIS = 1e-6
"""Radians (0.2″): no polygon is thinner."""


def _box(partitioning: Partitioning, chunk_id: int) -> Box:
    chunker = partitioning.chunker
    stripe = chunker.getStripe(chunk_id)
    return chunker.getChunkBoundingBox(stripe, chunker.getChunk(chunk_id, stripe))


def _make_box(arguments: Sequence[float]) -> Region:
    _count(Shape.BOX, arguments, 4, "lonMin, latMin, lonMax, latMax")
    lon_min, lat_min, lon_max, lat_max = arguments
    for lon, lat in ((lon_min, lat_min), (lon_max, lat_max)):
        _check_position(Shape.BOX, lon, lat)
    if lat_min > lat_max:
        raise WrongArguments(f"box: latMin {lat_min:g} is above latMax {lat_max:g}")
    if lon_max - lon_min >= 360.0:
        return Box.fromDegrees(0.0, lat_min, 360.0, lat_max)
    if lon_min > lon_max and not (lon_max >= 0.0 and lon_min <= 360.0):
        raise WrongArguments(
            f"box: lonMin {lon_min:g} above lonMax {lon_max:g} wraps through 0, which needs both within [0, 360]"
        )
    return Box.fromDegrees(lon_min % 360.0, lat_min, lon_max if lon_max == 360.0 else lon_max % 360.0, lat_max)


def _make_circle(arguments: Sequence[float]) -> Region:
    _count(Shape.CIRCLE, arguments, 3, "lon, lat, radius")
    lon, lat, radius = arguments
    _check_position(Shape.CIRCLE, lon, lat)
    if not 0.0 <= radius <= 180.0:
        raise WrongArguments(f"circle: the radius must lie in [0, 180] degrees, not {radius:g}")
    return Circle(_unit(lon, lat), Angle.fromDegrees(radius))


def _make_ellipse(arguments: Sequence[float]) -> Region:
    _count(Shape.ELLIPSE, arguments, 5, "lon, lat, semiMajor, semiMinor, posAngle")
    lon, lat, major, minor, position_angle = arguments
    _check_position(Shape.ELLIPSE, lon, lat)
    if not 0.0 <= minor <= major <= MAX_SEMI_MAJOR:
        raise WrongArguments(
            f"ellipse: axes in arc seconds must have 0 <= semiMinor <= semiMajor <= {MAX_SEMI_MAJOR:g}, "
            f"not {minor:g} and {major:g}"
        )
    # scisql tests (x/a)² + (y/b)² <= 1 in the orthographic projection; that cylinder meets the sphere in the
    # spherical ellipse with the axes asin a, asin b
    alpha, beta = (degrees(asin(radians(axis / 3600.0))) + _ELLIPSE_SLACK for axis in (major, minor))
    return Ellipse(
        _unit(lon, lat), Angle.fromDegrees(alpha), Angle.fromDegrees(beta), Angle.fromDegrees(position_angle)
    )


_ELLIPSE_SLACK = 1e-9
"""Degrees: the library's ellipse test loses some digits."""


def _make_polygon(arguments: Sequence[float]) -> Region:
    if len(arguments) % 2:
        raise WrongArguments(f"poly: vertices are pairs of lon, lat, but there are {len(arguments)} numbers")
    if not 6 <= len(arguments) <= 2 * MAX_VERTICES:
        raise WrongArguments(f"poly: a polygon has 3 to {MAX_VERTICES} vertices, not {len(arguments) // 2}")
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    for lon, lat in pairs:
        _check_position(Shape.POLY, lon, lat)
    points = [_unit(lon, lat) for lon, lat in pairs]
    try:
        hull = ConvexPolygon.convexHull(points)
    except ValueError as error:
        raise WrongArguments(f"poly: these vertices make no polygon: {error}") from error
    corners = [(v.x(), v.y(), v.z()) for v in hull.getVertices()]
    order = [_nearest(corners, point) for point in points]
    turns = {(after - before) % len(corners) for before, after in zip(order, order[1:] + order[:1], strict=True)}
    if len(corners) != len(points) or not (turns == {1} or turns == {len(corners) - 1}):
        raise WrongArguments(
            "poly: the vertices are not those of a convex polygon in order (one is repeated, "
            "lies inside or on an edge, or edges cross)"
        )
    return hull


def _nearest(corners: Sequence[tuple[float, float, float]], point: UnitVector3d) -> int:
    distances = [(x - point.x()) ** 2 + (y - point.y()) ** 2 + (z - point.z()) ** 2 for x, y, z in corners]
    return distances.index(min(distances))


def _count(shape: Shape, arguments: Sequence[float], expected: int, names: str) -> None:
    if len(arguments) != expected:
        raise WrongArguments(f"{shape}: needs {expected} arguments ({names}), not {len(arguments)}")


def _check_position(shape: Shape, lon: float, lat: float) -> None:
    if not -360.0 <= lon <= 360.0:
        raise WrongArguments(f"{shape}: the right ascension {lon:g} is out of range: give degrees in [-360, 360]")
    if not -90.0 <= lat <= 90.0:
        raise WrongArguments(f"{shape}: the declination {lat:g} is out of range: give degrees in [-90, 90]")


def _unit(lon: float, lat: float) -> UnitVector3d:
    return UnitVector3d(LonLat.fromDegrees(lon, lat))


_BUILDERS: Mapping[Shape, Callable[[Sequence[float]], Region]] = {
    Shape.BOX: _make_box,
    Shape.CIRCLE: _make_circle,
    Shape.ELLIPSE: _make_ellipse,
    Shape.POLY: _make_polygon,
}
