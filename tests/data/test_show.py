"""``act-data show``, ``stats`` and ``diff``: what they say of pairs and trajectories."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import pytest

from act_data.analysis.noise import Noise, noise, noise_text
from act_data.diff import Diff, diff, diff_text
from act_data.errors import DataCorrupt, DataNotFound, UnfinishedRun
from act_data.mining import Mine, mine
from act_data.show import Show, cells, show, show_text, wrapped
from act_data.stats import Stats, stats, stats_text
from act_data.storage.tables import (
    part_name,
    read_pairs,
    read_trajectories,
    write_parquet,
)
from act_data.types import ContrastPair, Reading
from act_data.verify import Verify, verify
from act_envs.errors import UnknownArgument


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trajectories: Path) -> Path:
    """Pairs of the Toy: ``mined`` and ``verified``."""
    out = tmp_path_factory.mktemp("shown")
    mine(Mine(trajectories=trajectories, out=out / "mined", k=3))
    verify(Verify(pairs=out / "mined", out=out / "verified"))
    return out


@pytest.fixture
def pairs(folder: Path) -> list[ContrastPair]:
    return [*read_pairs(folder / "verified")]


def stored(path: Path, pairs: Sequence[ContrastPair]) -> Path:
    path.mkdir()
    half = len(pairs) // 2
    for at, some in enumerate((pairs[:half], pairs[half:])):
        write_parquet(path / part_name(at, 2), some, "pairs")
    return path


# -- show ----------------------------------------------------------------------------------------


def test_a_pair_is_found(folder: Path, pairs: list[ContrastPair]) -> None:
    path = folder / "verified"
    assert show(Show(pairs=path)) == pairs[0]
    assert show(Show(pairs=path, number=len(pairs))) == pairs[-1]
    assert show(Show(pairs=path, pair_id=pairs[7].pair_id)) == pairs[7]
    ids = [pair.pair_id for pair in pairs]
    short = next(
        pair_id[:n]
        for pair_id in ids
        for n in range(1, 16)
        if sum(other.startswith(pair_id[:n]) for other in ids) == 1
    )
    assert show(Show(pairs=path, pair_id=short)).pair_id.startswith(short)
    for number in (0, len(pairs) + 1):
        with pytest.raises(DataNotFound, match=f"none has number {number}"):
            show(Show(pairs=path, number=number))
    with pytest.raises(DataNotFound, match="begins with 'x'"):
        show(Show(pairs=path, pair_id="x"))
    with pytest.raises(UnknownArgument, match=r"pairs have ids that begin with '\w'"):
        show(Show(pairs=path, pair_id=Counter(name[0] for name in ids).most_common(1)[0][0]))
    with pytest.raises(UnknownArgument, match="give one of them"):
        show(Show(pairs=path, pair_id="a", number=1))


@pytest.mark.parametrize("width", [60, 100, 20])
def test_both_outcomes_side_by_side(pairs: list[ContrastPair], width: int) -> None:
    pair = next(pair for pair in pairs if pair.state.history)
    found = pair.verification
    assert found is not None
    text = show_text(pair, width)
    lines = text.split("\n")
    assert max(map(cells, lines)) <= max(60, width)
    at = next(n for n, line in enumerate(lines) if line.startswith("Expert's action"))
    column = lines[at].index("Alternative")
    assert lines[at + 1][:column].strip() == pair.expert_action
    assert lines[at + 1][column:] == pair.alternative_action
    below = lines[at + 2 : lines.index("", at)]
    for side, outcome in (
        ([line[:column].strip() for line in below], found.expert),
        ([line[column:] for line in below], found.alternative),
    ):
        told = "".join(side).replace(" ", "")
        for said in (outcome.observation, outcome.state_hash):
            assert said.replace(" ", "").replace("\n", "") in told
    for said in (pair.state.goal, pair.pair_id, "In hindsight: ", "Informed: not judged"):
        assert said in text
    assert "Not executed" in show_text(dataclasses.replace(pair, verification=None), width)


def test_texts_do_not_steer_the_terminal(pairs: list[ContrastPair]) -> None:
    evil = "a\x1b[2J\x07\u202eb\tc 表表表 e\u0301"
    pair = dataclasses.replace(pairs[0], expert_action=evil, alternative_action=evil)
    text = show_text(pair, 80)
    assert all(sign == "\n" or sign.isprintable() for sign in text)
    assert "a\\x1b[2J\\x07\\u202eb    c" in text
    assert max(map(cells, text.split("\n"))) <= 80


def test_tables_do_not_steer_the_terminal(pairs: list[ContrastPair], tmp_path: Path) -> None:
    evil = "a\x1b[2J\u202e\nb"
    texts = dict.fromkeys(("pair_id", "kind", "policy", "expert", "split", "env_id"), evil)
    read = Reading("planner", 1.0, 2.0, 1.0, evil, None)  # pyright: ignore[reportArgumentType]
    assert pairs[0].verification is not None
    judged = dataclasses.replace(pairs[0].verification, informed=read)
    one = dataclasses.replace(pairs[0], **texts)
    write_parquet(tmp_path / "a.parquet", [one], "pairs")
    other = dataclasses.replace(one, seed=9, verification=judged)
    write_parquet(tmp_path / "b.parquet", [other], "pairs")
    told = [
        stats_text(stats(Stats(data=(tmp_path,)))),
        diff_text(diff(Diff(before=tmp_path / "a.parquet", after=tmp_path / "b.parquet"))),
        noise_text(noise(Noise(pairs=(tmp_path / "a.parquet",), by_kind=True))),
    ]
    for text in told:
        assert "a\\x1b[2J\\u202e\\nb" in text
        assert all(sign == "\n" or sign.isprintable() for sign in text)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told_in_a_line(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "act_data.cli", "show", str(folder / "verified")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output cannot be written")
    assert done.stderr.count("\n") == 1


def test_colour_is_for_terminals(
    pairs: list[ContrastPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in show_text(pairs[0], 80)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    painted = show_text(pairs[0], 80)
    assert "\x1b[32m" in painted
    monkeypatch.setenv("NO_COLOR", "1")
    assert show_text(pairs[0], 80) == show_text(pairs[0], 80, colour=False) != painted


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("  indented", ["  indente", "d"]),
        ("abcdefghijkl mn", ["abcdefghi", "jkl mn"]),
        ("a\n\nb", ["a", "", "b"]),
        ("", [""]),
        ("表表表表表", ["表表表表", "表"]),
    ],
)
def test_wrapping(text: str, lines: list[str]) -> None:
    assert wrapped(text, 9) == lines


# -- stats ---------------------------------------------------------------------------------------


def test_figures_of_pairs(folder: Path, pairs: list[ContrastPair], tmp_path: Path) -> None:
    first = pairs[0]
    assert first.verification is not None
    refused = first.verification.alternative._replace(action_valid=False)
    spoilt = dataclasses.replace(first.verification, alternative=refused, admissible=False)
    more = [first, dataclasses.replace(first, pair_id="new", verification=spoilt)]
    stored(tmp_path / "more", more)
    data = (folder / "verified", tmp_path / "more")
    found = stats(Stats(data=data, json=tmp_path / "stats.json"))
    assert json.loads((tmp_path / "stats.json").read_text()) == found
    every, figures = [*pairs, *more], found["pairs"]
    assert figures["rows"] == len(every)
    for name, field in (("kind", "kind"), ("environment", "env_id"), ("policy", "policy")):
        assert figures["counts"][name] == Counter(getattr(pair, field) for pair in every)
    assert figures["counts"]["hindsight"] == Counter(
        pair.verification.hindsight.verdict
        for pair in every
        if pair.verification and pair.verification.hindsight
    )
    assert figures["counts"]["informed"] == {"not judged": len(every)}
    assert figures["counts"]["source"] == {"verified": len(pairs), "more": 2}
    sizes = sorted(len(pair.alternative_action) for pair in every)
    assert figures["sizes"]["alternative, characters"] == {
        "least": sizes[0],
        "median": sizes[(len(sizes) - 1) // 2],
        "mean": round(mean(sizes), 2),
        "p95": sizes[-(-len(sizes) * 95 // 100) - 1],
        "most": sizes[-1],
    }
    odd = figures["odd"]
    assert odd["id met before"] == 1
    assert odd["reads like an earlier one"] >= 2
    assert (odd["alternative refused"], odd["alternative not admissible"]) == (1, 1)
    assert odd["not verified"] == odd["expert's action refused"] == 0
    text = stats_text(found)
    assert f"{len(every):,} pairs" in text
    assert "alternative refused" in text


def test_figures_of_a_folder_of_everything(folder: Path, trajectories: Path) -> None:
    found = stats(Stats(data=(folder, trajectories)))
    mined = len([*read_pairs(folder / "mined")])
    assert found["pairs"]["counts"]["hindsight"]["not verified"] == mined
    assert found["pairs"]["odd"]["id met before"] == mined
    rows = [*read_trajectories(trajectories)]
    assert found["trajectories"]["rows"] == len(rows)
    assert found["trajectories"]["counts"]["outcome"] == {"won": len(rows)}
    assert found["trajectories"]["sizes"]["steps"]["most"] == max(
        len(row.transitions) for row in rows
    )


def test_data_that_cannot_be_read_are_not_passed_over(
    pairs: list[ContrastPair], tmp_path: Path
) -> None:
    path = stored(tmp_path / "pairs", pairs)
    (tmp_path / "cut.parquet").write_bytes((path / part_name(0, 2)).read_bytes()[:-100])
    with pytest.raises(DataCorrupt, match=r"cut\.parquet"):
        stats(Stats(data=(tmp_path,)))
    (tmp_path / "cut.parquet").unlink()
    (path / part_name(1, 2)).unlink()
    with pytest.raises(UnfinishedRun):
        stats(Stats(data=(tmp_path,)))
    with pytest.raises(UnknownArgument, match="no data were named"):
        stats(Stats(data=()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFound, match="holds no pairs"):
        show(Show(pairs=tmp_path / "empty"))


# -- diff ----------------------------------------------------------------------------------------


def test_what_differs(pairs: list[ContrastPair], tmp_path: Path) -> None:
    before = stored(tmp_path / "before", pairs)
    other = dataclasses.replace(pairs[3], policy="other", seed=9)
    assert pairs[4].verification is not None
    assert pairs[4].verification.hindsight is not None
    was = pairs[4].verification.hindsight
    read = dataclasses.replace(was, verdict="unknown")
    judged = dataclasses.replace(pairs[4].verification, hindsight=read)
    changed = [*pairs[1:3], other, dataclasses.replace(pairs[4], verification=judged), *pairs[5:]]
    again = dataclasses.replace(pairs[5], kind="other")
    new = dataclasses.replace(pairs[0], pair_id="0" * 16)
    after = stored(tmp_path / "after", [*reversed(changed), new, again])

    found = diff(Diff(before=before, after=after))
    assert found.only_before == [pairs[0].pair_id]
    assert found.only_after == ["0" * 16, f"{pairs[5].pair_id}#2"]
    assert sorted(found.changed) == sorted([pairs[3].pair_id, pairs[4].pair_id])
    assert found.by_field == {"policy": 1, "seed": 1, "verification.hindsight": 1}
    assert found.verdicts == {"hindsight": {(was.verdict, "unknown"): 1}}
    assert found.same == len(pairs) - 3
    assert found.status == 1
    text = diff_text(found)
    for said in (f"{was.verdict} -> unknown", "only before: ", "policy", pairs[3].pair_id):
        assert said in text

    ignoring = diff(Diff(before=before, after=after, ignore=("policy", "seed", "verification")))
    assert (ignoring.changed, ignoring.verdicts, ignoring.status) == ([], {}, 1)
    same = diff(Diff(before=before, after=before))
    assert (same.same, same.status) == (len(pairs), 0)
    assert diff_text(same) == f"{len(pairs)} the same, 0 changed, 0 only before, 0 only after"
    with pytest.raises(UnknownArgument, match="Did you mean 'policy'"):
        diff(Diff(before=before, after=after, ignore=("polisy",)))


def test_what_verifying_changed(folder: Path, pairs: list[ContrastPair]) -> None:
    found = diff(Diff(before=folder / "mined", after=folder / "verified"))
    assert len(found.changed) == len(pairs)
    assert {name.split(".")[0] for name in found.by_field} == {"verification"}
    assert found.verdicts["hindsight"].total() == len(pairs)
    assert all(before == "not verified" for before, _ in found.verdicts["hindsight"])
    ignoring = Diff(before=folder / "mined", after=folder / "verified", ignore=("verification",))
    assert diff(ignoring).status == 0
