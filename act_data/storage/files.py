"""Files that are either whole or absent, whatever kills the process and whenever."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

from act_data.errors import RunLocked

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk, and of a full share of one."""

_SUFFIX = ".partial"
_WRONG = {
    errno.ENOENT: "does not exist. Give the path of what is there",
    errno.EISDIR: "is a folder. Give the name of a file",
    errno.EEXIST: "is a file, and a folder is needed. Choose another place",
    errno.ENOTDIR: "leads through a file as if that were a folder. Choose another place",
    errno.EACCES: "may not be read or written by you. Change its permissions, or take another",
    errno.EROFS: "is on a disk that cannot be written. Choose another place",
    errno.ENAMETOOLONG: "is too long a name. Choose a shorter one",
    **dict.fromkeys(
        FULL, "cannot be written: the disk is full. Make room, then give the same command again"
    ),
}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` once it is complete and on the disk.

    It lies beside ``path`` under a hidden name until then: a rename is atomic within one file
    system only. A link stays, and what it leads to is replaced; a device or a pipe is written to.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    if path.exists() and not path.is_file() and not path.is_dir():
        with _named(path), path.open("wb") as file:
            yield file
        return
    # The process id keeps two writers of one path apart. tempfile.mkstemp would leave the
    # finished file readable by its owner alone.
    partial = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with _named(path), partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.filename == str(partial):  # which nobody asked for
            error.filename = str(path if path.parent.is_dir() else path.parent)
        raise
    finally:
        with contextlib.suppress(NotADirectoryError):  # told already
            partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too, must survive a power cut
    finally:
        os.close(folder)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have a full disk say which file was written: the system's error of a write does not."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = str(path)
        raise


def hold(file: IO[Any], message: str) -> None:
    """Keep a file for this process alone, until it is closed.

    Raises:
        RunLocked: another process holds it; ``message`` says so.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel drops it with the process
    except BlockingIOError as error:
        raise RunLocked(message) from error


def in_words(error: OSError) -> str:
    """What is wrong with a file, and the remedy; the error's own text where it is of no file."""
    wrong, name = _WRONG.get(error.errno or 0), error.filename2 or error.filename
    if wrong is None or name is None:
        return str(error)
    return f"{os.fsdecode(name)} {wrong}."


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
