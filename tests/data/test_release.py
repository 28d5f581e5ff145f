"""A dataset by recipe, in one command that goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_type_hints

import gymnasium as gym
import pytest

pytest.importorskip("datasets")

from act_data.errors import HubRefused, RunConflict
from act_data.publish.manifest import read_manifest
from act_data.publish.recipes import _COMMANDS, _GIVEN, _options, read_recipe, recipes
from act_data.publish.release import Release, release, release_text
from act_data.storage.tables import read_pairs
from act_envs.errors import ActError, UnknownArgument

pytest_plugins = "tests.data.hub"

SMALL = """
name: Small toys
sources:
  - collect: {env: ACT/Toy-v0, limit: 8, env_kwargs: {}, state_hashes: true}
    mine:
      - {policy: random-admissible, k: 2, limit: 20}
      - {policy: hard-negative, k: 1, limit: 20}
    verify: {informed: false}
build: {shares: [0.5, 0.25, 0.25], shard_size: 16}
"""
STEPS = 6  # of SMALL: collect, twice mine and verify, build


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_makes_the_dataset_of_the_recipe(small: str, tmp_path: Path) -> None:
    said: list[str] = []
    summary = release(Release(recipe=small, out=tmp_path / "out"), said.append)
    heads = [line for line in said if line.startswith("[")]
    assert [head.split()[:2] for head in heads] == [
        ["[1/6]", "collect"], ["[2/6]", "mine"], ["[3/6]", "verify"],
        ["[4/6]", "mine"], ["[5/6]", "verify"], ["[6/6]", "build"],
    ]  # fmt: skip
    assert len(read_manifest(tmp_path / "out" / "dataset")) > 3
    pairs = [
        pair
        for split in (tmp_path / "out" / "dataset" / "data" / "toy").iterdir()
        for pair in read_pairs(split)
    ]
    assert len(pairs) == summary["build"]["pairs"]
    assert {pair.policy for pair in pairs} == {"random-admissible", "hard-negative"}
    assert all(p.verification and not p.verification.informed for p in pairs)
    assert summary["build"]["rows"].keys() >= {"toy", "critique", "sft", "trajectories"}
    assert summary["push"] is None
    assert "not published: act-data push" in release_text(summary)


def test_again_it_does_nothing_and_another_recipe_is_refused(small: str, tmp_path: Path) -> None:
    config = Release(recipe=small, out=tmp_path / "out")
    release(config)
    before = content(tmp_path / "out")
    files = [*(tmp_path / "out").rglob("part-*.parquet")]
    times = [path.stat().st_mtime_ns for path in files]
    release(config)
    assert content(tmp_path / "out") == before
    assert [path.stat().st_mtime_ns for path in files] == times
    Path(small).write_text(SMALL.replace("Small", "Other"))
    with pytest.raises(RunConflict, match="Small toys"):
        release(config)
    assert content(tmp_path / "out") == before


def test_interrupted_between_any_two_steps(small: str, tmp_path: Path) -> None:
    release(Release(recipe=small, out=tmp_path / "peaceful"))
    config = Release(recipe=small, out=tmp_path / "out")

    for step in range(1, STEPS + 1):

        def stop(line: str, step: int = step) -> None:
            if line.startswith(f"[{step}/"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            release(config, stop)
    release(config)
    assert content(tmp_path / "out") == content(tmp_path / "peaceful")


def test_killed_at_random_moments(small: str, tmp_path: Path) -> None:
    release(Release(recipe=small, out=tmp_path / "peaceful"))
    code = (
        "import sys; from pathlib import Path; import pyarrow.parquet, datasets;"
        "from act_data.publish.release import Release, release;"
        "print('ready', flush=True);"
        "release(Release(recipe=sys.argv[1], out=Path(sys.argv[2])),"
        " lambda line: print(line, flush=True))"
    )
    out, moments = tmp_path / "out", random.Random(0)
    for step in (3, 6):
        command = [sys.executable, "-c", code, small, str(out)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        for line in process.stdout:
            if line.startswith(f"[{step}/"):
                break
        time.sleep(moments.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    release(Release(recipe=small, out=out))
    assert content(out) == content(tmp_path / "peaceful")


def test_it_publishes_and_again_publishes_nothing(small: str, tmp_path: Path, hub, client) -> None:
    config = Release(recipe=small, out=tmp_path / "out", repo="org/toys", tag="v1")
    summary: dict[str, Any] = client(release, config)
    assert summary["push"]["published"]
    assert summary["push"]["verified"]
    rows = client.load("org/toys", "toy", "v1")
    assert len(rows) == summary["build"]["rows"]["toy"]["train"]
    again = client(release, config)
    assert not again["push"]["published"]
    assert again["push"]["revision"] == summary["push"]["revision"]


def test_without_a_token_nothing_is_made(small: str, tmp_path: Path, hub, client) -> None:
    config = Release(recipe=small, out=tmp_path / "out", repo="org/toys")
    with pytest.raises(HubRefused, match="HF_TOKEN"):
        client(release, config, HF_TOKEN="")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "alfwrold"}, "Did you mean 'alfworld'"),
        ({"recipe": "nowhere.yaml"}, "no recipe"),
        ({"recipe": "builtin", "repo": "no name"}, "no name of a dataset"),
        ({"recipe": "builtin", "tag": "v1"}, "Name a --repo"),
    ],
)
def test_what_cannot_be_released(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownArgument, match=message):
        release(Release(out=tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("policy: hard-negative", "policy: hard-negatives", "Did you mean 'hard-negative'"),
        ("{informed: false}", "{rollouts: 1, policy: hard}", "hard-negative"),
        ("env: ACT/Toy-v0, ", "env: ACT/Toyy-v0, ", "Toyy"),
        ("limit: 8", "limit: 8, expert: sripted", "Did you mean 'scripted'"),
        ("limit: 8", "limit: 8, split: dev", "--allow-split dev"),
    ],
)
def test_what_is_wrong_with_a_later_step_is_told_before_the_first(
    before: str, after: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL.replace(before, after))
    with pytest.raises((ActError, gym.error.Error), match=message):
        release(Release(recipe=str(path), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_card_names_the_recipe_without_its_folder(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(Release(recipe=small, out=tmp_path / "out"))
    card = (tmp_path / "out" / "dataset" / "README.md").read_text()
    assert "act-data release small.yaml" in card
    assert str(tmp_path) not in card
    monkeypatch.chdir(tmp_path)
    before = content(tmp_path / "out")
    release(Release(recipe="./small.yaml", out=tmp_path / "out"))  # the same by another spelling
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("limit: 8", "limt: 8", "Did you mean 'limit'"),
        ("verify: {informed", "verfy: {informed", "Did you mean 'verify'"),
        ("{informed: false}", "{out: x}", "there is no 'out'"),
        ("env: ACT/Toy-v0, ", "", "names no environment"),
        ("name: Small toys", "", "gives the dataset no name"),
        ("sources:", "sources: 3\nx:", "there is no 'x'"),
        (SMALL, "sources: 3\nname: x", "must be a list"),
        (SMALL, "name: x", "has no sources"),
        (SMALL, "[1]", "must be a mapping"),
        (SMALL, "{", "is no YAML"),
        ("limit: 8", "limit: '8'", "collect: limit is '8', and must be a whole number or null"),
        ("limit: 8", "limit: true", "limit is True"),
        ("limit: 8", "tasks: fetch", "tasks is 'fetch', and must be a list, each a text"),
        ("{informed: false}", "{informed: 0}", "verify: informed is 0, and must be true or false"),
        (SMALL, f"{SMALL}\nbuild: {{shares: [0.5, 0.5]}}", r"must be a list of 3, each a number"),
        (SMALL, "name: x\ninclude: alfworld", "'alfworld' must be a list"),
        (SMALL, "name: x\ninclude: [alfwrold]", "Did you mean 'alfworld'"),
        (SMALL, "name: x\ninclude: [SELF]", "includes itself"),
    ],
)
def test_what_is_wrong_with_a_recipe(
    small: str, tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in SMALL
    Path(small).write_text(SMALL.replace(before, after).replace("SELF", small))
    with pytest.raises(UnknownArgument, match=message):
        release(Release(recipe=small, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["collect", "mine", "verify", "build"])
def test_of_every_option_it_can_be_said_what_it_must_be(command: str) -> None:
    for name in get_type_hints(_COMMANDS[command]).keys() - _GIVEN:
        with pytest.raises(UnknownArgument, match=f"x, {command}: {name} is .*, and must be "):
            _options(command, {name: [object()]}, "x")


def test_recipes_that_come_with_the_package(tmp_path: Path) -> None:
    from act_data.collect import Collect
    from act_data.mining import Mine
    from act_data.verify import Verify
    from act_envs.registration import env_ids

    assert {"all", "alfworld", "builtin", "generated", "scienceworld", "webshop"} <= {*recipes()}
    for name in recipes():
        recipe = read_recipe(name)
        for one in recipe.ingredients:
            assert Collect(**one.collect, out=tmp_path).env in env_ids()
            for mining in one.minings:
                assert Mine(**mining.mine, trajectories=tmp_path, out=tmp_path).limit
                Verify(**mining.verify, pairs=tmp_path, out=tmp_path)
    whole = read_recipe("all").ingredients
    parts = [one for name in ("alfworld", "webshop", "scienceworld")
             for one in read_recipe(name).ingredients]  # fmt: skip
    assert whole == parts
    told = (Release.__doc__ or "").partition("recipe: ")[2].partition(", or a YAML")[0]
    assert sorted(told.split(", ")) == recipes()
