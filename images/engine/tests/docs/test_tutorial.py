"""The tutorial, run as written: its commands in one shell, their output compared with what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "tutorial" / "first-hour.md"
MARK = "--- next"
TIMES = re.compile(r"^\d+ rows? in .* s$")


@dataclass(frozen=True)
class Step:
    script: str
    shown: tuple[str, ...] | None


def steps(page: str) -> list[Step]:
    found = []
    for kind, body in re.findall(r"^```(sh|console)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            found.append(Step(body, None))
        else:
            command, _, output = body.partition("\n")
            found.append(Step(command.removeprefix("$ "), tuple(output.splitlines())))
    return found


@pytest.mark.timeout(600)
def test_every_command_does_what_the_page_shows(tmp_path: Path) -> None:
    wanted = steps(PAGE.read_text())
    assert len(wanted) > 10
    # a command that shows an error ends with a status that is not 0; the page's other commands must succeed
    lines = ["set -e", "trap 'qserv local down' EXIT"]
    for step in wanted:
        script = step.script if step.shown is None else f"{step.script} 2>&1 || echo '(status' $?')'"
        lines += [script, f"echo '{MARK}'"]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = done.stdout.split(f"{MARK}\n")
    for step, output in zip(wanted, outputs, strict=False):
        if step.shown is not None:
            said = [line.rstrip() for line in output.splitlines() if line and not TIMES.match(line)]
            said = [line for line in said if not line.startswith("(status")]
            assert said == list(step.shown), step.script
