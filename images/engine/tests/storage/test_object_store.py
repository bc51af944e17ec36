"""Files of an object store, through a small server that speaks as much of S3 as reading needs."""

from __future__ import annotations

import gzip
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qserv.catalog.errors import DataError, DiskFull, Unavailable
from qserv.catalog.model import Column
from qserv.catalog.spec import Format, SourceSpec
from qserv.catalog.types import SqlType
from qserv.storage.readers import open_rows
from qserv.storage.sources import expand

COLUMNS = (Column("id", SqlType.parse("BIGINT")),)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are objects: the bucket is its first level."""
    root = tmp_path / "store"
    (root / "sky/stars").mkdir(parents=True)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            if "list-type" in query:
                self.send(200, listing(root, unquote(urlsplit(self.path).path), query.get("prefix", [""])[0]))
            else:
                self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = root / unquote(urlsplit(self.path).path).strip("/")
            if not path.is_file():
                self.send(404, b"", body)
                return
            content, wanted = path.read_bytes(), self.headers["Range"]
            if wanted is None:
                self.send(200, content, body)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            self.send(206, content[int(first) : int(last) + 1], body)

        def send(self, status: int, content: bytes, body: bool = True) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/xml" if content[:1] == b"<" else "application/octet-stream")
            self.send_header("Last-Modified", "Mon, 02 Nov 2026 00:00:00 GMT")
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # the client keeps its connections
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield root
    server.shutdown()
    thread.join()
    server.socket.close()


def listing(root: Path, bucket: str, prefix: str) -> bytes:
    base = root / bucket.strip("/")
    found = sorted(path for path in base.rglob("*") if path.is_file())
    entries = "".join(
        f"<Contents><Key>{path.relative_to(base)}</Key><Size>{path.stat().st_size}</Size>"
        "<LastModified>2026-11-02T00:00:00Z</LastModified></Contents>"
        for path in found
        if str(path.relative_to(base)).startswith(prefix)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()


def test_objects_are_found_and_read(store: Path, tmp_path: Path) -> None:
    for part in range(2):
        rows = pa.table({"id": np.arange(part * 1000, part * 1000 + 1000)})
        pq.write_table(rows, store / f"sky/stars/part-{part}.parquet")
    (store / "sky/stars/notes.txt").write_text("not a table")
    source = SourceSpec(path="s3://sky/stars/*.parquet")
    urls = expand(source, tmp_path)
    assert urls == ("s3://sky/stars/part-0.parquet", "s3://sky/stars/part-1.parquet")
    found: list[int] = []
    for url in urls:
        with open_rows(url, source, COLUMNS, tmp_path / "spool") as rows:
            found += [key for batch in rows for key in batch.rows["id"].to_pylist()]
    assert found == list(range(2000))
    assert list((tmp_path / "spool").iterdir()) == []


def test_an_object_that_is_not_there(store: Path, tmp_path: Path) -> None:
    source = SourceSpec(path="s3://sky/none.parquet")
    with (
        pytest.raises(DataError, match=r"s3://sky/none\.parquet: there is no such object"),
        open_rows("s3://sky/none.parquet", source, COLUMNS, tmp_path),
    ):
        pass
    with pytest.raises(DataError, match="no such object"):
        expand(SourceSpec(path="s3://sky/stars/*.csv"), tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system of a few pages."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("tmpfs may not be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("kind", ["an object", "a packed file"])
def test_a_copy_that_finds_no_room(store: Path, small_disk: Path, kind: str) -> None:
    (store / "sky/x.csv").write_bytes(bytes(1 << 20))
    (store / "sky/x.fits.gz").write_bytes(gzip.compress(bytes(1 << 20)))
    url, form = ("s3://sky/x.csv", Format.CSV) if kind == "an object" else (str(store / "sky/x.fits.gz"), Format.FITS)
    with (
        pytest.raises(DiskFull, match=r"x\.(csv|fits\.gz): the worker's disk is full"),
        open_rows(url, SourceSpec(path=url, format=form), COLUMNS, small_disk / "spool"),
    ):
        pass
    assert list((small_disk / "spool").iterdir()) == []


def test_a_store_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with (
        pytest.raises(Unavailable, match="cannot be fetched"),
        open_rows("s3://sky/x.parquet", SourceSpec(path="x"), COLUMNS, tmp_path),
    ):
        pass
