"""Files of every format become batches of checked rows; damaged ones are errors that say where."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from qserv.catalog.errors import DataError, QueryKilled, SpecError, Unavailable
from qserv.catalog.model import Column
from qserv.catalog.spec import Format, SourceSpec
from qserv.catalog.types import SqlType
from qserv.storage import sources
from qserv.storage.readers import file_columns, open_rows
from qserv.storage.sources import expand, shown

COLUMNS = (
    Column("a", SqlType.parse("INT")),
    Column("b", SqlType.parse("DOUBLE")),
    Column("c", SqlType.parse("VARCHAR(8)")),
)


def read(
    path: Path | str, columns: tuple[Column, ...] | None = COLUMNS, batch_bytes: int = 1 << 20, **source: Any
) -> list[dict[str, Any]]:
    spec = SourceSpec(path=str(path), **{"format": Format.CSV, **source})
    spool = Path(path).parent / "spool" if isinstance(path, Path) else source_spool
    with open_rows(str(path), spec, columns, spool, batch_bytes) as rows:
        found: list[dict[str, Any]] = []
        last = 0
        for batch in rows:
            assert batch.origin.first == len(found)
            assert last <= batch.bytes <= rows.size
            last = batch.bytes
            found += batch.rows.to_pylist()
    assert not list(spool.glob("*")), "a copy was left behind"
    return found


source_spool = Path()


@pytest.fixture(autouse=True)
def _spool(tmp_path: Path) -> None:
    global source_spool  # noqa: PLW0603  # where files of URLs, which have no folder, are copied
    source_spool = tmp_path / "spool"


def csv_file(folder: Path, text: str, name: str = "in.csv") -> Path:
    path = folder / name
    packed = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": lambda data: pa.compress(data, "zstd", asbytes=True)}
    path.write_bytes(packed.get(path.suffix, bytes)(text.encode()))
    return path


TEXT = 'a,b,c\n1,2.5,x\n2,,""\n3,nan,\n'
ROWS = [{"a": 1, "b": 2.5, "c": "x"}, {"a": 2, "b": None, "c": ""}, {"a": 3, "b": None, "c": None}]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst"])
def test_csv_plain_and_packed(tmp_path: Path, suffix: str) -> None:
    assert read(csv_file(tmp_path, TEXT, f"in.csv{suffix}")) == ROWS


def test_tsv_without_a_header_and_with_its_own_null(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "1\t2.5\tx\n2\t\\N\t'y\tz'\n")
    rows = read(path, delimiter="\t", header=False, null="\\N", quote="'")
    assert rows == [{"a": 1, "b": 2.5, "c": "x"}, {"a": 2, "b": None, "c": "y\tz"}]


def test_columns_by_name_in_any_order_and_case(tmp_path: Path) -> None:
    assert read(csv_file(tmp_path, "C,more,B,A\nx,0,2.5,1\n")) == ROWS[:1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n1,2,x\n2,3\n", r"in\.csv, line 3: 2 values where there are 3 columns: '2,3'"),
        ("a,b,c\n1,2,x\n\n2,3,y,z\n", r"line 4: 4 values where there are 3 columns"),
        ('a,b,c\n1,2,"x\ny"\n2,3\n', r"line 4: 2 values"),
        ("a,b,c\n1,2,x\n\n2,zwei,y\n", r"line 4, column 'b': 'zwei' is no value of DOUBLE"),
        ('a,b,c\n1,2,"x\ny"\nzwei,3,y\n', r"line 4, column 'a': 'zwei' is no value of INT"),
        ("a,b,c\n1,2,123456789\n", r"line 2, column 'c': '123456789' is no value of VARCHAR\(8\)"),
        ("a,b\n1,2\n", r"in\.csv: there is no column 'c'; it has a, b"),
        (f"a,b,c\n1,2,{'x' * 200_000}\n", r"line 2, column 'c': 'x{80}' is no value of VARCHAR\(8\)"),
        ("", r"in\.csv: cannot be read"),
    ],
)
def test_a_bad_csv_names_file_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(csv_file(tmp_path, text))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b,c\n1,2,x\n2,3,"y\n3,4,z\n', 3),  # to the end of the file
        ('a,b,c\n1,2,x\n2,3,"y', 3),
        ('a,b,c\n1,2,"x\n2,3,y\n3,4,"z"\n4,5,w\n', 2),  # to the next quote
        ('a,b,c\n1,2,x\n2,"3,y\n3,4,z\n', 3),
        ('a,b,c\n1,2,"x\n' + "2,3,y\n" * 600_000, 2),  # further than Arrow looks
    ],
)
def test_a_quote_that_is_not_closed(tmp_path: Path, text: str, line: int, suffix: str) -> None:
    wide = (*COLUMNS[:2], Column("c", SqlType.parse("TEXT")))
    with pytest.raises(DataError, match=rf"in\.csv{suffix}, line {line}: the quotes \" of the record .* do not pair"):
        read(csv_file(tmp_path, text, f"in.csv{suffix}"), wide)


def test_a_quote_within_a_value_that_has_none_around_it_is_a_character(tmp_path: Path) -> None:
    assert [row["c"] for row in read(csv_file(tmp_path, 'a,b,c\n1,2,5" f/8\n2,3,"""6"""\n'))] == ['5" f/8', '"6"']


def test_a_bad_value_far_into_a_file_of_many_batches(tmp_path: Path) -> None:
    lines = [f"{number},{number}.5,x" for number in range(300_000)]
    lines[250_000] = "250000,x,y"
    path = csv_file(tmp_path, "a,b,c\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match="line 250002, column 'b'"):
        read(path)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"a,b,c\n1,2,\xff\n")
    with pytest.raises(DataError, match=r"in\.csv, line 2: it is not text in UTF-8"):
        read(path)


def test_a_packed_file_cut_short(tmp_path: Path) -> None:
    path = csv_file(tmp_path, TEXT * 1000, "in.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"in\.csv\.gz"):
        read(path)


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    assert read(csv_file(tmp_path, "\ufeff" + TEXT.replace("\n", "\r\n"))) == ROWS


@pytest.mark.parametrize(("head", "kind"), [(b"PAR1\x15\x04", "Parquet"), (b"SIMPLE  =                    T", "FITS")])
def test_a_file_of_another_format_is_told_from_text(tmp_path: Path, head: bytes, kind: str) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(head + bytes(2000))
    with pytest.raises(DataError, match=rf"in\.csv: this is a {kind} file, not text: say `format: {kind.lower()}`"):
        read(path)


def test_a_text_may_begin_as_other_formats_do(tmp_path: Path) -> None:
    columns = (Column("PAR1", SqlType.parse("INT")),)
    assert read(csv_file(tmp_path, "PAR1,PAR2\n1,2\n"), columns) == [{"PAR1": 1}]


def test_csv_needs_declared_columns(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="declare 'columns'"):
        read(csv_file(tmp_path, TEXT), None)


def test_parquet_in_batches_with_its_own_columns(tmp_path: Path) -> None:
    table = pa.table({"id": np.arange(50_000), "flux": np.linspace(0, 1, 50_000), "tag": ["t"] * 50_000})
    path = tmp_path / "in.parquet"
    pq.write_table(table, path, row_group_size=7000)
    assert read(path, None, 100_000, format=Format.PARQUET) == table.to_pylist()
    kinds = [str(column.type) for column in file_columns(str(path), SourceSpec(path="x"), tmp_path)]
    assert kinds == ["BIGINT", "DOUBLE", "TEXT"]
    some = (Column("FLUX", SqlType.parse("FLOAT")),)
    assert read(path, some, format=Format.PARQUET)[1] == {"FLUX": pytest.approx(1 / 49_999, rel=1e-6)}


@pytest.mark.parametrize("kind", [Format.PARQUET, Format.FITS])
def test_wide_rows_come_in_small_batches(tmp_path: Path, kind: Format) -> None:
    text = [f"{number:06d}".ljust(10_000, "x") for number in range(300)]
    path = tmp_path / "in"
    if kind is Format.FITS:
        Table({"text": text}).write(path, format="fits")
    else:
        pq.write_table(pa.table({"text": text}), path)
    with open_rows(str(path), SourceSpec(path="x", format=kind), None, tmp_path, 1 << 20) as rows:
        sizes = [batch.rows.num_rows for batch in rows]
    assert sum(sizes) == 300
    assert max(sizes) <= (1 << 20) // 10_000


def test_a_bad_parquet_value_names_its_row(tmp_path: Path) -> None:
    values = np.zeros(50_000, np.int64)
    values[31_000] = 2**31
    pq.write_table(pa.table({"a": values}), tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"in\.parquet, row 31001, column 'a': '2147483648' is no value of INT"):
        read(tmp_path / "in.parquet", COLUMNS[:1], 10_000, format=Format.PARQUET)


@pytest.mark.parametrize("kind", [Format.PARQUET, Format.FITS])
def test_a_file_cut_short(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "in.dat"
    if kind is Format.PARQUET:
        pq.write_table(pa.table({"a": np.arange(10_000)}), path)
    else:
        Table({"a": np.arange(10_000)}).write(path, format="fits")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"in\.dat: this is no whole .* file"):
        read(path, None, format=kind)


def test_a_parquet_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"a": np.arange(100_000)}), path, row_group_size=10_000, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[200_000:200_100] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged after row"):
        read(path, (Column("a", SqlType.parse("INT")),), 10_000, format=Format.PARQUET)


@pytest.mark.parametrize("packed", [False, True])
def test_fits_tables(tmp_path: Path, packed: bool) -> None:
    count = 3000
    table = Table(
        {
            "id": np.arange(count, dtype=np.int64),
            "u": np.arange(count, dtype=np.uint32) + 3_000_000_000,
            "flux": np.linspace(-1, 1, count).astype(np.float32),
            "name": np.array([f"star {number}" for number in range(count)]),
            "flag": np.arange(count) % 2 == 0,
            "n": MaskedColumn(np.arange(count, dtype=np.int16), mask=np.arange(count) == 5, fill_value=-99),
            "vector": np.zeros((count, 3)),
        }
    )
    path = tmp_path / ("in.fits.gz" if packed else "in.fits")
    table.write(path)
    rows = read(path, None, 100_000, format=Format.FITS)
    assert len(rows) == count
    assert rows[4] == {
        "id": 4,
        "u": 3_000_000_004,
        "flux": pytest.approx(-1 + 8 / (count - 1), rel=1e-5),
        "name": "star 4",
        "flag": 1,
        "n": 4,
    }
    assert rows[5]["n"] is None
    with pytest.raises(SpecError, match="arrays cannot be loaded: vector"):
        read(path, (Column("vector", SqlType.parse("DOUBLE")),), format=Format.FITS)


def test_what_fits_calls_null_is_null_as_it_is_stored(tmp_path: Path) -> None:
    """TNULL is the value in the file, before TSCAL and TZERO."""
    from astropy.io import fits

    stored = {"u": ("I", -32768), "scaled": ("I", -1), "small": ("B", 255), "wide": ("K", -(2**63))}
    columns = [
        fits.Column(
            name, kind, null=null, array=np.array([null, 7], np.uint8 if kind == "B" else f"i{2 if kind == 'I' else 8}")
        )
        for name, (kind, null) in stored.items()
    ]
    table = fits.BinTableHDU.from_columns([*columns, fits.Column("odd", "C", array=np.ones(2, np.complex64))])
    scales = {"TZERO1": 32768, "TSCAL2": 0.5, "TZERO3": -128, "TZERO4": 2**63}
    for number in range(len(scales)):
        table.header.append((f"HELD{number}", 1), end=True)
    path = tmp_path / "in.fits"
    table.writeto(path)
    content = path.read_bytes()
    for number, (name, value) in enumerate(scales.items()):
        at = content.index(f"HELD{number}".encode())
        content = content[:at] + f"{name:8}= {value!s:>20}".ljust(80).encode() + content[at + 80 :]
    path.write_bytes(content)
    absent = dict.fromkeys(stored)
    assert read(path, None, format=Format.FITS) == [
        absent,
        {"u": 32775, "scaled": 3.5, "small": -121, "wide": 2**63 + 7},
    ]
    with pytest.raises(SpecError, match="odd"):
        read(path, (Column("odd", SqlType.parse("DOUBLE")),), format=Format.FITS)


@pytest.mark.parametrize("harm", [lambda data: b"no gzip", lambda data: data[:-20], lambda data: data[:-8] + bytes(8)])
def test_a_packed_fits_file_that_is_damaged(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    Table({"a": np.arange(9000)}).write(tmp_path / "in.fits.gz")
    (tmp_path / "in.fits.gz").write_bytes(harm((tmp_path / "in.fits.gz").read_bytes()))
    with pytest.raises(DataError, match=r"in\.fits\.gz: the compressed file is (cut short|damaged)"):
        read(tmp_path / "in.fits.gz", None, format=Format.FITS)


def test_a_fits_file_without_a_table(tmp_path: Path) -> None:
    from astropy.io import fits

    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "in.fits")
    with pytest.raises(DataError, match="no binary table"):
        read(tmp_path / "in.fits", None, format=Format.FITS)


def test_a_missing_file() -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read("/nowhere/in.csv")


def test_globs_lists_and_urls_are_expanded_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "sub/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = expand(SourceSpec(path=("*.csv", "**/c.csv", "http://127.0.0.1/x.csv"), format=Format.CSV), tmp_path)
    assert [Path(url).name for url in found] == ["a.csv", "b.csv", "c.csv", "x.csv"]
    assert expand(SourceSpec(path=f"file://{tmp_path}/a.csv"), Path("/")) == (str(tmp_path / "a.csv"),)


@pytest.mark.parametrize("path", ["none*.csv", "none.csv", "sub", "ftp://host/x", "file://host/x.csv"])
def test_sources_that_name_nothing(tmp_path: Path, path: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError):
        expand(SourceSpec(path=path), tmp_path)


def test_hats_leaves_are_found(tmp_path: Path) -> None:
    leaf = tmp_path / "cat/dataset/Norder=1/Dir=0"
    leaf.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), leaf / "Npix=3.parquet")
    (tmp_path / "cat/dataset/_metadata").touch()
    (found,) = expand(SourceSpec(path="cat", format=Format.HATS), tmp_path)
    assert read(Path(found), COLUMNS[:1], format=Format.HATS) == [{"a": 1}]


def test_urls_are_shown_without_secrets() -> None:
    assert shown("https://user:word@host/path/x.csv?signature=abc") == "https://host/path/x.csv"


def test_fits_is_read_where_the_home_cannot_be() -> None:
    environment = {"HOME": f"/{'x' * 300}", "PATH": os.environ["PATH"]}  # no name that a file system takes
    command = [sys.executable, "-c", "from qserv.storage import fitsfile"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


Answer = Callable[[BaseHTTPRequestHandler, int], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Serve one file by a function of the request and its number, on loopback."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Answer) -> str:
        count = iter(range(1000))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self, next(count))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/in.csv"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def head(request: BaseHTTPRequestHandler, status: int, length: int, **headers: str) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(length))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()


BODY = ("a,b,c\n" + "".join(f"{number},{number}.5,x\n" for number in range(5000))).encode()


def test_a_remote_file_is_read(serve: Callable[[Answer], str]) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        head(request, 200, len(BODY))
        request.wfile.write(BODY)

    assert len(read(serve(answer))) == 5000


def test_a_transfer_that_breaks_off_is_taken_up_again(serve: Callable[[Answer], str]) -> None:
    asked: list[str | None] = []

    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        asked.append(request.headers["Range"])
        if number == 0:
            head(request, 200, len(BODY), ETag='"v1"')
            request.wfile.write(BODY[:20_000])
            request.close_connection = True
            return
        first = int(str(request.headers["Range"]).removeprefix("bytes=").removesuffix("-"))
        assert request.headers["If-Range"] == '"v1"'
        head(request, 206, len(BODY) - first, ETag='"v1"')
        request.wfile.write(BODY[first:])

    assert len(read(serve(answer))) == 5000
    assert asked[0] is None
    assert len(asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_anew(serve: Callable[[Answer], str]) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        body = BODY if number else BODY.replace(b"x", b"y")
        head(request, 200, len(body), ETag=f'"v{number}"')
        request.wfile.write(body[: None if number else 20_000])
        request.close_connection = True

    rows = read(serve(answer))
    assert {row["c"] for row in rows} == {"x"}


def test_a_truncated_download_is_an_error(serve: Callable[[Answer], str]) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        head(request, 200, len(BODY))
        request.wfile.write(BODY[:20_000])
        request.close_connection = True

    with pytest.raises(DataError, match=rf"in\.csv: only 20000 of {len(BODY)} bytes came"):
        read(serve(answer))


@pytest.mark.parametrize(("status", "error"), [(404, DataError), (403, DataError), (503, Unavailable)])
def test_a_server_that_refuses(serve: Callable[[Answer], str], status: int, error: type[Exception]) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        head(request, status, 0)

    with pytest.raises(error, match=str(status)):
        read(serve(answer))


def test_a_server_that_sends_in_drops_is_given_up(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_SLOW_SECONDS", 0.05)

    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        head(request, 200, len(BODY))
        with contextlib.suppress(OSError):  # the reader goes away
            for byte in BODY:
                request.wfile.write(bytes([byte]))
                time.sleep(0.01)

    with pytest.raises(DataError, match=r"in\.csv: the server is too slow: \d+ bytes came in"):
        read(serve(answer))


def test_a_server_that_says_nothing_is_given_up(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_TIMEOUT", httpx.Timeout(0.2))
    read_it, asked = threading.Event(), []

    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        asked.append(number)
        read_it.wait(60)

    url = serve(answer)
    try:
        with pytest.raises(DataError, match=r"in\.csv: the server is too slow: nothing came in 2 times 0\.2 seconds"):
            read(url)
    finally:
        read_it.set()
    assert asked == [0, 1]


def test_a_server_that_leads_in_a_circle(serve: Callable[[Answer], str]) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        head(request, 302, 0, Location="/in.csv")

    with pytest.raises(DataError, match=r"in\.csv: cannot be fetched: Exceeded maximum allowed redirects"):
        read(serve(answer))


def test_a_redirect_is_followed_and_a_long_name_taken(serve: Callable[[Answer], str]) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            head(request, 302, 0, Location=f"/{'x' * 300}.csv")
        else:
            head(request, 200, len(BODY))
            request.wfile.write(BODY)

    assert len(read(serve(answer).replace("in.csv", f"{'y' * 300}.csv"))) == 5000


def test_a_transfer_ends_when_it_is_asked_to(serve: Callable[[Answer], str], tmp_path: Path) -> None:
    ended = threading.Event()

    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        head(request, 200, 1 << 30)
        with contextlib.suppress(OSError):
            while True:
                request.wfile.write(BODY)
        ended.set()

    def check() -> None:
        raise QueryKilled("enough")

    url = serve(answer)
    with pytest.raises(QueryKilled), open_rows(url, SourceSpec(path=url), COLUMNS, tmp_path, check=check):
        pass
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="cannot be fetched"):
        read("http://127.0.0.1:1/in.csv")
