"""Files that are either whole or absent, whatever kills the process and whenever."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk, and of a full share of one."""

_SUFFIX = ".partial"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` once it is complete and on the disk.

    It lies beside ``path`` under a hidden name until then: a rename is atomic within one file
    system only.
    """
    # The process id keeps two writers of one path apart. tempfile.mkstemp would leave the
    # finished file readable by its owner alone.
    partial = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = str(path)  # else a write does not say to what
        raise
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too, must survive a power cut
    finally:
        os.close(folder)


def leftovers(folder: Path) -> list[Path]:
    """What killed writers left in ``folder``."""
    return sorted(folder.glob(f".*{_SUFFIX}"))


def write_text(path: Path, text: str) -> None:
    """Write a file that is whole or absent."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write readable JSON with sorted keys: equal values give equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    write_text(path, f"{text}\n")
