"""``act-envs download alfworld`` and its like. ``act_envs.cli`` finds the commands here by name."""
# ruff: noqa: T201

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from act_envs.alfworld import manifest
from act_envs.alfworld.export import Generate
from act_envs.alfworld.files import find_source
from act_envs.assets import data_home, given_path
from act_envs.download import install
from act_envs.errors import GameFileError

__all__ = ["CheckData", "Download", "Generate"]

URL = "https://github.com/alfworld/alfworld/releases/download/0.4.0/json_2.1.2_tw-pddl.zip"
"""What alfworld 0.4.2 itself downloads. MIT, by the authors of ALFWorld."""

_NAME = "json_2.1.2_tw-pddl"
_MAX_SIZE = 10**9  # bytes of an archive to fetch; uncompressed the official games are 0.34e9
_PATH = tyro.conf.arg(metavar="PATH")


@dataclass(frozen=True)
class Download:
    """Fetch the official ALFWorld games and check every one of them.

    The archive is kept as it is and read without unpacking. A download that was cut off goes on
    where it stopped; an archive that is there and right is not fetched again.
    """

    data_dir: Annotated[str | Path | None, _PATH] = None
    """Folder for the data of environments; $ACT_DATA_DIR, else ~/.cache/act."""

    origin: Annotated[str, tyro.conf.arg(name="from")] = URL
    """Another URL of the archive (a mirror), or an archive on this machine."""

    def __call__(self) -> int:
        home = data_home() if self.data_dir is None else given_path(self.data_dir, "--data-dir")
        suffix = ".tar.xz" if self.origin.endswith(".tar.xz") else ".zip"
        target = home / "alfworld" / f"{_NAME}{suffix}"
        install(_url(self.origin), target, _is_right, max_size=_MAX_SIZE)
        print(f"The official games are in {target}.")
        if (found := find_source(self.data_dir)) != target:
            print(f"But {found} goes before it (ALFWORLD_DATA, or a folder of games beside it).")
        if home != data_home():
            print(f"Next: export ACT_DATA_DIR={shlex.quote(str(home.absolute()))}")
        print("Next: act-envs play alfworld --split valid_unseen")
        return 0


@dataclass(frozen=True)
class CheckData:
    """Compare every ALFWorld game on this machine with the official ones. Status 1: they differ.

    Also compiles each, and plays its walkthrough to the end.
    """

    data_dir: Annotated[str | Path | None, _PATH] = None
    """Where the games are; $ALFWORLD_DATA, else $ACT_DATA_DIR, else ~/.cache/act."""

    def __call__(self) -> int:
        source = find_source(self.data_dir)
        print(f"checking {source}", flush=True)
        report = manifest.check(source)
        print(*report.lines(), sep="\n")
        if not report.exact:
            print("These differ from the official games.")
            return 1
        print("These are the official games.")
        return 0


def _is_right(archive: Path) -> bool:
    """Whether an archive holds the official games and no others; says what it finds."""
    print(f"checking {archive}", flush=True)
    try:
        report = manifest.check(archive)
    except GameFileError as error:
        print(error)
        return False
    print(*report.lines(), sep="\n")
    return report.exact


def _url(origin: str) -> str:
    return origin if "://" in origin else given_path(origin, "--from").absolute().as_uri()
