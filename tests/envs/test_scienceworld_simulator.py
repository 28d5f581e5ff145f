"""The reference simulator in its Java process: meaning of actions, states, determinism, hygiene."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from act_envs.errors import ActError, EpisodeNotRunning, SimulatorError
from act_envs.scienceworld import build, catalogue, java
from act_envs.scienceworld.env import ScienceWorldEnv
from act_envs.scienceworld.reference import REFUSAL, ReferenceSimulator
from act_envs.types import Outcome


def _missing() -> str:
    try:
        java.simulator_folder()
        java.find_java()
    except ActError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@pytest.fixture(scope="module")
def sim() -> Iterator[ReferenceSimulator]:
    """One simulator for all tests that leave it usable."""
    simulator = ReferenceSimulator()
    yield simulator
    simulator.close()


def play(sim: ReferenceSimulator, task_id: str, *actions: str) -> list[Outcome]:
    """The outcomes of a start and some actions."""
    return [sim.start(sim.task(task_id)), *map(sim.act, actions)]


def replay(sim: ReferenceSimulator, task_id: str, *actions: str) -> bytes:
    """The fingerprint that some actions lead to."""
    play(sim, task_id, *actions)
    return sim.fingerprint()


def pid(sim: ReferenceSimulator) -> int:
    assert sim._machine is not None
    return sim._machine.process.pid


def gone(process: int) -> bool:
    """Whether a process has ended and left no zombie."""
    for _ in range(100):
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.05)
    return False


# -- tasks -------------------------------------------------------------------------------------


def test_the_catalogue_is_upstreams(sim: ReferenceSimulator) -> None:
    sim.start(sim.task("boil/0"))
    assert sim._machine is not None
    server = sim._machine.server
    assert set(server.getTaskNames()) == set(catalogue.kinds())
    for kind in catalogue.kinds().values():
        assert server.getTaskMaxVariations(kind.name) == kind.variations
        server.load(kind.name, 0, "", False)
        assert list(server.getVariationsTrain()) == list(kind.ranges["train"]), kind
        assert list(server.getVariationsDev()) == list(kind.ranges["dev"]), kind
        assert list(server.getVariationsTest()) == list(kind.ranges["test"]), kind
    tasks = json.loads((java.simulator_folder() / "tasks.json").read_text())
    mine = [(kind.topic, kind.name) for kind in catalogue.kinds().values()]
    assert [(task["task_id"], task["task_name"]) for task in tasks] == mine
    sim._loaded = None


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
    sim: ReferenceSimulator, action: str, valid: bool, answer: str
) -> None:
    outcome = play(sim, "boil/0", action)[-1]
    assert (outcome.action_valid, outcome.observation.startswith(answer)) == (valid, True), outcome


def test_a_question_offers_numbers_and_takes_nothing_else(sim: ReferenceSimulator) -> None:
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


def test_wrong_focus_fails_with_score_zero(sim: ReferenceSimulator) -> None:
    outcome = play(sim, "boil/0", "focus on air")[-1]
    assert (outcome.raw_score, outcome.score) == (-100, 0.0)
    assert (outcome.won, outcome.failed, outcome.action_valid) == (False, True, True)


def test_reset_task_takes_back_the_score_of_the_focus(sim: ReferenceSimulator) -> None:
    outcome = play(sim, "lifespan-longest-lived-then-shortest-lived/62")[0]
    while outcome.score < 0.5:  # the first of two animals
        outcome = sim.act(sim.expert_action() or "")
    assert not outcome.won
    again = sim.act("reset task")
    assert 0 <= again.score < outcome.score  # being in the right place still counts
    assert (again.failed, again.action_valid) == (False, True)


def test_the_start_earns_nothing(sim: ReferenceSimulator) -> None:
    """So that rewards sum to the score even where the start fulfils a subgoal."""
    start, first = play(sim, "grow-plant/2", "xyzzy")
    assert (start.raw_score, start.score, first.raw_score, first.score) == (1, 0.0, 1, 0.01)


def test_upstreams_count_of_moves_ends_nothing(sim: ReferenceSimulator) -> None:
    outcomes = play(sim, "lifespan-longest-lived/0", *["wait"] * 12)  # 132 moves
    assert not any(outcome.won or outcome.failed for outcome in outcomes)


def test_an_exception_inside_upstream_is_an_error(sim: ReferenceSimulator) -> None:
    play(sim, "boil/0")
    assert sim._machine is not None
    sim._machine.server.agentInterface().get().setErrorState("java.lang.OutOfMemoryError")
    with pytest.raises(SimulatorError, match=r"OutOfMemoryError.*reset"):
        sim.act("open door to kitchen")
    assert play(sim, "boil/0", "open door to kitchen")[-1].action_valid


def test_goal_is_the_task_description(sim: ReferenceSimulator) -> None:
    play(sim, "lifespan-longest-lived/0")
    assert sim.goal().startswith("Your task is to find the animal with the longest life span.")
    assert "  " not in sim.goal()


def test_simplifications_do_what_they_say() -> None:
    names = "teleportAction,openDoors,noElectricalAction,selfWateringFlowerPots"
    simulator = ReferenceSimulator(names)
    first = replay(simulator, "grow-plant/0")
    # Upstream builds the pots with the simplifications of the load before.
    assert replay(simulator, "grow-plant/0") == first
    play(simulator, "boil/0")
    actions = simulator.admissible_actions()
    assert "teleport to kitchen" in actions
    assert not any(action.startswith("connect") for action in actions)
    assert simulator.act("go to kitchen").observation == "You move to the kitchen."
    simulator.close()


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
def test_the_gold_path_wins(sim: ReferenceSimulator, task_id: str) -> None:
    outcome = play(sim, task_id)[0]
    before = sim.fingerprint()
    assert sim.expert_action()
    assert sim.fingerprint() == before, "finding the path disturbed the episode"
    while not outcome.won:
        action = sim.expert_action()
        assert action is not None, "the path ends before the goal"
        outcome = sim.act(action)
    assert (outcome.score, outcome.raw_score) == (1.0, 100)


def test_the_expert_is_silent_off_its_path_and_back_after_restore(sim: ReferenceSimulator) -> None:
    play(sim, "find-plant/3")
    first = sim.expert_action()
    assert first is not None
    sim.act(first.upper())  # the same to the parser
    state, second = sim.snapshot(), sim.expert_action()
    assert second not in (None, first)
    sim.act("look around")
    assert sim.expert_action() is None
    sim.restore(sim.task("find-plant/3"), state)
    assert sim.expert_action() == second


# -- states ------------------------------------------------------------------------------------


def test_fingerprint_sees_effects_and_nothing_else(sim: ReferenceSimulator) -> None:
    play(sim, "grow-plant/2")
    before = sim.fingerprint()
    for nothing in ("xyzzy", "help", "task", "look around", "inventory", "look around"):
        sim.act(nothing)
        sim.admissible_actions()
        sim.expert_action()
        sim.goal()
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
    sim: ReferenceSimulator, one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    if one == other:
        other = tuple(reversed(other))
    assert replay(sim, "boil/0", *one) == replay(sim, "boil/0", *other)


def test_what_a_goal_reads_of_the_past_is_part_of_the_state(sim: ReferenceSimulator) -> None:
    """Reading the recipe counts later on; reading it twice or first does not."""
    path = []
    play(sim, "chemistry-mix/16")
    while (action := sim.expert_action()) is not None and len(path) < 20:
        path.append(action)
        sim.act(action)
        if action.startswith("read"):
            break
    assert path[-1].startswith("read"), path
    read = path[-1]
    looked = replay(sim, "chemistry-mix/16", *path[:-1], "examine counter")
    assert replay(sim, "chemistry-mix/16", *path[:-1], read) != looked


def test_equal_fingerprints_have_equal_futures(sim: ReferenceSimulator) -> None:
    """Random walks from pairs of states that are equal by two routes."""
    pairs = [
        ("boil/0", ("open door to kitchen", "open door to bedroom")),
        ("find-plant/3", ("open door to greenhouse", "open door to kitchen")),
    ]
    for task_id, route in pairs:
        futures = []
        for way in (route, ("xyzzy", *reversed(route), "look around")):
            print_before = replay(sim, task_id, *way)
            rng, future = random.Random(5), [print_before]
            for _ in range(15):
                offered = sim.admissible_actions()
                outcome = sim.act(rng.choice(offered))
                future += [offered, outcome, sim.fingerprint()]
                if outcome.failed or outcome.won:
                    break
            futures.append(future)
        assert futures[0] == futures[1], task_id


def test_restore_is_exact_from_anywhere(sim: ReferenceSimulator) -> None:
    task = sim.task("grow-plant/2")
    play(sim, "grow-plant/2", "open door", "1", "pick up seed jar")
    state = pickle.loads(pickle.dumps(sim.snapshot()))
    here = sim.fingerprint(), sim.admissible_actions()
    future = [sim.act(action) for action in ("open cupboard", "wait1", "open door")]
    end = sim.fingerprint(), sim.admissible_actions()
    for wander in ((), ("look around",), ("open door", "0")):
        play(sim, "boil/3" if wander else "grow-plant/2", *wander)
        sim.restore(task, state)
        assert (sim.fingerprint(), sim.admissible_actions()) == here
        assert [sim.act(a) for a in ("open cupboard", "wait1", "open door")] == future
        assert (sim.fingerprint(), sim.admissible_actions()) == end


def test_restore_plays_only_what_is_missing(
    sim: ReferenceSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, played = sim.task("boil/0"), []
    play(sim, "boil/0", "open door to kitchen", "go to kitchen")
    state = sim.snapshot()
    real = sim._step
    monkeypatch.setattr(sim, "_step", lambda action: played.append(action) or real(action))
    sim.restore(task, state)
    assert played == []
    play(sim, "boil/0", "open door to kitchen")
    played.clear()
    sim.restore(task, state)
    assert played == ["go to kitchen"]


def test_a_replay_that_leads_elsewhere_is_an_error(sim: ReferenceSimulator) -> None:
    play(sim, "boil/0", "open door to kitchen")
    state = sim.snapshot()
    with pytest.raises(SimulatorError, match="another state"):
        sim.restore(sim.task("boil/1"), state)


# -- determinism -------------------------------------------------------------------------------

TRANSCRIPT = """
import sys
from act_envs.scienceworld.reference import ReferenceSimulator
sys.path.insert(0, sys.argv[1])
from test_scienceworld_simulator import transcript
sim = ReferenceSimulator()
print(transcript(sim, sys.argv[2]))
sim.close()
"""


def transcript(sim: ReferenceSimulator, task_id: str) -> str:
    """A digest of a walk, half expert and half random, with all that can be asked on the way."""
    rng, out = random.Random(task_id), hashlib.sha256()
    out.update(repr(play(sim, task_id)).encode())
    for step in range(9):
        offered, expert = sim.admissible_actions(), sim.expert_action()
        action = expert if step < 5 and expert else rng.choice(offered)
        outcome = sim.act(action)
        out.update(repr((offered, expert, outcome, sim.fingerprint(), sim.goal())).encode())
        if outcome.won or outcome.failed:
            break
    return out.hexdigest()


def test_nothing_depends_on_what_was_played_before(sim: ReferenceSimulator) -> None:
    first = transcript(sim, "grow-plant/2")
    transcript(sim, "find-animal/7")  # outside, among bees
    assert transcript(sim, "grow-plant/2") == first
    done = subprocess.run(
        [sys.executable, "-c", TRANSCRIPT, str(Path(__file__).parent), "grow-plant/2"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "JAVA_TOOL_OPTIONS": "-Duser.language=tr"},
    )
    assert (done.stdout.strip(), done.stderr) == (first, "")


# -- the process -------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["step", "expert_action"])
def test_an_interrupt_leaves_no_state_that_could_be_wrong(call: str) -> None:
    """Ctrl-C while Java is at work: nobody knows how far it got, so nothing goes on from there."""
    env = ScienceWorldEnv()
    simulator = env._simulator
    assert isinstance(simulator, ReferenceSimulator)
    env.reset(options={"task_id": "boil/21"})
    env.step("open door to kitchen")
    state, first = env.snapshot(), pid(simulator)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    os.kill(first, signal.SIGSTOP)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            env.step("go to kitchen") if call == "step" else env.expert_action()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert gone(first)
    with pytest.raises((EpisodeNotRunning, SimulatorError)):
        env.step("look around")
    env.restore(state)
    assert env.step("go to kitchen")[0] == "You move to the kitchen."
    env.close()


def test_a_killed_process_is_an_error_and_the_next_reset_starts_another() -> None:
    env = ScienceWorldEnv()
    simulator = env._simulator
    assert isinstance(simulator, ReferenceSimulator)
    env.reset(options={"task_id": "boil/0"})
    env.step("open door to kitchen")
    state, digest, first = env.snapshot(), env.state_hash(), pid(simulator)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(SimulatorError, match=r"died.*reset\(\) or restore\(\)"):
        env.step("go to kitchen")
    with pytest.raises(EpisodeNotRunning, match=r"reset\(\), or restore\(\)"):
        env.step("go to kitchen")
    assert gone(first)
    env.restore(state)
    assert env.state_hash() == digest
    assert env.step("go to kitchen")[0] == "You move to the kitchen."
    assert simulator._machine is not None
    simulator._machine.process.kill()
    simulator._machine.process.wait()
    env.reset(options={"task_id": "boil/0"})
    last = pid(simulator)
    env.close()
    env.close()
    assert gone(last)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_no_process_and_no_file_is_left() -> None:
    env = ScienceWorldEnv()
    env.reset(seed=0)
    simulator = env._simulator
    assert isinstance(simulator, ReferenceSimulator)
    process = pid(simulator)
    home = Path(f"/proc/{process}/cwd").readlink()
    assert {path.name for path in home.iterdir()} == {"object_type_ids.tsv", "stderr.log"}
    del env, simulator
    gc.collect()
    assert gone(process)
    assert not home.exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
@pytest.mark.parametrize("end", ["raise ValueError", "os.kill(os.getpid(), signal.SIGKILL)", ""])
def test_java_ends_with_python_however_python_ends(end: str) -> None:
    code = f"""
import os, signal
from act_envs.scienceworld.reference import ReferenceSimulator
sim = ReferenceSimulator()
sim.start(sim.task("boil/0"))
pid = sim._machine.process.pid
print(pid, os.readlink(f"/proc/{{pid}}/cwd"), flush=True)
{end}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    process, home = done.stdout.split()
    assert gone(int(process))
    assert not Path(home).exists()
    assert done.stderr.count("\n") <= (5 if "raise" in end else 0), done.stderr


# -- the helper --------------------------------------------------------------------------------


def test_the_jar_was_built_from_these_sources() -> None:
    assert build.source_digest().startswith(build.manifest()["Source-SHA256"])


def test_the_jar_can_be_built_again(tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("needs javac. Install a JDK.")
    made = build.build(tmp_path / "again.jar")
    with zipfile.ZipFile(made) as new, zipfile.ZipFile(java.HELPER_JAR) as old:
        assert new.namelist() == old.namelist()
    if build.compiler() == build.manifest()["Built-By-Javac"]:
        assert made.read_bytes() == java.HELPER_JAR.read_bytes()
