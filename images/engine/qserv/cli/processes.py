"""Processes of a local cluster: started in the background, known again, ended.

A process is known by its number and the time when it started, which no later process of the same number has: ``down``
never ends a stranger.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qserv.catalog.errors import Unavailable
from qserv.cli.home import write_private

_TAIL = 15
_POLL_SECONDS = 0.05


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Processes that this one started: it has to take note of their end, or they would seem to go on."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the cluster; ``name`` as in its log's and pid file's."""

    name: str
    pid: int
    born: str

    @property
    def alive(self) -> bool:
        return birth(self.pid) == self.born


def birth(pid: int) -> str | None:
    """When a process started, in the system's own words; None when there is none, or only its remains."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        # A process whose first thread has ended shows as a zombie while its other threads still run.
        ended = fields[0] == "X" or (fields[0] == "Z" and int(fields[17]) <= 1)
        return None if ended else fields[19]
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def known(run: Path, name: str) -> Process | None:
    """The process of that name that was started last, alive or not."""
    try:
        content = json.loads((run / f"{name}.pid").read_text())
        return Process(name, int(content["pid"]), str(content["born"]))
    except (OSError, ValueError, KeyError):
        return None


def start(run: Path, logs: Path, name: str, command: str, environment: Mapping[str, str]) -> Process:
    """Start ``qserv <command>`` in a session of its own, configured by its environment."""
    for former in _children.values():
        former.poll()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("QSERV_")}
    with (logs / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "qserv.cli.main", command],
            env=clean | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=run,
        )
    _children[child.pid] = child
    process = Process(name, child.pid, birth(child.pid) or "")
    write_private(run / f"{name}.pid", json.dumps({"pid": process.pid, "born": process.born}))
    return process


def stop(processes: Sequence[Process], seconds: float) -> list[Process]:
    """End processes: they are asked, and after ``seconds`` forced. Answers those that had to be forced."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        _reap(processes)
        time.sleep(_POLL_SECONDS)
    forced = [process for process in processes if process.alive]
    kill(forced)
    _reap(processes)
    return forced


def kill(processes: Sequence[Process]) -> None:
    """End processes at once, as a crash would."""
    for process in processes:
        _signal(process, signal.SIGKILL)
    while any(process.alive for process in processes):
        time.sleep(_POLL_SECONDS)
    _reap(processes)


def ended_early(process: Process, logs: Path) -> Unavailable:
    """The error of a process that ended while it was waited for, with the last lines of its log."""
    log = logs / f"{process.name}.log"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
    return Unavailable(f"{process.name} ended as it started; its log {log} says:\n{tail}")


def _signal(process: Process, number: signal.Signals) -> None:
    if process.alive:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _reap(processes: Sequence[Process]) -> None:
    for process in processes:
        child = _children.get(process.pid)
        if child is not None:
            child.poll()
