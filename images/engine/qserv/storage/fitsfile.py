"""The first table of a FITS file as batches of rows, through astropy."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
import uuid
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qserv.catalog.errors import DataError, SpecError
from qserv.catalog.model import Column
from qserv.storage.origin import Origin
from qserv.storage.sources import LocalFile, copying

# astropy would look for its configuration in a home that may not be readable; how FITS is read hangs on none
os.environ.setdefault("ASTROPY_CONFIG_DIR", str(Path(__file__).parent))
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

_ROWS = 65_536

_OPENING = threading.Lock()
"""What is done with warnings holds for all threads, so one file is opened at a time."""


class FitsFile:
    """A FITS binary table, mapped into memory; one that is compressed is unpacked below ``spool`` first."""

    def __init__(self, file: LocalFile, spool: Path) -> None:
        self._file = file
        self._spool = spool
        with self._table() as table:
            kinds = {column.name: _arrow_type(column) for column in table.columns}
        self.schema: pa.Schema = pa.schema([(name, kind) for name, kind in kinds.items() if kind is not None])
        self._others = {name.casefold() for name, kind in kinds.items() if kind is None}

    def batches(self, columns: Sequence[Column], batch_bytes: int) -> Iterator[tuple[pa.Table, Origin, int]]:
        wanted = {column.name.casefold() for column in columns}
        others = sorted(wanted & self._others)
        if others:
            raise SpecError(f"{self._file.name}: columns of arrays cannot be loaded: {', '.join(others)}")
        fields = [field for field in self.schema if field.name.casefold() in wanted]
        with self._table() as table:
            total = len(table.data)
            step = max(1, min(_ROWS, batch_bytes // max(1, table.data.dtype.itemsize)))
            for first in range(0, total, step):
                rows = table.data[first : first + step]
                arrays = [_array(rows[field.name], field.type, table.columns[field.name]) for field in fields]
                done = self._file.size * min(first + step, total) // total
                yield pa.table(arrays, schema=pa.schema(fields)), Origin(self._file.name, first), done

    @contextmanager
    def _table(self) -> Iterator[Any]:
        """The open table. astropy tells of a file cut short by a warning; here it is an error."""
        name = self._file.name
        with self._unpacked() as path, ExitStack() as opened:
            try:
                with _OPENING, warnings.catch_warnings():
                    warnings.simplefilter("error", AstropyWarning)
                    warnings.simplefilter("ignore", fits.verify.VerifyWarning)
                    units = opened.enter_context(fits.open(path, memmap=True))
                    table = next((unit for unit in units if isinstance(unit, fits.BinTableHDU)), None)
                    if table is None:
                        raise DataError(f"{name}: there is no binary table in this FITS file", file=name)
                    columns, _ = table.columns, table.data  # astropy warns while it reads these, and keeps them
                try:
                    yield table
                finally:
                    for column in columns:
                        del column.array  # else astropy copies the whole file into memory when it closes it
            except (OSError, TypeError, ValueError, AstropyWarning) as error:
                raise DataError(
                    f"{name}: this is no whole FITS file (was it cut short?): {error}", file=name
                ) from error

    @contextmanager
    def _unpacked(self) -> Iterator[Path]:
        if not self._file.name.lower().endswith(".gz"):
            yield self._file.path
            return
        self._spool.mkdir(parents=True, exist_ok=True)
        target = self._spool / f"{uuid.uuid4().hex}.fits"
        try:
            self._unpack(target)
            yield target
        finally:
            target.unlink(missing_ok=True)

    def _unpack(self, target: Path) -> None:
        name = self._file.name
        try:
            with copying(name), gzip.open(self._file.path, "rb") as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except EOFError as error:
            raise DataError(f"{name}: the compressed file is cut short", file=name) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name}: the compressed file is damaged: {error}", file=name) from error


def _arrow_type(column: fits.Column) -> pa.DataType | None:
    """The Arrow type of a column as astropy gives its values: scaled, logical, or unsigned by its zero.

    None for a column of arrays, bits or complex numbers.
    """
    if column.dtype.shape != ():
        return None
    letter = column.format.lstrip("0123456789")[:1]
    if letter == "A":
        return pa.string()
    if letter == "L":
        return pa.bool_()
    unsigned = {("I", 32768): pa.uint16(), ("J", 2147483648): pa.uint32(), ("K", 9223372036854775808): pa.uint64()}
    signed = {("B", -128): pa.int8()}
    scale, zero = _scaling(column)
    if scale == 1 and (letter, zero) in unsigned | signed:
        return (unsigned | signed)[letter, zero]
    if (scale, zero) != (1, 0):
        return pa.float64()
    plain = {"B": pa.uint8(), "I": pa.int16(), "J": pa.int32(), "K": pa.int64(), "E": pa.float32(), "D": pa.float64()}
    return plain.get(letter)


def _scaling(column: fits.Column) -> tuple[Any, Any]:
    """The factor of stored values, and what is added."""
    return (1 if column.bscale in (None, "") else column.bscale), (0 if column.bzero in (None, "") else column.bzero)


def _array(values: npt.NDArray[Any], kind: pa.DataType, column: fits.Column) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([str(value) for value in values], kind)
    native = np.ascontiguousarray(values, dtype=kind.to_pandas_dtype())
    if column.null in (None, ""):
        return pa.array(native, kind)
    scale, zero = _scaling(column)
    null = float(column.null) if pa.types.is_floating(kind) else int(column.null)  # as it is stored, not as it is given
    return pa.array(native, kind, mask=native == null * scale + zero)
