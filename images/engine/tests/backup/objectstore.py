"""A real S3 server for tests: moto's, in a virtual environment of its own (its packages do not go with this one's)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from qserv.cli.ports import free_ports

PACKAGE = "moto[server]==5.1.*"
BUCKET = "catalogs"
_START_SECONDS = 60.0


def installed() -> Path:
    """The environment with the server, made once in the user's cache; skips where it cannot be made."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qserv"
    place = cache / f"moto-{sys.version_info.major}.{sys.version_info.minor}"
    ready = place / ".ready"
    if not ready.exists():
        cache.mkdir(parents=True, exist_ok=True)
        venv.create(place, with_pip=True, clear=True)
        quiet = ("-q", "--disable-pip-version-check")
        made = subprocess.run(
            [place / "bin/python", "-m", "pip", "install", *quiet, PACKAGE], capture_output=True, text=True
        )
        if made.returncode != 0:
            pytest.skip(f"no S3 server: {PACKAGE} cannot be installed: {made.stderr.strip().splitlines()[-1:]}")
        ready.touch()
    return place


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a server with an empty bucket ``catalogs``."""
    place = installed()
    (port,) = free_ports(1)
    server = subprocess.Popen(
        [place / "bin/moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, server)
        httpx.put(f"{url}/{BUCKET}").raise_for_status()
        yield url
    finally:
        server.terminate()
        server.wait()


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the S3 server does not answer") from None
            time.sleep(0.05)
