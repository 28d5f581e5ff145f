"""How a file that environments need is fetched. Knows no simulator.

Nothing here runs at import or when an environment is made: a user asks for a download. A transfer
that was cut off goes on where it stopped, at the next attempt or in the next process, and the
file appears under its name only when it is whole and verified.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import logging
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from act_envs.assets import alone, on_disk, refuse_folder
from act_envs.errors import DownloadError
from act_envs.progress import Progress

_log = logging.getLogger(__name__)

_CHUNK = 1 << 17  # bytes read at a time
_PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
_PASSING = (408, 425, 429)  # statuses that another attempt may cure, as it may any 5xx
_PERMANENT = (ssl.SSLCertVerificationError, http.client.InvalidURL)


def install(url: str, target: Path, is_right: Callable[[Path], bool], *, max_size: int) -> None:
    """Put a file in its place that was read and found right; do nothing where it is there already.

    What arrives waits as ``<target>.unverified`` until it has been read, also in a later run. What
    is not right is kept as ``<target>.rejected``, and no environment reads it.

    Args:
        url: see :func:`download`.
        target: where it goes. Its folder is made.
        is_right: reads a file, and says what is wrong with it.
        max_size: bytes that it may have at the most.

    Raises:
        DownloadError: it is not right, cannot be fetched or written, or another process is at it.
    """
    arrived = target.with_name(f"{target.name}.unverified")
    rejected = target.with_name(f"{target.name}.rejected")
    with on_disk(target):
        for path in (target, arrived, rejected):
            refuse_folder(path)
        if target.exists() and is_right(target):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f"{target.name}.lock")
        with alone(lock):
            try:
                if target.exists() and is_right(target):
                    return  # another process has put it there meanwhile
                # It may have arrived already, where an earlier run ended before it was read.
                if not (arrived.exists() and is_right(arrived)):
                    download(url, arrived, max_size=max_size)
                    if not is_right(arrived):
                        arrived.replace(rejected)
                        raise DownloadError(
                            f"what came from {url} is not right (see above). It is kept in "
                            f"{rejected}, and nothing reads it. Fetch from another place, with "
                            "--from URL"
                        )
                arrived.replace(target)
            finally:
                lock.unlink(missing_ok=True)


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    max_size: int | None = None,
    progress: bool = True,
    timeout: float = 30.0,
    attempts: int = 5,
) -> Path:
    """Fetch a file over http, https or from a ``file:`` URL; replace ``target`` when it is whole.

    Bytes gather in ``<target>.part``. They are continued only where the server confirms that its
    file is still the one they came from (If-Range, and its ETag or Last-Modified compared once
    more), or where ``sha256`` will tell; otherwise the transfer starts again.

    Args:
        url: where the file is. Redirections are followed to http and https only, and never from
            https to http.
        target: where it goes. Its folder is made.
        sha256: hexadecimal digest that it must have.
        size: bytes that it must have.
        max_size: bytes that it may have at the most; a longer one is given up.
        progress: also where standard error is no terminal, a line now and then.
        timeout: seconds without a byte after which a connection counts as dropped.
        attempts: connections in all, with growing pauses between them.

    Returns:
        ``target``.

    Raises:
        DownloadError: the URL is not accepted, the server refuses, connections kept dropping, the
            disk is full, a folder is in the way, what came has another size or digest, or
            another process is at it.
    """
    transfer = _Transfer(url, target, sha256, size, max_size)
    with on_disk(target), contextlib.ExitStack() as stack:
        refuse_folder(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context(alone(transfer.part))
        bar = stack.enter_context(Progress(target.name, size, megabytes=True, plain=progress))
        if urlsplit(url).scheme == "file":
            transfer.copy(file, bar)
        else:
            _persist(transfer, file, bar, timeout, attempts)
        if wrong := transfer.wrong():
            raise transfer.rejection(wrong)
        os.fsync(file.fileno())
        transfer.part.replace(target)
        transfer.note.unlink(missing_ok=True)
    return target


class _Dropped(Exception):
    """The connection ended early, or never came to be; another attempt may go on."""


@dataclass(frozen=True)
class _Transfer:
    """One file on its way, and what it must be in the end."""

    url: str
    target: Path
    sha256: str | None
    size: int | None
    max_size: int | None

    def __post_init__(self) -> None:
        if _scheme(self.url) not in ("http", "https", "file"):
            raise DownloadError(f"cannot fetch {self.url!r}. Give an http, https or file URL.")

    @property
    def part(self) -> Path:
        """The bytes that have come so far."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def note(self) -> Path:
        """What they are bytes of: the URL, the server's validator, the size of the whole."""
        return self.target.with_name(f"{self.target.name}.part.json")

    def noted(self) -> dict[str, Any]:
        """The note of this URL; empty where there is none, or where it cannot be read."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(note, dict) or note.get("url") != self.url:
            return {}
        return note if isinstance(note.get("validator"), str | None) else {}

    def copy(self, file: io.FileIO, bar: Progress) -> None:
        """Take the whole of a ``file:`` URL."""
        place = urlsplit(self.url)
        source = Path(urllib.request.url2pathname(place.path))
        try:
            if place.netloc not in ("", "localhost") or not source.is_file():
                raise DownloadError(
                    f"{self.url} names no file of this machine. Give the path of one, or a URL."
                )
            with source.open("rb") as original:
                _restart(file, bar)
                bar.total = source.stat().st_size
                self._take(original, file, bar)
        except OSError as error:
            raise DownloadError(
                f"cannot read {source}: {error.strerror or error}. Make it readable, or give "
                "another URL."
            ) from error

    def receive(self, file: io.FileIO, bar: Progress, timeout: float) -> bool:
        """Take what one connection gives.

        Returns:
            Whether bytes of an earlier connection were continued.

        Raises:
            _Dropped: there is more to come.
            DownloadError: there is not, and never will be.
        """
        have, note = os.fstat(file.fileno()).st_size, self.noted()
        if not note or not (note.get("validator") or self.sha256):
            have = 0  # nobody could tell whether the rest belongs to it
        try:
            answer = _open(self.url, have, note.get("validator"), timeout)
        except urllib.error.HTTPError as error:
            if error.code == 416 and have:  # nothing follows what there is: it is all, or stale
                if _content_range(error.headers)[1] == have:
                    return True
                _restart(file, bar)
                raise _Dropped("the file on the server has changed") from None
            if error.code in _PASSING or error.code >= 500:
                raise _Dropped(f"the server answers {error.code} {error.reason}") from None
            raise DownloadError(
                f"cannot fetch {self.url}: the server answers {error.code} {error.reason}. "
                "Check the URL, or fetch from a mirror."
            ) from None
        except ValueError as error:  # found out by urllib on its way
            raise DownloadError(
                f"cannot fetch {self.url}: it, or where it redirects to, is no URL ({error}). "
                "Give another URL."
            ) from error
        with answer:
            have = self._agree(answer, have, note)
            if not have:
                _restart(file, bar)
            length = answer.headers.get("Content-Length")
            if length is not None and not re.fullmatch("[0-9]{1,18}", length):
                raise DownloadError(
                    f"cannot fetch {self.url}: the server gives its length as {length!r:.100}. "
                    "Fetch from a mirror."
                )
            total = None if length is None else have + int(length)
            note = {"url": self.url, "validator": _validator(answer.headers), "total": total}
            with on_disk(self.note):
                self.note.write_text(json.dumps(note), encoding="utf-8")
            bar.total, bar.done = total or self.size, have
            self._take(answer, file, bar)
        if total is not None and bar.done < total:
            raise _Dropped(f"it ended after {bar.done:,} of {total:,} bytes")
        return have > 0

    def _agree(self, answer: http.client.HTTPResponse, have: int, note: dict[str, Any]) -> int:
        """How many of the bytes that we have the answer continues: all, or none."""
        encoding = answer.headers.get("Content-Encoding", "identity")
        if answer.status not in (200, 206) or encoding != "identity":
            raise DownloadError(
                f"cannot fetch {self.url}: the server answers with status {answer.status} and "
                f"encoding {encoding!r}. Fetch from a mirror."
            )
        if answer.status == 200:
            return 0  # it sends the whole: it knows no ranges, or its file has changed
        start, total = _content_range(answer.headers)
        same = _validator(answer.headers) in (None, note.get("validator"))
        if start != have or not same or (note.get("total") or total) not in (None, total):
            self.note.unlink(missing_ok=True)  # without it the next attempt starts again
            raise _Dropped("the file on the server has changed")
        return have

    def _take(self, source: BinaryIO | http.client.HTTPResponse, file: io.FileIO, bar: Progress):
        """Append what a stream gives, as long as it is not too much."""
        while chunk := source.read(_CHUNK):
            if self.max_size is not None and bar.done + len(chunk) > self.max_size:
                raise self.rejection(f"it has more than {self.max_size:,} bytes")
            _write(file, chunk, bar)

    def rejection(self, wrong: str) -> DownloadError:
        """Delete the bytes that have come; the error that says so."""
        self.part.unlink()
        self.note.unlink(missing_ok=True)
        return DownloadError(
            f"what came from {self.url} is not what was asked for: {wrong}. It was deleted. "
            "Try again, or fetch from a mirror."
        )

    def wrong(self) -> str | None:
        """What is wrong with the bytes that have come, None where nothing is."""
        size = self.part.stat().st_size
        if self.max_size is not None and size > self.max_size:
            return f"it has more than {self.max_size:,} bytes"
        if self.size is not None and size != self.size:
            return f"it has {size:,} bytes instead of {self.size:,}"
        if self.sha256 is not None:
            with self.part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.sha256.lower():
                return f"its SHA-256 is {found} instead of {self.sha256}"
        return None


def _persist(
    transfer: _Transfer, file: io.FileIO, bar: Progress, timeout: float, attempts: int
) -> None:
    """Connect until the whole has come, but not more than ``attempts`` times."""
    for attempt in range(1, attempts + 1):
        try:
            if transfer.receive(file, bar, timeout) and transfer.wrong():
                _restart(file, bar)
                raise _Dropped("the parts that came do not belong together")
            return
        except (_Dropped, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, _PERMANENT) or attempt == attempts:
                raise DownloadError(
                    f"cannot fetch {transfer.url}: {reason} (attempt {attempt} of {attempts}). "
                    "Check the URL and the connection, and run the same again: what has come "
                    "is kept and continued."
                ) from error
            _log.warning("%s: %s; trying again", transfer.url, reason)
            time.sleep(_PAUSE * 2 ** (attempt - 1))


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows to http and https; urllib's own would follow to ftp and give encryption up."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str):
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new != "https" and new != old:
            raise DownloadError(
                f"cannot fetch {req.full_url}: it redirects to {newurl!r}. Give another URL."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, start: int, validator: str | None, timeout: float) -> http.client.HTTPResponse:
    """The answer to a request for the bytes from ``start`` on."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirections(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url)
    request.add_header("User-Agent", "act-envs")
    request.add_header("Accept-Encoding", "identity")
    if start:
        request.add_header("Range", f"bytes={start}-")
    if start and validator:
        request.add_header("If-Range", validator)
    return opener.open(request, timeout=timeout)


def _scheme(url: str) -> str:
    """The scheme of a URL; nothing where it is none that a server could be asked for."""
    try:
        place = urlsplit(url)
        if place.scheme != "file":
            url.encode("ascii")
            (place.hostname or "").encode("idna")
            _ = place.port
    except ValueError:
        return ""
    return place.scheme


def _validator(headers: Message) -> str | None:
    """What names this version of the server's file: a strong ETag, else its time."""
    tag = headers.get("ETag", "W/")
    return headers.get("Last-Modified") if tag.startswith("W/") else tag


def _content_range(headers: Message) -> tuple[int | None, int | None]:
    """First byte and size of the whole, as far as ``Content-Range`` tells them."""
    number = "([0-9]{1,18})"
    pattern = rf"bytes (?:{number}-[0-9]+|\*)/(?:{number}|\*)"
    found = re.fullmatch(pattern, headers.get("Content-Range", ""))
    start, total = found.groups() if found else (None, None)
    return (None if start is None else int(start)), (None if total is None else int(total))


def _write(file: io.FileIO, chunk: bytes, bar: Progress) -> None:
    with on_disk(Path(file.name)):
        view = memoryview(chunk)
        while view:
            written = file.write(view)
            bar.advance(written)
            view = view[written:]


def _restart(file: io.FileIO, bar: Progress) -> None:
    """Forget the bytes that have come."""
    with on_disk(Path(file.name)):
        if os.fstat(file.fileno()).st_size:
            file.truncate(0)
    bar.done = 0
