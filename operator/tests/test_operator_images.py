"""What images are built of: bases by digest, and only packages whose files were seen when versions were chosen."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted(ROOT.glob("images/*/Dockerfile"))
PINNED = re.compile(r"^([a-z0-9.-]+==[^ \\]+(?: ; [^\\]+?)?) \\$", re.MULTILINE)


def pins(path: str) -> set[str]:
    """``name==version`` (with its marker) of a file with hashes; each has one at least."""
    text = (ROOT / path).read_text()
    found = set(PINNED.findall(text))
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(found) == len(blocks)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    return found


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_bases_are_pinned_by_digest_and_can_be_replaced(file: Path) -> None:
    text = file.read_text()
    (base,) = re.findall(r"^ARG BASE=(.*)$", text, re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/[a-z]+:[0-9][\w.-]+@sha256:[0-9a-f]{64}", base)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}


@pytest.mark.parametrize("image", ["engine", "operator"])
def test_packages_of_an_image_are_those_that_the_tests_run_with(image: str) -> None:
    chosen = pins(f"images/{image}/requirements.txt")
    assert chosen <= set((ROOT / "constraints.txt").read_text().splitlines()), "run `make pins`"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {re.split(r"[<>=\[ ]", item)[0].lower() for item in project["optional-dependencies"][image]} - {"qserv"}
    assert named <= {pin.split("==")[0] for pin in chosen}, "run `make pins`"


def test_what_builds_the_wheel_is_pinned_too() -> None:
    (wanted,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert wanted in pins("images/build.txt")
