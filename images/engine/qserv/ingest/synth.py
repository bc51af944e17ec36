"""A synthetic survey of any size: objects, their detections, the truth behind them, and a load spec for all.

Rows depend on the seed and the number of objects alone, not on how they are cut into files, and are streamed block by
block: a hundred million rows need no more memory than one million. Sizes, colours and errors are such as a deep survey
has; positions cluster; fluxes of faint detections go below zero, and their magnitudes are NULL then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qserv.catalog.errors import Conflict, SpecError
from qserv.catalog.model import TableKind
from qserv.catalog.spec import ColumnSpec, FamilySpec, LoadSpec, SourceSpec, TableSpec
from qserv.ingest.specfile import write_spec
from qserv.ingest.synthshapes import (
    BLOCK,
    MATCH_RADIUS,
    Area,
    Objects,
    forced_rows,
    match_rows,
    object_rows,
    source_rows,
    true_objects,
    truth_rows,
)

Progress = Callable[[str, int], None]
"""Called with a table's name and the number of rows just written."""

DEFAULT_FAMILY = FamilySpec(stripes=180, substripes=6, overlap=0.01667)
_BLOCKS_PER_FILE = 16


def synthesize(
    folder: Path,
    objects: int,
    sources_per_object: float = 10.0,
    *,
    forced_per_object: float = 0.0,
    truth: bool = True,
    wide: bool = False,
    seed: int = 1,
    area: Area | None = None,
    family: FamilySpec = DEFAULT_FAMILY,
    database: str = "synth",
    objects_per_file: int = _BLOCKS_PER_FILE * BLOCK,
    progress: Progress | None = None,
) -> Path:
    """Write a synthetic survey as Parquet files, and the load spec beside them.

    Parameters
    ----------
    folder : made if it is not there; each table has a folder of its own below it.
    objects : rows of Object.
    sources_per_object, forced_per_object : means of the rows of Source and ForcedSource; 0 leaves the table out.
    truth : whether to make TruthObject, a second director, and ObjectTruthMatch.
    wide : whether Object has 150 columns instead of 20.
    area : part of the sky; by default 30° × 20° at the equator.
    objects_per_file : how many objects a file holds, with all that belongs to them; rounded up to whole blocks.

    Returns
    -------
    The path of the load spec, ``<database>.yaml``.

    Raises
    ------
    SpecError
        For numbers that make no survey.
    Conflict
        If the folder already holds this survey's spec.
    """
    if objects < 1 or sources_per_object < 0 or forced_per_object < 0 or objects_per_file < 1:
        raise SpecError("a synthetic survey needs at least one object, and numbers per object that are not negative")
    if max(sources_per_object, forced_per_object) > 2000:
        raise SpecError("at most 2000 sources per object: their numbers share 12 bits of the key")
    spec_path = folder / f"{database}.yaml"
    if spec_path.exists():
        raise Conflict(f"{spec_path} is there already: choose another folder, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    sky = area or Area()
    blocks = -(-objects // BLOCK)
    per_file = -(-objects_per_file // BLOCK)
    schemas: dict[str, pa.Schema] = {}
    for number, first in enumerate(range(0, blocks, per_file)):
        with _part(folder, number) as write:
            for block in range(first, min(first + per_file, blocks)):
                found = true_objects(seed, block, objects, sky)
                for name, rows in _tables(seed, block, found, sources_per_object, forced_per_object, truth, wide):
                    write(name, rows)
                    schemas[name] = rows.schema
                    if progress is not None:
                        progress(name, rows.num_rows)
    write_spec(spec_path, LoadSpec(database=database, family=family, tables=_specs(schemas)))
    return spec_path


def _tables(
    seed: int, block: int, objects: Objects, sources: float, forced: float, truth: bool, wide: bool
) -> Iterator[tuple[str, pa.Table]]:
    measured = object_rows(seed, block, objects, wide=wide)
    yield "Object", measured
    if truth:
        true, known = truth_rows(seed, block, objects)
        yield "TruthObject", true
        yield "ObjectTruthMatch", match_rows(measured, true, known)
    if sources > 0:
        yield "Source", source_rows(seed, block, objects, sources)
    if forced > 0:
        yield "ForcedSource", forced_rows(seed, block, objects, forced)


@contextmanager
def _part(folder: Path, number: int) -> Iterator[Callable[[str, pa.Table], None]]:
    """One file of each table, under its name only when whole."""
    writers: dict[str, pq.ParquetWriter] = {}
    names: dict[Path, Path] = {}
    try:
        with ExitStack() as stack:

            def write(table: str, rows: pa.Table) -> None:
                if table not in writers:
                    path = folder / table / f"part-{number:05d}.parquet"
                    path.parent.mkdir(exist_ok=True)
                    partial = path.with_suffix(".partial")
                    names[partial] = path
                    writers[table] = stack.enter_context(pq.ParquetWriter(partial, rows.schema, compression="snappy"))
                writers[table].write_table(rows)

            yield write
        for partial, path in names.items():
            partial.rename(path)
    except BaseException:
        for partial in names:
            partial.unlink(missing_ok=True)
        raise


def _specs(schemas: dict[str, pa.Schema]) -> tuple[TableSpec, ...]:
    """The tables in the order in which they can be loaded: directors before what refers to them."""
    director = {"kind": TableKind.DIRECTOR, "position": ("ra", "decl")}
    known: dict[str, dict[str, object]] = {
        "Object": {**director, "key": "objectId"},
        "TruthObject": {**director, "key": "truthId"},
        "Source": {"kind": TableKind.CHILD, "director": "Object", "key": "objectId", "position": ("ra", "decl")},
        "ForcedSource": {"kind": TableKind.CHILD, "director": "Object", "key": "objectId"},
        "ObjectTruthMatch": {
            "kind": TableKind.MATCH,
            "directors": ("Object", "TruthObject"),
            "keys": ("objectId", "truthId"),
            "radius": MATCH_RADIUS,
        },
    }
    return tuple(
        TableSpec.model_validate(
            {
                "name": name,
                **facts,
                "columns": _columns(schemas[name], _KEYS[name]),
                "source": SourceSpec(path=f"{name}/*.parquet"),
            }
        )
        for name, facts in known.items()
        if name in schemas
    )


_KEYS: dict[str, Sequence[str]] = {
    "Object": ("objectId", "ra", "decl"),
    "TruthObject": ("truthId", "ra", "decl"),
    "Source": ("sourceId", "objectId", "ra", "decl"),
    "ForcedSource": ("forcedSourceId", "objectId"),
    "ObjectTruthMatch": ("objectId", "truthId"),
}


def _columns(schema: pa.Schema, not_null: Sequence[str]) -> tuple[ColumnSpec, ...]:
    types = {
        pa.int8(): "TINYINT",
        pa.int16(): "SMALLINT",
        pa.int32(): "INT",
        pa.int64(): "BIGINT",
        pa.float32(): "FLOAT",
        pa.float64(): "DOUBLE",
        pa.string(): "CHAR(1)",
        pa.timestamp("us"): "DATETIME(6)",
    }
    return tuple(
        ColumnSpec(name=field.name, type=types[field.type], nullable=field.name not in not_null) for field in schema
    )
