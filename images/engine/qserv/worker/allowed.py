"""Which files of its machine a worker reads for whoever asks it to load them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qserv.catalog.errors import AccessDenied
from qserv.storage.sources import local_path


def refuse_foreign(url: str, folders: Sequence[Path]) -> None:
    """Refuse a path or ``file:`` URL that is not below one of the folders, links followed; other URLs pass.

    Raises
    ------
    AccessDenied
    """
    path = local_path(url)
    if path is None:
        return
    real = path.resolve()
    if any(real.is_relative_to(folder.resolve()) for folder in folders):
        return
    allowed = ", ".join(str(folder) for folder in folders) or "none"
    raise AccessDenied(
        f"{url}: the worker reads files of its machine only below its source folders ({allowed}): put the file there, "
        "add its folder to QSERV_WORKER_SOURCE_DIRS, or load it by an http:, https: or s3: URL"
    )
