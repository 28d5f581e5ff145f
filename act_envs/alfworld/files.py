"""Finds the official ALFWorld games and reads their files, from a folder or an archive.

A *source* is a folder that holds the split folders, or an archive of one. Nothing is written, and
no game is understood here: that is ``compiler.read_game``. A game is named by its task id,
``<split>/<task folder>/<trial>``, as in the official layout.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from act_envs.alfworld.archives import MAX_ENTRY, check_size, read_archive
from act_envs.alfworld.game import KINDS
from act_envs.assets import data_home, given_path
from act_envs.errors import AssetsNotFound, GameFileError, nearest

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid_seen", "valid_unseen")
_GAME = "game.tw-pddl"
_NOT_PLAYED = ("movable", "Sliced")  # upstream leaves out the task folders with these in the name
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_FOLDER = re.compile(r"json_(2\.1(?:\.\d+)*)")
# Upstream's two other archives of a version (..._json.zip, ..._pddl.zip) hold no games.
_ARCHIVE = re.compile(r".*json_(2\.1(?:\.\d+)*)(?!\.?\d|_json|_pddl).*\.(?:zip|tar\.xz)")


def find_source(data_dir: str | Path | None = None) -> Path:
    """Where the games are: a folder that holds the split folders, or an archive.

    Looks at ``data_dir`` alone where it is given, else at ``$ALFWORLD_DATA`` (where upstream's own
    download puts the games), else at ``data_home()``. Each may be an archive (zip or tar.xz), a
    folder of the split folders, or a folder that holds, itself or in its ``alfworld`` folder,
    ``json_2.1.*`` folders or archives ``*json_2.1*.zip`` or ``.tar.xz``. A folder with games goes
    before an archive, a higher version before a lower one, a zip before a tar.

    Args:
        data_dir: the one place to look at.

    Raises:
        AssetsNotFound: there are no games there.
        UnknownArgument: ``data_dir``, or what ``$ALFWORLD_DATA`` says, is no path.
        GameFileError: a folder cannot be read.
    """
    places = _places() if data_dir is None else [given_path(data_dir, "data_dir")]
    for place in places:
        source = _source_in(place)
        if source is not None:
            if place != places[0]:
                _log.warning("no ALFWorld games in ALFWORLD_DATA=%s; using %s", places[0], source)
            return source
    where = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    raise AssetsNotFound(
        f"ALFWorld games not found in {' or '.join(map(str, places))}. "
        f"Run: act-envs download alfworld{where}, or play generated games without any download: "
        'gym.make("ACT/ALFWorldGen-v0")'
    )


def read_games(
    source: Path,
    splits: Sequence[str] = SPLITS,
    *,
    damaged: Callable[[str, GameFileError], None] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """The games of some splits, each once; what upstream does not play is left out.

    Left out are task folders with "movable" or "Sliced" in the name, trials without a game, and
    games that are not marked as solvable.

    Args:
        source: from ``find_source``.
        splits: of which splits. A tar.xz is read through (seconds) however few they are.
        damaged: called with task id and error for a game that cannot be read; it is then left
            out. Without it the error is raised.

    Yields:
        Task id and content of the game's file: in the order of the ids from folders (within a
        split) and zip archives, in the archive's own order from tar archives.

    Raises:
        GameFileError: the archive cannot be read, or holds what a hostile one would.
    """
    for task_id, content in _contents(source, splits):
        where = f"{source}: {task_id}/{_GAME}"
        try:
            if isinstance(content, GameFileError):
                raise content
            if is_solvable(content, where):
                yield task_id, content
        except GameFileError as error:
            if damaged is None:
                raise
            damaged(task_id, error)


def read_file(source: Path, task_id: str) -> bytes:
    """The content of one game's file.

    Raises:
        GameFileError: it is not there, or cannot be read.
    """
    if not source.is_file():
        return _read_file(source / task_id / _GAME)
    split = task_id.partition("/")[0]

    def only(name: str) -> str | None:
        return task_id if _wanted(name, (split,), source) == task_id else None

    for _, content in read_archive(source, only):
        if isinstance(content, GameFileError):
            raise content
        return content
    raise GameFileError(f"{source} has no game {task_id!r} any more. Open it again.")


def fingerprint(source: Path, split: str) -> str:
    """Hexadecimal digits that change when the files of a split do, without reading them.

    Of an archive: its path, size and time of change; of a folder: those of each game.

    Raises:
        GameFileError: something cannot be read.
    """
    digest = hashlib.blake2b(str(source.resolve()).encode(errors="surrogateescape"), digest_size=8)
    games = [("", source)] if source.is_file() else _game_files(source, split)
    for task_id, path in games:
        if isinstance(path, GameFileError):
            raise path
        with _reading(path):
            status = path.stat()
        digest.update(f"\0{task_id}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()


def is_solvable(content: bytes, where: str) -> bool:
    """Whether a game's file marks the game as solvable.

    Raises:
        GameFileError: it is no JSON object.
    """
    try:
        game = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise GameFileError(
            f"{where} is no JSON ({len(content):,} bytes: {error}). Download the games again."
        ) from None
    if not isinstance(game, dict):
        raise GameFileError(f"{where} is no JSON object. Download the games again.")
    return game.get("solvable") is True


def _contents(source: Path, splits: Sequence[str]) -> Iterator[tuple[str, bytes | GameFileError]]:
    if source.is_file():
        yield from read_archive(source, lambda name: _wanted(name, splits, source))
        return
    for split in splits:
        for task_id, path in _game_files(source, split):
            try:
                content = path if isinstance(path, GameFileError) else _read_file(path)
            except GameFileError as error:
                content = error
            yield task_id, content


def _wanted(name: str, splits: Sequence[str], source: Path) -> str | None:
    """The task id of an archive's entry, whatever folders come before the split's."""
    parts = name.split("/")
    if len(parts) < 4 or parts[-1] != _GAME or parts[-4] not in splits:
        return None
    if any(note in parts[-3] for note in _NOT_PLAYED):
        return None
    if name.startswith("/") or ".." in parts:
        raise GameFileError(
            f"{source} has an entry {name!r} that leads out of it. Download the official archive."
        )
    return _task_id(parts[-4], parts[-3], parts[-2], source)


def _task_id(split: str, folder: str, trial: str, source: Path) -> str:
    if not (_NAME.fullmatch(folder) and _NAME.fullmatch(trial)):
        raise GameFileError(
            f"{source} has a game named {f'{split}/{folder}/{trial}'!r:.300}. Names are of "
            "letters, digits, '_', '-' and '.'. Download the official games."
        )
    kind = folder.partition("-")[0]
    if kind not in KINDS:
        raise GameFileError(
            f"{source} has a game of kind {kind!r}: {split}/{folder}. {nearest(kind, KINDS)}"
        )
    return f"{split}/{folder}/{trial}"


def _game_files(root: Path, split: str) -> Iterator[tuple[str, Path | GameFileError]]:
    """Task id and file of every game of a split folder, in the order of the ids.

    A game with a name that none has comes with the error in place of the file.

    Links are followed, as users may keep the data elsewhere; at a fixed depth none leads around.
    """
    found = {}
    for folder in _folders(root / split):
        if any(note in folder.name for note in _NOT_PLAYED):
            continue
        for trial in _folders(folder):
            path = trial / _GAME
            if not _is_there(path):
                continue
            try:
                found[_task_id(split, folder.name, trial.name, root)] = path
            except GameFileError as error:
                found[f"{split}/{f'{folder.name}/{trial.name}'!r}"] = error
    yield from sorted(found.items())


def _folders(path: Path) -> list[Path]:
    """The folders in a folder; none where there is no such folder."""
    with _reading(path):
        if not path.is_dir():
            return []
        with os.scandir(path) as entries:
            return [path / entry.name for entry in entries if entry.is_dir()]


def _is_there(path: Path) -> bool:
    """Whether there is anything of that name; what may not be looked at is not absent."""
    with _reading(path):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


def _read_file(path: Path) -> bytes:
    # Opening a pipe would wait for a writer without O_NONBLOCK.
    with _reading(path), os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise GameFileError(f"{path} is not a file. Download the games again.")
        return check_size(file.read(MAX_ENTRY + 1), str(path))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GameFileError(
            f"cannot read {path}: {error.strerror or error}. Make it readable, or download the "
            "games again: act-envs download alfworld"
        ) from error


def _places() -> list[Path]:
    upstream = os.environ.get("ALFWORLD_DATA")
    return [*([given_path(upstream, "ALFWORLD_DATA")] if upstream else []), data_home()]


def _source_in(place: Path) -> Path | None:
    with _reading(place):
        if place.is_file():
            return place
        for folder in (place, place / "alfworld"):
            if not folder.is_dir():
                continue
            inside = sorted(folder.iterdir())
            games = [folder, *_by_version(inside, _FOLDER)]
            archives = [path for path in _by_version(inside, _ARCHIVE) if path.is_file()]
            zips_first = sorted(archives, key=lambda path: path.suffix != ".zip")
            sources = [
                *(path for path in games if _has_games(path)),
                *_by_version(zips_first, _ARCHIVE),
            ]
            if sources:
                return sources[0]
    return None


def _by_version(paths: Sequence[Path], pattern: re.Pattern[str]) -> list[Path]:
    """Those whose name the pattern fits, the highest version first, else in the order given."""
    found = [(match[1], path) for path in paths if (match := pattern.fullmatch(path.name))]
    found.sort(key=lambda pair: [int(number) for number in pair[0].split(".")], reverse=True)
    return [path for _, path in found]


def _has_games(root: Path) -> bool:
    """Whether there is one game at least; upstream's download can leave folders without."""
    return any(
        _is_there(trial / _GAME)
        for split in SPLITS
        for folder in _folders(root / split)
        for trial in _folders(folder)
    )
