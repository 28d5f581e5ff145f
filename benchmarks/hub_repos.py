"""Repositories as the Hub has them: commits of one branch, tags, files large and small.

For :mod:`benchmarks.hub`, which speaks HTTP about them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGE = re.compile(r".*\.(parquet|arrow|png|bin|safetensors|zip|gz)")
LARGE_SIZE = 10 * 2**20  # bytes, from which on any file is a large one


class Refused(Exception):
    """Answered with an error.

    Args:
        status: of HTTP.
        message: for the reader.
        code: the Hub's name of the error, ``""`` where it has none.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True)
class Blob:
    """Content of a file: its bytes, or the sha256 under which a large one lies on disk.

    Attributes:
        oid: git's name of the content or, of a large file, of what stands for it.
        size: in bytes.
        data: of a small file.
        sha256: of a large file.
    """

    oid: str
    size: int
    data: bytes | None = None
    sha256: str | None = None

    def listed(self, path: str) -> dict[str, Any]:
        """What a listing says of it."""
        entry: dict[str, Any] = {"type": "file", "path": path, "size": self.size, "oid": self.oid}
        if self.sha256:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 132}
        return entry


def small(data: bytes) -> Blob:
    """Content that git itself keeps."""
    name = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return Blob(name, len(data), data)


@dataclass(frozen=True, slots=True)
class Commit:
    """A revision: all files by their paths."""

    oid: str
    title: str
    files: dict[str, Blob]

    def mode(self, path: str, size: int) -> dict[str, Any]:
        """How a file is to be uploaded, and what is there of that name."""
        large = LARGE.fullmatch(path) or size > LARGE_SIZE
        there = self.files.get(path)
        return {
            "path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False,
            "oid": there and (there.sha256 or there.oid),
        }  # fmt: skip

    def tree(self, folder: str, recursive: bool) -> list[dict[str, Any]]:
        """Files and folders in a folder, ``""`` for all."""
        prefix = f"{folder}/" if folder else ""
        inside = {name: blob for name, blob in self.files.items() if name.startswith(prefix)}
        if prefix and not inside:
            raise Refused(404, f"{folder} does not exist", "EntryNotFound")
        entries: dict[str, Any] = {}
        for name, blob in sorted(inside.items()):
            *parents, _ = name[len(prefix) :].split("/")
            for depth in range(1, len(parents) + 1):
                if recursive or depth == 1:
                    path = prefix + "/".join(parents[:depth])
                    entries[path] = _folder(path)
            if recursive or not parents:
                entries[name] = blob.listed(name)
        return [*entries.values()]

    def paths(self, paths: Iterable[str]) -> list[dict[str, Any]]:
        """Those of the paths that exist."""
        found = []
        for path in paths:
            if path in self.files:
                found.append(self.files[path].listed(path))
            elif any(name.startswith(f"{path}/") for name in self.files):
                found.append(_folder(path))
        return found


@dataclass(slots=True)
class Repo:
    """A repository with one branch, main: its commits, oldest first."""

    private: bool
    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, rev: str) -> Commit:
        """The commit of a branch, a tag or a name."""
        rev = self.tags.get(rev, rev)
        if rev in ("main", "HEAD", "refs/heads/main"):
            return self.commits[-1]
        for commit in self.commits:
            if commit.oid == rev:
                return commit
        raise Refused(404, f"Invalid rev id: {rev}", "RevisionNotFound")

    def tag(self, tag: str, rev: str) -> None:
        """Name a commit."""
        if tag in self.tags:
            raise Refused(409, "Tag reference exists already")
        self.tags[tag] = self.at(rev).oid

    def commit(self, title: str, files: dict[str, Blob]) -> Commit:
        """Put a commit on top."""
        parent = self.commits[-1].oid if self.commits else ""
        names = [[path, blob.oid] for path, blob in sorted(files.items())]
        text = json.dumps([parent, title, names, len(self.commits)])
        self.commits.append(Commit(hashlib.sha1(text.encode()).hexdigest(), title, files))
        return self.commits[-1]

    def change(self, lines: list[dict[str, Any]], uploaded: Callable[[str], bool]) -> Commit:
        """Put on top what a client asks for: all of it, or nothing.

        Args:
            lines: a header and operations, as the Hub's clients send them.
            uploaded: whether a large file is there, by its sha256.
        """
        header = next(line["value"] for line in lines if line["key"] == "header")
        head = self.commits[-1]
        if header.get("parentCommit", head.oid) != head.oid:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines:
            _change(files, line["key"], line["value"], uploaded)
        return self.commit(header["summary"], files)


def _change(
    files: dict[str, Blob], key: str, value: Mapping[str, Any], uploaded: Callable[[str], bool]
) -> None:
    path = value.get("path", "")
    if key == "file":
        files[path] = small(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        if not uploaded(value["oid"]):
            raise Refused(400, f"{path} was not uploaded")
        files[path] = Blob(small(value["oid"].encode()).oid, value["size"], sha256=value["oid"])
    elif key == "deletedFile":
        if path not in files:
            raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
        del files[path]


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": ""}
