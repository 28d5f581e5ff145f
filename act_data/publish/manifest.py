"""The manifest of a dataset folder: every file with its size and sha256, written last of all.

A folder with a manifest is finished, and one whose files agree with it is undamaged. Hidden files
are nobody's to publish and are not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from act_data.errors import DataCorrupt, DataNotFound, UnfinishedRun
from act_data.storage.files import write_json

MANIFEST = "MANIFEST.json"
_AGAIN = "Make it again with act-data build."


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file is by its bytes.

    Attributes:
        size: in bytes.
        sha256: 64 hexadecimal digits.
    """

    size: int
    sha256: str


def entry(file: BinaryIO) -> Entry:
    """Read a file to its end, a block at a time."""
    size, digest = 0, hashlib.sha256()
    while block := file.read(2**20):
        size += len(block)
        digest.update(block)
    return Entry(size, digest.hexdigest())


def write_manifest(folder: Path) -> None:
    """Say that the folder is finished. ``MANIFEST.json`` is ``{"files": {path: {sha256, size}}}``.

    Equal files give an equal manifest. The files' own blocks are on the disk when this is called.
    """
    found = {path: asdict(_entry(folder, path)) for path in _files(folder)}
    write_json(folder / MANIFEST, {"files": found})


def read_manifest(
    folder: Path, done: Callable[[int], object] = lambda _size: None
) -> dict[str, Entry]:
    """Every file of a finished folder, the manifest among them, each compared with its sha256.

    Args:
        folder: what ``act-data build`` wrote.
        done: told of the size of each file that was compared, in bytes.

    Returns:
        An :class:`Entry` for each path, which is relative and has ``/`` between its parts.

    Raises:
        DataNotFound: there is no such folder.
        UnfinishedRun: it has no manifest.
        DataCorrupt: files are missing, others, or more than the manifest says.
    """
    if not folder.is_dir():
        raise DataNotFound(f"{folder} is no folder. Make one with act-data build.")
    path = folder / MANIFEST
    if not path.is_file():
        raise UnfinishedRun(
            f"{folder} has no {MANIFEST}: it is not finished, or holds no dataset. "
            "Finish it with the act-data build that began it."
        )
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["files"]
        wanted = {name: Entry(**values) for name, values in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataCorrupt(f"{path} cannot be read ({error!r}). {_AGAIN}") from error
    there = _files(folder)
    wrong = [f"{name} is missing" for name in sorted({*wanted} - {*there})]
    wrong += [f"{name} is not in {MANIFEST}" for name in sorted({*there} - {*wanted})]
    for name in there if not wrong else ():
        if (found := _entry(folder, name)) != wanted[name]:
            wrong.append(f"{name} has other bytes than when it was built")
        done(found.size)
    if wrong:
        raise DataCorrupt(f"{folder}: {'; '.join(wrong[:3])}. {_AGAIN}")
    return {**wanted, MANIFEST: _entry(folder, MANIFEST)}


def _files(folder: Path) -> list[str]:
    """What can be published, but for the manifest."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    seen = (path.as_posix() for path in found if not any(p.startswith(".") for p in path.parts))
    return sorted(path for path in seen if path != MANIFEST)


def _entry(folder: Path, path: str) -> Entry:
    with (folder / path).open("rb") as file:
        return entry(file)
