"""Downloads against a local server that drops, cheats and changes its mind."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import multiprocessing
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from act_envs import assets
from act_envs import download as fetching
from act_envs.assets import cache_home, data_home, given_path
from act_envs.download import download
from act_envs.errors import DownloadError, UnknownArgument
from act_envs.progress import Progress

CONTENT = bytes(range(256)) * 4000  # 1 MB, no two places alike at a 256-byte offset
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Remote(http.server.ThreadingHTTPServer):
    """One file on a server, and how the server behaves.

    Attributes:
        content: the file.
        etag: its validator, "" for none.
        ranges: whether requests for a part are understood.
        if_range: whether If-Range is understood.
        cuts: after how many bytes the next connections end, one each.
        statuses: what the next requests are answered instead, one each.
        location: where it redirects to.
        length: whether it tells the length, or what it tells instead.
        asked: the Range of every request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"one"'
        self.ranges = self.if_range = True
        self.length: bool | str = True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.location = ""
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/games.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Remote  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        remote = self.server
        remote.asked.append(self.headers["Range"])
        if remote.statuses:
            self.send_error(remote.statuses.pop(0))
            return
        if remote.location and self.path != "/new":
            self.send_response(302)
            self.send_header("Location", remote.location)
            self.end_headers()
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        fresh = not remote.if_range or self.headers["If-Range"] in (None, remote.etag)
        start = int(wanted[1]) if wanted and fresh and remote.ranges else 0
        size = len(remote.content)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if remote.length:
            told = str(size - start) if remote.length is True else remote.length
            self.send_header("Content-Length", told)
        if remote.etag:
            self.send_header("ETag", remote.etag)
        self.end_headers()
        end = start + remote.cuts.pop(0) if remote.cuts else size
        with contextlib.suppress(ConnectionError):  # given up by the client
            self.wfile.write(remote.content[start:end])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setattr(fetching, "_PAUSE", 0.001)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with Remote() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def leave_half(remote: Remote, target: Path) -> None:
    """A download that was cut off and given up."""
    remote.cuts = [500_000]
    with pytest.raises(DownloadError, match=r"500,000 of 1,024,000 bytes .* what has come is kept"):
        download(remote.url, target, attempts=1)
    assert target.with_name(f"{target.name}.part").stat().st_size == 500_000
    remote.asked.clear()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_arrives_whole_and_leaves_nothing_else(remote: Remote, tmp_path: Path) -> None:
    target = tmp_path / "new" / "games.zip"
    assert download(remote.url, target, sha256=SHA256, size=len(CONTENT)) == target
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["games.zip"]


def test_dropped_connections_are_continued(remote: Remote, tmp_path: Path) -> None:
    remote.cuts, remote.statuses = [300_000, 0, 200_000], [503, 429]
    download(remote.url, tmp_path / "x", attempts=6)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert remote.asked == [None, None, None, *["bytes=300000-"] * 2, "bytes=500000-"]


def test_attempts_are_bounded(remote: Remote, tmp_path: Path) -> None:
    remote.cuts = [10] * 99
    with pytest.raises(DownloadError, match="attempt 3 of 3"):
        download(remote.url, tmp_path / "x", attempts=3)
    assert len(remote.asked) == 3
    assert "x" not in names(tmp_path)


def test_a_later_run_goes_on_where_the_first_stopped(remote: Remote, tmp_path: Path) -> None:
    leave_half(remote, tmp_path / "x")
    download(remote.url, tmp_path / "x")
    assert remote.asked == ["bytes=500000-"]
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert names(tmp_path) == ["x"]


def test_a_whole_part_needs_no_byte_more(remote: Remote, tmp_path: Path) -> None:
    leave_half(remote, tmp_path / "x")
    (tmp_path / "x.part").write_bytes(CONTENT)
    download(remote.url, tmp_path / "x", sha256=SHA256)
    assert remote.asked == [f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_dropped(remote: Remote, tmp_path: Path) -> None:
    leave_half(remote, tmp_path / "x")
    (tmp_path / "x.part").write_bytes(CONTENT + b"more")
    download(remote.url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(remote: Remote, tmp_path: Path) -> None:
    leave_half(remote, tmp_path / "x")
    remote.ranges = False
    download(remote.url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("if_range", [True, False])
def test_a_changed_file_is_never_mixed_with_the_old_one(
    remote: Remote, tmp_path: Path, if_range: bool
) -> None:
    """Whether the server compares the validator itself, or we must."""
    leave_half(remote, tmp_path / "x")
    remote.content, remote.etag, remote.if_range = CONTENT[::-1], '"two"', if_range
    download(remote.url, tmp_path / "x")
    assert remote.asked == ["bytes=500000-", *([] if if_range else [None])]
    assert (tmp_path / "x").read_bytes() == CONTENT[::-1]


def test_without_a_validator_nothing_is_continued(remote: Remote, tmp_path: Path) -> None:
    remote.etag = ""
    leave_half(remote, tmp_path / "x")
    remote.content = CONTENT[::-1]
    download(remote.url, tmp_path / "x")
    assert remote.asked == [None]
    assert (tmp_path / "x").read_bytes() == CONTENT[::-1]


def test_a_digest_allows_to_continue_and_finds_a_mixture(remote: Remote, tmp_path: Path) -> None:
    remote.etag = ""
    leave_half(remote, tmp_path / "x")
    download(remote.url, tmp_path / "x", sha256=SHA256)
    assert remote.asked == ["bytes=500000-"]
    leave_half(remote, tmp_path / "y")
    remote.content = CONTENT[::-1]
    download(remote.url, tmp_path / "y", sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert remote.asked == ["bytes=500000-", None]
    assert (tmp_path / "y").read_bytes() == CONTENT[::-1]


def test_a_part_of_another_url_is_not_continued(remote: Remote, tmp_path: Path) -> None:
    leave_half(remote, tmp_path / "x")
    download(f"{remote.url}?other", tmp_path / "x")
    assert remote.asked == [None]


@pytest.mark.parametrize(
    "wanted", [{"sha256": "0" * 64}, {"size": 1_023_999}, {"sha256": SHA256, "size": 5}]
)
def test_wrong_bytes_never_get_the_name(
    remote: Remote, tmp_path: Path, wanted: dict[str, Any]
) -> None:
    (tmp_path / "x").write_bytes(b"before")
    with pytest.raises(DownloadError, match="not what was asked for"):
        download(remote.url, tmp_path / "x", **wanted)
    assert (tmp_path / "x").read_bytes() == b"before"
    assert names(tmp_path) == ["x"]


def test_a_truncation_that_only_the_size_tells(remote: Remote, tmp_path: Path) -> None:
    """Without Content-Length the end of the connection is the end of the file."""
    remote.length, remote.cuts = False, [1000]
    with pytest.raises(DownloadError, match="1,000 bytes instead of 1,024,000"):
        download(remote.url, tmp_path / "x", size=len(CONTENT))


def test_a_refusal_is_not_repeated(remote: Remote, tmp_path: Path) -> None:
    remote.statuses = [404]
    with pytest.raises(DownloadError, match=r"404 Not Found.*mirror"):
        download(remote.url, tmp_path / "x")
    assert len(remote.asked) == 1


def test_nobody_listening_is_an_error(remote: Remote, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/x"
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/x.*attempt 2 of 2"):
        download(url, tmp_path / "x", attempts=2)


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match="timed out"):
            download(url, tmp_path / "x", attempts=1, timeout=0.05)


def test_redirections_lead_to_http_only(remote: Remote, tmp_path: Path) -> None:
    remote.location = "/new"
    download(remote.url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    for location in ("ftp://127.0.0.1/x", "file:///etc/hostname"):
        remote.location = location
        with pytest.raises(DownloadError):
            download(remote.url, tmp_path / "y", attempts=1)
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("location", ["http://[::1", "http://a..b/x.zip"])
def test_a_redirection_to_no_url_is_an_error(remote: Remote, tmp_path: Path, location: str) -> None:
    remote.location = location
    with pytest.raises(DownloadError, match="redirects to, is no URL"):
        download(remote.url, tmp_path / "x")
    assert len(remote.asked) == 1


@pytest.mark.parametrize("length", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "-1"])
def test_a_length_that_is_none_is_an_error(remote: Remote, tmp_path: Path, length: str) -> None:
    remote.length = length
    with pytest.raises(DownloadError, match="gives its length as"):
        download(remote.url, tmp_path / "x")


@pytest.mark.parametrize("length", [True, False])
def test_a_file_that_is_too_long_is_given_up(remote: Remote, tmp_path: Path, length: bool) -> None:
    remote.length = length
    (tmp_path / "source").write_bytes(CONTENT)
    for url in (remote.url, (tmp_path / "source").as_uri()):
        with pytest.raises(DownloadError, match="more than 1,023,999 bytes"):
            download(url, tmp_path / "x", max_size=len(CONTENT) - 1)
        assert names(tmp_path) == ["source"]
    download(remote.url, tmp_path / "x", max_size=len(CONTENT))
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_encryption_is_not_given_up_on_the_way() -> None:
    import urllib.request

    request = urllib.request.Request("https://example.org/x")
    follow = fetching._Redirections().redirect_request
    with pytest.raises(DownloadError, match="redirects to 'http://"):
        follow(request, None, 302, "", {}, "http://example.org/x")
    assert follow(request, None, 302, "", {}, "https://example.org/y") is not None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/y",
        "data:,x",
        "games.zip",
        "",
        "http://[::1",
        "http://a..b/x.zip",
        "http://127.0.0.1/\N{LATIN SMALL LETTER E WITH ACUTE}.zip",
        "http://127.0.0.1:port/x",
    ],
)
def test_other_urls_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="http, https or file"):
        download(url, tmp_path / "x")
    assert not names(tmp_path)


def test_a_file_url_is_copied(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(CONTENT)
    download((tmp_path / "a b").as_uri(), tmp_path / "x", sha256=SHA256)
    assert (tmp_path / "x").read_bytes() == CONTENT
    for url in ((tmp_path / "nothing").as_uri(), "file://elsewhere/etc/hostname"):
        with pytest.raises(DownloadError, match="names no file"):
            download(url, tmp_path / "y")


def test_a_full_disk_is_named(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "x.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"No space left.*Free some space"):
        download(remote.url, tmp_path / "x")


def test_a_reader_that_has_gone_is_no_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), assets.on_disk(tmp_path):
        raise BrokenPipeError


def test_a_folder_that_cannot_be_is_named(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="Choose another folder"):
        download(remote.url, tmp_path / "file" / "x")


def test_a_folder_in_the_way_is_named_before_fetching(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(DownloadError, match="x is a folder"):
        download(remote.url, tmp_path / "x")
    assert not remote.asked


@pytest.mark.timeout(20)
def test_a_pipe_in_the_way_does_not_hang(remote: Remote, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.part")
    with pytest.raises(DownloadError, match=r"x.*No such device"):
        download(remote.url, tmp_path / "x")
    reader = os.open(tmp_path / "x.part", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(DownloadError, match=r"x\.part is a pipe"):
            download(remote.url, tmp_path / "x")
    finally:
        os.close(reader)


def test_a_source_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot read /proc/self/mem"):
        download("file:///proc/self/mem", tmp_path / "x")


@pytest.mark.parametrize("validator", [{}, {"validator": 5}])
def test_a_note_without_a_validator_continues_nothing(
    remote: Remote, tmp_path: Path, validator: dict[str, Any]
) -> None:
    leave_half(remote, tmp_path / "x")
    (tmp_path / "x.part.json").write_text(json.dumps({"url": remote.url, **validator}))
    download(remote.url, tmp_path / "x")
    assert remote.asked == [None]
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("value", ["", 5, b"x", None, "a\0b", "~no-such-user/x"])
def test_a_path_that_is_none_is_an_error(value: object) -> None:
    with pytest.raises(UnknownArgument, match=r"--out=.*Give"):
        given_path(value, "--out")


def test_an_interrupt_leaves_what_has_come(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = fetching._write, iter([False, False, True])

    def interrupted(*args: object) -> None:
        if next(calls):
            raise KeyboardInterrupt
        write(*args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(fetching, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(remote.url, tmp_path / "x")
    monkeypatch.setattr(fetching, "_write", write)
    have = (tmp_path / "x.part").stat().st_size
    assert have > 0
    remote.asked.clear()
    download(remote.url, tmp_path / "x")
    assert remote.asked == [f"bytes={have}-"]
    assert (tmp_path / "x").read_bytes() == CONTENT


def _hold(part: Path, held: object, done: object) -> None:
    with assets.alone(part):
        held.set()  # pyright: ignore[reportAttributeAccessIssue]
        done.wait(30)  # pyright: ignore[reportAttributeAccessIssue]


def test_two_processes_do_not_write_one_file(remote: Remote, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "x.part", held, done))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(DownloadError, match="another process"):
            download(remote.url, tmp_path / "x")
    finally:
        done.set()
        other.join()
    download(remote.url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_homes_follow_their_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ACT_DATA_DIR", raising=False)
    monkeypatch.setenv("ACT_CACHE_DIR", "")
    assert data_home() == tmp_path / ".cache/act"
    assert cache_home() == tmp_path / ".cache/act/compiled"
    monkeypatch.setenv("ACT_DATA_DIR", "~/data")
    assert data_home() == tmp_path / "data"


class Screen(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize(("terminal", "plain"), [(True, True), (False, True), (False, False)])
def test_progress_is_sparing(monkeypatch: pytest.MonkeyPatch, terminal: bool, plain: bool) -> None:
    """A hundred steps in 20 seconds: four lines a second at the most, or one in ten seconds."""
    screen, clock = Screen(terminal), iter(n / 5 for n in range(1000))
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("act_envs.progress.time.monotonic", lambda: next(clock))
    with Progress("x.zip", 2_000_000, megabytes=True, plain=plain) as progress:
        for _ in range(100):
            progress.advance(20_000)
    shown = screen.getvalue()
    if terminal:
        assert shown.endswith("x.zip  2.0 of 2.0 MB (100%)\n")
        assert shown.count("\n") == 1
        assert 10 < shown.count("\r") < 60
    else:
        assert shown.count("\n") == (2 if plain else 0)
        assert "\r" not in shown


def test_progress_without_standard_error_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    monkeypatch.setattr("act_envs.progress._ELSEWHERE", 0)
    with Progress("x") as progress:
        progress.advance()
    assert progress.done == 1
