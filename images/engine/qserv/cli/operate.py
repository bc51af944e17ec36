"""``qserv workers``: what a worker is to do, and whether it may be stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qserv.cli.told import HomeOption, home_of, told

if TYPE_CHECKING:
    from qserv.catalog.rest import Controller

app = typer.Typer(help="Workers of a cluster.", no_args_is_help=True)

_SHOWN = 10
"""Chunks that are shown, of those that forbid a stop."""

Name = Annotated[str, typer.Argument(help="The worker's name.")]


@app.command("state")
def state(
    name: Name, wanted: Annotated[str, typer.Argument(help="online, read-only or draining")], home: HomeOption = None
) -> None:
    """Let a worker take part, only answer queries, or give its chunks away."""
    from qserv.catalog.errors import Conflict
    from qserv.catalog.model import WorkerState

    with told():
        if wanted not in (WorkerState.ONLINE, WorkerState.READ_ONLY, WorkerState.DRAINING):
            raise Conflict(f"{wanted!r} is no state to choose: online, read-only or draining")
        _controller(home).set_worker_state(name, WorkerState(wanted))


@app.command("forget")
def forget(name: Name, home: HomeOption = None) -> None:
    """Strike a stopped worker off; refused while it is heard, or holds the last copy of a chunk."""
    with told():
        _controller(home).forget_worker(name)


@app.command("may-stop")
def may_stop(
    names: Annotated[list[str], typer.Argument(help="The workers that are to be stopped at once.")],
    home: HomeOption = None,
) -> None:
    """Whether workers may be stopped now; if not, which chunks forbid it, and a status of 1."""
    with told():
        answer = _controller(home).safe_to_stop(names)
    typer.echo(answer.reason)
    for chunk in answer.chunks[:_SHOWN]:
        typer.echo(f"  {chunk}")
    if answer.count > _SHOWN:
        typer.echo(f"  … and {answer.count - _SHOWN:,} more")
    if not answer.safe:
        raise typer.Exit(1)


def _controller(home: Path | None) -> Controller:
    from qserv.cli import connect

    return connect.controller(home_of(home))
