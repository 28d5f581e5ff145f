"""A Hugging Face Hub on this machine, for tests and benchmarks: ``python -m benchmarks.hub``.

It speaks the HTTP that ``huggingface_hub`` and ``datasets`` speak, so that the real clients can
push to it and load from it: repositories, atomic commits with parents, large files by their sha256,
tags. Endpoints, status codes and headers are those that ``huggingface_hub`` 2.4 asks for and looks
at. It leaves out Xet, branches, pull requests and quotas. It can be told to fail: :class:`Fault`.

    with Hub(folder) as hub:
        subprocess.run(command, env={**os.environ, **hub.environment(home)})

The clients read the variables of ``environment`` when they are imported: set them before.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import tyro
import yaml

from benchmarks.hub_repos import Refused, Repo, small

BLOCK = 2**20  # bytes
TOKENS = {"hf_write": frozenset({"org"}), "hf_read": frozenset[str]()}
"""Which namespaces each token may write to."""

_REPO = r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"
_GIT = r"/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    (name, method, re.compile(path))
    for name, method, path in (
        ("whoami", "GET", r"/api/whoami-v2"),
        ("validate", "POST", r"/api/validate-yaml"),
        ("create", "POST", r"/api/repos/create"),
        ("delete", "DELETE", r"/api/repos/delete"),
        ("refs", "GET", rf"{_REPO}/refs"),
        ("tree", "GET", rf"{_REPO}/tree/(?P<rev>[^/]+)(?:/(?P<path>.*))?"),
        ("paths", "POST", rf"{_REPO}/paths-info/(?P<rev>[^/]+)"),
        ("commits", "GET", rf"{_REPO}/commits/(?P<rev>[^/]+)"),
        ("preupload", "POST", rf"{_REPO}/preupload/(?P<rev>[^/]+)"),
        ("commit", "POST", rf"{_REPO}/commit/(?P<rev>[^/]+)"),
        ("tag", "POST", rf"{_REPO}/tag/(?P<rev>[^/]+)"),
        ("info", "GET", rf"{_REPO}(?:/revision/(?P<rev>[^/]+))?"),
        ("batch", "POST", rf"{_GIT}\.git/info/lfs/objects/batch"),
        ("upload", "PUT", r"/objects/(?P<oid>[0-9a-f]{64})"),
        ("verify", "POST", r"/objects/verify"),
        ("resolve", "GET", rf"{_GIT}/resolve/(?P<rev>[^/]+)/(?P<path>.+)"),
    )
]
WRITES = frozenset({"create", "delete", "preupload", "commit", "tag", "batch"})


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next requests of a kind.

    Attributes:
        route: the kind, a name of ``ROUTES``.
        times: for how many requests.
        skip: how many requests of the kind are served well before.
        status: answered instead of doing anything; 0 for no such answer.
        answer: given as JSON, as a proxy may, instead of doing anything.
        hang_up: no answer is given: ``"before"`` or ``"after"`` the request was carried out.
        keep: what share of an uploaded file arrives.
        do: called before the request is carried out.
    """

    route: str
    times: int = 1
    skip: int = 0
    status: int = 0
    answer: Any = None
    hang_up: Literal["", "before", "after"] = ""
    keep: float = 1.0
    do: Callable[[], object] | None = None


class Hub(ThreadingHTTPServer):
    """The server; it runs within ``with``.

    Attributes:
        repos: what it holds, by kind (``"datasets"``) and name (``"org/name"``).
        faults: what goes wrong next; those that are over are taken out.
        asked: the kind of each request so far, in order.
        checks: whether uploads are compared with the sha256 that they were announced with.
        page: entries per page of a listing.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.objects = folder / "objects"
        self.objects.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.checks = True
        self.page = 1000
        self.lock = threading.RLock()
        self.uploads = count()

    def __enter__(self) -> Hub:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()

    def environment(self, home: Path, token: str = "hf_write") -> dict[str, str]:
        """The variables with which clients use this Hub, their caches being in ``home``."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def clear(self) -> None:
        """Forget everything, what goes wrong included."""
        self.repos.clear()
        self.faults.clear()
        self.asked.clear()
        self.checks, self.page = True, 1000
        for path in self.objects.iterdir():
            path.unlink()

    def dataset(self, repo: str) -> Repo:
        """A dataset's repository."""
        return self.repos["datasets", repo]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are part of the tests."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def fault(self, route: str) -> Fault:
        """What goes wrong with a request that has come."""
        with self.lock:
            self.asked.append(route)
            for fault in self.faults:
                if fault.route == route:
                    if fault.skip:
                        fault.skip -= 1
                        break
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return Fault(route)


class _HangUp(Exception):
    """The connection ends without an answer."""


class _Handler(BaseHTTPRequestHandler):
    server: Hub  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: apart, the client's delayed acknowledgements cost 40 ms each.
    wbufsize = BLOCK
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query))
        method = "GET" if self.command == "HEAD" else self.command
        matches = ((name, its, pattern.fullmatch(url.path)) for name, its, pattern in ROUTES)
        found = next(
            ((name, match) for name, its, match in matches if match and its == method), None
        )
        if found is None:
            return self._reply({"error": f"no route for {self.command} {url.path}"}, 404)
        name, match = found
        what = {key: unquote(value) for key, value in match.groupdict().items() if value}
        self.fault = self.server.fault(name)
        try:
            if self.fault.do:
                self.fault.do()
            if self.fault.hang_up == "before":
                raise _HangUp
            streamed = name == "upload" and not self.fault.status and self.fault.answer is None
            self._body = b"" if streamed else b"".join(self._received())
            if self.fault.status:
                raise Refused(self.fault.status, "<html>out of order</html>")
            if self.fault.answer is not None:
                return self._reply(self.fault.answer)
            self._authorise(name, what)
            if name == "resolve":
                return self._resolve(**what)
            answer = getattr(self, f"_{name}")(**what)
        except Refused as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": str(error)}
            html = str(error).startswith("<")
            return self._reply(
                str(error).encode() if html else {"error": str(error)},
                error.status,
                {} if html else {name: value for name, value in headers.items() if value},
            )
        except _HangUp:
            self.close_connection = True
            return None
        if self.fault.hang_up == "after":
            self.close_connection = True
            return None
        return self._reply(answer, headers=getattr(self, "_links", {}))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    # -- requests and answers --------------------------------------------------------------------

    def _received(self) -> Any:
        """The request's body in blocks; short where the client dies."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline() or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (block := self.rfile.read(min(BLOCK, left))):
            left -= len(block)
            yield block
        if left:
            raise _HangUp

    def _json(self) -> dict[str, Any]:
        return json.loads(self._body)

    def _reply(self, answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        kind = "text/html" if isinstance(answer, bytes) else "application/json"
        for name, value in {
            "Content-Type": kind, "Content-Length": str(len(raw)), **(headers or {})
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)
        self._links = {}

    def _authorise(self, route: str, what: dict[str, str]) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise Refused(401, "Invalid credentials in Authorization header")
        if route in WRITES or (route == "whoami" and not token):
            if not token:
                raise Refused(401, "Invalid username or password.")
            name = what.get("repo") or self._named(self._json())[1]
            if name.partition("/")[0] not in TOKENS[token]:
                raise Refused(403, "Forbidden: you don't have the rights to write there")
        repo = self.server.repos.get((what.get("kind", "models"), what.get("repo", "")))
        if repo and repo.private and not token:
            raise Refused(401, "Repository not found", "RepoNotFound")

    def _repo(self, repo: str, kind: str = "models") -> Repo:
        try:
            return self.server.repos[kind, repo]
        except KeyError:
            raise Refused(404, "Repository not found", "RepoNotFound") from None

    # -- repositories ----------------------------------------------------------------------------

    def _named(self, body: dict[str, Any]) -> tuple[str, str]:
        return f"{body.get('type', 'model')}s", f"{body.get('organization')}/{body.get('name')}"

    def _whoami(self) -> Any:
        return {"type": "user", "name": "org", "orgs": [], "auth": {"type": "access_token"}}

    def _validate(self) -> Any:
        found = re.match(r"---\n(.*?)\n---", self._json()["content"], re.DOTALL)
        try:
            yaml.safe_load(found[1] if found else "")
        except yaml.YAMLError as error:
            raise Refused(400, f"Invalid metadata: {error}") from error
        return {"errors": [], "warnings": []}

    def _create(self) -> Any:
        body = self._json()
        key = self._named(body)
        with self.server.lock:
            if key in self.server.repos:
                raise Refused(409, "You already created this repo")
            repo = self.server.repos[key] = Repo(body.get("visibility") == "private")
            attributes = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
            repo.commit("initial commit", {".gitattributes": small(attributes)})
        return {"url": f"{self.server.url}/{'/'.join(key)}".replace("/models/", "/")}

    def _delete(self) -> Any:
        with self.server.lock:
            kind, name = self._named(self._json())
            self._repo(name, kind)
            del self.server.repos[kind, name]
        return {}

    def _info(self, repo: str, kind: str, rev: str = "main") -> Any:
        found = self._repo(repo, kind)
        commit = found.at(rev)
        return {
            "id": repo, "sha": commit.oid, "private": found.private, "gated": False, "tags": [],
            "disabled": False, "downloads": 0, "likes": 0, "author": repo.partition("/")[0],
            "lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }  # fmt: skip

    def _refs(self, repo: str, kind: str) -> Any:
        found = self._repo(repo, kind)
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": found.commits[-1].oid}
        tags = [
            {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid}
            for tag, oid in sorted(found.tags.items())
        ]
        return {"branches": [main], "converts": [], "tags": tags}

    def _tag(self, repo: str, kind: str, rev: str) -> Any:
        with self.server.lock:
            self._repo(repo, kind).tag(self._json()["tag"], rev)
        return {}

    def _commits(self, repo: str, kind: str, rev: str) -> Any:
        found = self._repo(repo, kind).commits
        return [
            {
                "id": commit.oid, "title": commit.title, "message": "", "authors": [],
                "date": "2026-01-01T00:00:00.000Z",
            }
            for commit in reversed(found)
        ]  # fmt: skip

    def _tree(self, repo: str, kind: str, rev: str, path: str = "") -> Any:
        recursive = self.query.get("recursive", "").lower() in ("1", "true")
        entries = self._repo(repo, kind).at(rev).tree(path, recursive)
        begin = int(self.query.get("cursor", 0))
        end = begin + self.server.page
        if end < len(entries):
            query = urlencode({**self.query, "cursor": end})
            url = f"{self.server.url}{urlsplit(self.path).path}?{query}"
            self._links = {"Link": f'<{url}>; rel="next"'}
        return entries[begin:end]

    def _paths(self, repo: str, kind: str, rev: str) -> Any:
        paths = parse_qs(self._body.decode()).get("paths", [])
        return self._repo(repo, kind).at(rev).paths(paths)

    # -- commits and large files -----------------------------------------------------------------

    def _preupload(self, repo: str, kind: str, rev: str) -> Any:
        commit = self._repo(repo, kind).at(rev)
        files = self._json()["files"]
        return {"files": [commit.mode(file["path"], file["size"]) for file in files]}

    def _batch(self, repo: str, kind: str = "models") -> Any:
        self._repo(repo, kind)
        objects = []
        for wanted in self._json()["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if not (self.server.objects / wanted["oid"]).exists():
                url = f"{self.server.url}/objects"
                answer["actions"] = {
                    "upload": {"href": f"{url}/{wanted['oid']}"},
                    "verify": {"href": f"{url}/verify"},
                }
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def _upload(self, oid: str) -> Any:
        path = self.server.objects / f".{next(self.server.uploads)}"
        try:
            size = 0
            with path.open("wb") as file:
                for block in self._received():
                    size += file.write(block)
                file.truncate(int(size * self.fault.keep))
            path.replace(self.server.objects / oid)
        finally:
            path.unlink(missing_ok=True)
        return {}

    def _verify(self) -> Any:
        wanted = self._json()
        path = self.server.objects / wanted["oid"]
        with suppress(FileNotFoundError), path.open("rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == wanted["oid"]
            if right or not self.server.checks:
                return {}
            path.unlink()
        raise Refused(422, "The object is not what was announced")

    def _commit(self, repo: str, kind: str, rev: str) -> Any:
        lines = [json.loads(line) for line in self._body.splitlines()]
        with self.server.lock:
            commit = self._repo(repo, kind).change(
                lines, lambda sha256: (self.server.objects / sha256).exists()
            )
        url = f"{self.server.url}/{kind}/{repo}".replace("/models/", "/")
        return {"success": True, "commitOid": commit.oid, "commitUrl": f"{url}/commit/{commit.oid}"}

    def _resolve(self, repo: str, rev: str, path: str, kind: str = "models") -> None:
        commit = self._repo(repo, kind).at(rev)
        blob = commit.files.get(path)
        if blob is None:
            raise Refused(404, f"{path} does not exist", "EntryNotFound")
        large = self.server.objects / (blob.sha256 or "")
        size = large.stat().st_size if blob.sha256 else blob.size  # what truly lies there
        begin, end = 0, size
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked:
            begin = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
            end = min(size, int(asked[2]) + 1) if asked[1] and asked[2] else size
            if begin >= size:
                raise Refused(416, "there is no such range")
        self.send_response(206 if asked else 200)
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.sha256 or blob.oid}"'}
        headers |= {"Content-Length": str(end - begin), "Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        if blob.sha256:
            headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size)}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if blob.data is not None:
            self.wfile.write(blob.data[begin:end])
            return
        with large.open("rb") as file:
            file.seek(begin)
            while begin < end:
                begin += self.wfile.write(file.read(min(BLOCK, end - begin)))


@dataclass(frozen=True)
class Serve:
    """Run the Hub until Ctrl-C, and print what clients need to use it."""

    port: int = 0
    """0 for any that is free."""

    folder: Path | None = None
    """Where large files lie; a new folder that is removed again by default."""

    def __call__(self) -> None:
        folder = self.folder or Path(tempfile.mkdtemp())
        try:
            with Hub(folder, self.port) as hub, suppress(KeyboardInterrupt):
                for name, value in hub.environment(folder / "home").items():
                    print(f"export {name}={value}", flush=True)
                threading.Event().wait()
        finally:
            if self.folder is None:
                shutil.rmtree(folder)


if __name__ == "__main__":
    tyro.cli(Serve)()
