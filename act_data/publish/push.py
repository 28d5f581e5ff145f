"""``act-data push``: put a dataset that was built on the Hugging Face Hub, and read it back.

The folder is checked first, then the repository; only then is anything sent. Files go up in one
commit on top of the newest one, so that nobody sees half of it. Every byte is read back at that
commit before it gets its tag. Whatever interrupts this, the same command goes on: files that are
there are not sent again, a commit that was made is not made again, a tag is never moved.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from act_data.errors import HubConflict, HubRefused, HubUnreachable, SchemaMismatch
from act_data.publish.contents import CARD, counted, footer, hub_clients, listed, only_metadata
from act_data.publish.failures import Moved, waits
from act_data.publish.manifest import MANIFEST, Entry, read_manifest
from act_data.publish.names import check_names
from act_data.publish.read_back import read_back
from act_data.publish.remote import Changes, Head, Remote


@dataclass(frozen=True, kw_only=True)
class Push:
    """Publish a dataset folder on the Hugging Face Hub, and read all of it back.

    Needs a token with write access: in HF_TOKEN, or stored by hf auth login. Run the same command
    again after any interruption; where everything is there already, it changes nothing.

    Attributes:
        folder: what act-data build wrote.
        repo: the dataset on the Hub, org/name; made where it does not exist. Its files become
            those of the folder. Of those that are there, only what an earlier push put there is
            changed or deleted, which its history keeps; where others are in the way, nothing is
            sent. A README.md without any text, as the Hub makes it, is not in the way.
        tag: name for this revision, such as v1. A tag that exists is never moved.
        private: make the repository private.
        dry_run: check everything that can be checked without a change there, and say what would
            be sent. Whether the token may write is not among it.
        message: of the commit.
        progress: show progress bars even when stderr is not a terminal.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    repo: str
    tag: str | None = None
    private: bool = False
    dry_run: bool = False
    message: str | None = None
    progress: bool = False


def push(config: Push) -> dict[str, Any]:
    """Publish ``config.folder``.

    Returns:
        ``repo``; ``revision``, the commit that holds the folder (None in a dry run that would make
        one); ``tag``; ``url``; ``published``, whether a commit or a tag was made; ``verified``,
        whether it was read back; ``files``, how many are ``added``, ``changed``, ``deleted`` and
        ``unchanged``; ``bytes`` of those added or changed; ``rows`` by config and split.

    Raises:
        DataNotFound, UnfinishedRun, DataCorrupt, SchemaMismatch: the folder is not what act-data
            build leaves, or changed meanwhile. Nothing was published.
        UnknownArgument: a name has another form.
        HubRefused: there is no token, it does not suffice, or the Hub does not take the files.
        HubUnreachable: the Hub does not answer.
        HubConflict: the tag is that of other files, files that no push put there would be changed
            or deleted, or others push to it all the time.
        HubMismatch: what the Hub gives back is not what was sent.
        MissingExtra: the Hub's client is not installed.
    """
    hub_clients()
    from huggingface_hub.utils import disable_progress_bars

    check_names(config.repo, config.tag)
    wanted = config.progress or sys.stderr.isatty()
    with nullcontext() if wanted else disable_progress_bars():
        return _pushed(config, wanted)


def push_text(summary: Mapping[str, Any]) -> str:
    """What a push did, for people."""
    files, at = summary["files"], summary["tag"] or summary["revision"]
    rows = [
        f"  {config}/{split}: {count} rows"
        for config, splits in summary["rows"].items()
        for split, count in splits.items()
    ]
    if not summary["verified"]:
        head = f"dry run: nothing was sent to {summary['repo']}"
    elif summary["published"]:
        head = f"{summary['repo']} {at}: published and read back"
    else:
        head = f"{summary['repo']} {at}: nothing to do, read back"
    counts = ", ".join(f"{count} {name}" for name, count in files.items())
    return "\n".join([f"{head} ({counts}; {summary['bytes']} bytes)", *rows, summary["url"]])


def _pushed(config: Push, progress: bool) -> dict[str, Any]:
    folder = config.folder
    with _bar("checking", folder, progress) as done:
        entries = read_manifest(folder, done)
    paths = [path for path in entries if path.endswith(".parquet")]
    footers = {path: footer(folder / path, str(folder / path)) for path in paths}
    if CARD not in entries:
        raise SchemaMismatch(f"{folder} has no {CARD}. Make it again with act-data build.")
    rows = counted((folder / CARD).read_text(encoding="utf-8"), footers)

    remote = Remote(config.repo)
    head = remote.head()
    changes = _planned(config, entries, remote, head)
    before, published = head, False
    revision = _tagged(config, head) or (head.revision if head and not changes else None)
    if not config.dry_run:
        if revision is None:
            revision, changes = _committed(config, entries, remote, head)
            published = True
        with _bar("reading back", folder, progress) as done:
            read_back(remote, revision, entries, rows, done)
        if config.tag and not _tagged(config, before):
            remote.tag(config.tag, revision)
            published = True
    touched = [*changes.added, *changes.changed]
    return {
        "repo": config.repo,
        "revision": revision,
        "tag": config.tag,
        "url": f"{remote.endpoint}/datasets/{config.repo}/tree/{config.tag or revision or 'main'}",
        "published": published,
        "verified": not config.dry_run,
        "files": {
            "added": len(changes.added),
            "changed": len(changes.changed),
            "deleted": len(changes.deleted),
            "unchanged": len(entries) - len(touched),
        },
        "bytes": sum(entries[path].size for path in touched),
        "rows": rows,
    }


def _tagged(config: Push, head: Head | None) -> str | None:
    """The revision that has the tag."""
    return head.tags.get(config.tag) if head and config.tag else None


def _planned(
    config: Push, entries: Mapping[str, Entry], remote: Remote, head: Head | None
) -> Changes:
    """What is to be changed at the tag or, where it is free, on top of main; where that may be."""
    if head is None:
        return Changes(sorted(entries), [], [])
    if config.private and not head.private:
        raise HubRefused(
            f"{config.repo} is public, and --private was asked for. Nothing was sent. Make it "
            "private in its settings, or choose another --repo."
        )
    if taken := _tagged(config, head):
        changes = remote.changes(taken, config.folder, entries)
        if changes:
            raise HubConflict(
                f"{config.repo} has a tag {config.tag} already, and other files there "
                f"({', '.join([*changes.changed, *changes.added, *changes.deleted][:3])}). Nothing "
                "was sent; tags are never moved. Choose another --tag."
            )
        return changes
    changes = remote.changes(head.revision, config.folder, entries)
    if strange := _strange(changes, remote, head.revision):
        more = f" and {len(strange) - 10} more" if len(strange) > 10 else ""
        raise HubConflict(
            f"{config.repo} holds files that act-data did not publish and that would be deleted or "
            f"overwritten: {', '.join(strange[:10])}{more}. Nothing was sent. Delete them there if "
            "nobody needs them, or choose another --repo."
        )
    return changes


def _strange(changes: Changes, remote: Remote, revision: str) -> list[str]:
    """What would be changed or deleted, and was not put there by a push: its manifest tells."""
    touched = {*changes.deleted, *changes.changed}
    if touched and MANIFEST not in changes.added:
        ours = listed(remote.read(revision, MANIFEST))
        touched -= {*ours, MANIFEST} if ours else ours
    if CARD in touched and only_metadata(remote.read(revision, CARD)):
        touched.remove(CARD)
    return sorted(touched)


def _committed(
    config: Push, entries: Mapping[str, Entry], remote: Remote, head: Head | None
) -> tuple[str, Changes]:
    """Make the commit, on top of whatever is newest; its revision, and what it changed."""
    folder = config.folder
    made = head is None and remote.create(config.private)
    message = config.message or (f"Publish {config.tag}" if config.tag else "Publish")
    changes = Changes([], [], [])
    for wait in waits():
        # Before every try: somebody else may have made a commit, or this may have been made though
        # the answer was lost.
        head = remote.head()
        if head is None:
            raise HubRefused(
                f"{config.repo} exists, and this token cannot see it. Take one with access to it "
                "and set it as HF_TOKEN."
            )
        now = _planned(config, entries, remote, head)
        if not now:
            return _tagged(config, head) or head.revision, changes
        changes = now
        try:
            return remote.commit(folder, entries, changes, message, head.revision), changes
        except Moved as error:
            if wait is None:
                raise HubConflict(
                    f"others push to {config.repo} all the time: {len([*waits()])} times another "
                    "commit came first. Nothing was published. Try again later."
                ) from error
        except HubUnreachable:
            if wait is None:
                raise
        except HubRefused as error:
            if made:
                # Not deleted again: somebody else may have put something in.
                raise HubRefused(
                    f"{error} The repository {config.repo}, which was made for it, is left "
                    "there, empty unless others use it."
                ) from error
            raise
        time.sleep(wait)
    raise AssertionError  # the last wait is None


@contextmanager
def _bar(doing: str, folder: Path, wanted: bool) -> Iterator[Callable[[int], object]]:
    """Told of bytes."""
    if not wanted:
        yield lambda _size: None
        return
    from tqdm import tqdm

    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with tqdm(total=total, unit="B", unit_scale=True, desc=doing, dynamic_ncols=True) as bar:
        yield bar.update
