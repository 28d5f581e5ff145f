"""Requests as the Hub's clients send them: routes, tokens, bodies, faults, replies.

For :mod:`benchmarks.hub`; what is answered is in :mod:`benchmarks.hub_answers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from benchmarks.hub_repos import Refused

if TYPE_CHECKING:
    from benchmarks.hub import Hub

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


class HangUp(Exception):
    """The connection ends without an answer."""


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer, which the method of the route's name gives."""

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
                raise HangUp
            streamed = name == "upload" and not self.fault.status and self.fault.answer is None
            self._body = b"" if streamed else b"".join(self._received())
            if self.fault.status:
                raise Refused(self.fault.status, "<html>out of order</html>")
            if self.fault.answer is not None:
                return self._reply(self.fault.answer)
            self._authorise(name, what)
            answer = getattr(self, f"_{name}")(**what)
            if name == "resolve":
                return None  # it has replied, a block at a time
        except Refused as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": str(error)}
            html = str(error).startswith("<")
            return self._reply(
                str(error).encode() if html else {"error": str(error)},
                error.status,
                {} if html else {name: value for name, value in headers.items() if value},
            )
        except HangUp:
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
            raise HangUp

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

    def _named(self, body: dict[str, Any]) -> tuple[str, str]:
        return f"{body.get('type', 'model')}s", f"{body.get('organization')}/{body.get('name')}"
