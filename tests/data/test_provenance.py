"""Every row and every run says which program made it, by the commit where one is known."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from act_data import provenance
from act_data.collect import Collect, collect
from act_data.errors import RunConflict
from act_data.mining import Mine, mine
from act_data.provenance import version
from act_data.storage.tables import read_pairs, read_trajectories
from act_data.verify import Verify, verify
from act_envs import __version__

PLAIN = __version__
FILES = f"{PLAIN}+files."


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the folder of act_data, somewhere else."""
    folder = tmp_path / "root" / "act_data"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text("a = 1\n")
    monkeypatch.setattr(provenance, "_PACKAGE", folder)
    return folder


def told() -> str:
    return version.__wrapped__()


def committed(root: Path) -> str:
    """All files of a folder committed in a new repository; the commit."""
    if not shutil.which("git"):
        pytest.skip("needs git")

    def git(*arguments: str) -> str:
        name = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(root), *name, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    return git("rev-parse", "HEAD")


def test_in_a_checkout(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = committed(package.parent)
    assert told() == f"{PLAIN}+g{commit[:12]}"
    monkeypatch.setenv("GIT_DIR", str(package))  # as a hook of another repository would
    assert told() == f"{PLAIN}+g{commit[:12]}"
    (package / "new.txt").touch()
    assert told() == f"{PLAIN}+g{commit[:12]}"
    (package.parent / "README.md").write_text("changed\n")
    assert told() == f"{PLAIN}+g{commit[:12]}", "a text is no program"
    monkeypatch.setenv("PATH", "")
    assert told().startswith(FILES), "no git, no commit"


def test_every_change_of_a_checkout_is_another_program(package: Path) -> None:
    commit = committed(package.parent)
    seen = {told()}
    for name, text in (
        ("module.py", "a = 2\n"),
        ("module.py", "a = 3\n"),
        ("new.py", "b = 1\n"),
        ("new.py", "b = 2\n"),
    ):
        (package / name).write_text(text)
        assert re.fullmatch(rf"{re.escape(PLAIN)}\+g{commit[:12]}\.dirty\.[0-9a-f]{{8}}", told())
        assert told() not in seen
        seen.add(told())
    (package / "new.py").unlink()
    (package / "module.py").unlink()
    assert told() not in seen
    (package / "module.py").write_text("a = 1\n")
    assert told() == f"{PLAIN}+g{commit[:12]}"


def test_within_the_repository_of_something_else(package: Path) -> None:
    committed(package.parents[1])
    assert told().startswith(FILES)


def installed(package: Path, direct_url: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is told where pip has written this beside the package."""
    info = package.parent / "agentic_critical_training-0.1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Name: agentic-critical-training\nVersion: 0.1.0\n")
    (info / "direct_url.json").write_text(json.dumps(direct_url))
    monkeypatch.syspath_prepend(package.parent)
    return told()


def test_installed_from_a_repository(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vcs = {"url": "https://a/b", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef" * 2}}
    assert installed(package, vcs, monkeypatch) == f"{PLAIN}+g0123456789ab"
    elsewhere = package.parents[1] / "elsewhere" / "act_data"
    monkeypatch.setattr(provenance, "_PACKAGE", elsewhere)
    assert told().startswith(FILES), "that commit is of another copy"


@pytest.mark.parametrize("direct_url", [{"url": "file:///a", "dir_info": {}}, [], {"vcs_info": 1}])
def test_installed_from_anywhere_else(package: Path, monkeypatch, direct_url: object) -> None:
    before = installed(package, direct_url, monkeypatch)
    assert before.startswith(FILES)
    assert installed(package, direct_url, monkeypatch) == before
    (package / "module.py").write_text("b = 1\n")
    assert installed(package, direct_url, monkeypatch) != before, "another program"


def test_another_commit_cannot_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Collect(env="ACT/Toy-v0", out=tmp_path, tasks=("fetch:2",))
    monkeypatch.setattr(provenance, "version", lambda: f"{PLAIN}+gaaa")
    collect(config)
    monkeypatch.setattr(provenance, "version", lambda: f"{PLAIN}+gbbb")
    with pytest.raises(RunConflict, match=r"versions\.act-data is '.*\+gaaa' there, '.*\+gbbb'"):
        collect(config)


def test_rows_name_the_program_that_was_asked(tmp_path: Path, monkeypatch) -> None:
    """Not the one that a worker would find: these are new processes, where nothing is patched."""
    for command in ("collect", "mining", "verify"):
        monkeypatch.setattr(f"act_data.{command}.program", lambda: "act-data test")
    played, pairs, judged = (tmp_path / name for name in ("t", "p", "v"))
    tasks = ("fetch:4",)
    collect(Collect(env="ACT/Toy-v0", out=played, tasks=tasks, shard_size=2, workers=2))
    mine(Mine(trajectories=played, out=pairs, shard_size=2, workers=2))
    verify(Verify(pairs=pairs, out=judged, shard_size=2, workers=2))
    assert {row.generator for row in read_trajectories(played)} == {"act-data test"}
    assert {row.generator for row in read_pairs(pairs)} == {"act-data test"}
    found = {row.verification and row.verification.verifier for row in read_pairs(judged)}
    assert found == {"act-data test"}
