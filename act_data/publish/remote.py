"""A dataset's repository on the Hub: what is in it, and every change to it.

Everything goes through the public calls of ``huggingface_hub``. What may pass is tried again: see
:mod:`act_data.publish.failures`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from act_data.errors import DataCorrupt, HubConflict, HubRefused, HubUnreachable
from act_data.publish.contents import hub_clients
from act_data.publish.failures import Told, shown, waits
from act_data.publish.manifest import Entry

SMALL = 2**20  # bytes; smaller files are sent as they were when they were checked
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Head:
    """A repository as it is now.

    Attributes:
        revision: newest commit of main.
        private: only its members can see it.
        tags: the commit of each.
    """

    revision: str
    private: bool
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes the files of a commit those of a folder.

    Attributes:
        added: paths that are new.
        changed: paths whose bytes are others.
        deleted: paths that the folder does not have.
    """

    added: list[str]
    changed: list[str]
    deleted: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.deleted)


class Remote:
    """A dataset's repository, which need not exist yet.

    Args:
        repo: ``"org/name"``.

    Raises:
        HubRefused: there is no token.
        MissingExtra: the Hub's client is not installed.
    """

    def __init__(self, repo: str) -> None:
        hub = hub_clients()
        self.repo = repo
        self._api = hub.HfApi(library_name="act-data")
        self.endpoint = shown(self._api.endpoint)
        self._of: dict[str, str] = {"repo_id": repo, "repo_type": "dataset"}
        token = hub.get_token()
        if token is None:
            raise HubRefused(
                f"there is no token for {self.endpoint}. Set HF_TOKEN, or log in with: "
                "hf auth login. Tokens with write access: "
                f"{self.endpoint}/settings/tokens"
            )
        if not token.isascii():
            raise HubRefused(
                "the token holds a character that no token has, not of ASCII. Copy it anew from "
                f"{self.endpoint}/settings/tokens and set it as HF_TOKEN, or: hf auth login"
            )

    def head(self) -> Head | None:
        """The repository as it is now, None where there is none that this token can see."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def look() -> Head | None:
            try:
                info = self._api.repo_info(**self._of, timeout=30)
                refs = self._api.list_repo_refs(**self._of)
            except RepositoryNotFoundError:
                return None
            if not info.sha:
                raise ValueError("it names no commit")
            tags = {tag.name: tag.target_commit for tag in refs.tags}
            return Head(info.sha, bool(info.private), tags)

        return self.tried("look at", look)

    def changes(self, revision: str, folder: Path, entries: Mapping[str, Entry]) -> Changes:
        """What a commit needs to hold the files of the folder and, but for hidden ones, no others.

        Hidden files, such as ``.gitattributes``, are the Hub's own.
        """
        there = {file.path: file for file in self.files(revision)}
        same = {
            path
            for path, file in there.items()
            if path in entries and _same(file, folder / path, entries[path])
        }
        return Changes(
            sorted({*entries} - {*there}),
            sorted({*entries} & {*there} - same),
            sorted({*there} - {*entries}),
        )

    def create(self, private: bool) -> bool:
        """Make the repository; whether it was this call that made it."""
        from huggingface_hub.errors import HfHubHTTPError

        def make() -> bool:
            try:
                self._api.create_repo(**self._of, private=private)  # pyright: ignore
            except HfHubHTTPError as error:
                if error.response.status_code == 409:
                    return False
                raise
            return True

        return self.tried("create", make)

    def read(self, revision: str, path: str) -> bytes:
        """A small file that is there."""
        from huggingface_hub import HfFileSystem

        files = HfFileSystem(skip_instance_cache=True)
        name = f"datasets/{self.repo}@{revision}/{path}"

        def look() -> bytes:
            with files.open(name, "rb", block_size=0) as file:
                return bytes(file.read())  # pyright: ignore[reportArgumentType]

        return self.tried(f"read {path} of", look)

    def commit(
        self,
        folder: Path,
        entries: Mapping[str, Entry],
        changes: Changes,
        message: str,
        parent: str,
    ) -> str:
        """Make the changes in one commit, all or none. Large files are uploaded before.

        Returns:
            The new revision.

        Raises:
            DataCorrupt: a file is no longer what its entry says. Nothing was sent.
            Moved: ``parent`` is no longer the newest commit.
            HubRefused: the Hub does not take it.
            HubUnreachable: it cannot be said whether the commit was made: look.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        def added(path: str) -> CommitOperationAdd:
            # Small files go up last of all, which may be much later: they are read now.
            file = folder / path
            try:
                small = entries[path].size < SMALL
                operation = CommitOperationAdd(path, file.read_bytes() if small else file)
                info = operation.upload_info
                same = Entry(info.size, info.sha256.hex()) == entries[path]
            except (OSError, ValueError) as error:
                raise _changed(file) from error
            if not same:
                raise _changed(file)
            return operation

        # They remember what they have uploaded and committed: new ones each time.
        sent = [added(path) for path in [*changes.added, *changes.changed]]
        gone = [CommitOperationDelete(path, is_folder=False) for path in changes.deleted]
        with self.told("push to"):
            return self._api.create_commit(
                **self._of, operations=[*sent, *gone], commit_message=message, parent_commit=parent
            ).oid

    def tag(self, tag: str, revision: str) -> None:
        """Give a revision a name, unless it has it.

        Raises:
            HubConflict: the name is that of another revision.
        """
        from huggingface_hub.errors import HfHubHTTPError

        def make() -> str:
            try:
                self._api.create_tag(**self._of, tag=tag, revision=revision)
            except HfHubHTTPError as error:
                if error.response.status_code != 409:
                    raise
            tags = self._api.list_repo_refs(**self._of).tags
            found = {its.name: its.target_commit for its in tags}.get(tag)
            if found is None:
                raise ValueError("it made no tag")
            return found

        found = self.tried("tag", make, fresh=True)
        if found != revision:
            raise HubConflict(
                f"tag {tag} of {self.repo} names {found}, which somebody else made meanwhile, and "
                f"not {revision}, which is there. Push with another --tag."
            )

    def files(self, revision: str, fresh: bool = False) -> list[Any]:
        """The files at a revision that are not hidden, as the Hub's client lists them.

        Args:
            revision: a commit.
            fresh: it was made a moment ago.
        """
        from huggingface_hub.hf_api import RepoFile

        def look() -> list[Any]:
            tree = self._api.list_repo_tree(**self._of, revision=revision, recursive=True)
            found = [file for file in tree if isinstance(file, RepoFile)]
            # To the client {} is a listing of nothing.
            if not found and self._api.repo_info(**self._of, revision=revision).siblings != []:
                raise ValueError("it lists no files")
            return [file for file in found if not _hidden(file.path)]

        return self.tried("list", look, fresh)

    def told(self, doing: str, fresh: bool = False) -> Told:
        """A context in which something is done with the repository."""
        return Told(self.repo, self.endpoint, doing, fresh)

    def tried(
        self,
        doing: str,
        call: Callable[[], _T],
        fresh: bool = False,
        passing: type[HubUnreachable] = HubUnreachable,
    ) -> _T:
        """What a call gives, which is made again after errors that may pass.

        Args:
            doing: what it does with the repository (``"list"``).
            call: what to do.
            fresh: with a commit that was made a moment ago.
            passing: the errors that may pass.
        """
        for wait in waits():
            try:
                with self.told(doing, fresh):
                    return call()
            except passing:
                if wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError  # the last wait is None


def _changed(file: Path) -> DataCorrupt:
    """A file of the folder is not what it was when it was checked."""
    return DataCorrupt(
        f"{file} changed while it was pushed. Nothing was published. Let act-data build end, and "
        "push again."
    )


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _same(there: Any, path: Path, here: Entry) -> bool:
    """Whether a file on the Hub has the same bytes as one that is here, by what the Hub lists.

    Large files are listed by their sha256, small ones by the name that git gives their content.
    """
    if there.lfs:
        return there.lfs.sha256 == here.sha256
    if there.size != here.size:
        return False
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _changed(path) from error
    return there.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
