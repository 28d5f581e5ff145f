"""What a vector of environments survives, and that nothing of it is left afterwards.

Every transcript is compared with that of the same environments undisturbed, in this process.
"""

from __future__ import annotations

import functools
import gc
import linecache
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym
import pytest

from act_envs.errors import ActError, EpisodeNotRunning, SimulatorError, UnknownTask
from act_envs.vector import TextVectorEnv, process
from tests.envs.faulty import FAULTY, arm, disarm, undone

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

SIZE, LIMIT, TIMEOUT = 4, 6, 1.0
AT, HIT = 4, 1  # the step of the harm, in the middle of an episode, and its environment
WORDS = ("look", "wait", "roll", "show", "go to hall", "go to kitchen", "go to garden", "xyzzy")
IN_PROCESS = ("runtime error", "memory error", "simulator error", "slow")
CAUSES = {
    "kill": "killed by SIGKILL",
    "exit": "ended with status 3",
    "exit at once": "ended with status 4",
    "close the connection": "ended with status",
    "runtime error": "RuntimeError: broken on purpose",
    "memory error": "MemoryError: broken on purpose",
    "simulator error": "SimulatorError: broken on purpose",
    "hang": "no answer within",
    "stop": "no answer within",
    "garbage": "an answer that is none",
    "half a frame": "",  # what follows completes it to nonsense, or never comes
    "no pickle": "an answer that is none",
}
FORGED = ("another answer", "too few answers", "the same answer")

Turn = list[tuple[Any, ...]]  # for each environment what it gave


def script(steps: int = 16, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    actions = [[rng.choice(WORDS) for _ in range(SIZE)] for _ in range(steps)]
    if steps > AT:
        actions[AT][HIT] = "wait !a"
    return actions


def each(observations: Sequence[str], *further: Any) -> Turn:
    """What ``reset`` or ``step`` gave, for each environment alone."""
    *columns, infos = further
    return [
        (observation, *(column[place].item() for column in columns), of_one(infos, place))
        for place, observation in enumerate(observations)
    ]


def of_one(infos: dict[str, Any], place: int) -> dict[str, Any]:
    return {
        key: of_one(values, place) if isinstance(values, dict) else values[place]
        for key, values in infos.items()
        if not key.startswith("_") and infos[f"_{key}"][place]
    }


def play(envs: TextVectorEnv, actions: list[list[str]], **reset: Any) -> list[Turn]:
    turns = [each(*envs.reset(**{"seed": 7, **reset}))]
    return turns + [each(*envs.step(step)) for step in actions]


@functools.cache
def undisturbed(steps: int = 16, seed: int = 0, mode: str = "NextStep") -> list[Turn]:
    with tempfile.TemporaryDirectory() as folder:
        envs = make(Path(folder), workers=0, autoreset_mode=mode)
        turns = play(envs, script(steps, seed))
        envs.close()
    return turns


def make(folder: Path, size: int = SIZE, **kwargs: Any) -> TextVectorEnv:
    kwargs = {"workers": 2, "timeout": TIMEOUT, "step_limit": LIMIT} | kwargs
    return TextVectorEnv(FAULTY, size, folder=str(folder), **kwargs)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TextVectorEnv, Path]]:
    """One vector that has to live through most of these tests: it is what it is for."""
    folder = tmp_path_factory.mktemp("harms")
    envs = make(folder)
    yield envs, folder
    pids = envs.processes
    envs.close()
    assert all(map(gone, pids))


@pytest.fixture
def crew(old: tuple[TextVectorEnv, Path]) -> Iterator[tuple[TextVectorEnv, Path]]:
    yield old
    disarm(old[1])


def gone(process: int, seconds: float = 15) -> bool:
    """Whether a process has ended and left no zombie."""
    end = time.monotonic() + seconds
    while Path(f"/proc/{process}").exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


# -- once: nobody notices ----------------------------------------------------------------------


@pytest.mark.parametrize("harm", [*CAUSES, "slow"])
def test_a_harm_done_once_changes_nothing(crew: tuple[TextVectorEnv, Path], harm: str) -> None:
    envs, folder = crew
    arm(folder, "a", harm)
    assert play(envs, script()) == undisturbed()
    assert not undone(folder)


@pytest.mark.parametrize("harm", FORGED)
def test_an_answer_too_many_changes_nothing(tmp_path: Path, harm: str) -> None:
    """And the true one, which comes after it, is not taken for that to the next orders."""
    envs = make(tmp_path)
    arm(tmp_path, "a", harm)
    assert play(envs, script()) == undisturbed()
    envs.close()


@pytest.mark.parametrize("harm", IN_PROCESS)
def test_a_failure_in_this_process_changes_nothing(tmp_path: Path, harm: str) -> None:
    envs = make(tmp_path, workers=0)
    arm(tmp_path, "a", harm)
    assert play(envs, script()) == undisturbed()
    assert not undone(tmp_path)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("harm", ["kill", "runtime error"])
def test_two_harms_in_one_step_change_nothing(tmp_path: Path, mode: str, harm: str) -> None:
    """The third try counts, also with the step that ends the episodes, and with their next."""
    envs = make(tmp_path, workers=1, autoreset_mode=mode)
    actions = script()
    actions[LIMIT - 1] = [f"{action} !b" for action in actions[LIMIT - 1]]
    calm = play(envs, actions)
    arm(tmp_path, "b", harm, 2)
    assert play(envs, actions) == calm
    assert not undone(tmp_path)
    envs.close()


def test_others_keep_their_process(crew: tuple[TextVectorEnv, Path]) -> None:
    """A worker that hangs must not use up the time in which the others have answered."""
    envs, folder = crew
    play(envs, script(AT))
    ours, theirs = envs.processes
    arm(folder, "a", "hang")
    assert each(*envs.step(script()[AT])) == undisturbed()[AT + 1]
    assert envs.processes[1] == theirs
    assert envs.processes[0] != ours


def test_a_slow_worker_is_waited_for(crew: tuple[TextVectorEnv, Path]) -> None:
    envs, folder = crew
    play(envs, script(AT))
    before = envs.processes
    arm(folder, "a", "slow")
    assert each(*envs.step(script()[AT])) == undisturbed()[AT + 1]
    assert envs.processes == before


def test_replays_of_slow_episodes_have_the_time_that_the_episodes_had(tmp_path: Path) -> None:
    """Each step is in time; all of them together, when a worker is replaced, would not be."""
    envs = make(tmp_path, 1, workers=1)
    arm(tmp_path, "a", "slow", None)
    first = play(envs, [["wait !a"]] * 5)
    os.kill(envs.processes[0], signal.SIGKILL)
    info = each(*envs.step(["wait"]))[0][-1]
    assert "fault" not in info
    assert info["step"] == len(first)
    envs.close()


# -- always: it alone ends ---------------------------------------------------------------------


def expect_the_end_of_one(turns: list[Turn], cause: str) -> None:
    """Others as undisturbed; the one that was hit ends, truncated, and begins again."""
    for turn, calm in zip(turns, undisturbed(), strict=True):
        for place in set(range(SIZE)) - {HIT}:
            assert turn[place] == calm[place]
    hit = [turn[HIT] for turn in turns]
    assert hit[: AT + 1] == [turn[HIT] for turn in undisturbed()[: AT + 1]]
    observation, reward, terminated, truncated, info = hit[AT + 1]
    assert (observation, reward, terminated, truncated) == (hit[AT][0], 0.0, False, True)
    fault = info.pop("fault")
    assert cause in fault
    assert info == hit[AT][-1]
    assert [turn[-1]["step"] for turn in hit[AT + 2 :]][:3] == [0, 1, 2]
    assert not any("fault" in turn[-1] for turn in hit[AT + 2 :])


@pytest.mark.parametrize("harm", ["kill", "exit", *IN_PROCESS[:3], "hang", "garbage"])
def test_a_harm_done_always_ends_one_episode(crew: tuple[TextVectorEnv, Path], harm: str) -> None:
    envs, folder = crew
    arm(folder, "a", harm, None)
    turns = play(envs, script())
    expect_the_end_of_one(turns, CAUSES[harm])


@pytest.mark.parametrize("harm", IN_PROCESS[:3])
def test_a_failure_in_this_process_ends_one_episode(tmp_path: Path, harm: str) -> None:
    envs = make(tmp_path, workers=0)
    arm(tmp_path, "a", harm, None)
    expect_the_end_of_one(play(envs, script()), CAUSES[harm])


def test_a_fault_in_the_same_step_mode_is_in_the_final_info(tmp_path: Path) -> None:
    envs = make(tmp_path, workers=0, autoreset_mode="SameStep")
    play(envs, script(AT))
    arm(tmp_path, "a", "runtime error", None)
    *_, truncated, infos = envs.step(script()[AT])
    assert truncated.tolist() == [place == HIT for place in range(SIZE)]
    assert infos["final_info"]["fault"][HIT] == CAUSES["runtime error"]
    assert infos["final_info"]["_fault"].tolist() == truncated.tolist()
    assert "fault" not in infos
    assert infos["step"].tolist() == [AT + 1, 0, AT + 1, AT + 1]


def test_a_fault_without_autoreset_waits_for_a_reset(tmp_path: Path) -> None:
    envs = make(tmp_path, workers=0, autoreset_mode="Disabled")
    play(envs, script(AT))
    arm(tmp_path, "a", "runtime error", None)
    *_, truncated, _infos = envs.step(script()[AT])
    assert truncated[HIT]
    with pytest.raises(EpisodeNotRunning, match=f"environment {HIT} has ended"):
        envs.step(["look"] * SIZE)
    envs.reset(options={"reset_mask": truncated})
    assert envs.step(["look"] * SIZE)[4]["step"].tolist() == [AT + 2, 1, AT + 2, AT + 2]


def test_after_a_fault_the_state_before_can_be_asked_for(tmp_path: Path) -> None:
    envs = make(tmp_path, workers=0)
    play(envs, script(AT))
    before = envs.call("state_hash")
    arm(tmp_path, "a", "runtime error", None)
    envs.step(script()[AT])
    assert envs.call("state_hash")[HIT] == before[HIT]


# -- deaths at any time ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "victims"),
    [("NextStep", slice(1)), ("NextStep", slice(None)), ("SameStep", slice(None))],
    ids=["one", "all", "all-SameStep"],
)
def test_deaths_between_steps_change_nothing(tmp_path: Path, victims: slice, mode: str) -> None:
    """Before the first reset, after it, within an episode, at its end and within later ones."""
    envs = make(tmp_path, autoreset_mode=mode)

    def strike() -> None:
        for pid in envs.processes[victims]:
            os.kill(pid, signal.SIGKILL)

    strike()
    turns = [each(*envs.reset(seed=7))]
    for at, actions in enumerate(script()):
        if at in (0, 3, LIMIT - 1, LIMIT, LIMIT + 1):
            strike()
        turns.append(each(*envs.step(actions)))
    assert turns == undisturbed(mode=mode)
    envs.close()


@pytest.mark.parametrize("harm", ["kill", "runtime error", "hang"])
def test_a_harm_done_once_in_a_reset_changes_nothing(
    crew: tuple[TextVectorEnv, Path], harm: str
) -> None:
    envs, folder = crew
    options = {"task_id": ["fetch/1", "feed/3", "fetch/1", "fetch/1"]}
    calm = play(envs, script(), options=options)
    arm(folder, "start feed/3", harm)
    assert play(envs, script(), options=options) == calm
    assert not undone(folder)


def test_a_reset_that_always_fails_is_an_error_and_the_next_one_works(
    crew: tuple[TextVectorEnv, Path],
) -> None:
    envs, folder = crew
    arm(folder, "start feed/3", "kill", None)
    with pytest.raises(SimulatorError, match=r"environment 3 could not be reset: .*SIGKILL"):
        envs.reset(options={"task_id": ["fetch/1", "fetch/1", "fetch/1", "feed/3"]})
    assert play(envs, script()) == undisturbed()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_after_an_autoreset_that_failed_the_step_can_be_taken_again(
    tmp_path: Path, mode: str, workers: int
) -> None:
    """It is an error, and leaves the environments beside it where they were."""
    envs, calm = make(tmp_path, workers=workers, autoreset_mode=mode), undisturbed(mode=mode)
    step = LIMIT + (mode == "NextStep")  # in which all begin again
    task = calm[step][2][-1]["task_id"]
    turns = play(envs, script()[: step - 1])
    # In the same step the environment tries by itself first.
    arm(tmp_path, f"start {task}", "simulator error", 3 + (mode == "SameStep"))
    with pytest.raises(SimulatorError, match="environment 2 could not be reset"):
        envs.step(script()[step - 1])
    turns += [each(*envs.step(actions)) for actions in script()[step - 1 :]]
    assert turns == calm
    envs.close()


def test_a_death_in_a_call_changes_nothing(crew: tuple[TextVectorEnv, Path]) -> None:
    envs, folder = crew
    turns = play(envs, script(AT))
    calm = envs.call("expert_action")
    arm(folder, "expert", "kill")
    assert envs.call("expert_action") == calm
    assert not undone(folder)
    arm(folder, "expert", "kill", None)
    with pytest.raises(SimulatorError, match=r"environment 0 failed: .*SIGKILL"):
        envs.call("expert_action")
    turns += [each(*envs.step(actions)) for actions in script()[AT:]]
    assert turns == undisturbed()


def test_an_error_of_a_called_method_reaches_the_caller(crew: tuple[TextVectorEnv, Path]) -> None:
    envs, folder = crew
    turns = play(envs, script(AT))
    arm(folder, "expert", "runtime error")
    with pytest.raises(RuntimeError, match="broken on purpose"):
        envs.call("expert_action")
    with pytest.raises(Exception, match="pickle"):
        envs.set_attr("something", lambda: 0)
    turns += [each(*envs.step(actions)) for actions in script()[AT:]]
    assert turns == undisturbed()


def test_what_was_set_and_the_random_numbers_survive(tmp_path: Path) -> None:
    envs = make(tmp_path, step_limit=LIMIT)
    envs.reset(seed=7)
    envs.set_attr("mark", [1, 2, 3, 4])
    numbers = [generator.random() for generator in envs.np_random]
    for pid in envs.processes:
        os.kill(pid, signal.SIGKILL)
    assert envs.get_attr("mark") == (1, 2, 3, 4)
    assert [generator.random() for generator in envs.np_random] == numbers
    envs.close()


def test_an_environment_that_cannot_be_closed_is_replaced(tmp_path: Path) -> None:
    envs = make(tmp_path, workers=0)
    arm(tmp_path, "close", "runtime error", None)
    arm(tmp_path, "a", "runtime error")
    assert play(envs, script()) == undisturbed()
    disarm(tmp_path)
    envs.close()


def test_an_environment_that_hangs_when_it_is_closed_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_CLOSING", 0.5)
    envs = make(tmp_path, 1, workers=1)
    envs.reset(seed=0)
    pids = envs.processes
    arm(tmp_path, "close", "hang", None)
    envs.close()
    assert all(map(gone, pids))


# -- what cannot be repeated -------------------------------------------------------------------


def test_a_replay_that_differs_is_a_fault(tmp_path: Path) -> None:
    envs = make(tmp_path, 2, workers=1, fickle=True)
    play(envs, [["roll", "wait"]])
    os.kill(envs.processes[0], signal.SIGKILL)
    turn = each(*envs.step(["show", "wait"]))
    assert "after 1 actions" in turn[0][-1]["fault"]
    assert "another state" in turn[0][-1]["fault"]
    assert "fault" not in turn[1][-1]
    assert turn[1][-1]["step"] == 2
    envs.close()


def test_a_replay_that_differed_on_the_way_is_a_fault(tmp_path: Path) -> None:
    """The last observation is as it was, the throw before was another."""
    envs = make(tmp_path, 1, workers=1, fickle=True)
    shown = play(envs, [["roll"], ["look"]])[1][0][0]
    os.kill(envs.processes[0], signal.SIGKILL)
    observation, *_, info = each(*envs.step(["show"]))[0]
    assert observation == shown or "another state" in info.get("fault", "")
    envs.close()


def test_snapshots_need_no_replay(tmp_path: Path) -> None:
    envs = make(tmp_path, 1, workers=1, fickle=True)
    shown = play(envs, [["roll"]])[1][0][0]
    envs.restore(envs.call("snapshot"))
    os.kill(envs.processes[0], signal.SIGKILL)
    assert envs.step(["show"])[0][0] == shown
    envs.close()


# -- interrupts --------------------------------------------------------------------------------


def interrupted(action: Callable[[], object]) -> None:
    """Press Ctrl-C in the middle of it."""
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            action()
    finally:
        timer.cancel()  # or it would hit whatever runs then


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_step_was_not_taken(tmp_path: Path, workers: int) -> None:
    envs = make(tmp_path, workers=workers)
    turns = play(envs, script(AT))
    arm(tmp_path, "a", "slow", None)
    interrupted(lambda: envs.step(script()[AT]))
    interrupted(lambda: envs.step(script()[AT]))
    disarm(tmp_path)
    turns += [each(*envs.step(actions)) for actions in script()[AT:]]
    assert turns == undisturbed()
    envs.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_reset_and_call_leave_the_episodes(tmp_path: Path, workers: int) -> None:
    envs = make(tmp_path, workers=workers)
    turns = play(envs, script(AT))
    arm(tmp_path, "start feed/3", "slow", None)
    interrupted(lambda: envs.reset(seed=1, options={"task_id": "feed/3"}))
    arm(tmp_path, "expert", "slow", None)
    interrupted(lambda: envs.call("expert_action"))
    disarm(tmp_path)
    turns += [each(*envs.step(actions)) for actions in script()[AT:]]
    assert turns == undisturbed()
    envs.close()


class InterruptedAt:
    """Raises KeyboardInterrupt before one line of what the vector itself does.

    Args:
        line: which of all that are run, from 0.

    Attributes:
        where: the line, "" when not so many were run.
        source: what is in it.
    """

    def __init__(self, line: int) -> None:
        self._left, self.where, self.source = line, "", ""

    def __enter__(self) -> InterruptedAt:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _arg: object) -> Any:
        if "act_envs/vector/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            if self._left == 0:
                self.source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise KeyboardInterrupt
            self._left -= 1
        return self._trace


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("at", [AT, LIMIT - 1, LIMIT])
def test_a_step_interrupted_anywhere_was_not_taken(tmp_path: Path, mode: str, at: int) -> None:
    """In an ordinary step, in that which ends episodes, and in that which begins the next.

    Python looks for signals where functions begin and loops go on, not between the last assignment
    and the return of what was made before it.
    """
    envs = make(tmp_path, workers=0, autoreset_mode=mode)
    calm, wrong, line, where = undisturbed(mode=mode)[: at + 4], dict[str, str](), 0, "begin"
    while where:
        turns = play(envs, script()[:at])
        with InterruptedAt(line) as interrupt:
            try:
                envs.step(script()[at])
            except KeyboardInterrupt:
                where = interrupt.where
            else:
                where = ""
        if interrupt.source == "return given":
            line += 1
            continue
        try:
            turns += [each(*envs.step(actions)) for actions in script()[at : at + 3]]
        except ActError as error:
            wrong[where] = repr(error)
        else:
            if where and turns != calm:
                wrong[where] = "another transcript"
        line += 1
    assert line > 20
    assert not wrong


# -- nothing is left ---------------------------------------------------------------------------


def test_close_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    gc.collect()
    before = files()
    envs = make(tmp_path)
    pids = envs.processes
    assert len(pids) == 2
    arm(tmp_path, "a", "kill")
    arm(tmp_path, "a", "garbage")
    play(envs, script())
    pids += envs.processes
    envs.close()
    envs.close()
    assert envs.processes == ()
    assert all(map(gone, pids))
    assert files() == before


@pytest.mark.parametrize("state", ["ready", "stopped", "dead"])
def test_garbage_collection_leaves_no_process_and_no_file(tmp_path: Path, state: str) -> None:
    gc.collect()
    before = files()
    envs = make(tmp_path, 1, workers=1)
    envs.reset(seed=0)
    (pid,) = envs.processes
    if state != "ready":
        os.kill(pid, signal.SIGSTOP if state == "stopped" else signal.SIGKILL)
    del envs
    gc.collect()
    assert gone(pid)
    assert files() == before


@pytest.mark.parametrize("harm", ["runtime error", "kill", "exit"])
def test_a_constructor_that_fails_leaves_nothing(tmp_path: Path, harm: str) -> None:
    """Not even while somebody looks at the error."""
    gc.collect()
    before, others = files(), children(os.getpid())
    arm(tmp_path, "make", harm)
    with pytest.raises((RuntimeError, SimulatorError)) as caught:
        make(tmp_path)
    if harm == "runtime error":
        assert caught.type is RuntimeError
    else:
        assert "does not start" in str(caught.value)
        assert "workers=0" in str(caught.value)
    assert set(children(os.getpid())) <= set(others)
    assert files() == before


PARENT = """
import os, signal, sys, time
from pathlib import Path
from tests.envs.faulty import arm
from tests.envs.test_vector_faults import make
folder = Path(sys.argv[1])
envs = make(folder, timeout=60)
envs.reset(seed=0)
print(*envs.processes, flush=True)
"""


def parent(folder: Path, then: str, **kwargs: Any) -> tuple[subprocess.Popen[str], list[int]]:
    """A process with a vector, and the numbers of its workers."""
    started = subprocess.Popen(
        [sys.executable, "-c", PARENT + then, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )
    assert started.stdout is not None
    return started, [int(pid) for pid in started.stdout.readline().split()]


def ended(started: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = started.communicate(timeout=60)
    return started.returncode, out, err


@pytest.mark.parametrize(
    ("then", "status", "lines"),
    [("", 0, 0), ("raise ValueError", 1, 5), ("sys.exit(3)", 3, 0), ("os._exit(4)", 4, 0)],
    ids=["end", "error", "exit", "exit at once"],
)
def test_workers_end_with_their_parent(tmp_path: Path, then: str, status: int, lines: int) -> None:
    started, pids = parent(tmp_path, then)
    code, _, err = ended(started)
    assert (code, len(pids)) == (status, 2)
    assert all(map(gone, pids))
    assert err.count("\n") <= lines, err


BUSY = 'arm(folder, "a", "hang", None); envs.step(["wait !a", "wait", "wait", "wait"])'


@pytest.mark.parametrize(
    ("number", "then"),
    [
        (signal.SIGTERM, "time.sleep(60)"),
        (signal.SIGKILL, "time.sleep(60)"),
        (signal.SIGKILL, BUSY),
    ],
    ids=["terminated", "killed", "killed-busy"],
)
def test_workers_end_when_their_parent_is_killed(
    tmp_path: Path, number: signal.Signals, then: str
) -> None:
    started, pids = parent(tmp_path, then)
    time.sleep(0.3)
    started.send_signal(number)
    code, _, err = ended(started)
    assert (code, len(pids)) == (-number, 2)
    assert all(map(gone, pids))
    assert err == ""


def test_a_stopped_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    started, pids = parent(tmp_path, "time.sleep(60)")
    os.kill(pids[0], signal.SIGSTOP)
    started.kill()
    started.wait()
    try:
        assert all(gone(pid, 2) for pid in pids)
    finally:
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)


INTERRUPTED = """
from tests.envs.test_vector_faults import AT, each, play, script, undisturbed
turns = play(envs, script(AT))
arm(folder, "a", "slow", None)
print("now", flush=True)
try:
    envs.step(script()[AT])
except KeyboardInterrupt:
    print("interrupted")
turns += [each(*envs.step(actions)) for actions in script()[AT:]]
assert turns == undisturbed()
envs.close()
"""


def test_an_interrupt_for_the_whole_group_is_one(tmp_path: Path) -> None:
    """As from a terminal, whose Ctrl-C goes to all processes of the group."""
    started, pids = parent(tmp_path, INTERRUPTED, start_new_session=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "now\n"
    time.sleep(0.15)
    os.killpg(started.pid, signal.SIGINT)
    code, out, err = ended(started)
    assert (code, out) == (0, "interrupted\n"), err
    assert all(map(gone, pids))


FORKED = """
from tests.envs.test_vector_faults import AT, each, play, script, undisturbed
turns = play(envs, script(AT))
before = envs.processes
child = os.fork()
if child == 0:
    {child}
_, status = os.waitpid(child, 0)
assert status == 0
turns += [each(*envs.step(actions)) for actions in script()[AT:]]
assert turns == undisturbed()
assert envs.processes == before
envs.close()
"""


@pytest.mark.parametrize(
    "child",
    [
        "sys.exit()",
        "envs.close(); sys.exit()",
        "turns += [each(*envs.step(a)) for a in script()[AT:]]; sys.exit(turns != undisturbed())",
    ],
    ids=["exits", "closes", "goes on"],
)
def test_a_fork_leaves_the_workers_to_their_parent(tmp_path: Path, child: str) -> None:
    started, pids = parent(tmp_path, FORKED.format(child=child))
    code, _, err = ended(started)
    assert code == 0, err
    assert all(map(gone, pids))


def test_a_refused_reset_costs_no_process(
    crew: tuple[TextVectorEnv, Path], caplog: pytest.LogCaptureFixture
) -> None:
    envs, _ = crew
    turns = play(envs, script(AT))
    before = envs.processes
    with caplog.at_level(logging.WARNING), pytest.raises(UnknownTask):
        envs.reset(seed=3, options={"task_id": ["fetch/0", None, "no such task", None]})
    turns += [each(*envs.step(actions)) for actions in script()[AT:]]
    assert turns == undisturbed()
    assert envs.processes == before
    assert not caplog.records


# -- ScienceWorld ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def science() -> Iterator[TextVectorEnv]:
    envs = gym.make_vec("ACT/ScienceWorld-v0", num_envs=2, workers=1)
    assert isinstance(envs, TextVectorEnv)
    yield envs
    envs.close()


def javas(envs: TextVectorEnv) -> tuple[list[int], list[Path]]:
    """The Java processes of the workers, and the folders that they use."""
    pids = [child for pid in envs.processes for child in children(pid)]
    assert pids
    return pids, [Path(f"/proc/{pid}/cwd").readlink() for pid in pids]


def stop(process: int) -> None:
    """Stop all its threads: on a busy machine they can answer for a while after the signal."""
    os.kill(process, signal.SIGSTOP)
    threads = list(Path(f"/proc/{process}/task").glob("*/stat"))
    while any(thread.read_text().rpartition(")")[2].split()[0] != "T" for thread in threads):
        time.sleep(0.001)


ENDS: dict[str, Callable[[int, int], None]] = {
    "worker killed": lambda worker, java: os.kill(worker, signal.SIGKILL),
    "worker stopped": lambda worker, java: stop(worker),
    "java stopped": lambda worker, java: stop(java),
    "java stopped, worker killed": lambda worker, java: (
        stop(java),
        os.kill(worker, signal.SIGKILL),
    )[0],
}


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    """Which folder Java had in each of the tests below."""
    return {}


@pytest.mark.scienceworld
@pytest.mark.parametrize("end", ENDS)
def test_java_ends_with_its_worker(
    science: TextVectorEnv, folders: dict[str, Path], end: str
) -> None:
    """And the episodes go on in others."""
    science.reset(seed=0, options={"task_id": "boil/0"})
    first = science.step(["look around", "inventory"])[0]
    assert first[0].startswith("This room is called")
    (java,), (folders[end],) = javas(science)
    (worker,) = science.processes
    for its in gc.get_objects():
        if type(its) is process.Worker and its.pid == worker:
            its._timeout = 1.0  # for the step that must fail; the next worker has the usual time
    ENDS[end](worker, java)
    try:
        *_, infos = science.step(["look around", "inventory"])
        assert infos["step"].tolist() == [2, 2]
        assert "fault" not in infos
        assert gone(worker)
        assert gone(java, 3)
    finally:
        if Path(f"/proc/{java}").exists():
            os.kill(java, signal.SIGKILL)


@pytest.mark.scienceworld
def test_java_left_no_folder(folders: dict[str, Path]) -> None:
    """None of the tests before; where it hangs itself, or was killed, it could not be helped."""
    assert folders, "run the tests before"
    time.sleep(1)
    assert [end for end, folder in folders.items() if folder.exists()] == []
