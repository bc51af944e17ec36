"""The engine's how-to pages: every command of them succeeds as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[4] / "docs" / "how-to"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["load", "workers", "backup"])
def test_the_commands_of_a_page_succeed(tmp_path: Path, name: str) -> None:
    scripts = re.findall(r"^```sh\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(scripts) >= 3
    script = "\n".join(["set -ex", "trap 'qserv local down' EXIT", *scripts])
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
