"""Where files that environments need lie, and how one is written there. Knows no simulator."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from act_envs.errors import AssetsNotFound, DownloadError, UnknownArgument


def data_home() -> Path:
    """Where data of environments lie: ``$ACT_DATA_DIR``, else ``~/.cache/act``."""
    return _home("ACT_DATA_DIR", "~/.cache/act")


def cache_home() -> Path:
    """Where files compiled from them lie: ``$ACT_CACHE_DIR``, else ``~/.cache/act/compiled``."""
    return _home("ACT_CACHE_DIR", "~/.cache/act/compiled")


def given_path(value: object, name: str) -> Path:
    """A path that a user gave, with ``~`` expanded.

    Args:
        value: the path, a string or ``Path``.
        name: what the user gave it as (``"data_dir"``, ``"--out"``).

    Raises:
        UnknownArgument: it is something else, empty, or in the home of nobody.
    """
    if not isinstance(value, str | Path) or value == "" or "\0" in str(value):
        raise UnknownArgument(f"{name}={value!r} is no path. Give the path of a folder or file.")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise UnknownArgument(f"{name}={str(value)!r}: {error} Give a path without '~'.") from error


@contextlib.contextmanager
def alone(path: Path) -> Iterator[io.FileIO]:
    """The file to append to, locked against other processes.

    Raises:
        DownloadError: another process has it, or it is a pipe.
    """

    def opener(name: str, flags: int) -> int:  # opening a pipe would wait without O_NONBLOCK
        return os.open(name, flags | os.O_NONBLOCK, 0o666)

    with io.FileIO(path, "ab", opener=opener) as file:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            raise DownloadError(f"{path} is a pipe. Remove it, or choose another folder.")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
        except BlockingIOError:
            ours = False
        if not ours:  # it is being written, or was renamed while we opened it
            raise DownloadError(f"another process is writing; it holds {path}. Wait for it.")
        yield file


def refuse_folder(path: Path) -> None:
    """Raise ``DownloadError`` where a folder is in the place of a file to come."""
    if path.is_dir():
        raise DownloadError(f"{path} is a folder. Move it away, or choose another folder.")


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Errors of our own disk, with a remedy."""
    try:
        yield
    except BrokenPipeError:  # of what is printed meanwhile
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DownloadError(
            f"cannot write {path}: {error.strerror or error}. "
            + ("Free some space" if full else "Choose another folder, or make it writable")
            + " and run the same again."
        ) from error


def _home(variable: str, default: str) -> Path:
    try:
        return Path(os.environ.get(variable) or default).expanduser()
    except RuntimeError as error:
        raise AssetsNotFound(f"{error}. Set {variable} to a folder.") from error
