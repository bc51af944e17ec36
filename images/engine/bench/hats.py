"""A load beside hats-import with its margin cache: the same rows, from the same files, on the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import surveys
from bench.cluster import running
from bench.processes import processor_time
from bench.results import Results
from bench.surveys import Survey

GOAL = ">= 5"
PEER = "hats-import==0.11.1"
SCRIPT = Path(__file__).with_name("hatspeer.py")


def interpreter() -> Path | None:
    """A Python that has hats-import, in an environment of its own that is made once; None where that cannot be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = cache / "qserv-hats" / "bin" / "python"
    if _has_it(python):
        return python
    made = subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], capture_output=True, check=False)
    if made.returncode == 0:
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER]
        subprocess.run(install, capture_output=True, check=False)
    return python if _has_it(python) else None


def measure(results: Results, folder: Path, survey: Survey) -> None:
    """A new cluster, so that it has no more to do than the other."""
    python = interpreter()
    if python is None:
        results.console.print(f"{PEER} cannot be installed: nothing is measured beside it")
        return
    table, spec = surveys.by_table(survey)[0]
    with TemporaryDirectory(prefix="hats-", dir=folder) as place, running(Path(place)) as cluster:
        with processor_time(cluster.all_pids()) as spent:
            loaded = cluster.load(spec)
        rows = loaded.tables[0].rows
    with TemporaryDirectory(prefix="hats-", dir=folder) as place:
        theirs = _theirs(python, rows, survey, table.name, Path(place))
    name = f"{survey.database}.{table.name}, {rows:,} rows with overlap"
    results.add(f"{name}: loaded", rows / loaded.seconds, "rows/s")
    results.add(f"{name}: hats-import and margin cache", rows / theirs["seconds"], "rows/s")
    results.add(f"{name}: our speed / hats-import's", theirs["seconds"] / loaded.seconds, "ratio", GOAL)
    results.add(f"{name}: hats-import's processor time / ours", theirs["processor"] / spent(), "ratio", GOAL)


def _theirs(python: Path, rows: int, survey: Survey, table: str, out: Path) -> dict[str, Any]:
    family = survey.spec.family
    threshold = 3600 * family.overlap if family is not None else 60.0
    files = sorted(str(path) for path in (survey.path.parent / table).glob("*.parquet"))
    # Isolated: this folder has a module of the name of theirs.
    command = [str(python), "-I", str(SCRIPT), str(rows), str(threshold), str(out), *files]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _has_it(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([str(python), "-c", "import hats_import"], capture_output=True, check=False).returncode == 0
