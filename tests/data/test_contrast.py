"""``act-data contrast``: pairs from what a policy's own continuations came to."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from act_data.cli import main
from act_data.continuations import Moment, Player
from act_data.contrast import Contrast, contrast, contrast_with
from act_data.errors import ForbiddenSplit, RunConflict
from act_data.policies.base import Query, Sample
from act_data.rollout import make_env, text_env
from act_data.storage.tables import read_pairs
from act_data.types import ContrastPair
from act_envs.base import MAX_ACTION
from act_envs.errors import UnknownArgument


class Scout:
    """Plays ``fetch`` well from where it looks, and eats what it carries now and then.

    What it does follows from the query alone. ``luck`` is how often it draws the good action.
    """

    name = "scout"
    revision = ""
    engine: dict[str, Any] = {}  # noqa: RUF012
    needs_admissible = True
    needs_effects = False

    def __init__(self, luck: float) -> None:
        self.sampling: dict[str, Any] = {"luck": luck}
        self.luck = luck

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        return [self._draws(query, k) for query in queries]

    def _draws(self, query: Query, k: int) -> list[Sample]:
        chance = np.random.default_rng(query.seed)
        found = []
        for _ in range(k):
            bad = [a for a in query.admissible_actions if a.startswith(("eat", "wait"))]
            good = chance.random() < self.luck
            action = self._next(query) if good else bad[int(chance.integers(len(bad)))]
            found.append(Sample(f"<action>{action}</action>", action))
        return found

    @staticmethod
    def _next(query: Query) -> str:
        """Take the thing, else look for it room by room; then to the target, and drop it."""
        words = query.state.goal.rstrip(".").split()
        thing, target = words[2], words[-1]
        offered, here = query.admissible_actions, query.state.observation.split(".")[0].split()[-1]
        been = [done for _, done in query.state.history]
        if f"drop {thing}" in offered:
            wanted = [f"drop {thing}"] if here == target else [f"go to {target}", "go to hall"]
        else:
            wanted = [f"take {thing}", *[a for a in offered if a[:2] == "go" and a not in been]]
            wanted.append("go to hall")
        return next((action for action in wanted if action in offered), "look")


def _run(
    out: Path, policy: Any = None, **options: Any
) -> tuple[list[ContrastPair], dict[str, Any]]:
    usual = {"env": "ACT/Toy-v0", "tasks": ("fetch:6",), "k": 6}
    config = Contrast(out=out, **{**usual, **options})
    summary = contrast_with(Scout(0.7) if policy is None else policy, config)
    return list(read_pairs(out)), summary


def test_a_pair_holds_a_won_and_a_lost_action(tmp_path: Path) -> None:
    pairs, summary = _run(tmp_path)
    assert summary["rows"] == summary["counts"]["pairs"] == len(pairs) > 10
    assert any(pair.alternative_action.startswith("eat") for pair in pairs)
    env = text_env(make_env(pairs[0].env_id, json.loads(pairs[0].env_kwargs)))
    for pair in pairs:
        env.reset(options={"task_id": pair.task_id})
        for _, done in pair.state.history:
            env.step(done)
        assert env.state_hash() == pair.state_hash
        assert tuple(env.admissible_actions()) == pair.admissible_actions
        assert {pair.expert_action, pair.alternative_action} <= {*pair.admissible_actions}
        assert pair.step == len(pair.state.history)
        assert (pair.expert, pair.policy, pair.split) == ("own", "scout", "train")
        assert json.loads(pair.sampling) == {
            "k": 6, "luck": 0.7, "continuations": 1, "win_share": 1.0
        }  # fmt: skip
        assert pair.verification is None
        if pair.alternative_action.startswith("eat"):  # nothing can follow that
            env.step(pair.alternative_action)
            assert env.terminated
    assert len({pair.pair_id for pair in pairs}) == len(pairs)


def test_a_pair_has_the_origin_of_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Contrast.chosen
    monkeypatch.setattr(
        Contrast,
        "chosen",
        lambda self, env: [replace(task, origin="a house") for task in usual(self, env)],
    )
    pairs, _ = _run(tmp_path, tasks=("fetch:2",))
    assert {pair.origin for pair in pairs} == {"a house"}


def test_the_counts_add_up(tmp_path: Path) -> None:
    pairs, summary = _run(tmp_path, continuations=2)
    counts = summary["counts"]
    assert counts["samples"] == 6 * counts["states"]
    assert counts["samples"] == counts["proposals"] + counts["duplicates"]
    assert 0 < counts["won"] < counts["continuations"] <= 2 * counts["proposals"]
    with_contrast = {(pair.task_id, pair.step) for pair in pairs}
    assert counts["without_contrast"] == counts["states"] - len(with_contrast)
    assert "as_expert" not in counts


def test_a_pair_tells_how_often_the_lost_action_was_proposed(tmp_path: Path, monkeypatch) -> None:
    policy, proposed = Scout(0.7), {}
    draws = policy._draws

    def recording(query: Query, k: int) -> list[Sample]:
        samples = draws(query, k)
        if k > 1:
            proposed[query.state] = Counter(sample.action for sample in samples)
        return samples

    monkeypatch.setattr(policy, "_draws", recording)
    pairs, _ = _run(tmp_path, policy)
    counts = [pair.alternative_count for pair in pairs]
    assert counts == [proposed[pair.state][pair.alternative_action] for pair in pairs]
    assert counts != [proposed[pair.state][pair.expert_action] for pair in pairs]


@pytest.mark.parametrize("luck", [0.0, 1.0])
def test_no_contrast_without_both_outcomes(tmp_path: Path, luck: float) -> None:
    pairs, summary = _run(tmp_path, Scout(luck))
    counts = summary["counts"]
    assert pairs == []
    assert counts["without_contrast"] == counts["states"] > 0
    assert counts["won"] == 0 or luck == 1.0
    assert counts["episodes_won"] == (6 if luck else 0)


def test_the_share_of_wins_that_is_asked_for(tmp_path: Path) -> None:
    """Where more must be won, fewer actions are better ones. Worse is what never won."""
    found = {}
    for share in (0.25, 1.0):
        pairs, _ = _run(tmp_path / str(share), continuations=4, win_share=share)
        found[share] = {(p.task_id, p.step, p.expert_action, p.alternative_action) for p in pairs}
        assert {where[:3] for where in found[share]}.isdisjoint(
            (task, step, worse) for task, step, _, worse in found[share]
        )
    assert found[1.0] < found[0.25]


class Once:
    """Proposes two actions that both may win, and continues with luck that the seed decides."""

    revision = ""
    engine: dict[str, Any] = {}  # noqa: RUF012
    sampling: dict[str, Any] = {}  # noqa: RUF012
    needs_admissible = False
    needs_effects = False
    name = "once"

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.proposed_at: list[int] = []

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        self.asked += [query.seed for query in queries]
        self.proposed_at += [len(query.state.history) for query in queries if k > 1]
        texts = ["look", "LOOK ", "wait", "fly", "  fly", ""][:k]
        return [[Sample(text, text or None) for text in texts] for _ in queries]


def test_every_query_has_a_seed_of_its_own_and_spelling_makes_no_difference(tmp_path: Path) -> None:
    policy = Once()
    _, summary = _run(tmp_path / "out", policy, tasks=("fetch:2",), step_limit=4, continuations=2)
    counts = summary["counts"]
    assert len({*policy.asked}) == len(policy.asked)
    other = Once()
    _run(tmp_path / "other", other, tasks=("fetch:2",), step_limit=4, continuations=2, seed=1)
    assert {*policy.asked}.isdisjoint(other.asked)
    assert counts["proposals"] == 3 * counts["states"]
    assert counts["inadmissible"] == counts["states"]
    assert counts["duplicates"] == 2 * counts["states"]
    assert counts["no_tag"] + counts["empty"] + counts["malformed"] == counts["states"]
    assert counts["same_state"] == counts["states"], "to look changes as little as to fly"
    assert counts["continuations"] == 4 * counts["states"]


def test_proposals_that_lead_to_one_state_are_tried_once(tmp_path: Path) -> None:
    class Synonyms(Scout):
        """Proposes what changes nothing, twice, and what a scout would do."""

        def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
            found = super().sample(queries, k)
            idle = [Sample(text, text) for text in ("look", "fly")]
            return [[*idle, *some[: k - 2]] for some in found] if k > 1 else found

    pairs, summary = _run(tmp_path, Synonyms(0.7), continuations=2)
    counts = summary["counts"]
    assert counts["same_state"] == counts["states"] > 0
    assert counts["continuations"] == 2 * (counts["proposals"] - counts["same_state"])
    named = {action for pair in pairs for action in (pair.expert_action, pair.alternative_action)}
    assert "look" in named
    assert "fly" not in named


@pytest.mark.parametrize(("wins", "rows"), [(6, 0), (7, 1), (8, 1)])
def test_a_share_of_wins_is_met_by_its_own_fraction(
    tmp_path: Path, monkeypatch, wins: int, rows: int
) -> None:
    """In floating point 0.28 * 25 is more than 7."""

    def finish(self: Player, moments: Sequence[Moment], seed: Any) -> list[Moment]:
        return [replace(one, won=at < wins) for at, one in enumerate(moments)]

    monkeypatch.setattr(Player, "finish", finish)
    options = {"tasks": ("fetch:1",), "states": 1, "continuations": 25, "k": 2}
    _, summary = _run(tmp_path, Pair(), win_share=0.28, **options)
    assert summary["rows"] == rows


class Pair(Scout):
    """Proposes to wait and to go elsewhere."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        if k == 1:
            return super().sample(queries, k)
        ways = [next(a for a in q.admissible_actions if a[:2] == "go") for q in queries]
        return [[Sample(text, text) for text in (way, "wait")] for way in ways]


class Babbler(Scout):
    """Begins every episode with the same answer."""

    def __init__(self, text: str, action: str | None) -> None:
        super().__init__(0.7)
        self.first = Sample(text, action)

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        found = super().sample(queries, k)
        if k > 1:  # proposals, not moves
            return found
        return [
            one if query.state.history else [self.first]
            for query, one in zip(queries, found, strict=True)
        ]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("\ud800", None),
        ("<action>a\ud800</action>", "a\ud800"),
        ("x" * 300_000, None),
        ("a\nb\0", None),
        ("<think>", ""),
    ],
)
def test_garbage_is_played_and_stored_on_one_short_line(
    tmp_path: Path, text: str, action: str | None
) -> None:
    pairs, _ = _run(tmp_path, Babbler(text, action))
    assert pairs
    for pair in pairs:
        for _, done in pair.state.history:
            assert len(done) <= MAX_ACTION + 1
            assert done.isprintable()


def test_some_states_of_an_episode(tmp_path: Path) -> None:
    found = {}
    for states in (1, 3, None):
        pairs, summary = _run(tmp_path / str(states), states=states)
        found[states] = {pair.pair_id for pair in pairs}
        if states is not None:
            assert summary["counts"]["states"] <= 6 * states
    assert found[1] <= found[3] <= found[None]
    assert found[3] < found[None]
    policy = Once()
    _run(tmp_path / "once", policy, tasks=("fetch:20",), step_limit=4, states=1)
    assert {*policy.proposed_at} == {0, 1, 2, 3}


def test_the_seed_decides_and_nothing_else(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    first, _ = _run(tmp_path / "a", seed=1)
    _run(tmp_path / "b", seed=1)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    parts, _ = _run(tmp_path / "c", seed=1, shard_size=1)
    assert parts == first
    other, _ = _run(tmp_path / "d", seed=2)
    assert {p.pair_id for p in other} != {p.pair_id for p in first}


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    _run(tmp_path / "a", shard_size=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for name in ("part-00001-of-00003.parquet", "summary.json"):
        (tmp_path / "b" / name).unlink()
    _run(tmp_path / "b", shard_size=2)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    with pytest.raises(RunConflict, match="win_share is"):
        _run(tmp_path / "b", shard_size=2, win_share=0.5)


def test_who_does_the_work_makes_no_difference(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    for workers in (1, 2):
        config = Contrast(
            env="ACT/Toy-v0", out=tmp_path / str(workers), limit=4, shard_size=2, states=2,
            step_limit=8, workers=workers,
        )  # fmt: skip
        contrast(config)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")


def test_test_tasks_are_never_played(tmp_path: Path) -> None:
    with pytest.raises(ForbiddenSplit):
        _run(tmp_path / "a", split="test", allow_split=("test",))
    with pytest.raises(ForbiddenSplit, match="--allow-split dev"):
        _run(tmp_path / "b", split="dev")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 1}, "k=1 must be at least 2"),
        ({"k": 100_001}, "at most 100,000: all answers"),
        ({"continuations": 0}, "continuations=0"),
        ({"win_share": 0.0}, "win_share=0.0"),
        ({"win_share": 1.5}, "win_share=1.5"),
        ({"states": 0}, "states must be at least 1"),
        ({"env_kwargs": '{"step_limit": 3}'}, "option of its own"),
        ({"policy": "hard-negative"}, "proposes beside an expert's action"),
    ],
)
def test_wrong_arguments(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownArgument, match=message):
        contrast(Contrast(**{"env": "ACT/Toy-v0", "out": tmp_path / "out", **wrong}))
    assert not (tmp_path / "out").exists()


def test_the_command_line(tmp_path: Path, capsys) -> None:
    """Scripted policies are named as for mining."""
    out = str(tmp_path / "out")
    command = ["contrast", "--env", "ACT/ALFWorldGen-v0", "--env-kwargs", '{"games": 2}']
    options = ["--limit", "1", "--step-limit", "6", "--states", "1", "--out", out]
    assert main([*command, *options]) == 0
    assert "without_contrast: 1" in capsys.readouterr().out
