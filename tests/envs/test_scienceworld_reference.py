"""Side by side with upstream's own Python API: same texts, scores, ends and valid actions.

Upstream's wrapper asks for the valid actions at every step, and that draws random numbers of the
episode. For the comparison its generator is put back after each list, except in the last test.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from act_envs.errors import ActError
from act_envs.scienceworld import java
from act_envs.scienceworld.reference import ReferenceSimulator
from act_envs.types import Outcome

upstream = pytest.importorskip("scienceworld", reason=f"needs scienceworld. Run: {java.INSTALL}")
pytestmark = pytest.mark.reference("scienceworld")

FLAGS = "-XX:+UseSerialGC -Xmx512m -XX:+UnlockExperimentalVMOptions -XX:hashCode=2"
SCRAMBLE = 0x5DEECE66D


class Upstream(upstream.ScienceWorldEnv):
    """Upstream's environment; ``polite`` puts its random generator back after a list."""

    polite = True

    def _random(self) -> Any:
        jvm = self._gateway.jvm
        module = jvm.java.lang.Class.forName("scala.util.Random$").getField("MODULE$")
        return module.get(None).self()

    def get_valid_action_object_combinations(self) -> list[str]:
        if not self.polite:
            return super().get_valid_action_object_combinations()
        jvm, generator = self._gateway.jvm, self._random()
        data = jvm.java.io.ByteArrayOutputStream()
        jvm.java.io.ObjectOutputStream(data).writeObject(generator)
        (state,) = struct.unpack(">q", data.toByteArray()[-9:-1])
        try:
            return super().get_valid_action_object_combinations()
        finally:
            generator.setSeed(state ^ SCRAMBLE)


@pytest.fixture(scope="module")
def theirs() -> Iterator[Upstream]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", FLAGS)
        env = Upstream(envStepLimit=10**6)
    yield env
    env.close()


@pytest.fixture(scope="module")
def ours() -> Iterator[ReferenceSimulator]:
    try:
        java.find_java()
    except ActError as error:
        pytest.skip(str(error))
    simulator = ReferenceSimulator()
    yield simulator
    simulator.close()


def begin(theirs: Upstream, ours: ReferenceSimulator, task_id: str) -> dict[str, Any]:
    """Start a task on both sides and compare; upstream's info."""
    name, variation = task_id.split("/")
    theirs.load(name, int(variation), "")
    observation, info = theirs.reset()
    mine = ours.start(ours.task(task_id))
    assert (mine.observation, mine.raw_score) == (observation, info["score"])
    assert ours.goal() == " ".join(theirs.get_task_description().split())
    return info


def same(theirs: Upstream, ours: ReferenceSimulator, action: str) -> tuple[Outcome, dict[str, Any]]:
    """Take an action on both sides and compare."""
    observation, _, done, info = theirs.step(action)
    mine = ours.act(action)
    assert mine.observation == observation, action
    assert mine.raw_score == info["score"], action
    assert (mine.won or mine.failed) == done, action
    assert mine.won == (info["score"] == 100), action
    return mine, info


@pytest.mark.parametrize(
    "task_id",
    ["use-thermometer/270", "find-plant/3", "power-component/10", "lifespan-longest-lived/62"],
)
def test_gold_paths_are_told_alike(
    theirs: Upstream, ours: ReferenceSimulator, task_id: str
) -> None:
    theirs.polite = True
    begin(theirs, ours, task_id)
    mine = None
    while (action := ours.expert_action()) is not None:
        mine, info = same(theirs, ours, action)
        assert ours.admissible_actions() == sorted(set(info["valid"]))
        if mine.won:
            return
    pytest.fail(f"the path ended before the goal: {mine}")


@pytest.mark.parametrize("task_id", ["boil/3", "grow-plant/2", "chemistry-mix/20", "find-animal/9"])
def test_random_walks_are_told_alike(
    theirs: Upstream, ours: ReferenceSimulator, task_id: str
) -> None:
    theirs.polite = True
    rng = random.Random(task_id)
    offered = sorted(set(begin(theirs, ours, task_id)["valid"]))
    asides = ("xyzzy", "open door", "0", "task", "Look Around", "focus on air", "reset task")
    for _ in range(14):
        mine, info = same(theirs, ours, rng.choice(asides if rng.random() < 0.3 else offered))
        offered = ours.admissible_actions()
        assert offered == sorted(set(info["valid"]), key=int if offered[0] == "0" else None)
        if mine.failed:
            return


def test_upstream_unchanged_tells_a_gold_path_alike(
    theirs: Upstream, ours: ReferenceSimulator
) -> None:
    theirs.polite = False
    begin(theirs, ours, "find-non-living-thing/150")
    while (action := ours.expert_action()) is not None:
        if same(theirs, ours, action)[0].won:
            return
    pytest.fail("the path ended before the goal")
