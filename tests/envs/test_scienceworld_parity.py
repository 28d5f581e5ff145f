"""Side by side with upstream's Python package: a sample of ``benchmarks.parity scienceworld``.

Most tests here doctor one thing that upstream says, and expect it to be reported.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from act_envs.errors import SimulatorError
from act_envs.scienceworld.jre import INSTALL
from act_envs.scienceworld.simulator import NativeSimulator
from benchmarks import kills

pytest.importorskip("scienceworld", reason=f"needs scienceworld. Run: {INSTALL}")
pytestmark = [pytest.mark.reference("scienceworld"), pytest.mark.scienceworld]

from benchmarks.beside_scienceworld import THINGS, Tally, play_both  # noqa: E402
from benchmarks.parity_scienceworld import play_gold, walk  # noqa: E402
from benchmarks.upstream_scienceworld import Upstream  # noqa: E402

TASK = "find-plant/3"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    env = Upstream(polite=True)
    yield env
    env.close()


@pytest.fixture(scope="module")
def native() -> Iterator[NativeSimulator]:
    simulator = NativeSimulator()
    yield simulator
    simulator.close()


def script(*actions: str) -> Callable[[list[str]], str | None]:
    """Chooses these, one after the other."""
    left = iter(actions)
    return lambda offered: next(left, None)


def play(
    upstream: Upstream, native: NativeSimulator, task_id: str, *actions: str
) -> tuple[Tally, bool]:
    tally = Tally()
    won = play_both(tally, upstream, native, native.task(task_id), "", script(*actions))
    return tally, won


@pytest.mark.parametrize("task_id", ["find-plant/3", "power-component/10"])
def test_gold_paths_are_told_alike(
    upstream: Upstream, native: NativeSimulator, task_id: str
) -> None:
    tally = Tally()
    won = play_gold(tally, upstream, native, native.task(task_id), "")
    assert won
    assert tally.differences == []
    assert tally.compared == dict.fromkeys(THINGS, tally.counts["steps"] + 1)


def test_a_walk_is_told_alike(
    upstream: Upstream, native: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.beside_scienceworld.ASTRAY", 0.5)
    tally, task = Tally(), native.task("find-animal/9")
    play_both(tally, upstream, native, task, "", walk(task.task_id, 15))
    assert tally.differences == []
    assert tally.counts["copies"] > 0


def test_what_happens_is_counted(upstream: Upstream, native: NativeSimulator) -> None:
    tally, won = play(
        upstream, native, TASK, "open door", " 0", "reset task", "wait", "focus on air", "wait"
    )
    assert tally.differences == []
    assert not won
    counts = {name: tally.counts[name] for name in ("steps", "answers", "resets", "wrong focus")}
    assert counts == {"steps": 5, "answers": 1, "resets": 1, "wrong focus": 1}
    assert tally.counts["episodes"] == 1


def shout(said: str) -> str:
    return said.upper()


@pytest.mark.parametrize(
    ("thing", "method", "doctored"),
    [
        ("look", "look", shout),
        ("inventory", "inventory", shout),
        ("goal", "get_task_description", shout),
        ("moves", "get_num_moves", lambda moves: moves + 1),
        ("valid actions", "get_valid_action_object_combinations", lambda valid: valid[1:]),
        ("observation", "step", lambda told: (shout(told[0]), *told[1:])),
        ("done", "step", lambda told: (*told[:2], not told[2], told[3])),
        (
            "raw score",
            "step",
            lambda told: (*told[:3], {**told[3], "score": told[3]["score"] + 1}),
        ),
    ],
)
def test_a_difference_is_reported(
    upstream: Upstream,
    native: NativeSimulator,
    monkeypatch: pytest.MonkeyPatch,
    thing: str,
    method: str,
    doctored: Callable[[Any], Any],
) -> None:
    honest = getattr(upstream, method)
    monkeypatch.setattr(upstream, method, lambda *said: doctored(honest(*said)))
    tally, _ = play(upstream, native, TASK, "look around")
    assert [name for name in THINGS if tally.differing[name]] == [thing]
    assert tally.differing["episodes"] == 1
    assert len(tally.differences) == 1
    assert TASK in tally.differences[0]


def test_another_question_is_a_difference(
    upstream: Upstream, native: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = upstream.step

    def fewer(action: str) -> Any:
        observation, *rest = step(action)
        return observation.replace("\n1:\t", "\n1: "), *rest

    monkeypatch.setattr(upstream, "step", fewer)
    tally, _ = play(upstream, native, TASK, "open door")
    assert tally.differing["question"] == 1


def test_an_error_of_ours_is_a_difference_and_no_end(
    upstream: Upstream, native: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(action: str) -> Any:
        raise SimulatorError("the simulator failed.")

    monkeypatch.setattr(native, "act", fail)
    monkeypatch.setattr("benchmarks.beside_scienceworld.ASTRAY", 0)
    tally, _ = play(upstream, native, TASK, "look around", "inventory")
    assert tally.differing["steps"] == 2
    assert "the simulator failed." in tally.differences[0]
    monkeypatch.setattr(upstream, "in_error", lambda: True)
    tally, _ = play(upstream, native, TASK, "look around", "inventory")
    assert tally.differences == []
    assert (tally.counts["exceptions"], tally.counts["steps"]) == (1, 1)


def test_politeness_puts_the_random_numbers_back(upstream: Upstream) -> None:
    """Upstream draws from its generator to name its valid actions."""
    upstream.begin("grow-plant/2")
    after = []
    for polite in (True, False):
        upstream.polite = polite
        upstream._random.setSeed(7)
        upstream.get_valid_action_object_combinations()
        after.append(upstream._random.nextInt())
    upstream.polite = True
    upstream._random.setSeed(7)
    assert after[0] == upstream._random.nextInt() != after[1]


def test_the_end_leaves_no_process() -> None:
    env = Upstream()
    process = env._gateway.java_process
    assert process is not None
    env.close()
    env.close()
    assert process.returncode is not None


def test_the_benchmark_of_kills_sees_wrong_transcripts_and_recoveries(
    native: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "WALK", 4)
    monkeypatch.setattr(kills, "KILLED", 0)
    monkeypatch.setattr(kills, "TWICE", 0)
    did = kills.in_peace(native, TASK)
    mark, counts = "-Dbenchmarks.kills=test", Counter[str]()
    killer, rng = kills.Killer(mark), random.Random(0)
    target = NativeSimulator(java_options=(mark,), own_process=True)
    doctored = [did[0], replace(did[1], gave="something else"), *did[2:]]
    kills.under_fire(target, TASK, doctored, killer, counts, rng)
    assert counts == {"operations": 4, "errors": 0, "wrong": 1}
    monkeypatch.setattr(kills, "KILLED", 1)
    kills.under_fire(target, TASK, did, killer, counts, rng)
    assert killer.kills == counts["under fire"] + counts["under fire, error"] >= 2
    assert counts["wrong"] == 1
    target.close()
    assert kills.marked(mark) == []
