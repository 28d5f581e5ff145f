"""The official games, compiled once and kept: tasks by split, games by task id.

A game file takes milliseconds to compile, so what came out lies in one cache file a split and
source, in ``cache_home()``. The cache holds no code, is verified before it is used, and may be
deleted at any time; where it cannot be written, the compiled games stay in memory.
"""

from __future__ import annotations

import difflib
import fcntl
import functools
import hashlib
import json
import logging
import mmap
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from act_envs.alfworld import game as compiled
from act_envs.alfworld.compiler import read_game
from act_envs.alfworld.files import SPLITS, fingerprint, read_file, read_games
from act_envs.alfworld.game import Game
from act_envs.assets import cache_home
from act_envs.errors import AssetsNotFound, UnknownSplit, UnknownTask, nearest
from act_envs.progress import Progress
from act_envs.types import Task

_log = logging.getLogger(__name__)

_LAYOUT = b"act-alfworld-games 1\n"
_DIGEST = 16  # bytes
_IN_MEMORY = 256  # games; one takes up to 100 kB


_Packed = Mapping[str, bytes | memoryview]  # games by task id
_stores: WeakValueDictionary[Path, GameStore] = WeakValueDictionary()
_opening = threading.Lock()


def open_store(source: Path) -> GameStore:
    """The games of a source, shared by all in this process who play them, unless it has changed.

    Args:
        source: a folder of the split folders, or an archive of one (``files.find_source``).

    Raises:
        GameFileError: the source cannot be read.
    """
    key = source.resolve()
    with _opening:
        store = _stores.get(key)
        if store is None or store.changed():
            store = _stores[key] = GameStore(source)
        return store


class GameStore:
    """The games of one source. Opens a split when it is first asked for.

    Args:
        source: a folder of the split folders, or an archive of one (``files.find_source``).
    """

    splits: tuple[str, ...] = SPLITS

    def __init__(self, source: Path) -> None:
        self.source = source
        self._packed: dict[str, _Packed] = {}  # by split
        self._fingerprints: dict[str, str] = {}  # of the splits that were opened
        self._tasks: dict[str, tuple[Task, ...]] = {}  # by split; every reset asks for them
        self._load = functools.lru_cache(_IN_MEMORY)(self._unpack)

    def changed(self) -> bool:
        """Whether the files are others than those that were opened."""
        return any(
            fingerprint(self.source, split) != known for split, known in self._fingerprints.items()
        )

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split, in the order of the ids.

        Raises:
            UnknownSplit: there is no such split.
            AssetsNotFound: the source holds no games of it.
            GameFileError: a game file or the archive cannot be read.
        """
        if split not in self._tasks:
            self._tasks[split] = tuple(map(_task, self._open(split)))
        return self._tasks[split]

    def task(self, task_id: str) -> Task:
        """The task of that id.

        Raises:
            UnknownTask: there is none.
        """
        split = task_id.partition("/")[0]
        if split not in SPLITS:
            raise UnknownTask(
                f"unknown task {task_id!r:.200}. A task id is 'split/task/trial'. "
                f"{nearest(split, SPLITS)}"
            )
        if task_id not in self._open(split):
            similar = _similar(task_id, self._open(split))
            raise UnknownTask(f"unknown task {task_id!r:.200}. {nearest(task_id, similar)}")
        return _task(task_id)

    def game(self, task_id: str) -> Game:
        """The compiled game of a task.

        Raises:
            UnknownTask: there is no such task.
        """
        return self._load(task_id)

    def raw(self, task_id: str) -> Mapping[str, Any]:
        """The contents of a task's game file, as its JSON is read. From a tar.xz in seconds.

        Raises:
            UnknownTask: there is no such task.
            GameFileError: the file cannot be read any more.
        """
        return json.loads(read_file(self.source, self.task(task_id).task_id))

    def _unpack(self, task_id: str) -> Game:
        task = self.task(task_id)
        return Game.unpack(bytes(self._packed[task.split][task_id]))

    def _open(self, split: str) -> _Packed:
        if split not in SPLITS:
            raise UnknownSplit(f"unknown split {split!r}. {nearest(split, SPLITS)}")
        if split not in self._packed:
            known = fingerprint(self.source, split)
            games = _cached(self.source, split, known)
            if not games:
                raise AssetsNotFound(
                    f"{self.source} holds no games of the split {split!r}. Run: act-envs download "
                    "alfworld, or name another place with data_dir= or ALFWORLD_DATA."
                )
            self._packed[split], self._fingerprints[split] = games, known
        return self._packed[split]


def _task(task_id: str) -> Task:
    split, folder, _ = task_id.split("/")
    return Task(task_id, split, kind=folder.partition("-")[0])


def _similar(task_id: str, known: Iterable[str]) -> list[str]:
    """Tasks in folders of similar names: few, since comparing with all of them takes seconds."""
    by_folder: dict[str, list[str]] = {}
    for other in known:
        by_folder.setdefault(other.rpartition("/")[0], []).append(other)
    folder = task_id.rpartition("/")[0]
    near = [folder] if folder in by_folder else difflib.get_close_matches(folder, by_folder)
    return [task for name in near or list(by_folder)[:3] for task in by_folder[name]]


def _cached(source: Path, split: str, known: str) -> _Packed:
    """The packed games of a split: from the cache, which processes share, else compiled.

    Args:
        source: where they come from.
        split: the split.
        known: the fingerprint of its files.
    """
    version = f"{known}-{compiled.FORMAT}"
    origin = hashlib.blake2b(os.fsencode(source.resolve()), digest_size=8).hexdigest()
    try:
        folder = cache_home() / "alfworld"
    except AssetsNotFound as error:  # no home directory
        _warn(str(error))
        return _compile(source, split)
    path = folder / f"{origin}-{split}-{version}.games"
    games = _read(path)
    if games is None:
        with _alone(folder / f"{origin}.lock"):
            games = _read(path)  # another process may have built it meanwhile
            if games is None:
                games = _compile(source, split)
                _write(path, games, stale=f"{origin}-{split}-*")
                games = _read(path) or games
    return games


def _compile(source: Path, split: str) -> dict[str, bytes]:
    start = time.perf_counter()
    games = {}
    with Progress(f"compiling ALFWorld's games of {split}", plain=False) as progress:
        for task_id, data in read_games(source, (split,)):
            games[task_id] = read_game(data, f"{source}: {task_id}").pack()
            progress.advance()
    seconds = time.perf_counter() - start
    _log.info("compiled %d games of %s from %s in %.1f s", len(games), split, source, seconds)
    return dict(sorted(games.items()))


def _read(path: Path) -> _Packed | None:
    """The games in a cache file, mapped; None where there is none, or none that can be trusted."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # nothing of an empty file can be mapped
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _warn(f"cannot read {path.parent}: {error.strerror}")
        return None
    content, start = memoryview(mapped), len(_LAYOUT) + _DIGEST
    if content[:start] != _LAYOUT + _digest(content[start:]):
        _log.warning("%s is damaged; compiling the games again", path)
        return None
    at = mapped.find(b"\n", start) + 1
    games = {}
    for task_id, size in json.loads(bytes(content[start:at])):
        games[task_id] = content[at : at + size]
        at += size
    return games


def _write(path: Path, games: dict[str, bytes], *, stale: str) -> None:
    """Write a cache file and remove those of the same games that it replaces."""
    if not games:
        return
    index = json.dumps([(task_id, len(packed)) for task_id, packed in games.items()])
    content = b"".join((index.encode(), b"\n", *games.values()))
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not a private file of tempfile's: a cache may be shared.
            new.write_bytes(_LAYOUT + _digest(content) + content)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        for other in path.parent.glob(stale):
            if other != path:
                other.unlink(missing_ok=True)
    except OSError as error:
        _warn(f"cannot write to {path.parent}: {error.strerror}")


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


@functools.cache  # once for each reason
def _warn(reason: str) -> None:
    _log.warning(
        "%s. ALFWorld's games are compiled in every process. Set ACT_CACHE_DIR to a folder that "
        "can be written.", reason,
    )  # fmt: skip


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process compile while the others wait for what comes out."""
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(lock.open("w")), fcntl.LOCK_EX)
        except OSError:
            pass  # without a lock several do the same work, and nothing else happens
        yield
