"""What the Hub answers, a method for each of the routes of :mod:`benchmarks.hub_http`.

For :mod:`benchmarks.hub`.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import yaml

from benchmarks.hub_http import BLOCK, Exchange
from benchmarks.hub_repos import Refused, Repo, small


class Answers(Exchange):
    """Answers from the repositories and objects of the server."""

    # -- repositories ----------------------------------------------------------------------------

    def _repo(self, repo: str, kind: str = "models") -> Repo:
        try:
            return self.server.repos[kind, repo]
        except KeyError:
            raise Refused(404, "Repository not found", "RepoNotFound") from None

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
