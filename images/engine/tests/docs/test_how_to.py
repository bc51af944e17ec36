"""The engine's how-to pages: every command of them succeeds as written, on one cluster for all pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backup.objectstore import BUCKET, serving
from qserv.ingest.synth import synthesize
from storage.test_hats import write_hats

PAGES = Path(__file__).parents[4] / "docs" / "how-to"


@dataclass(frozen=True)
class Reader:
    """Who follows the pages: a folder, and an environment; ``store``: whether an object store is at hand."""

    folder: Path
    environment: dict[str, str]
    store: bool

    def run(self, script: str) -> None:
        done = subprocess.run(
            ["bash", "-exc", script], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def store_with_objects(stack: ExitStack, folder: Path) -> dict[str, str]:
    """The environment of an object store that holds what the page says, or nothing where there is no such server."""
    try:
        url = stack.enter_context(serving())
    except pytest.skip.Exception:
        return {}
    synthesize(folder / "stored", 2000, 0.0, truth=False)
    for file in (folder / "stored" / "Object").iterdir():
        httpx.put(f"{url}/{BUCKET}/dr1/object/{file.name}", content=file.read_bytes()).raise_for_status()
    keys = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_REGION": "us-east-1"}
    return {"AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true", **keys}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("how-to")
    write_hats(folder / "hats" / "small")
    with ExitStack() as stack:
        store = store_with_objects(stack, folder)
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": "200",
            "LANG": "C.UTF-8",
        }
        made = Reader(folder, environment | store, bool(store))
        stack.callback(made.run, "qserv local down")
        yield made


# A page begins with a cluster of three workers; the last one adds a fourth.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["backup", "load", "workers"])
def test_the_commands_of_a_page_succeed(reader: Reader, name: str) -> None:
    scripts = re.findall(r"^```sh\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(scripts) >= 3
    reader.run("\n".join(script for script in scripts if reader.store or "s3://" not in script))
