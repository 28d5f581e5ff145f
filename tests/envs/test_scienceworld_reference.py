"""Upstream's own Python package behind our contract: what of it can hold, states, hygiene.

Not here: that hashes leave history out. Upstream lists its valid actions at every step, which
draws random numbers, so every step moves the state. What the native simulator says beside this
one is compared in ``benchmarks``.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest

from act_envs import testing
from act_envs.errors import EpisodeNotRunning, SimulatorError, SnapshotMismatch
from act_envs.scienceworld import reference
from act_envs.scienceworld.env import ScienceWorldEnv
from act_envs.scienceworld.gold import GoldPaths
from act_envs.scienceworld.reference import Recipe, ReferenceSimulator

pytestmark = [
    pytest.mark.reference("scienceworld"),
    pytest.mark.scienceworld,
]
make = functools.partial(gym.make, "ACT/ScienceWorld-v0", backend="reference")


@pytest.fixture(scope="module")
def sim() -> Iterator[ReferenceSimulator]:
    """One simulator for all tests that leave it usable."""
    simulator = ReferenceSimulator()
    yield simulator
    simulator.close()


def pid(simulator: ReferenceSimulator) -> int:
    return simulator._env._gateway.java_process.pid


def gone(process: int) -> bool:
    """Whether a process has ended and left no zombie."""
    return not Path(f"/proc/{process}").exists()


@pytest.mark.parametrize(
    "check",
    [
        testing.check_spaces,
        testing.check_tasks,
        testing.check_info,
        testing.check_step_limit,
        testing.check_snapshots,
        testing.check_close,
    ],
    ids=lambda check: check.__name__,
)
def test_check(check: testing.Check) -> None:
    testing.run_check(check, make)


def test_malformed_actions_are_data(sim: ReferenceSimulator) -> None:
    env = ScienceWorldEnv(backend="reference")
    env._simulator = sim
    env.reset(options={"task_id": "boil/0"})
    for action in ("", "look\nlook", "xyzzy plugh", "\u2603", "x" * 4096):
        _, reward, *_, info = env.step(action)
        assert (reward, info["score"], info["action_valid"]) == (0.0, 0.0, False), action


def test_a_question_offers_numbers_and_takes_nothing_else(sim: ReferenceSimulator) -> None:
    sim.start(sim.task("boil/0"))
    asked = sim.act("open door")
    question = (asked.extra or {})["question"]
    assert asked.action_valid
    assert all(choice.startswith("open door between") for choice in question)
    assert sim.admissible_actions() == [str(number) for number in range(len(question))]
    assert (sim.act("task").extra or {})["question"] == question
    assert not sim.act("kitchen").action_valid  # cancelled, and lost
    assert len(sim.admissible_actions()) > 100


def test_upstreams_count_of_moves_ends_nothing(sim: ReferenceSimulator) -> None:
    sim.start(sim.task("lifespan-longest-lived/0"))
    outcomes = [sim.act("wait") for _ in range(11)]
    assert (outcomes[-1].extra or {})["moves"] > 100  # where upstream's own default ends an episode
    assert not any(outcome.won or outcome.failed for outcome in outcomes)


@pytest.mark.parametrize("simplifications", ["", "easy"])
def test_the_gold_path_wins(
    simplifications: str, sim: ReferenceSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "_gold", GoldPaths())
    simulator = sim if not simplifications else ReferenceSimulator(simplifications)
    outcome = simulator.start(simulator.task("find-non-living-thing/150"))
    before = simulator.fingerprint(), simulator.admissible_actions()
    assert simulator.expert_action("gold")
    # The flag that asks for the path would make every reset search, and draw random numbers.
    assert (simulator.fingerprint(), simulator.admissible_actions()) == before
    assert not simulator._env.server.goldPathGenerationEnabled()
    while not outcome.won:
        action = simulator.expert_action("gold")
        assert action is not None, "the path ends before the goal"
        outcome = simulator.act(action)
    assert (outcome.score, outcome.raw_score) == (1.0, 100)
    if simulator is not sim:
        simulator.close()


def test_the_expert_is_silent_off_its_path_and_back_after_restore(sim: ReferenceSimulator) -> None:
    task = sim.task("find-plant/3")
    sim.start(task)
    first = sim.expert_action("gold")
    assert first is not None
    sim.act(first.upper())  # the same to the parser
    state, second = sim.snapshot(), sim.expert_action("gold")
    assert second not in (None, first)
    sim.act("look around")
    assert sim.expert_action("gold") is None
    sim.restore(task, state)
    assert sim.expert_action("gold") == second


def test_restore_plays_only_what_is_missing(
    sim: ReferenceSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, played, real = sim.task("boil/0"), [], sim._take
    sim.start(task)
    begin = sim.snapshot()
    sim.act("open door to kitchen")
    state, held = sim.snapshot(), sim.fingerprint()
    monkeypatch.setattr(sim, "_take", lambda *args: played.append(args[0]) or real(*args))
    sim.restore(task, state)
    assert played == []
    sim.restore(task, begin)
    sim.restore(task, state)
    assert played == ["look around", "open door to kitchen"]
    assert sim.fingerprint() == held
    sim.act("look around")
    sim.restore(task, state)
    assert sim.fingerprint() == held


def test_a_replay_that_leads_elsewhere_is_an_error(sim: ReferenceSimulator) -> None:
    sim.start(sim.task("boil/0"))
    sim.act("open door to kitchen")
    state = sim.snapshot()
    with pytest.raises(SimulatorError, match=r"another state.*reset\(\) or restore\(\)"):
        sim.restore(sim.task("boil/1"), state)
    with pytest.raises(SnapshotMismatch, match="Recipe"):
        sim.restore(sim.task("boil/0"), b"")
    with pytest.raises(SimulatorError, match="another state"):
        sim.restore(sim.task("boil/0"), Recipe(state.actions, b"told otherwise"))
    sim.restore(sim.task("boil/0"), state)
    assert sim.act("go to kitchen").observation == "You move to the kitchen."


def test_an_exception_inside_upstream_is_an_error(sim: ReferenceSimulator) -> None:
    sim.start(sim.task("boil/0"))
    sim._env.server.agentInterface().get().setErrorState("java.lang.OutOfMemoryError")
    with pytest.raises(SimulatorError, match=r"OutOfMemoryError.*reset\(\) or restore\(\)"):
        sim.act("open door to kitchen")
    with pytest.raises(SimulatorError, match="no episode"):
        sim.act("open door to kitchen")
    sim.start(sim.task("boil/0"))
    assert sim.act("focus on air").failed  # a score below zero of another kind


def test_the_environment_of_the_process_is_put_back(
    sim: ReferenceSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dmine=1")
    before = dict(os.environ)
    sim.close()
    sim.start(sim.task("boil/0"))
    assert dict(os.environ) == before
    seen = Path(f"/proc/{pid(sim)}/environ").read_bytes().split(b"\0")
    assert f"JAVA_TOOL_OPTIONS={reference.OPTIONS}".encode() in seen


def test_a_broken_process_leaves_no_state_that_could_be_wrong() -> None:
    """Interrupted while Java cannot answer, then killed."""
    env = ScienceWorldEnv(backend="reference")
    simulator = env._simulator
    assert isinstance(simulator, ReferenceSimulator)
    env.reset(options={"task_id": "boil/21"})
    env.step("open door to kitchen")
    state, held = env.snapshot(), env.state_hash()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    for harm, error in ((signal.SIGSTOP, KeyboardInterrupt), (signal.SIGKILL, SimulatorError)):
        broken = pid(simulator)
        os.kill(broken, harm)
        signal.setitimer(signal.ITIMER_REAL, 0.5 if harm == signal.SIGSTOP else 60)
        try:
            with pytest.raises(error):
                env.step("go to kitchen")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert gone(broken)
        with pytest.raises(EpisodeNotRunning):
            env.step("look around")
        env.restore(state)
        assert env.state_hash() == held
        assert env.step("go to kitchen")[0] == "You move to the kitchen."
    signal.signal(signal.SIGALRM, before)
    last = pid(simulator)
    env.close()
    assert gone(last)
