"""Input files by path, glob or URL: finding them, and bringing the remote ones here whole.

``file:`` and plain paths are read where they are. ``http(s):`` and ``s3:`` files are copied to a spool folder first, in
pieces of bounded size: Parquet and FITS are read out of order, and a file that breaks off is noticed before a row of it
is used. An HTTP transfer that breaks off is taken up again where it stopped, if the server says it is the same file.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import httpx
import pyarrow as pa
import pyarrow.fs as pafs

from qserv.catalog.errors import DataError, DiskFull, Unavailable
from qserv.catalog.spec import Format, SourceSpec
from qserv.storage import hats

_PART = re.compile(r"(.+)#row-groups=(\d+)-(\d+)")
_PIECE = 1 << 20
_TRIES = 5
_TIMEOUT = httpx.Timeout(30.0)
_SILENT_TRIES = 2

_SLOW_SECONDS, _SLOW_BYTES = 60.0, 1 << 16
"""A server that sends less than this in so long a time is given up, for good: the next try would take as long."""

_FULL = (errno.ENOSPC, errno.EDQUOT)

Check = Callable[[], None]
"""Called now and then; it raises what ends a transfer."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to read: where it is now, and the name that errors give it."""

    path: Path
    name: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def expand(source: SourceSpec, base: Path) -> tuple[str, ...]:
    """The files that a source names, in order: absolute paths, and URLs as they are. ``base`` is where paths begin.

    Raises
    ------
    DataError
        For a path or glob that matches nothing.
    """
    found: list[str] = []
    for pattern in source.paths:
        scheme = _scheme(pattern)
        if scheme in ("http", "https"):
            found.extend(_expand_http_hats(pattern) if source.format is Format.HATS else [pattern])
        elif scheme == "s3":
            found.extend(_expand_s3(pattern, source.format))
        else:
            found.extend(_expand_local(_local_path(pattern), base, source.format))
    return tuple(dict.fromkeys(found))


def _expand_local(path: str, base: Path, kind: Format) -> list[str]:
    pattern = base / path
    if kind is Format.HATS and pattern.is_dir():
        below = hats.primary(lambda name: _bytes(pattern / name))
        catalog = pattern / below if below is not None else pattern
        matches = [str(found) for found in (catalog / "dataset").rglob("*.parquet") if hats.is_leaf(str(found))]
    elif pattern.is_dir():
        raise DataError(f"{path}: this is a folder: name its files, such as {path}/*.{kind}")
    else:
        matches = [str(found) for found in _matching(pattern) if found.is_file()]
    if not matches:
        raise DataError(f"{path}: there is no such file below {base.resolve()}", path=path)
    return sorted(str(Path(found).resolve()) for found in matches)


def _matching(pattern: Path) -> Iterator[Path]:
    if not glob.has_magic(str(pattern)):
        yield pattern
        return
    folder = Path(_fixed_folder(str(pattern)))
    yield from folder.glob(str(pattern.relative_to(folder)))


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _expand_http_hats(url: str) -> list[str]:
    """The files of a HATS catalog on a web server, which lists no folders: the catalog's own list tells them."""
    root = url.rstrip("/")
    try:
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:

            def read(name: str) -> bytes | None:
                answer = client.get(f"{root}/{name}")
                if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN):
                    return None
                _refuse_status(f"{root}/{name}", answer)
                return answer.content

            below = hats.primary(read)
            root = f"{root}/{below}" if below is not None else root
            return [f"{root}/{path}" for path in hats.listed(read)]
    except DataError as error:
        raise DataError(f"{shown(url)}: {error.message}") from error
    except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise DataError(f"{shown(url)}: cannot be fetched: {error}") from error
    except httpx.TransportError as error:
        raise Unavailable(f"{shown(url)}: cannot be fetched: {error}") from error


def _expand_s3(url: str, kind: Format) -> list[str]:
    parts = urlsplit(url)
    pattern = f"{parts.netloc}{parts.path}"
    if kind is not Format.HATS and not glob.has_magic(pattern):
        return [url]
    fixed = f"{pattern.rstrip('/')}/dataset" if kind is Format.HATS else _fixed_folder(pattern)
    try:
        store = object_store()
        if kind is Format.HATS:
            below = hats.primary(lambda name: _s3_bytes(store, f"{pattern.rstrip('/')}/{name}"))
            fixed = f"{pattern.rstrip('/')}/{below}/dataset" if below is not None else fixed
        listed = store.get_file_info(pafs.FileSelector(fixed, recursive=True, allow_not_found=True))
    except OSError as error:
        raise Unavailable(f"{url}: the object store cannot be listed: {error}") from error
    files = [info.path for info in listed if info.type is pafs.FileType.File]
    if kind is Format.HATS:
        files = [path for path in files if hats.is_leaf(path)]
    else:
        files = [path for path in files if Path(path).match(pattern)]
    if not files:
        raise DataError(f"{url}: there is no such object")
    return sorted(f"s3://{path}" for path in files)


def _s3_bytes(store: pafs.S3FileSystem, path: str) -> bytes | None:
    if store.get_file_info(path).type is not pafs.FileType.File:
        return None
    with store.open_input_stream(path, compression=None) as stream:
        return bytes(stream.readall())


def _fixed_folder(pattern: str) -> str:
    parts = pattern.split("/")
    magic = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:magic]) or "/"


@contextmanager
def localized(url: str, spool: Path, check: Check) -> Iterator[LocalFile]:
    """The file of a path or URL, here. A remote one is copied below ``spool`` and removed afterwards.

    Raises
    ------
    DataError
        For a file that is not there, or a remote one that did not come whole.
    DiskFull
        For a remote one that finds no room here.
    Unavailable
        For a server that cannot be reached.
    """
    scheme = _scheme(url)
    if scheme in ("http", "https", "s3"):
        spool.mkdir(parents=True, exist_ok=True)
        target = spool / uuid.uuid4().hex
        try:
            _copy(url, target, check)
            yield LocalFile(target, shown(url))
        finally:
            target.unlink(missing_ok=True)
        return
    path = Path(_local_path(url))
    if not path.is_file():
        raise DataError(f"{url}: there is no such file", file=url)
    yield LocalFile(path, path.name)


def part_url(url: str, first: int, last: int) -> str:
    """A part of a Parquet file: its row groups from ``first`` to ``last``, from 0."""
    return f"{url}#row-groups={first}-{last}"


def part_of(url: str) -> tuple[str, range | None]:
    """The file of a URL, and the row groups that are meant of it; None: all of it."""
    found = _PART.fullmatch(url)
    return (url, None) if found is None else (found[1], range(int(found[2]), int(found[3]) + 1))


def local_path(url: str) -> Path | None:
    """The path that a plain path or ``file:`` URL names; None for a URL of another machine."""
    return None if _scheme(url) in ("http", "https", "s3") else Path(_local_path(url))


def shown(url: str) -> str:
    """A URL as errors and logs may show it: without credentials or signatures."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else url


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition(":")
    if not separator or "/" in scheme or not scheme.isalnum():
        return ""
    if scheme.lower() not in ("file", "http", "https", "s3"):
        raise DataError(f"{shown(url)}: a source is a path or a URL of file:, http:, https: or s3:")
    return scheme.lower()


def _local_path(url: str) -> str:
    if not url.lower().startswith("file:"):
        return url
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise DataError(f"{url}: a file: URL names a file of this machine, such as file:///data/stars.parquet")
    return unquote(parts.path)


@contextmanager
def copying(name: str) -> Iterator[None]:
    """What is written here is a copy of a file of that name: raises DiskFull where it finds no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(f"{name}: the worker's disk is full; free space or add workers") from error


def _copy(url: str, target: Path, check: Check) -> None:
    with copying(shown(url)), target.open("wb") as file:
        (_copy_s3 if _scheme(url) == "s3" else _copy_http)(url, file, check)


def _copy_http(url: str, target: BinaryIO, check: Check) -> None:
    """Download, taken up where it broke off as long as each try brings some bytes and the file stays the same."""
    tag: str | None = None
    total: int | None = None
    silent = 0
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"}) as client:
        for tries in range(_TRIES):
            check()
            have = target.tell()
            headers = {"Range": f"bytes={have}-", "If-Range": tag} if have and tag else {}
            try:
                with client.stream("GET", url, headers=headers) as answer:
                    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                        _refuse_status(url, answer)
                        target.seek(0)
                        target.truncate()
                        tag, total = _validator(answer), _length(answer)
                    _receive(url, answer, target, check)
            except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
                raise DataError(f"{shown(url)}: cannot be fetched: {error}") from error
            except httpx.TransportError as error:
                silent = silent + 1 if isinstance(error, httpx.TimeoutException) and target.tell() <= have else 0
                if silent == _SILENT_TRIES:
                    raise _slow(url, f"nothing came in {silent} times {_TIMEOUT.read:g} seconds") from error
                if tries == _TRIES - 1:
                    raise _broken(url, target.tell(), total, str(error)) from error
                continue
            if total is None or target.tell() == total:
                return
    raise _broken(url, target.tell(), total, "the server closed the connection")


def _receive(url: str, answer: httpx.Response, target: BinaryIO, check: Check) -> None:
    began, come = time.monotonic(), 0
    for piece in answer.iter_raw():  # as it comes: a piece that is being filled would be lost
        check()
        target.write(piece)
        come += len(piece)
        if time.monotonic() - began < _SLOW_SECONDS:
            continue
        if come < _SLOW_BYTES:
            raise _slow(url, f"{come} bytes came in {_SLOW_SECONDS:g} seconds")
        began, come = time.monotonic(), 0


def _slow(url: str, what: str) -> DataError:
    return DataError(f"{shown(url)}: the server is too slow: {what}; fetch the file and load it from a disk")


def _refuse_status(url: str, answer: httpx.Response) -> None:
    if answer.is_server_error:
        raise Unavailable(f"{shown(url)}: the server answers {answer.status_code} {answer.reason_phrase}")
    if not answer.is_success:
        raise DataError(f"{shown(url)}: the server answers {answer.status_code} {answer.reason_phrase}")


def _validator(answer: httpx.Response) -> str | None:
    """What proves that a later piece is of the same file. A weak tag does not."""
    tag = answer.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    changed = answer.headers.get("Last-Modified")
    return str(changed) if changed else None


def _length(answer: httpx.Response) -> int | None:
    text = answer.headers.get("Content-Length")
    return int(text) if text else None


def _broken(url: str, have: int, total: int | None, why: str) -> DataError | Unavailable:
    if have == 0:
        return Unavailable(f"{shown(url)}: cannot be fetched: {why}")
    of = f" of {total}" if total is not None else ""
    return DataError(f"{shown(url)}: only {have}{of} bytes came: {why}")


def object_store() -> pafs.S3FileSystem:
    """The object store that the environment names, by the AWS tools' own variables."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return pafs.S3FileSystem()
    parts = urlsplit(endpoint)
    return pafs.S3FileSystem(
        endpoint_override=parts.netloc or endpoint,
        scheme=parts.scheme or "https",
        anonymous="AWS_ACCESS_KEY_ID" not in os.environ,
    )


def _copy_s3(url: str, target: BinaryIO, check: Check) -> None:
    parts = urlsplit(url)
    path = f"{parts.netloc}{unquote(parts.path)}"
    try:
        store = object_store()
        info = store.get_file_info(path)
        if info.type is not pafs.FileType.File:
            raise DataError(f"{url}: there is no such object")
        with store.open_input_stream(path, compression=None) as stream:
            while piece := stream.read(_PIECE):
                check()
                target.write(piece)
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise  # that is this disk
        raise Unavailable(f"{url}: the object cannot be fetched: {error}") from error
    if target.tell() != info.size:
        raise DataError(f"{url}: only {target.tell()} of {info.size} bytes came")
