"""What processes used, as Linux accounts for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time of these processes, in user and system mode."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


@contextmanager
def processor_time(pids: Sequence[int]) -> Iterator[Callable[[], float]]:
    """The processor seconds that processes took within the context; ask when it has ended."""
    before = cpu_seconds(pids)
    spent: list[float] = []
    yield lambda: spent[0]
    spent.append(cpu_seconds(pids) - before)


def bytes_read(pids: Iterable[int]) -> int:
    """Bytes that these processes caused to be read from the disk, not from the page cache."""
    return sum(_number(Path(f"/proc/{pid}/io"), "read_bytes") for pid in pids)


def resident_bytes(pid: int) -> int:
    return _number(Path(f"/proc/{pid}/status"), "VmRSS") * 1024


def anonymous_bytes(pid: int) -> int:
    """Resident memory that is not of mapped files: what the system cannot take back."""
    return _number(Path(f"/proc/{pid}/status"), "RssAnon") * 1024


def evict(files: Iterable[Path]) -> None:
    """Take files out of the page cache."""
    os.sync()
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _number(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise KeyError(f"{path} says nothing of {name}")
