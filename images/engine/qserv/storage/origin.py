"""Where input rows came from, for errors that name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qserv.catalog.errors import DataError


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a batch of rows in its file.

    ``first`` is how many rows of the file come before the batch. ``line_of`` finds the line where a text file's row
    begins, both from 1; it may read the file anew, and is asked only to name an error.
    """

    file: str
    first: int = 0
    line_of: Callable[[int], int] | None = None

    def error(self, index: int, column: str, what: str) -> DataError:
        """An error of one value. ``index`` counts rows of the batch from 0."""
        row = self.first + index + 1
        if self.line_of is None:
            return DataError(
                f"{self.file}, row {row}, column {column!r}: {what}", file=self.file, row=row, column=column
            )
        line = self.line_of(row)
        return DataError(
            f"{self.file}, line {line}, column {column!r}: {what}", file=self.file, line=line, column=column
        )
