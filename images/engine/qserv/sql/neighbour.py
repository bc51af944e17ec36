"""Neighbour joins: pairs of rows whose angular separation is below a radius, as equi-joins on cells of the sky.

The sky is cut into bands of declination of height ``h``, and each band into cells of right ascension: as many as fit
when each is ``w`` wide where the band is narrowest. A row of the second table lies in one cell. A row of the first is
repeated for each cell that comes within the radius: bands from ``dec - r`` to ``dec + r``, and in each the cells within
``asin(sin r / cos dec)`` of its right ascension, around 0/360 too; all of them where the circle holds a pole. Then
the host chunk and the number of band and cell are equal for each pair exactly once, whichever chunk its second row was
stored beside. A replicated table is whole beside every chunk: there its rows are repeated, whatever the radius.

Candidates are told apart by the square of the chord between them, a few multiplications: below the radius for certain,
above it for certain, or too near to say, when the user's own predicate decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import pi, radians, sin

from sqlglot import exp

from qserv.catalog.errors import WrongArguments
from qserv.catalog.model import TableKind
from qserv.sql.constants import constant_number
from qserv.sql.scope import Relation
from qserv.sql.source import Condition, From, Origin

DEFAULT_DENSITY = 100_000.0
"""Rows of a director in a square degree, where nothing is known: a deep survey away from the Milky Way."""

_SIZES = (1.05, 1.5, 2.1, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_CANDIDATE_COST = 0.2
"""Of comparing a candidate, where repeating a row for a cell costs 1; measured, see :func:`cell_size`."""


_BAND = 1 << 32
"""More than the cells of any band, so that a band and a cell are one number."""


@dataclass(frozen=True)
class Stats:
    """What is known of the data: rows of each director table in a square degree, by table id."""

    density: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Near:
    """``angSep(first's position, second's position) < radius`` (degrees)."""

    first: Relation
    second: Relation
    radius: float
    condition: Condition

    @property
    def everywhere(self) -> bool:
        """Whether one side is a replicated table, so that any radius finds all pairs."""
        return any(not each.base.partitioned for each in (self.first, self.second))

    @property
    def swapped(self) -> Near:
        return Near(self.second, self.first, self.radius, self.condition)


def nears(found: From) -> list[Near]:
    """The neighbour conditions of WHERE and of inner joins.

    Raises
    ------
    WrongArguments
        For a radius that is negative or no number.
    """
    return [near for condition in found.where if (near := _near(condition)) is not None]


_BELOW: dict[type[exp.Expr], bool] = {exp.LT: True, exp.LTE: True, exp.GT: False, exp.GTE: False}


def _near(condition: Condition) -> Near | None:
    node = condition.node
    if node is None or type(node) not in _BELOW or condition.position_arguments is None:
        return None
    below = _BELOW[type(node)]
    radius = constant_number(node.expression if below else node.this)
    if radius is None:
        return None
    first, second = _relation(condition.position_arguments[:2]), _relation(condition.position_arguments[2:])
    if first is None or second is None or first is second:
        return None
    if radius < 0:
        raise WrongArguments(f"the radius of a neighbour search cannot be below 0: {radius:g}")
    return Near(first, second, float(radius), condition)


def _relation(pair: tuple[Origin | None, ...]) -> Relation | None:
    """The relation whose own position the pair of columns is."""
    ra, decl = pair
    if ra is None or decl is None or ra[0] is not decl[0] or ra[0].table is None or ra[0].table.position is None:
        return None
    names = tuple(each[1].casefold() for each in (ra, decl))
    return ra[0] if names == tuple(each.casefold() for each in ra[0].table.position) else None


def angular_separation(node: exp.Expr) -> exp.Anonymous | None:
    """The call of angSep on the side of a comparison that is said to be small."""
    if type(node) not in _BELOW:
        return None
    side = (node.this if _BELOW[type(node)] else node.expression).unnest()
    if isinstance(side, exp.Anonymous) and side.name.lower() in ("scisql_angsep", "angsep"):
        return side if len(side.expressions) == 4 else None
    return None


def cell_size(density: float, radius: float) -> float:
    """The height and width of cells, in degrees, for rows in a square degree and a radius in degrees.

    A row is repeated for ``(1 + 2/k)²`` cells of side ``k`` radii, each with ``density (k r)²`` candidates; of a few
    ``k`` that with the least cost is taken. Small cells suit dense fields, large ones sparse ones.
    """

    def cost(size: float) -> float:
        cells = (1 + 2 / size) ** 2
        return cells * (1 + _CANDIDATE_COST * density * (size * radius) ** 2)

    return min(_SIZES, key=cost) * max(radius, 1e-7)


@dataclass(frozen=True)
class Cells:
    """Writes one neighbour join. ``number`` tells its columns from those of other joins of the statement."""

    near: Near
    number: int
    size: float

    def _name(self, what: str) -> str:
        return f'"q:{what}{self.number}"'

    @property
    def _reach(self) -> str:
        """The radius, widened by what rounding may take."""
        return repr(self.near.radius * (1 + 1e-9) + 1e-10)

    def _columns(self, band: str) -> str:
        """How many cells a band has."""
        edge = f"greatest(abs({band} * {self.size!r} - 90), abs(({band} + 1) * {self.size!r} - 90))"
        return f"CAST(greatest(1, floor(cos(radians(least({edge}, 90))) * {360 / self.size!r})) AS BIGINT)"

    def _band(self, decl: str) -> str:
        return f"CAST(floor(({decl} + 90) / {self.size!r}) AS BIGINT)"

    def _vector(self, ra: str, decl: str) -> str:
        east = f"cos(radians({decl})) * cos(radians({ra})) AS {self._name('x')}"
        north = f"cos(radians({decl})) * sin(radians({ra})) AS {self._name('y')}"
        return f"{east}, {north}, sin(radians({decl})) AS {self._name('z')}"

    def second(self, rows: str) -> str:
        """The rows of the second table, each with its cell."""
        ra, decl = _position(self.near.second)
        rows = _placed(self.near.second, rows)
        band, columns = self._name("band"), self._columns(self._name("band"))
        inner = f"SELECT *, {self._vector(ra, decl)}, {self._band(decl)} AS {band} FROM {rows} AS n"
        column = f"least(CAST(floor(qserv_wrap({ra}) / 360 * {columns}) AS BIGINT), {columns} - 1)"
        cell = f"({band} * {_BAND} + {column})"
        return f"(SELECT *, {cell} AS {self._name('cell')} FROM ({inner}) AS n)"

    def first(self, rows: str) -> str:
        """The rows of the first table, each repeated for the cells within its reach."""
        ra, decl = _position(self.near.first)
        rows = _placed(self.near.first, rows)
        band, width, count, low, high = (self._name(each) for each in ("band", "width", "count", "low", "high"))
        around = f"degrees(asin(sin(radians({self._reach})) / cos(radians({decl})))) + 1e-9"
        half = f"CASE WHEN abs({decl}) + {self._reach} >= 90 THEN 360 ELSE {around} END"
        bands = f"range({self._band(f'({decl} - {self._reach})')}, {self._band(f'({decl} + {self._reach})')} + 1)"
        banded = f"SELECT *, {self._vector(ra, decl)}, {half} AS {width}, unnest({bands}) AS {band} FROM {rows} AS n"
        counted = f"SELECT *, {self._columns(band)} AS {count} FROM ({banded}) AS n"
        wrapped = f"qserv_wrap({ra})"
        edges = ", ".join(
            f"CAST(floor(({wrapped} {sign} {width}) / 360 * {count}) AS BIGINT) AS {edge}"
            for sign, edge in (("-", low), ("+", high))
        )
        whole = f"CASE WHEN {high} - {low} + 1 >= {count} THEN range(0, {count}) ELSE range({low}, {high} + 1) END"
        repeated = (
            f"SELECT *, unnest({whole}) AS {self._name('cell')} FROM (SELECT *, {edges} FROM ({counted}) AS n) AS n"
        )
        cell = self._name("cell")
        number = f"{band} * {_BAND} + (({cell} % {count}) + {count}) % {count}"
        return f"(SELECT * REPLACE (({number}) AS {cell}) FROM ({repeated}) AS n)"

    @property
    def predicates(self) -> list[str]:
        """What joins a pair: its cell, and its separation (instead of the user's predicate alone)."""
        one, other = self.near.first.sql_name, self.near.second.sql_name
        same = f"{one}.{self._name('cell')} = {other}.{self._name('cell')}"
        steps = [f"({one}.{self._name(axis)} - {other}.{self._name(axis)})" for axis in "xyz"]
        chord = f"({' + '.join(f'{step} * {step}' for step in steps)})"
        angle = min(radians(self.near.radius), pi)
        square = (2 * sin(angle / 2)) ** 2
        # vectors of doubles are right to some 1e-16, which is 1e-16 / r of a chord
        unsure = max(1e-9, 1e-14 / max(angle, 1e-14))
        inner, outer = square * (1 - unsure), square * (1 + unsure) + 1e-31
        # CASE alone is sure not to compute the user's predicate where the chord decides
        decided = f"WHEN {chord} > {outer!r} THEN false WHEN {chord} < {inner!r} THEN true"
        return [same, f"CASE {decided} ELSE {self.near.condition.sql} END"]


def _placed(relation: Relation, rows: str) -> str:
    """The rows that have a place on the sphere; those of a director were made sure of when they were loaded."""
    if relation.base.kind is TableKind.DIRECTOR:
        return rows
    ra, decl = _position(relation)
    return f"(SELECT * FROM {rows} AS n WHERE qserv_on_sphere({ra}, {decl}))"


def _position(relation: Relation) -> tuple[str, str]:
    """The names of a relation's position inside of what it reads."""
    position = relation.position
    if position is None:
        raise WrongArguments(f"table {relation.alias} has no position to find neighbours by")
    ra, decl = (value.sql.removeprefix(f"{relation.sql_name}.") for value in position)
    return ra, decl
