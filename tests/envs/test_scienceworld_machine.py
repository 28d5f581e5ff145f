"""ScienceWorld's Java process: started, shared, interrupted, killed, and gone in the end."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from act_envs.errors import EpisodeNotRunning, SimulatorError
from act_envs.scienceworld import build, gold, jre, machine, simulator, wire
from act_envs.scienceworld.env import ScienceWorldEnv
from act_envs.scienceworld.gold import GoldPaths
from act_envs.scienceworld.simulator import NativeSimulator

pytestmark = pytest.mark.scienceworld
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


@pytest.fixture(scope="module")
def sim() -> Iterator[NativeSimulator]:
    """One simulator that nobody kills, so that one process serves many tests."""
    simulator = NativeSimulator()
    simulator.start(simulator.task("boil/0"))
    yield simulator
    simulator.close()


def walk(sim: NativeSimulator, task_id: str, length: int = 8) -> list[object]:
    """All that can be asked on a random walk."""
    rng, outcome, told = random.Random(task_id), sim.start(sim.task(task_id)), []
    for _ in range(length):
        offered = sim.admissible_actions()
        told.append((outcome, offered, sim.fingerprint(), sim.snapshot()))
        if outcome.won or outcome.failed:
            break
        outcome = sim.act(rng.choice(offered))
    return told


def pid(sim: NativeSimulator) -> int:
    assert sim._machine is not None
    return sim._machine.process.pid


def home(process: int) -> Path:
    return Path(f"/proc/{process}/cwd").readlink()


def gone(process: int) -> bool:
    """Whether a process has ended and left no zombie."""
    for _ in range(100):
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.05)
    return False


# -- interrupted, stopped, killed --------------------------------------------------------------


def stop(process: int) -> None:
    """Stop a process, and wait until it has: some of its threads may still run for a while."""
    os.kill(process, signal.SIGSTOP)
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)


@needs_proc
@pytest.mark.parametrize("call", ["step", "expert_action"])
def test_an_interrupt_leaves_no_state_that_could_be_wrong(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while Java is at work: nobody knows how far it got, so nothing goes on from there."""
    monkeypatch.setattr(simulator, "_gold", GoldPaths())
    env = ScienceWorldEnv(own_process=True)
    mine = env._simulator
    assert isinstance(mine, NativeSimulator)
    env.reset(options={"task_id": "boil/21"})
    env.step("open door to kitchen")
    state, digest, first = env.snapshot(), env.state_hash(), pid(mine)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    stop(first)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            env.step("go to kitchen") if call == "step" else env.expert_action()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert gone(first)
    if call == "step":  # which may or may not have been taken
        with pytest.raises(EpisodeNotRunning):
            env.step("look around")
        env.restore(state)
    assert env.state_hash() == digest
    assert env.step("go to kitchen")[0] == "You move to the kitchen."
    env.close()


@needs_proc
def test_a_process_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    env = ScienceWorldEnv(own_process=True)
    mine = env._simulator
    assert isinstance(mine, NativeSimulator)
    env.reset(options={"task_id": "boil/0"})
    env.step("open door to kitchen")
    state, digest, first = env.snapshot(), env.state_hash(), pid(mine)
    stop(first)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "ANSWER_TIMEOUT", 0.2)
        with pytest.raises(SimulatorError, match=r"did not answer for 0\.2 seconds.*restore\(\)"):
            env.step("go to kitchen")
    assert gone(first)
    with pytest.raises(EpisodeNotRunning, match=r"reset\(\), or restore\(\)"):
        env.step("go to kitchen")
    env.restore(state)
    assert env.state_hash() == digest
    env.close()


@needs_proc
def test_a_killed_process_is_replaced_and_nobody_is_told_but_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when it dies with a request in it; and all that shared it get back to their states."""
    mine = NativeSimulator(java_options=("-Dtest=killed",))
    other, task = mine.twin(), mine.task("boil/0")
    mine.start(task)
    mine.act("open door to kitchen")
    other.start(mine.task("find-plant/3"))
    state, states = mine.snapshot(), (mine.fingerprint(), other.fingerprint())
    first = pid(mine)
    stop(first)
    threading.Timer(0.2, os.kill, (first, signal.SIGKILL)).start()
    assert mine.act("go to kitchen").observation == "You move to the kitchen."
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "has died. Going on in another one." in caplog.text
    assert gone(first)
    mine.restore(task, state)
    mine._fingerprint = other._fingerprint = None, b""  # ask again
    assert (mine.fingerprint(), other.fingerprint()) == states
    assert pid(mine) == pid(other) != first
    last = pid(mine)
    mine.close()
    assert other.act("look around").action_valid
    assert pid(other) == last
    other.close()
    other.close()
    assert gone(last)


def test_a_second_death_in_a_row_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = NativeSimulator(own_process=True)
    mine.start(mine.task("boil/0"))
    real = machine.Machine.ask

    def ask(self: machine.Machine, request: bytes, timeout: float | None = None) -> bytes:
        if wire.step(mine._episode, "go to kitchen") in request:
            self.process.kill()
        return real(self, request, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(machine.Machine, "ask", ask)
        with pytest.raises(SimulatorError, match=r"Twice in a row.*reset\(\) or restore\(\)"):
            mine.act("go to kitchen")
    assert mine.start(mine.task("boil/0")).observation.startswith("This room is")
    mine.close()


def test_an_interrupted_recovery_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question finds the process dead, and the way back to the state is interrupted."""
    mine = NativeSimulator(own_process=True)
    mine.start(mine.task("boil/3"))
    for action in ("open door", "0"):
        mine.act(action)
    twin = mine.twin()
    twin.restore(mine.task("boil/3"), mine.snapshot())
    assert mine._machine is not None
    mine._machine.process.kill()
    mine._machine.process.wait()
    real, sent = mine._send, []

    def send(shared: machine.Machine, request: bytes) -> wire.Reader:
        if sent:
            raise KeyboardInterrupt
        sent.append(request)
        return real(shared, request)

    monkeypatch.setattr(mine, "_send", send)
    with pytest.raises(KeyboardInterrupt):
        mine.admissible_actions()
    monkeypatch.undo()
    assert mine.act("look around") == twin.act("look around")
    assert mine.snapshot() == twin.snapshot()
    assert mine.fingerprint() == twin.fingerprint()
    for one in (mine, twin):
        one.close()


@needs_proc
def test_ten_kills_at_random_moments_change_nothing(sim: NativeSimulator) -> None:
    """In the middle of a step, of a question, or between the two."""
    task, rng = sim.task("find-plant/3"), random.Random(30)

    def step(one: NativeSimulator, action: str) -> list[object]:
        return [one.act(action), one.fingerprint(), one.snapshot()]

    def kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    sim.start(task)
    # A compiler that is quicker at the start, which is all that these processes see.
    mine = NativeSimulator(java_options=("-XX:TieredStopAtLevel=1",), own_process=True)
    mine.start(task)
    begun = time.monotonic()
    step(mine, "look around")
    duration = time.monotonic() - begun
    step(sim, "look around")
    killed = []
    for number in range(10):
        running = mine._ready()  # also a process that was killed after the last question
        killed.append((running.process.pid, running._log.parent))
        action = rng.choice([a for a in sim.admissible_actions() if not a.startswith("focus")])
        timer = threading.Timer(rng.random() * duration, kill, [running.process])
        timer.start()
        told = step(mine, action)
        timer.join()
        assert told == step(sim, action), number
    mine.close()
    assert len({process for process, _ in killed}) == 10
    assert all(gone(process) and not folder.exists() for process, folder in killed)


# -- memory ------------------------------------------------------------------------------------


@needs_proc
def test_too_little_memory_is_an_error() -> None:
    mine = NativeSimulator(java_options=("-Xmx16m",))
    with pytest.raises(SimulatorError, match=r"OutOfMemoryError.*reset\(\)"):
        mine.start(mine.task("test-conductivity/0"))
    mine.close()


def test_the_expert_gets_more_memory_where_it_needs_it(
    sim: NativeSimulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    task = sim.task("find-plant/3")
    outcomes = [sim.start(task)]
    path = sim._gold_path(sim._known()[0])
    outcomes += map(sim.act, path[:2])
    monkeypatch.setattr(simulator, "_gold", GoldPaths())
    asked, real = [], machine.Machine.ask

    def ask(self: machine.Machine, request: bytes, timeout: float | None = None) -> bytes:
        if request == wire.expert("find-plant", 3, ""):
            asked.append(self.process.args)
            if "-Xmx1g" not in asked[-1]:
                self.process.kill()  # as it ends itself when the search does not fit
        return real(self, request, timeout)

    small = NativeSimulator(java_options=("-Xmx128m",))
    small.start(task)
    assert small.act(path[0]) == outcomes[1]
    monkeypatch.setattr(machine.Machine, "ask", ask)
    assert small.expert_action("gold") == path[1]
    assert "Searching again with -Xmx128m -Xmx1g." in caplog.text
    assert [options.count("-Xmx1g") for options in asked] == [0, 1]
    assert small.act(path[1]) == outcomes[2]  # in a process of the size that was asked for
    assert small._machine is not None
    assert "-Xmx1g" not in small._machine.process.args
    small.close()


@pytest.mark.parametrize(
    ("given", "then"), [((), "-Xmx1g"), (("-Xmx4G",), "-Xmx4G"), (("-Xmx9m",), "-Xmx9m -Xmx1g")]
)
def test_a_heap_that_was_made_larger_stays(
    given: Sequence[str], then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Dying:
        def __init__(self, options: Sequence[str]) -> None:
            made.append(" ".join(options))

        def ask(self, *_: Any) -> bytes:
            raise machine.MachineDied("died.")

        def close(self) -> None:
            pass

    monkeypatch.setattr(gold, "Machine", Dying)
    with pytest.raises(SimulatorError, match="twice"):
        gold.search(cast("Any", Dying(given)), b"", given)
    assert made[1] == then


def test_a_search_that_fits_nowhere_is_an_error_and_the_episode_goes_on(
    sim: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = sim.task("find-plant/3")
    said = [sim.start(task), sim.act("wait1")]
    monkeypatch.setattr(simulator, "_gold", GoldPaths())
    real = machine.Machine.ask

    def ask(self: machine.Machine, request: bytes, timeout: float | None = None) -> bytes:
        if request == wire.expert("find-plant", 3, ""):
            self.process.kill()
        return real(self, request, timeout)

    small = NativeSimulator(own_process=True)
    assert [small.start(task)] == said[:1]
    monkeypatch.setattr(machine.Machine, "ask", ask)
    with pytest.raises(SimulatorError, match=r"twice.*java_options='-Xmx4g'"):
        small.expert_action("gold")
    assert small.act("wait1") == said[1]
    small.close()


# -- shared ------------------------------------------------------------------------------------


@needs_proc
def test_simulators_share_a_process_unless_their_options_differ(sim: NativeSimulator) -> None:
    same, easy = NativeSimulator(), NativeSimulator("easy")
    own = NativeSimulator(own_process=True)
    other = NativeSimulator(java_options=("-Dtest=other",))
    for one in (same, easy, own, other):
        one.start(one.task("boil/0"))
    assert pid(same) == pid(easy) == pid(sim)
    assert len({pid(sim), pid(own), pid(other)}) == 3
    processes = pid(own), pid(other)
    for one in (same, easy, own, other):
        one.close()
    assert all(map(gone, processes))
    assert sim.start(sim.task("boil/0")).observation.startswith("This room is")


def test_a_simulator_that_is_forgotten_ends_its_episode(sim: NativeSimulator) -> None:
    twin, task = sim.twin(), sim.task("boil/0")
    sim.start(task)
    twin.start(task)
    shared, episode = twin._machine, twin._episode
    assert shared is sim._machine
    assert shared is not None
    wire.Reader(shared.ask(wire.digest(episode))).check()
    del twin
    gc.collect()
    with pytest.raises(wire.OperationFailed, match=f"no episode has the number {episode}"):
        wire.Reader(shared.ask(wire.digest(episode))).check()
    assert sim.act("open door to kitchen").observation == "The door is now open."


def test_threads_can_share_a_process_or_have_their_own(sim: NativeSimulator) -> None:
    tasks = ["find-animal/7", "grow-plant/2", "boil/3", "find-animal/7"]
    expected = [walk(sim, task_id) for task_id in tasks]
    sims = [NativeSimulator(own_process=own) for own in (True, True, False, False)]
    with ThreadPoolExecutor(len(sims)) as pool:
        told = list(pool.map(walk, sims, tasks))
    assert sims[2]._machine is sims[3]._machine is sim._machine
    assert len({id(one._machine) for one in sims}) == 3
    for one in sims:
        one.close()
    for one, another in zip(told, expected, strict=True):
        assert one == another


@needs_proc
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_goes_on_in_a_process_of_its_own(sim: NativeSimulator) -> None:
    sim.start(sim.task("boil/0"))
    sim.act("open door to kitchen")
    first = pid(sim)
    receive, send = os.pipe()
    if (child := os.fork()) == 0:
        try:  # ends without closing anything, as a worker that is no longer needed
            told = sim.act("go to kitchen"), sim.fingerprint(), pid(sim), str(home(pid(sim)))
            os.write(send, pickle.dumps(told))
        finally:
            os._exit(0)
    os.close(send)
    outcome = sim.act("go to kitchen")
    with os.fdopen(receive, "rb") as pipe:
        *told, process, folder = pickle.load(pipe)
    os.waitpid(child, 0)
    assert told == [outcome, sim.fingerprint()]
    assert sim.act("look around").observation.startswith("This room is called the kitchen.")
    assert pid(sim) == first != process
    assert gone(process)
    assert not Path(folder).exists()


# -- nothing is left ---------------------------------------------------------------------------


@needs_proc
def test_no_process_and_no_file_is_left() -> None:
    env = ScienceWorldEnv(own_process=True)
    env.reset(seed=0)
    mine = env._simulator
    assert isinstance(mine, NativeSimulator)
    process, folder = pid(mine), home(pid(mine))
    assert {path.name for path in folder.iterdir()} == {"object_type_ids.tsv", "stderr.log"}
    del env, mine
    gc.collect()
    assert gone(process)
    assert not folder.exists()


@needs_proc
@pytest.mark.parametrize("end", ["raise ValueError", "os.kill(os.getpid(), signal.SIGKILL)", ""])
def test_java_ends_with_python_however_python_ends(end: str) -> None:
    code = f"""
import os, signal
from act_envs.scienceworld.simulator import NativeSimulator
sim = NativeSimulator()
sim.start(sim.task("boil/0"))
pid = sim._machine.process.pid
print(pid, os.readlink(f"/proc/{{pid}}/cwd"), flush=True)
{end}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    process, folder = done.stdout.split()
    assert gone(int(process))
    assert not Path(folder).exists()
    assert done.stderr.count("\n") <= (5 if "raise" in end else 0), done.stderr


# -- what Java says and is told ----------------------------------------------------------------


def test_options_that_java_does_not_know_are_an_error_with_its_words() -> None:
    mine = NativeSimulator(java_options=("-Xnonsense",))
    with pytest.raises(SimulatorError, match=r"does not run ScienceWorld.*-Xnonsense"):
        mine.start(mine.task("boil/0"))
    mine.close()


def test_what_java_prints_never_comes_between(
    sim: NativeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = walk(sim, "find-animal/7", 4)
    if jre.major_version(jre.find_java()) < 9:
        pytest.skip("Java 8 does not know -Xlog.")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xlog:gc*:stdout -XX:+PrintFlagsFinal")
    monkeypatch.setattr(jre, "_versions", {})  # its version is asked for under these, too
    noisy = NativeSimulator(java_options=("-verbose:gc",), own_process=True)
    assert walk(noisy, "find-animal/7", 4) == expected
    assert noisy._machine is not None
    printed = noisy._machine._log.read_text()
    assert "Picked up JAVA_TOOL_OPTIONS" in printed
    assert "UseSerialGC" in printed
    assert "[gc" in printed
    noisy.close()


def test_texts_of_any_script_and_length_pass_the_pipes(sim: NativeSimulator) -> None:
    start = sim.start(sim.task("boil/0"))
    for action in ("\u00f6ffne die T\u00fcr \U0001f6aa", "x" * 300_000):
        assert not sim.act(action).action_valid
    told = wire.Reader(sim._ready().ask(wire.step(sim._episode, "look around")))
    told.check()
    assert told.told().text == start.observation
    assert told._at == len(told._answer)


# -- the helper --------------------------------------------------------------------------------


def test_the_jar_was_built_from_these_sources() -> None:
    assert build.source_digest().startswith(build.manifest()["Source-SHA256"])


def test_the_jar_can_be_built_again(tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("needs javac. Install a JDK.")
    made = build.build(tmp_path / "again.jar")
    with zipfile.ZipFile(made) as new, zipfile.ZipFile(jre.HELPER_JAR) as old:
        assert new.namelist() == old.namelist()
    if build.compiler() == build.manifest()["Built-By-Javac"]:
        assert made.read_bytes() == jre.HELPER_JAR.read_bytes()
