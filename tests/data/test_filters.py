"""``act-data filter``: what is dropped, for which reason, and that nothing else changes."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from act_data.collect import Collect, collect
from act_data.errors import DataNotFound, RunConflict, SchemaMismatch
from act_data.filters import REASONS, Filter, filter_pairs
from act_data.mining import Mine, mine
from act_data.publish.counts import Counts
from act_data.stats import Stats, stats
from act_data.storage.tables import read_pairs, read_trajectories, write_parquet
from act_data.types import AgentState, Consequence, ContrastPair, Reading, Verification
from act_data.verify import Verify, verify
from act_envs.errors import UnknownArgument


def made(
    hindsight: Any = "expert_better",
    informed: Any = "expert_better",
    *,
    admissible: bool = True,
    same: bool = False,
    **fields: Any,
) -> ContrastPair:
    """A verified pair; readings are given as verdicts, None for no reading."""
    here = Consequence("A hall.", "a", 0.0, False, False, True)
    there = here if same else here._replace(state_hash="b")
    known, seen = (
        verdict and Reading("planner", 1.0, 2.0, 1.0, verdict, None)
        for verdict in (hindsight, informed)
    )
    pair = ContrastPair(
        "0" * 16, "ACT/Toy-v0", "{}", "t", "train", "fetch", 0, AgentState("Win.", "A hall."),
        ("look", "wait"), "h", "look", "wait", 1, "scripted", "random-admissible", "", "{}", 0, "",
        "", Verification(admissible, here, there, None, known, seen, ""),
    )  # fmt: skip
    return dataclasses.replace(pair, **fields)


def numbered(pairs: Sequence[ContrastPair]) -> list[ContrastPair]:
    return [dataclasses.replace(pair, pair_id=f"{n:016x}") for n, pair in enumerate(pairs)]


def filtered(
    pairs: Sequence[ContrastPair], folder: Path, *drop: str, **options: Any
) -> tuple[list[int], dict[str, int]]:
    """Numbers of the pairs that stay, and how many each filter dropped."""
    folder.mkdir(exist_ok=True)
    write_parquet(folder / "pairs.parquet", numbered(pairs), "pairs")
    config = Filter(pairs=folder / "pairs.parquet", out=folder / "out", drop=drop, **options)
    summary = filter_pairs(config)
    stored = [*read_pairs(folder / "out")]
    kept = [int(pair.pair_id, 16) for pair in stored]
    assert stored == [numbered(pairs)[at] for at in kept]
    counts = {name: found["count"] for name, found in summary["filters"].items()}
    assert summary["counts"] == {"pairs": len(pairs), "kept": len(kept), **counts}
    assert summary["rows"] == len(kept) == len(pairs) - sum(counts.values())
    return kept, counts


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verified pairs of generated ALFWorld games."""
    folder = tmp_path_factory.mktemp("house")
    collect(Collect(env="ACT/ALFWorldGen-v0", out=folder / "c", limit=6))
    mine(Mine(trajectories=folder / "c", out=folder / "m", k=3))
    verify(Verify(pairs=folder / "m", out=folder / "v", informed=False))
    return folder / "v"


def test_facts_and_verdicts(tmp_path: Path) -> None:
    pairs = [
        made(),
        made(admissible=False),
        made("equivalent", same=True),
        made("equivalent"),
        made("alternative_better"),
        made("unknown"),
        made("expert_better", "equivalent"),
        made(admissible=False, same=True),
    ]
    for name, dropped in {
        "inadmissible": {1, 7},
        "same_state": {2, 7},
        "equivalent": {2, 3},
        "alternative_better": {4},
        "unknown": {5},
    }.items():
        kept, counts = filtered(pairs, tmp_path / name, name)
        assert {*range(8)} - {*kept} == dropped
        assert counts == {name: len(dropped)}
    assert pairs[0].verification is not None
    refused = pairs[0].verification.expert._replace(action_valid=False)
    facts = dataclasses.replace(pairs[0].verification, expert=refused)
    spoilt = [*pairs, dataclasses.replace(pairs[0], verification=facts)]
    kept, _ = filtered(spoilt, tmp_path / "refused", "expert_refused")
    assert kept == [*range(8)]
    kept, _ = filtered(pairs, tmp_path / "informed", "equivalent", reading="informed")
    assert kept == [0, 1, 2, 3, 4, 5, 7]


def test_a_pair_is_counted_at_the_first_filter(tmp_path: Path) -> None:
    """In the order of ``REASONS``, however they are named."""
    pairs = [made("equivalent", admissible=False, same=True), made("equivalent", same=True)]
    pairs += [made("equivalent"), made(), made()]
    drop = ("near_duplicates,equivalent", "same_state", "inadmissible")
    kept, counts = filtered(pairs, tmp_path, *drop)
    assert kept == [3]
    expected = {"inadmissible": 1, "same_state": 1, "equivalent": 1, "near_duplicates": 1}
    assert [*counts.items()] == [*expected.items()]
    stored = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert stored["filters"]["same_state"] == {"count": 1, "reason": REASONS["same_state"]}
    assert stored["by_kind"]["fetch"]["kept"] == 1


def test_near_duplicates(tmp_path: Path) -> None:
    """A pair that another filter dropped does not stand for those like it."""
    state = AgentState("Win 3.", "A hall 12 m long.", (("Hello.", "go"),))
    pairs = [
        made(state=state, alternative_action="open box 1", admissible=False),
        made(state=state, alternative_action="open box 2"),
        made(state=state, alternative_action="Open box 13"),
        made(state=state, alternative_action="close box 2"),
        made(state=state, alternative_action="open box 2", expert_action="go"),
        made(state=dataclasses.replace(state, goal="Lose."), alternative_action="open box 2"),
        made(state=dataclasses.replace(state, observation="x"), alternative_action="open box 2"),
        made(state=dataclasses.replace(state, history=()), alternative_action="open box 2"),
    ]
    kept, counts = filtered(pairs, tmp_path, "near_duplicates", "inadmissible")
    assert kept == [1, 3, 4, 5, 6]
    assert counts == {"inadmissible": 1, "near_duplicates": 2}


def test_a_duplicate_is_one_for_filter_stats_and_card(house: Path, tmp_path: Path) -> None:
    again = [dataclasses.replace(pair, task_id="other") for pair in read_pairs(house)][:5]
    place = tmp_path / "train"
    place.mkdir()
    _, counts = filtered([*read_pairs(house), *again], place, "near_duplicates")
    (place / "out").rename(tmp_path / "out")
    odd = stats(Stats(data=(place,)))["pairs"]["odd"]
    assert 5 <= counts["near_duplicates"] == odd["reads like an earlier one"]
    assert Counts([place]).repeats().pairs == counts["near_duplicates"]


def test_imbalance(tmp_path: Path) -> None:
    """Groups of 9, 3, 2 and 2 pairs; the median is 2.5."""
    pairs = [made(alternative_action=f"go to {n}") for n in range(9)]
    pairs += [made(alternative_action="GO away", kind="feed")] * 3
    pairs += [made(alternative_action="look")] * 2 + [made(alternative_action="wait")] * 2
    kept, counts = filtered(pairs, tmp_path / "2", "imbalance", times_median=2)
    assert counts == {"imbalance": 4}
    assert {*range(9, 16)} < {*kept}
    more, _ = filtered(pairs, tmp_path / "3", "imbalance", times_median=3)
    assert {*kept} < {*more}  # which ones stay goes by a hash of the pair
    assert kept[:5] != [*range(5)]
    pairs += [made(alternative_action="wait", admissible=False)] * 20  # not there any more by then
    drop = ("inadmissible", "imbalance")
    assert filtered(pairs, tmp_path / "1", *drop, times_median=2)[0] == kept


def test_leakage(tmp_path: Path, trajectories: Path) -> None:
    known = next(read_trajectories(trajectories))
    first, third = known.transitions[0], known.transitions[2]
    state = AgentState(known.goal, first.observation)
    later = AgentState(known.goal, "Later.", ((first.observation, "go"), ("x", "y")))
    pairs = [
        made(),
        made(task_id=known.task_id),
        made(state=state),
        made(state=later),
        made(state=AgentState(known.goal, third.observation, (("Elsewhere.", "go"),))),
        made(state=AgentState("Another goal.", first.observation)),
        made(state_hash=third.state_hash),
    ]
    kept, counts = filtered(pairs, tmp_path / "1", "leakage", against=(trajectories,))
    assert (kept, counts) == ([0, 4, 5], {"leakage": 4})
    drop = ("leakage", "near_duplicates")
    both = filtered(pairs + pairs, tmp_path / "2", *drop, against=(trajectories,))
    assert both == (kept, {"leakage": 8, "near_duplicates": 3})


def test_leakage_from_pairs(tmp_path: Path) -> None:
    """By task, by beginning and by state, each alone."""
    base = made(task_id="other", state=AgentState("Other.", "Other."), state_hash="other")
    later = AgentState("Win.", "Later.", (("A hall.", "go"), ("x", "y")))
    pairs = [
        made(),
        made(state=later, task_id="u", state_hash="i"),
        made(
            state=AgentState("Win.", "A cellar."), task_id="u", state_hash="i", origin="a product"
        ),
    ]
    for name, fields, kept in (
        ("task", {"task_id": "t"}, [1, 2]),
        ("origin", {"origin": "a product"}, [0, 1]),
        ("beginning", {"state": later}, [2]),
        ("state", {"state_hash": "i"}, [0]),
    ):
        path = tmp_path / f"{name}.parquet"
        write_parquet(path, [dataclasses.replace(base, **fields)], "pairs")
        found, _ = filtered(pairs, tmp_path / name, "leakage", against=(path,))
        assert found == kept, name


def test_trajectories_without_hashes_are_no_state(tmp_path: Path, trajectories: Path) -> None:
    bare = next(read_trajectories(trajectories))
    steps = tuple(dataclasses.replace(step, state_hash="") for step in bare.transitions)
    path = tmp_path / "bare.parquet"
    write_parquet(path, [dataclasses.replace(bare, transitions=steps)], "trajectories")
    assert filtered([made(state_hash="")], tmp_path, "leakage", against=(path,))[0] == [0]


def test_keep_all(house: Path, tmp_path: Path) -> None:
    summary = filter_pairs(Filter(pairs=house, out=tmp_path / "out", keep="all"))
    assert [*read_pairs(tmp_path / "out")] == [*read_pairs(house)]
    assert summary["filters"] == {}
    bare = made(verification=None)
    assert filtered([bare], tmp_path / "bare", keep="all") == ([0], {})


def test_real_pairs(house: Path, tmp_path: Path) -> None:
    drop = ("same_state", "equivalent", "alternative_better", "near_duplicates", "imbalance")
    summary = filter_pairs(Filter(pairs=house, out=tmp_path, drop=drop, times_median=2))
    counts = Counter(summary["counts"])
    assert min(counts[name] for name in ("equivalent", "near_duplicates", "imbalance")) > 0
    for pair in read_pairs(tmp_path):
        assert pair.verification is not None
        assert pair.verification.hindsight is not None
        assert pair.verification.hindsight.verdict == "expert_better"


def test_interruptions_do_not_matter(
    house: Path, tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    config = Filter(pairs=house, out=tmp_path / "a", drop=("equivalent,imbalance",), shard_size=2)
    filter_pairs(config)
    whole = digests(tmp_path / "a")
    assert len(whole) == 3 + 3  # run.json, summary.json, .lock
    (tmp_path / "a" / "summary.json").unlink()
    sorted((tmp_path / "a").glob("*.parquet"))[1].unlink()
    filter_pairs(config)
    assert digests(tmp_path / "a") == whole
    other = dataclasses.replace(config, out=tmp_path / "b", drop=("imbalance", "equivalent"))
    filter_pairs(other)
    assert digests(tmp_path / "b") == whole
    with pytest.raises(RunConflict, match=r"times_median is 4\.0 there, 2\.0 now"):
        filter_pairs(dataclasses.replace(config, times_median=2.0))


@pytest.mark.parametrize("name", ["inadmissible", "same_state", "equivalent", "unknown"])
def test_pairs_that_were_not_verified(tmp_path: Path, name: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"0001, .*: {name}. Run act-data verify first"):
        filtered([made(), made(verification=None)], tmp_path, name, "near_duplicates")
    assert not (tmp_path / "out").exists()


def test_pairs_that_were_not_judged(tmp_path: Path) -> None:
    """They are unknown where that is dropped, and a mistake where it is not."""
    pairs = [made(), made(None), made("equivalent")]
    with pytest.raises(UnknownArgument, match=r"without reading 'hindsight'.* Drop unknown"):
        filtered(pairs, tmp_path / "1", "equivalent")
    kept, counts = filtered(pairs, tmp_path / "2", "equivalent", "unknown")
    assert (kept, counts) == ([0], {"equivalent": 1, "unknown": 1})


def test_bad_requests(tmp_path: Path, trajectories: Path) -> None:
    for drop, options, match in (
        ((), {}, "keep=None: say which pairs stay"),
        (("equivalent",), {"keep": "all"}, "Give either"),
        (("equivalnt",), {}, "no filter 'equivalnt'. .*equivalent"),
        (("leakage",), {}, "Give both or neither"),
        (("equivalent",), {"against": (trajectories,)}, "Give both or neither"),
        (("imbalance",), {"times_median": 0.5}, "a number of at least 1"),
        (("imbalance",), {"times_median": float("nan")}, "a number of at least 1"),
        (("imbalance",), {"times_median": float("inf")}, "a number of at least 1"),
    ):
        with pytest.raises(UnknownArgument, match=match):
            filtered([made()], tmp_path, *drop, **options)
    with pytest.raises(DataNotFound):
        filtered([made()], tmp_path, "leakage", against=(tmp_path / "nowhere",))
    with pytest.raises(SchemaMismatch, match="holds trajectories, not pairs"):
        filter_pairs(Filter(pairs=trajectories, out=tmp_path / "out", keep="all"))
    assert not (tmp_path / "out").exists()
