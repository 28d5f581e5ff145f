"""Pushing a dataset folder, by the real clients, to a Hub on this machine that can fail."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("datasets")

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features
from datasets.info import DatasetInfo, DatasetInfosDict
from datasets.splits import SplitDict, SplitInfo
from huggingface_hub import DatasetCard, DatasetCardData, HfFileSystem

from act_data.errors import (
    DataCorrupt,
    DataNotFound,
    HubConflict,
    HubMismatch,
    HubRefused,
    HubUnreachable,
    SchemaMismatch,
    UnfinishedRun,
)
from act_data.publish.manifest import MANIFEST, read_manifest, write_manifest
from act_data.publish.push import Push, push, push_text
from act_data.publish.remote import Remote
from act_envs.errors import ActError, UnknownArgument
from benchmarks.hub import Hub
from benchmarks.hub_http import WRITES, Fault
from benchmarks.hub_repos import Repo, small

if TYPE_CHECKING:  # pytest itself imports it
    from tests.data.hub import Client

pytest_plugins = "tests.data.hub"  # its fixtures

REPO = "org/pairs"
Change = Callable[[Path], object]


def _rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {
            "pair_id": f"{number:016x}",
            "state": {"goal": "Find the cat.", "history": [{"action": "look", "seen": "A hall."}]},
            "regret": rng.random() if number % 3 else None,
        }
        for number in range(count)
    ]


def _folder(path: Path, *counts: int, seed: int = 0) -> Path:
    """A dataset whose config alfworld has so many rows in each file."""
    data = path / "data" / "alfworld" / "train"
    data.mkdir(parents=True)
    schema = pa.Table.from_pylist(_rows(3)).schema
    for index, count in enumerate(counts):
        table = pa.Table.from_pylist(_rows(count, seed + index), schema)
        pq.write_table(table, data / f"part-{index:05d}-of-{len(counts):05d}.parquet")
    (path / "figures").mkdir()
    (path / "figures" / "rows.png").write_bytes(b"\x89PNG" * 50)
    (path / "build.json").write_text(json.dumps({"command": "build", "seed": seed}))
    (path / ".lock").touch()
    _card(path, schema, sum(counts))
    write_manifest(path)
    return path


def _card(path: Path, schema: pa.Schema, count: int) -> None:
    splits = SplitDict()
    splits.add(SplitInfo("train", num_examples=count))
    info = DatasetInfo(features=Features.from_arrow_schema(schema), splits=splits)
    data = DatasetCardData(license="mit")
    DatasetInfosDict({"alfworld": info}).to_dataset_card_data(data)
    files = [{"split": "train", "path": "data/alfworld/train/*.parquet"}]
    data["configs"] = [{"config_name": "alfworld", "data_files": files}]
    (path / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n# Pairs\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _folder(tmp_path / "dataset", 300, 40)


def _push(folder: Path, tag: str | None = "v1", **options: Any) -> Push:
    return Push(folder=folder, repo=REPO, tag=tag, **options)


def _contents(hub: Hub, revision: str) -> dict[str, bytes]:
    """The files at a revision that are not hidden."""
    commit = next(c for c in hub.dataset(REPO).commits if c.oid == revision)
    return {
        path: (hub.objects / blob.sha256).read_bytes() if blob.sha256 else blob.data or b""
        for path, blob in commit.files.items()
        if not path.startswith(".")
    }


def _expected(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in read_manifest(folder)}


def _published(hub: Hub, folder: Path, tag: str = "v1", commits: int = 1) -> None:
    """Whether the tag names the folder, and so many commits followed the initial one."""
    repo = hub.dataset(REPO)
    assert len(repo.commits) == 1 + commits
    assert _contents(hub, repo.tags[tag]) == _expected(folder)


def _untouched(hub: Hub) -> None:
    assert not WRITES & {*hub.asked}
    assert "upload" not in hub.asked


def test_what_was_pushed_is_what_is_loaded(hub: Hub, client: Client, folder: Path) -> None:
    hub.page = 2  # listings come in pages
    summary = client(push, _push(folder))
    _published(hub, folder)
    repo = hub.dataset(REPO)
    assert summary == {
        "repo": REPO, "revision": repo.tags["v1"], "tag": "v1", "published": True, "verified": True,
        "url": f"{hub.url}/datasets/{REPO}/tree/v1",
        "files": {"added": 6, "changed": 0, "deleted": 0, "unchanged": 0},
        "bytes": sum(map(len, _expected(folder).values())), "rows": {"alfworld": {"train": 340}},
    }  # fmt: skip
    assert not repo.private
    assert ".lock" not in repo.commits[-1].files
    assert ".gitattributes" in repo.commits[-1].files
    rows = _rows(300) + _rows(40, 1)
    assert client.load(REPO, "alfworld", "v1") == rows
    assert client.load(REPO, "alfworld", summary["revision"], streaming=True) == rows
    assert client(_card_and_files) == ("mit", sorted(_expected(folder)))
    assert "alfworld/train: 340 rows" in push_text(summary)


def _card_and_files() -> tuple[str, list[str]]:
    root = f"datasets/{REPO}@v1"
    files = [path.removeprefix(f"{root}/") for path in HfFileSystem().find(root)]
    return DatasetCard.load(REPO).data["license"], sorted(f for f in files if f[0] != ".")


def test_the_same_bytes_again_change_nothing(hub: Hub, client: Client, folder: Path) -> None:
    first = client(push, _push(folder, private=True))
    assert hub.dataset(REPO).private
    hub.asked.clear()
    again = client(push, _push(folder))
    _untouched(hub)
    assert again["revision"] == first["revision"]
    assert not again["published"]
    assert again["verified"]
    assert again["files"] == {"added": 0, "changed": 0, "deleted": 0, "unchanged": 6}
    assert "nothing to do" in push_text(again)
    assert client(push, _push(folder, None))["revision"] == first["revision"]
    _untouched(hub)
    assert client(push, _push(folder, "v2"))["published"]
    assert hub.dataset(REPO).tags == dict.fromkeys(("v1", "v2"), first["revision"])
    _published(hub, folder, "v2")


def test_one_commit_adds_changes_and_deletes(hub: Hub, client: Client, tmp_path: Path) -> None:
    old, new = _folder(tmp_path / "old", 30, 20), _folder(tmp_path / "new", 30, 25)
    (new / "figures" / "rows.png").unlink()
    (new / "figures" / "more.png").write_bytes(b"\x89PNG")
    write_manifest(new)
    client(push, _push(old))
    summary = client(push, _push(new, "v2", message="Leave out doubles"))
    _published(hub, new, "v2", commits=2)
    _published(hub, old, "v1", commits=2)
    assert hub.dataset(REPO).commits[-1].title == "Leave out doubles"
    assert summary["files"] == {"added": 1, "changed": 3, "deleted": 1, "unchanged": 2}
    assert hub.asked.count("upload") == 3 + 2
    hub.asked.clear()
    assert not client(push, _push(old))["published"]  # though main has gone on
    _untouched(hub)


def test_a_tag_is_never_moved(hub: Hub, client: Client, tmp_path: Path) -> None:
    old, new = _folder(tmp_path / "old", 30), _folder(tmp_path / "new", 31)
    client(push, _push(old))
    hub.asked.clear()
    for dry in (True, False):
        with pytest.raises(HubConflict, match=r"tag v1 already.*Choose another --tag"):
            client(push, _push(new, dry_run=dry))
    _untouched(hub)
    _published(hub, old)

    def meanwhile() -> None:
        repo = hub.dataset(REPO)
        repo.tags["v2"] = repo.commits[1].oid

    hub.faults.append(Fault("tag", do=meanwhile))
    with pytest.raises(HubConflict, match="somebody else made meanwhile"):
        client(push, _push(new, "v2"))
    assert hub.dataset(REPO).tags["v2"] == hub.dataset(REPO).commits[1].oid


def test_a_dry_run_sends_nothing(hub: Hub, client: Client, folder: Path) -> None:
    summary = client(push, _push(folder, dry_run=True))
    assert (summary["revision"], summary["verified"]) == (None, False)
    assert summary["files"]["added"] == 6
    assert "nothing was sent" in push_text(summary)
    assert not hub.repos
    _untouched(hub)


def _damage(folder: Path) -> None:
    (folder / "build.json").write_text("{}")


def _promise(folder: Path, old: str, new: str) -> None:
    card = folder / "README.md"
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new))
    write_manifest(folder)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (shutil.rmtree, DataNotFound, "is no folder"),
        (lambda f: (f / MANIFEST).unlink(), UnfinishedRun, "act-data build that began it"),
        (lambda f: (f / MANIFEST).write_text("[]"), DataCorrupt, "cannot be read"),
        (_damage, DataCorrupt, "build.json has other bytes"),
        (lambda f: (f / "build.json").unlink(), DataCorrupt, "build.json is missing"),
        (lambda f: (f / "notes").touch(), DataCorrupt, "notes is not in"),
        (lambda f: _promise(f, "num_examples: 340", "num_examples: 341"), SchemaMismatch, "341"),
        (lambda f: _promise(f, "dtype: float64", "dtype: float32"), SchemaMismatch, "regret"),
        (lambda f: _promise(f, "alfworld/train/*", "*"), SchemaMismatch, "not there"),
        (lambda f: _promise(f, "configs:", "other:"), SchemaMismatch, "no metadata"),
    ],
)
def test_what_is_not_right_is_not_sent(
    hub: Hub, client: Client, folder: Path, change: Change, error: type[ActError], says: str
) -> None:
    change(folder)
    with pytest.raises(error, match=says):
        client(push, _push(folder))
    assert not hub.asked


ROUTES = (
    "info", "refs", "create", "tree", "validate", "preupload", "batch", "upload", "verify",
    "commit", "tag", "resolve",
)  # fmt: skip
ONCE = {
    "all answer 500": [Fault(route, status=500) for route in ROUTES],
    "all answer 429": [Fault(route, status=429) for route in ROUTES],
    "all hang up": [Fault(route, hang_up="before") for route in ROUTES if route != "tree"],
    "a server is behind": [Fault(route, status=404, skip=1) for route in ("tree", "resolve")]
    + [Fault("tag", status=404)],
    "the answer is lost": [Fault(route, hang_up="after") for route in ("create", "commit", "tag")],
    "an upload is cut short": [Fault("upload", keep=0.5), Fault("upload", hang_up="after")],
    "thrice": [Fault("commit", status=500, times=3)],
}


@pytest.mark.parametrize("faults", ONCE.values(), ids=ONCE)
def test_what_fails_once_is_tried_again(
    hub: Hub, client: Client, folder: Path, faults: list[Fault]
) -> None:
    hub.faults += map(dataclasses.replace, faults)
    assert client(push, _push(folder))["published"]
    assert not hub.faults
    _published(hub, folder)


@pytest.mark.parametrize("route", ["info", "upload", "commit", "resolve"])
def test_but_not_for_ever(hub: Hub, client: Client, folder: Path, route: str) -> None:
    hub.faults.append(Fault(route, times=1000, status=503))
    with pytest.raises(HubUnreachable, match=r"503.*Run the same command"):
        client(push, _push(folder))
    assert hub.asked.count(route) < 100
    assert not hub.repos or not hub.dataset(REPO).tags
    hub.faults.clear()
    client(push, _push(folder))
    _published(hub, folder)


def test_another_commit_comes_first(hub: Hub, client: Client, folder: Path) -> None:
    client(push, _push(folder))
    new = _folder(folder.with_name("new"), 50)

    def meanwhile() -> None:
        repo = hub.dataset(REPO)
        repo.commit(
            "Fix a typo",
            {**repo.commits[-1].files, "README.md": repo.commits[0].files[".gitattributes"]},
        )

    hub.faults.append(Fault("commit", do=meanwhile))
    client(push, _push(new, "v2"))
    _published(hub, new, "v2", commits=3)
    assert [commit.title for commit in hub.dataset(REPO).commits][2:] == [
        "Fix a typo",
        "Publish v2",
    ]
    hub.faults.append(Fault("commit", do=meanwhile, times=1000))
    with pytest.raises(HubConflict, match="all the time"):
        client(push, _push(folder, "v3"))
    assert "v3" not in hub.dataset(REPO).tags


@pytest.mark.parametrize("answer", [{}, []], ids=str)
@pytest.mark.parametrize(
    "route", ["info", "refs", "create", "tree", "preupload", "batch", "commit", "tag"]
)
def test_what_does_not_answer_as_a_hub_does(
    hub: Hub, client: Client, folder: Path, route: str, answer: Any
) -> None:
    hub.faults.append(Fault(route, answer=answer))
    client(push, _push(folder))
    _published(hub, folder)
    hub.faults.append(Fault(route, answer=answer, times=1000))
    new = _folder(folder.with_name("new"), 50)
    with pytest.raises(HubUnreachable, match="does not answer as a Hub does"):
        client(push, dataclasses.replace(_push(new, "v2"), repo="org/new"))


@pytest.mark.parametrize("route", sorted({*ROUTES} - {"commit", "verify"}))
def test_a_412_that_says_nothing_of_commits(
    hub: Hub, client: Client, folder: Path, route: str
) -> None:
    hub.faults.append(Fault(route, status=412, times=1000))
    with pytest.raises(HubUnreachable):
        client(push, _push(folder))
    hub.faults.clear()
    client(push, _push(folder))
    _published(hub, folder)


def _push_and_change(config: Push, path: str) -> Any:
    """Push a folder whose file becomes another as soon as the repository was looked at."""
    look = Remote.head

    def head(self: Remote) -> Any:
        (config.folder / path).write_text("other")
        return look(self)

    Remote.head = head
    return push(config)


@pytest.mark.parametrize(
    "path", ["README.md", "data/alfworld/train/part-00000-of-00002.parquet", "figures/rows.png"]
)
def test_a_folder_that_changes_meanwhile(hub: Hub, client: Client, folder: Path, path: str) -> None:
    with pytest.raises(DataCorrupt, match=f"{path} changed while it was pushed"):
        client(_push_and_change, _push(folder), path)
    assert len(hub.dataset(REPO).commits) == 1


def test_small_files_are_sent_as_they_were_checked(hub: Hub, client: Client, folder: Path) -> None:
    card = (folder / "README.md").read_bytes()
    hub.faults.append(Fault("upload", do=lambda: (folder / "README.md").write_text("other")))
    client(push, _push(folder))
    assert _contents(hub, hub.dataset(REPO).tags["v1"])["README.md"] == card


def test_uploads_that_are_cut_short_unnoticed(hub: Hub, client: Client, folder: Path) -> None:
    hub.checks = False
    hub.faults.append(Fault("upload", keep=0.9))
    with pytest.raises(HubMismatch, match=r"is not what was sent: .* bytes, sha256"):
        client(push, _push(folder))
    assert not hub.dataset(REPO).tags


def test_a_card_that_became_another(hub: Hub, client: Client, folder: Path) -> None:
    def swap() -> None:
        files = hub.dataset(REPO).commits[-1].files
        files["README.md"] = files["build.json"]
        del files["figures/rows.png"]

    hub.faults.append(Fault("tree", skip=1, do=swap))
    with pytest.raises(HubMismatch, match=r"figures/rows.png is missing; README.md has"):
        client(push, _push(folder))
    assert not hub.dataset(REPO).tags


@pytest.mark.parametrize(
    ("options", "environ", "error", "says"),
    [
        ({}, {"HF_TOKEN": ""}, HubRefused, "no token .*Set HF_TOKEN"),
        ({}, {"HF_TOKEN": "wrong"}, HubRefused, "401: Invalid credentials.*set it as HF_TOKEN"),
        ({}, {"HF_TOKEN": "hf_read"}, HubRefused, "403: Forbidden.*write access"),
        ({"repo": "other/pairs"}, {}, HubRefused, "403: Forbidden"),
        ({}, {"HF_TOKEN": "hf_wr\u00efte"}, HubRefused, "not of ASCII.*set it as HF_TOKEN"),
        ({"repo": "pairs"}, {}, UnknownArgument, "Give org/name"),
        ({"repo": "org/a/b"}, {}, UnknownArgument, "Give org/name"),
        ({"repo": "org/a--b"}, {}, UnknownArgument, "Give org/name"),
        ({"tag": "a b"}, {}, UnknownArgument, "such as v1"),
        ({"tag": "main"}, {}, UnknownArgument, "such as v1"),
    ],
)
def test_what_cannot_be_pushed(
    hub: Hub, client: Client, folder: Path, options: Any, environ: Any, error: Any, says: str
) -> None:
    with pytest.raises(error, match=says) as told:
        client(push, dataclasses.replace(_push(folder), **options), **environ)
    assert "\n" not in str(told.value)
    assert not hub.repos


def _others_come(hub: Hub) -> None:
    repo = hub.dataset(REPO)
    repo.commit("Mine", {"notes": repo.commits[0].files[".gitattributes"]})


def test_a_repository_that_was_made_in_vain_is_left_to_others(
    hub: Hub, client: Client, folder: Path
) -> None:
    hub.faults.append(Fault("commit", status=403, do=lambda: _others_come(hub)))
    with pytest.raises(HubRefused, match=r"repository org/pairs, .* is left there"):
        client(push, _push(folder))
    assert "delete" not in hub.asked
    assert "notes" in hub.dataset(REPO).commits[-1].files


def _hold(hub: Hub, **files: bytes) -> None:
    """Somebody adds files to the repository, MANIFEST being short for its manifest's name."""
    repo = hub.repos.setdefault(("datasets", REPO), Repo(private=False))
    named = {MANIFEST if name == "MANIFEST" else f"{name}.md": raw for name, raw in files.items()}
    there = repo.commits[-1].files if repo.commits else {}
    repo.commit("Mine", {**there, **{name: small(raw) for name, raw in named.items()}})


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"banner": b"Hello"}, "banner.md"),
        ({"README": b"---\nlicense: mit\n---\nBy hand"}, "README.md"),
        ({"README": b"By hand"}, "README.md"),
        ({"MANIFEST": b"{}", "notes": b"Hello"}, "MANIFEST.json, notes.md"),
        ({"MANIFEST": b'{"files": {"notes.md": "/notes"}}', "notes": b""}, "json, notes.md"),
        ({"MANIFEST": b"[" * 100_000}, "MANIFEST.json"),
    ],
)
def test_files_of_others_are_left_alone(
    hub: Hub, client: Client, folder: Path, files: dict[str, bytes], named: str
) -> None:
    _hold(hub, **files)
    for dry in (True, False):
        with pytest.raises(HubConflict, match=f"overwritten: .*{named}.*Delete them there"):
            client(push, _push(folder, dry_run=dry))
    _untouched(hub)


def test_a_file_that_came_between_two_versions(hub: Hub, client: Client, folder: Path) -> None:
    client(push, _push(folder))
    _hold(hub, banner=b"Hello")
    theirs = hub.dataset(REPO).commits[-1]
    new = _folder(folder.with_name("new"), 50)
    with pytest.raises(HubConflict, match=r"overwritten: banner.md\. Nothing was sent"):
        client(push, _push(new, "v2"))
    assert hub.dataset(REPO).commits[-1] is theirs


@pytest.mark.parametrize("card", [{}, {"README": b"---\nlicense: mit\n---\n"}])
def test_a_repository_as_the_hub_makes_it(
    hub: Hub, client: Client, folder: Path, card: dict[str, bytes]
) -> None:
    _hold(hub, **card)
    client(push, _push(folder))
    _published(hub, folder)


def test_what_is_public_does_not_become_private(hub: Hub, client: Client, folder: Path) -> None:
    client(push, _push(folder))
    with pytest.raises(HubRefused, match="is public, and --private"):
        client(push, _push(folder, private=True))


MOMENTS = [
    *(Fault(route) for route in ("create", "preupload", "commit", "tag", "resolve")),
    *(Fault(route, skip=1) for route in ("upload", "verify", "refs")),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_killed_and_run_again(hub: Hub, client: Client, folder: Path, moment: Fault) -> None:
    hub.faults.append(dataclasses.replace(moment, do=client.kill))
    with pytest.raises(BrokenProcessPool):
        client(push, _push(folder))
    client(push, _push(folder))
    _published(hub, folder)
    assert hub.asked.count("commit") <= 2
    assert hub.asked.count("upload") <= 3 + (moment.route == "upload") * 3


def _without_disk(config: Push) -> Any:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as on a full disk: no file can grow
    return push(config)


def test_a_full_disk_is_no_obstacle(hub: Hub, client: Client, folder: Path) -> None:
    client(_without_disk, _push(folder))
    _published(hub, folder)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HF_HUB_OFFLINE", "1", "Unset it"),
        ("HF_ENDPOINT", "http://me:s3cret@127.0.0.1:9", "on http://127.0.0.1:9: "),
    ],
)
def test_without_a_network(hub: Hub, folder: Path, name: str, value: str, says: str) -> None:
    program = (
        "import sys; from act_data.publish import failures, push; from pathlib import Path\n"
        "failures.DELAY = 0\n"
        "try: push.push(push.Push(folder=Path(sys.argv[1]), repo='org/pairs'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environ = {**os.environ, **hub.environment(folder / ".home"), name: value}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], env=environ, capture_output=True, text=True
    )
    assert done.stdout.startswith("HubRefused" if name == "HF_HUB_OFFLINE" else "HubUnreachable")
    assert says in done.stdout, done.stderr
    assert "s3cret" not in done.stdout
