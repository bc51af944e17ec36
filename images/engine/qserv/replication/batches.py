"""Files handed to workers in batches. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

FILES = 256
BYTES = 1 << 30
WORKERS = 16
"""Workers that are busy with batches at a time, so that other calls to workers go on."""

File = TypeVar("File")


def spread(
    files: Iterable[File], holders: Callable[[File], Sequence[int]], size: Callable[[File], int]
) -> dict[int, list[File]]:
    """The next batch of each worker, of a bounded size: bytes are spread evenly over the files' holders.

    Files without a holder, and those that fit in no batch, are left out.
    """
    share: dict[int, int] = defaultdict(int)
    batches: dict[int, list[File]] = defaultdict(list)
    for file in files:
        open_ = [
            one
            for one in holders(file)
            if len(batches.get(one, ())) < FILES and share[one] < BYTES and (one in batches or len(batches) < WORKERS)
        ]
        if open_:
            worker = min(open_, key=lambda one: (share[one], one))
            batches[worker].append(file)
            share[worker] += size(file)
    return dict(batches)
