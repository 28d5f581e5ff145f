"""``act-data noise``: shares that can be counted by hand, and intervals that hold what they say."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from act_data.analysis.bootstrap import estimate, task_weights
from act_data.analysis.noise import (
    Noise,
    NoiseRow,
    noise,
    noise_markdown,
    noise_text,
)
from act_data.collect import Collect, collect
from act_data.errors import SchemaMismatch
from act_data.mining import Mine, mine
from act_data.storage.tables import read_pairs, write_parquet
from act_data.types import AgentState, Consequence, ContrastPair, Reading, Verification
from act_data.verify import Verify, verify
from act_envs.errors import UnknownArgument


def reading(verdict: Any, method: str = "planner") -> Reading:
    return Reading(method, 1.0, 2.0, 1.0, verdict, None)


def made(
    task: str,
    hindsight: Any = None,
    informed: Any = None,
    *,
    admissible: bool = True,
    commute: bool | None = None,
    same: bool = False,
    **fields: Any,
) -> ContrastPair:
    """A verified pair; readings are given as verdicts or whole."""
    here = Consequence("A hall.", "a", 0.0, False, False, True)
    there = here if same else here._replace(state_hash="b")
    readings = [reading(one) if isinstance(one, str) else one for one in (hindsight, informed)]
    facts = Verification(admissible, here, there, commute, *readings, verifier="")
    pair = ContrastPair(
        "0" * 16, "ACT/Toy-v0", "{}", task, "train", "fetch", 0, AgentState("Win.", "A hall."),
        ("look", "wait"), "h", "look", "wait", 1, "scripted", "random-admissible", "", "{}", 0, "",
        "", facts,
    )  # fmt: skip
    return dataclasses.replace(pair, **fields)


def rows_of(pairs: list[ContrastPair], folder: Path, **options: Any) -> list[NoiseRow]:
    write_parquet(folder / "pairs.parquet", pairs, "pairs")
    return noise(Noise(pairs=(folder / "pairs.parquet",), **options))


def values(row: NoiseRow) -> dict[str, float]:
    return {name: round(share.value, 9) for name, share in row.shares.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verified pairs of generated ALFWorld games."""
    folder = tmp_path_factory.mktemp("house")
    collect(Collect(env="ACT/ALFWorldGen-v0", out=folder / "c", limit=4))
    mine(Mine(trajectories=folder / "c", out=folder / "m", k=3))
    verify(Verify(pairs=folder / "m", out=folder / "v", worlds=8))
    return folder / "v"


def test_shares_by_hand(tmp_path: Path) -> None:
    pairs = [
        made("0", "expert_better", reading("expert_better", "worlds:8:explorer")),
        made("0", "expert_better", reading("equivalent", "worlds:32:explorer")),
        made("1", "equivalent", "expert_better", same=True),
        made("1", "equivalent", "expert_better", commute=True),
        made("2", "equivalent", "unknown", commute=False),
        made("2", "alternative_better", "alternative_better"),
        made("2", "unknown", "expert_better", admissible=False),
        made("3", "expert_better", "expert_better", admissible=False),
    ]
    known, known_admissible, seen, seen_admissible = rows_of(pairs, tmp_path)
    assert (known.pairs, known.tasks, known.judged, known.complete) == (8, 4, 8, True)
    assert (known.admissible, known.covered) == (0.75, 1)
    assert values(known) == {
        "expert_better": 3 / 8,
        "equivalent": 3 / 8,
        "same_state": 1 / 8,
        "commute": 1 / 8,
        "equal_cost": 1 / 8,
        "alternative_better": 1 / 8,
        "unknown": 1 / 8,
        "noise": round(4 / 7, 9),
        "wrong": round(1 / 7, 9),
    }
    assert (known_admissible.alternatives, known_admissible.judged) == ("admissible", 6)
    assert values(known_admissible)["noise"] == round(4 / 6, 9)
    assert (seen.reading, seen.methods) == ("informed", ("planner", "worlds:explorer"))
    assert values(seen)["noise"] == round(2 / 7, 9)
    assert values(seen)["equal_cost"] == 1 / 8
    assert values(seen_admissible)["unknown"] == round(1 / 6, 9)


def test_real_pairs(house: Path) -> None:
    rows = noise(Noise(pairs=(house,), by_kind=True))
    pairs = [*read_pairs(house)]
    readings = [pair.verification.hindsight for pair in pairs if pair.verification]
    verdicts = Counter(one.verdict for one in readings if one)
    whole = [row for row in rows if row.kind is None]
    assert [(row.reading, row.judged) for row in whole[::2]] == [
        ("hindsight", len(pairs)),
        ("informed", len(pairs)),
    ]
    assert {"expert_better", "equivalent"} <= {*verdicts}
    for verdict in ("expert_better", "equivalent", "alternative_better", "unknown"):
        assert whole[0].shares[verdict].value == pytest.approx(verdicts[verdict] / len(pairs))
    kinds = [row for row in rows if row.kind is not None]
    assert {row.kind for row in kinds} == {pair.kind for pair in pairs}
    assert sum(row.judged for row in kinds if row.reading == "hindsight") == 2 * len(pairs)


def test_a_sample_counts_for_all_pairs_of_its_kind(tmp_path: Path) -> None:
    """90 pairs of a kind without noise, 10 of one that is all noise, judged half and half."""
    easy = [made(str(n % 9), "expert_better" if n < 5 else None, kind="easy") for n in range(90)]
    hard = [made(f"h{n % 5}", "equivalent" if n < 5 else None, kind="hard") for n in range(10)]
    row = rows_of(easy + hard, tmp_path)[0]
    assert (row.pairs, row.judged, row.complete, row.covered) == (100, 10, False, 1)
    noisy = row.shares["noise"]
    assert noisy.value == pytest.approx(0.1)
    # Tasks are drawn within kinds: the kinds' shares do not vary.
    assert (noisy.low, noisy.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_kinds_with_few_judged_tasks(tmp_path: Path) -> None:
    """One with none is left out, and says so; one with a single one goes with another."""
    pairs = [made(f"a{n}", "expert_better", kind="a") for n in range(6)]
    pairs += [made(f"b{n}", "equivalent" if n == 0 else None, kind="b") for n in range(2)]
    pairs += [made(f"c{n}", kind="c") for n in range(2)]
    row = rows_of(pairs, tmp_path)[0]
    assert row.covered == pytest.approx(0.8)
    assert row.shares["noise"].value == pytest.approx(1 / 7)
    assert row.shares["noise"].low < 1 / 7 < row.shares["noise"].high
    assert "sample of 7 for 80.0% of the pairs" in noise_text([row])


def test_where_nothing_was_judged_or_all_is_unknown(tmp_path: Path) -> None:
    known, _, seen, _ = rows_of([made(str(n), "unknown") for n in range(3)], tmp_path)
    assert values(known)["unknown"] == 1
    assert "noise" not in known.shares
    assert (seen.judged, seen.methods, seen.shares) == (0, (), {})


def test_intervals_cover(tmp_path: Path) -> None:
    """Nineteen of twenty should; pairs of one task are much alike here."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        number = rng.integers(1, 20, size=40)
        noisy = rng.binomial(number, rng.beta(0.6, 1.4, size=40))  # 0.3 on average
        sums = np.stack([noisy, number], 1).astype(float)
        drawn = np.concatenate([weights @ sums for weights in task_weights(40, rng)])
        found = estimate(noisy.sum() / number.sum(), drawn[:, 0] / drawn[:, 1], 40)
        covered += found.low <= 0.3 <= found.high
    assert 0.9 <= covered / 200 <= 0.985


def test_what_was_never_seen_is_not_impossible(tmp_path: Path) -> None:
    found = rows_of([made(str(n), "expert_better") for n in range(20)], tmp_path)[0].shares
    wilson = 1.96**2 / (20 + 1.96**2)
    assert dataclasses.astuple(found["wrong"]) == (0, 0, pytest.approx(wilson))
    assert dataclasses.astuple(found["expert_better"]) == (1, pytest.approx(1 - wilson), 1)
    alone = rows_of([made("0", "expert_better")] * 9, tmp_path)[0].shares
    assert dataclasses.astuple(alone["wrong"]) == (0, 0, 1)


def test_an_interval_holds_what_no_resample_came_out_as() -> None:
    found = estimate(0.47, np.array([0.40, 0.41, 0.42]), 2)
    assert (found.low, found.high) == (pytest.approx(0.4005), 0.47)


def test_pairs_do_not_count_twice(tmp_path: Path) -> None:
    rows_of([made("0", "expert_better")], tmp_path)
    path = tmp_path / "pairs.parquet"
    with pytest.raises(UnknownArgument, match=r"pairs\.parquet was given 2 times"):
        noise(Noise(pairs=(path, tmp_path / ".." / tmp_path.name / path.name)))
    with pytest.raises(UnknownArgument, match=r"pairs\.parquet lies in .*, which was given too"):
        noise(Noise(pairs=(tmp_path, path)))


def test_tasks_of_one_product_count_as_one(tmp_path: Path) -> None:
    made_of = [made(str(n), "equivalent" if n < 6 else "expert_better") for n in range(20)]
    whole = [dataclasses.replace(pair, task_id="t", origin=f"{n // 2}")
             for n, pair in enumerate(made_of)]  # fmt: skip
    told = rows_of([dataclasses.replace(p, task_id=f"{n}") for n, p in enumerate(whole)], tmp_path)
    assert told[0].tasks == 10
    by_name = [dataclasses.replace(pair, task_id=pair.origin, origin="") for pair in whole]
    assert told == rows_of(by_name, tmp_path)


def test_sources_are_told_apart_and_files_put_together(tmp_path: Path) -> None:
    pairs = [made(str(n), "expert_better") for n in range(3)]
    other = [dataclasses.replace(pair, expert="gold") for pair in pairs[:2]]
    write_parquet(tmp_path / "1.parquet", pairs, "pairs")
    write_parquet(tmp_path / "2.parquet", [*pairs, *other], "pairs")
    rows = noise(Noise(pairs=(tmp_path / "1.parquet", tmp_path / "2.parquet")))
    found = [(row.expert, row.pairs, row.tasks) for row in rows[::4]]
    assert found == [("gold", 2, 2), ("scripted", 6, 3)]


def test_tables(house: Path, tmp_path: Path) -> None:
    files = {"json": tmp_path / "rows.json", "markdown": tmp_path / "rows.md"}
    rows = noise(Noise(pairs=(house,), by_kind=True, **files))
    text = noise_text(rows)
    assert max(map(len, text.splitlines())) <= 100
    assert "explorer against random-admissible" in text
    whole = rows[0].shares["noise"]
    assert f"{100 * whole.value:.1f} ({100 * whole.low:.1f}-{100 * whole.high:.1f})" in text
    stored = json.loads(files["json"].read_text())
    assert stored == json.loads(json.dumps([dataclasses.asdict(row) for row in rows]))
    assert files["markdown"].read_text() == noise_markdown(rows)
    lines = noise_markdown(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert len({line.count("|") for line in lines}) == 1


def test_pairs_that_were_not_verified(tmp_path: Path) -> None:
    """They are counted and change nothing else, and their policy or kind is not passed over."""
    pairs = [made("0", "expert_better"), made("1", "equivalent")]
    bare = made("0", verification=None)
    others = [
        bare,
        made("2", verification=None, kind="feed"),
        dataclasses.replace(bare, policy="q"),
    ]
    before = rows_of(pairs, tmp_path, by_kind=True)
    rows = rows_of([*pairs, *others], tmp_path, by_kind=True)
    told = {(row.policy, row.kind): (row.pairs, row.unverified) for row in rows}
    policy = pairs[0].policy
    assert told == {
        (policy, None): (2, 2), (policy, "fetch"): (2, 1), (policy, "feed"): (0, 1),
        ("q", None): (0, 1), ("q", "fetch"): (0, 1),
    }  # fmt: skip
    assert [dataclasses.replace(row, unverified=0) for row in rows if row.pairs] == before
    text = noise_text(rows)
    assert "2 pairs, 2 tasks, 100.0% admissible, 2 more not verified" in text
    assert "0 pairs, 0 tasks, 1 more not verified" in text
    with pytest.raises(SchemaMismatch, match=r"no pair was verified\. Run act-data verify"):
        rows_of(others, tmp_path)
