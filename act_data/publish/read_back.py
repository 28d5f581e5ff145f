"""Reading back what was pushed: every byte at a revision, compared with what was sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from act_data.errors import DataCorrupt, HubMismatch, SchemaMismatch
from act_data.publish.contents import CARD, Footer, Rows, counted, footer
from act_data.publish.failures import Unseen
from act_data.publish.manifest import Entry, entry
from act_data.publish.remote import Remote

READERS = 4  # files that are read at once; each takes a few MB


def read_back(
    remote: Remote,
    revision: str,
    entries: Mapping[str, Entry],
    rows: Rows,
    done: Callable[[int], object],
) -> None:
    """Read every byte at a revision again and compare: files, features, rows, the card.

    Args:
        remote: the repository.
        revision: a commit.
        entries: what the files have to be.
        rows: how many the parquet files and the card have to hold.
        done: told of the size of each file that was compared, in bytes.

    Raises:
        HubMismatch: anything differs.
    """
    from huggingface_hub import HfFileSystem

    def listed() -> HfFileSystem:
        # Its own: what another kept of a listing may be older.
        files = HfFileSystem(skip_instance_cache=True)
        files.find(root)  # once, for all readers
        return files

    root = f"datasets/{remote.repo}@{revision}"

    def read(path: str) -> tuple[Entry, Footer | None]:
        with files.open(f"{root}/{path}", "rb", block_size=0) as file:
            found = entry(file)  # pyright: ignore[reportArgumentType]
        if not path.endswith(".parquet") or found != entries[path]:
            return found, None
        with files.open(f"{root}/{path}", "rb") as file:
            return found, footer(file, path)  # pyright: ignore[reportArgumentType]

    def tried(path: str) -> tuple[Entry, Footer | None]:
        # Of all else that may pass, what is read tries again itself.
        its = remote.tried(f"read {path} back from", lambda: read(path), True, Unseen)
        done(its[0].size)
        return its

    there = {file.path for file in remote.files(revision, fresh=True)}
    files = remote.tried("list", listed, fresh=True)
    wrong = [f"{path} is missing" for path in sorted({*entries} - there)]
    wrong += [f"{path} should not be there" for path in sorted(there - {*entries})]
    common = sorted(there & {*entries})
    found: dict[str, Footer] = {}
    try:
        with ThreadPoolExecutor(READERS) as pool:
            for path, (its, foot) in zip(common, pool.map(tried, common), strict=True):
                if its != (want := entries[path]):
                    wrong.append(
                        f"{path} has {its.size} bytes, sha256 {its.sha256[:12]}, and not "
                        f"{want.size}, {want.sha256[:12]}"
                    )
                elif foot:
                    found[path] = foot
        if not wrong:
            with remote.told("read the card of"), files.open(f"{root}/{CARD}", "rb") as file:
                card = bytes(file.read()).decode()  # pyright: ignore[reportArgumentType]
            if (now := counted(card, found)) != rows:
                wrong.append(f"its rows are {now}, and not {rows}")
    except (DataCorrupt, SchemaMismatch) as error:
        wrong.append(str(error))
    if wrong:
        raise HubMismatch(
            f"{remote.repo} at {revision} is not what was sent: {'; '.join(wrong[:3])}. It was "
            "given no tag; do not use it. Where the folder changed meanwhile, push it again; "
            "else push to another --repo, or ask the Hub's support."
        )
