"""What all commands share: which cluster is meant, and how errors are told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qserv.cli.home import Home

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the local cluster.", envvar="QSERV_HOME", show_envvar=True)
]


@contextmanager
def told() -> Iterator[None]:
    """Errors that a user can cause, as one line, and a status of 1."""
    from qserv.catalog.errors import QservError

    try:
        yield
    except QservError as error:
        typer.secho(f"{error.code}: {error.message}", fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error
    except BrokenPipeError as error:
        # Whoever read the output has enough; what Python would still flush at its end has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from error


def home_of(path: Path | None) -> Home:
    from qserv.cli.home import Home

    return Home(path) if path is not None else Home.default()
