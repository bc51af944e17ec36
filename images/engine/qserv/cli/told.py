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
    from rich.console import Console

    from qserv.cli.home import Home

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the local cluster.", envvar="QSERV_HOME", show_envvar=True)
]


ENDLESS = 100_000
"""Columns of an output that is no terminal: no value is broken over lines."""


@contextmanager
def told(stopped: str = "") -> Iterator[None]:
    """Errors that a user can cause, as one line, and a status of 1; ``stopped``: what is said after Ctrl-C."""
    from pydantic import ValidationError

    from qserv.catalog.errors import FileTrouble, QservError, SpecError
    from qserv.catalog.invalid import dotted, words

    try:
        yield
    except QservError as error:
        _say(f"{error.code}: {error.message}", "red")
        raise typer.Exit(1) from error
    except ValidationError as error:
        _say(f"{SpecError.code}: {words(error, dotted)}", "red")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        _say(stopped, "yellow")
        raise
    except BrokenPipeError as error:
        # Whoever read the output has enough; what Python would still flush at its end has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from error
    except OSError as error:
        file = error.filename2 or error.filename
        if file is None:
            raise
        _say(f"{FileTrouble.code}: {file}: {error.strerror}", "red")
        raise typer.Exit(1) from error


def _say(text: str, colour: str) -> None:
    """A line on the error output, in colour where that is a terminal that may have it."""
    from rich.console import Console

    if text:
        Console(stderr=True).print(text, style=colour, highlight=False, markup=False, soft_wrap=True)


def screen() -> Console:
    """The standard output; where that is no terminal, lines are as long as they need to be."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=ENDLESS)


def home_of(path: Path | None) -> Home:
    from qserv.cli.home import Home

    return Home(path) if path is not None else Home.default()
