"""What is counted for the card of a dataset, against pairs that were written by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from act_data.errors import DataNotFound
from act_data.publish import measures
from act_data.publish.counts import Proposals, Repeats, quantiles
from act_data.publish.measures import measure
from act_data.publish.mined import mining
from act_data.publish.trust import labels, noise_table
from act_data.storage.tables import part_name, write_parquet
from act_data.types import (
    AgentState,
    Consequence,
    ContrastPair,
    Reading,
    Trajectory,
    Transition,
    Verdict,
    Verification,
)

EQUAL, BETTER, WORSE, UNKNOWN = "equivalent", "expert_better", "alternative_better", "unknown"


def reading(verdict: Verdict, regret: float | None) -> Reading:
    return Reading("planner", 3.0, 3.0 + (regret or 0.0), regret, verdict, 1.0)


def pair(
    number: int,
    hindsight: Reading | None,
    informed: Reading | None = None,
    *,
    task: str = "fetch/1",
    step: int = 0,
    alternative: str = "look under it",
    same: bool = False,
    admissible: bool = True,
    refused: bool = False,
) -> ContrastPair:
    ends = ("a" * 32, ("a" if same else "b") * 32)
    gave = [
        Consequence("Seen.", end, 0.0, False, False, action_valid)
        for end, action_valid in zip(ends, (not refused, True), strict=True)
    ]
    found = Verification(admissible, *gave, None, hindsight, informed, "verifier")
    return ContrastPair(
        f"{number:016x}", "ACT/Toy-v0", "{}", task, "train", task.partition("/")[0], step,
        AgentState("Fetch it.", f"Here at {'abc'[step]} {number}."), ("go",), f"{task} {step}",
        "go", alternative, 1, "scripted", "random-admissible", "", '{"k": 4}', 7, "miner", "",
        found,
    )  # fmt: skip


PAIRS = [
    pair(1, reading(EQUAL, 0.0), reading(BETTER, 1.504), same=True),
    pair(2, reading(BETTER, 2.0), alternative="wait", admissible=False),
    pair(3, reading(BETTER, float("inf")), step=1),
    pair(4, reading(WORSE, -1.0), task="feed/1", step=1, refused=True),
    pair(5, reading(UNKNOWN, None), task="feed/1", step=2, admissible=False),
    pair(6, None, task="feed/2", step=2, alternative="wait"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, pairs in (("train", PAIRS[:5]), ("test", PAIRS[5:])):
        place = tmp_path / "data" / "toy" / split
        place.mkdir(parents=True)
        write_parquet(place / part_name(0, 1), pairs, "pairs")
    place = tmp_path / "data" / "trajectories" / "train"
    place.mkdir(parents=True)
    step = Transition("Here.", "go", 1.0, True, "")
    rows = [
        Trajectory(
            env_id="ACT/Toy-v0", env_kwargs="{}", task_id="fetch/1", split="train", kind="fetch",
            goal="Fetch it.", policy="scripted", seed=0, generator="g", score=1.0, won=True,
            truncated=False, final_observation="Done.", transitions=(step,) * count,
        )
        for count in (2, 3)
    ]  # fmt: skip
    write_parquet(place / part_name(0, 1), rows, "trajectories")
    return tmp_path


def test_every_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "floor", lambda _config: [])
    found = measure(folder)
    assert found.rows == {"toy": {"train": 5, "test": 1}, "trajectories": {"train": 2}}
    assert found.played == ["ACT/Toy-v0"]
    (one,) = found.environments.values()
    assert one.pairs == {"train": 5, "test": 1}
    assert one.kinds == {"fetch": 3, "feed": 3}
    assert one.tasks == {"fetch": {"fetch/1"}, "feed": {"feed/1", "feed/2"}}
    assert one.steps == {0: 2, 1: 2, 2: 2}
    assert one.lengths == {"expert": Counter({2: 6}), "alternative": Counter({13: 4, 4: 2})}
    assert one.words == {"expert": Counter({1: 6}), "alternative": Counter({3: 4, 1: 2})}
    assert one.regrets == {
        "hindsight": Counter([0.0, 2.0, float("inf"), -1.0]),
        "informed": Counter([1.5]),
    }
    assert (one.total, one.verified, one.decided) == (6, 6, 4)
    assert (one.admissible, one.refused, one.same_state) == (4, 1, 1)
    assert (one.judged("hindsight"), one.judged("informed")) == (5, 1)
    assert found.proposals == [
        Proposals(
            "ACT/Toy-v0", "scripted", "random-admissible", "", '{"k": 4}', 7, pairs=6, states=5
        )
    ]
    assert found.repeats == Repeats(pairs=1, held_out=1, in_train=0)
    assert found.programs == ["miner", "verifier"]
    source = ("ACT/Toy-v0", "scripted")
    assert (found.episodes, found.steps) == ({source: 2}, {source: 5})


def test_tables_have_each_number_under_its_heading(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "floor", lambda _config: [])
    found = measure(folder)

    def tables(text: str) -> list[dict[str, str]]:
        lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]
        head = lines[0]
        return [dict(zip(head, line, strict=True)) for line in lines[2:]]

    rows = [row for row in found.noise if row.kind is None and row.reading == "hindsight"]
    every, some = tables(noise_table(found, rows))
    assert (every["judged"], some["judged"]) == ("5 of 6", "3 of 6")
    assert "admissible" in some["alternatives by"]
    names = ("expert better", "equivalent", "alternative better", "unknown")
    assert [every[name] for name in names] == ["40.0", "20.0", "20.0", "20.0"]
    assert every["not better"].startswith("50.0 ")
    assert every["worse"].startswith("25.0 ")
    facts = tables(labels(found, {}).rpartition("\n\n")[2])
    assert facts == [
        {
            "environment": "Toy-v0",
            "executed": "6",
            "both lead to the same state": "16.7%",
            "alternative not admissible": "33.3%",
            "expert's action refused": "16.7%",
        }
    ]


def test_quantiles() -> None:
    assert quantiles({1: 5, 2: 4, 9: 1}) == "1 / 2 / 9"
    assert quantiles({4: 1}) == "4 / 4 / 4"


def test_what_became_of_all_samples(tmp_path: Path) -> None:
    write_parquet(tmp_path / part_name(0, 1), PAIRS, "pairs")
    request = {"command": "mine", "policy": {"name": "p", "revision": "r"}, "k": 4}
    counts = {"states": 9, "samples": 36, "as_expert": 11, "no_tag": 2, "empty": 3, "pairs": 6}
    (tmp_path / "run.json").write_text(json.dumps(request))
    (tmp_path / "summary.json").write_text(json.dumps({"counts": counts}))
    assert mining(tmp_path) == {
        "env_ids": ["ACT/Toy-v0"], "policy": "p", "revision": "r", "k": 4,
        "states": 9, "samples": 36, "as_expert": 11, "faulty": 5,
    }  # fmt: skip


def test_a_folder_that_no_build_has_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"holds no folder data\. Make a dataset with act-data"):
        measure(tmp_path)
