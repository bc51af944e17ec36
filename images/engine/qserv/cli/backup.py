"""``qserv export`` and ``qserv import``: asked of the controller, followed to their end."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from qserv.catalog.errors import Conflict, QservError, from_code
from qserv.catalog.resources import BackupView, BackupWish
from qserv.catalog.rest import Controller

_POLL_SECONDS = 0.2


def place(text: str) -> str:
    """A place as the controller takes it: a path is made absolute."""
    return text if "://" in text else str(Path(text).expanduser().resolve())


def follow(controller: Controller, wish: BackupWish, console: Console) -> BackupView:
    """Start an export or import, and show it until it ends; it goes on when this program is stopped.

    Raises
    ------
    QservError
        As it failed.
    """
    began = controller.start_backup(wish)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[files]:,} of {task.fields[total_files]:,} files"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(wish.kind, total=None, files=0, total_files=0)
        while True:
            now = controller.backup(began.id)
            progress.update(
                bar, completed=now.bytes, total=now.total_bytes or None, files=now.files, total_files=now.total_files
            )
            if now.state not in ("running", "cancelling"):
                break
            time.sleep(_POLL_SECONDS)
    if now.state != "done":
        raise _failure(now)
    seconds = (now.ended or now.started) - now.started
    console.print(f"{wish.kind} of {now.total_files:,} files, {decimal(now.total_bytes)}, in {seconds:.1f} s")
    return now


def _failure(ended: BackupView) -> QservError:
    if ended.failure is None:
        return Conflict(f"{ended.kind} {ended.id} was cancelled")
    return from_code(ended.failure.code, ended.failure.message, **ended.failure.details)
