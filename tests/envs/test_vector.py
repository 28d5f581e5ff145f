"""``TextVectorEnv``: what Gymnasium's own vector says, and what it adds.

What it survives is in ``test_vector_faults.py``; every id is played in ``tests/contract``.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from act_envs.errors import (
    EpisodeNotRunning,
    InvalidAction,
    SnapshotMismatch,
    UnknownArgument,
    UnknownSplit,
    UnknownTask,
)
from act_envs.toy import ToySimulator
from act_envs.types import Outcome, Task
from act_envs.vector import TextVectorEnv

TOY = "ACT/Toy-v0"
MODES = [mode.value for mode in AutoresetMode]
SIZE, LIMIT = 4, 5
WORDS = ("look", "wait", "go to hall", "go to kitchen", "go to garden", "eat apple", "", "xyzzy")

Make = Callable[..., TextVectorEnv]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[TextVectorEnv] = []

    def make(env_id: str = TOY, num_envs: int = SIZE, **kwargs: Any) -> TextVectorEnv:
        envs = gym.make_vec(env_id, num_envs=num_envs, **kwargs)
        assert isinstance(envs, TextVectorEnv)
        made.append(envs)
        return envs

    yield make
    for envs in made:
        envs.close()


def words(steps: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [[rng.choice(WORDS) for _ in range(SIZE)] for _ in range(steps)]


def plain(value: Any) -> Any:
    """Arrays as lists, with their kind: what two vectors say becomes comparable."""
    if isinstance(value, dict):
        return {key: plain(values) for key, values in value.items()}
    if isinstance(value, np.ndarray):
        return value.dtype.kind, value.tolist()
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


def state(envs: VectorEnv[Any, Any, Any]) -> tuple[str, ...]:
    return envs.call("state_hash")  # type: ignore[attr-defined]


# -- as Gymnasium's own ------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_everything_is_as_gymnasiums_own_has_it(make: Make, mode: str, workers: int) -> None:
    """Values, kinds of arrays, masks, ``final_obs`` and ``final_info``, key by key.

    Environments have different limits, so that they end one by one.
    """
    kwargs = {"step_limit": {"fetch": LIMIT, "feed": LIMIT - 2}, "admissible": True}
    mine = make(workers=workers, autoreset_mode=mode, **kwargs)
    sync = SyncVectorEnv(
        [lambda: gym.make(TOY, **kwargs)] * SIZE, autoreset_mode=AutoresetMode(mode)
    )
    assert plain(mine.reset(seed=3)) == plain(sync.reset(seed=3))
    ends = 0
    for actions in words(3 * LIMIT):
        told, theirs = mine.step(actions), sync.step(actions)
        assert plain(told) == plain(theirs)
        over = told[2] | told[3]
        ends += over.sum()
        if mode == "Disabled" and over.any():
            assert plain(mine.reset(seed=9, options={"reset_mask": over})) == plain(
                sync.reset(seed=9, options={"reset_mask": over})
            )
    assert ends > SIZE
    sync.close()


def test_a_mapping_stays_one_value_where_gymnasium_takes_it_apart(make: Make) -> None:
    """WebShop's ``purchase`` is a mapping after a purchase and None before it."""
    pytest.importorskip("rapidfuzz")
    mine = make("ACT/WebShopGen-v0", 2, step_limit=6)
    mine.reset(seed=0)
    bought = False
    for _ in range(6):
        actions = [action or "back to search" for action in mine.call("expert_action")]
        *_, terminated, _, infos = mine.step(actions)
        assert infos["purchase"].dtype == object
        for place in np.flatnonzero(terminated):
            bought = True
            assert isinstance(infos["purchase"][place], dict)
    assert bought


def test_spaces_and_metadata(make: Make) -> None:
    envs = make(autoreset_mode="SameStep", render_mode="ansi")
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert envs.action_space.sample() in envs.action_space
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.render_mode == "ansi"
    shown = envs.render()
    assert shown is not None
    assert all(first in text for first, text in zip(observations, shown, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("env_id", ["ACT/ALFWorldGen-v0", "ACT/WebShopGen-v0"])
def test_two_vectors_with_one_seed_are_equal(make: Make, env_id: str, workers: int) -> None:
    if "Shop" in env_id:
        pytest.importorskip("rapidfuzz")
    one, other = make(env_id, 3, workers=workers), make(env_id, 3, workers=workers)
    assert plain(one.reset(seed=1)) == plain(other.reset(seed=1))
    for _ in range(5):
        actions = [action or "look" for action in one.call("expert_action")]
        assert plain(one.step(actions)) == plain(other.step(actions))
    assert state(one) == state(other)


# -- resets ------------------------------------------------------------------------------------


def drawn(envs: TextVectorEnv, **reset: Any) -> list[str]:
    return envs.reset(**reset)[1]["task_id"].tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_seeds(make: Make, workers: int) -> None:
    envs = make(workers=workers)
    tasks = drawn(envs, seed=5)
    assert len(set(tasks)) == SIZE
    assert envs.np_random_seed == (5, 6, 7, 8)
    assert drawn(envs, seed=[5, 6, 7, 8]) == tasks
    assert drawn(envs, seed=np.int64(5)) == tasks
    later = drawn(envs)  # no seed: the numbers go on
    assert later != tasks
    drawn(envs, seed=5)
    assert drawn(envs, seed=None) == later
    drawn(envs, seed=5)
    assert drawn(envs, seed=[None, 6, None, 8]) == [later[0], tasks[1], later[2], tasks[3]]
    for place, numbers in enumerate(envs.np_random):
        single = gym.make(TOY)
        single.reset(seed=5 + place)
        if place in (0, 2):
            single.reset()
        assert numbers.random() == single.np_random.random()


def test_options_for_each_and_for_all(make: Make) -> None:
    envs = make()
    assert drawn(envs, options={"task_id": "feed/3"}) == ["feed/3"] * SIZE
    usual = drawn(envs, seed=0)
    named = drawn(envs, seed=0, options={"task_id": ["feed/3", None, "fetch/160", None]})
    assert named == ["feed/3", usual[1], "fetch/160", usual[3]]
    assert drawn(envs, seed=0, options={"task_id": (None,) * SIZE}) == usual
    assert drawn(envs, seed=0, options={}) == usual


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mask_resets_some_alone(make: Make, workers: int) -> None:
    envs = make(workers=workers)
    observations, _ = envs.reset(seed=0)
    envs.step(["wait"] * SIZE)
    before = state(envs)
    mask = np.array([False, True, False, True])
    again, infos = envs.reset(seed=0, options={"reset_mask": mask})
    assert infos["_task_id"].tolist() == mask.tolist()
    assert (again[1], again[3]) == (observations[1], observations[3])
    after = state(envs)
    assert [old == new for old, new in zip(before, after, strict=True)] == (~mask).tolist()
    assert envs.step(["wait"] * SIZE)[4]["step"].tolist() == [2, 1, 2, 1]
    envs.reset(options={"reset_mask": [True, False, False, False], "task_id": "feed/3"})
    assert envs.call("snapshot")[0].task.task_id == "feed/3"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that simulators of this process load."""
    loaded: list[str] = []
    start = ToySimulator.start

    def counted(self: ToySimulator, task: Task) -> Outcome:
        loaded.append(task.task_id)
        return start(self, task)

    monkeypatch.setattr(ToySimulator, "start", counted)
    return loaded


def test_equal_tasks_are_loaded_once(make: Make, starts: list[str]) -> None:
    envs = make()
    envs.reset(options={"task_id": ["feed/3", "fetch/1", "feed/3", "feed/3"]})
    assert starts == ["feed/3", "fetch/1"]
    envs.reset(options={"task_id": "feed/3"})
    assert starts == ["feed/3", "fetch/1", "feed/3"]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("env_id", [TOY, "ACT/ALFWorldGen-v0"])
def test_equal_tasks_have_equal_starts_and_futures_of_their_own(
    make: Make, env_id: str, workers: int
) -> None:
    """Each is as one that loaded the task alone, down to its random numbers."""
    envs, single = make(env_id, 3, workers=workers), gym.make(env_id)
    task_id = drawn(envs, seed=2)[0]
    observations, infos = envs.reset(seed=2, options={"task_id": task_id})
    first, info = single.reset(seed=2, options={"task_id": task_id})
    assert observations == (first,) * 3
    for place in range(3):
        assert {key: infos[key][place] for key in info} == info
    offered = envs.call("admissible_actions")[0]
    for step in range(6):
        actions = [offered[0], offered[-1 - step % len(offered)], "look"]
        told = envs.step(actions)
        alone = single.step(actions[1])
        assert (told[0][1], told[1][1], {k: told[4][k][1] for k in alone[4]}) == (
            alone[0],
            alone[1],
            alone[4],
        )
        if alone[2] or alone[3]:
            break
    assert len(set(state(envs))) > 1
    assert drawn(envs)[0] == single.reset()[1]["task_id"]  # seeded alike, drawn alike
    single.close()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("reset", "error"),
    [
        ({"options": {"task_id": ["feed/3", "feed/3", None, "no/1"]}}, UnknownTask),
        ({"options": {"task_id": ["feed/3", 7, "feed/3", "feed/3"]}}, UnknownTask),
        ({"options": {"task": "feed/3"}}, UnknownArgument),
        ({"options": {"task_id": ["feed/3"]}}, UnknownArgument),
        ({"options": "feed/3"}, UnknownArgument),
        ({"options": {"reset_mask": np.zeros(SIZE, np.bool_)}}, UnknownArgument),
        ({"options": {"reset_mask": np.ones(SIZE)}}, UnknownArgument),
        ({"options": {"reset_mask": [True]}}, UnknownArgument),
        ({"seed": [1, 2]}, UnknownArgument),
    ],
    ids=repr,
)
def test_a_refused_reset_leaves_all_episodes(
    make: Make, reset: dict[str, Any], error: type[Exception], workers: int
) -> None:
    envs, calm = make(workers=workers), make()
    for each in (envs, calm):
        each.reset(seed=1)
        each.step(["wait", "go to hall", "look", "xyzzy"])
    before = state(envs)
    with pytest.raises(error) as refused:
        envs.reset(**{"seed": 50, **reset})
    assert str(refused.value)
    assert state(envs) == before
    for actions in words(2 * LIMIT):
        assert plain(envs.step(actions)) == plain(calm.step(actions))
    assert drawn(envs) == drawn(calm)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("seed", [-1, [0, -1, 0, 0], [0, 1.5, 0, 0], ["a", 0, 0, 0]], ids=repr)
def test_a_seed_that_is_none_is_the_callers_fault(make: Make, seed: Any, workers: int) -> None:
    """No simulator has failed, and none is made anew."""
    envs = make(workers=workers)
    envs.reset(seed=0)
    before, processes = state(envs), envs.processes
    with pytest.raises((UnknownArgument, gym.error.Error)):
        envs.reset(seed=seed)
    assert state(envs) == before
    assert envs.processes == processes


# -- calls -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_methods_and_attributes(make: Make, workers: int) -> None:
    envs = make(workers=workers)
    envs.reset(seed=0)
    assert envs.call("canonical", "  LOOK ") == ("look",) * SIZE
    assert envs.call("tasks", split="dev")[0][0].split == "dev"
    assert envs.get_attr("step_limit") == (20,) * SIZE
    envs.set_attr("mark", [1, 2, 3, 4])
    assert envs.get_attr("mark") == (1, 2, 3, 4)
    envs.set_attr("mark", "all")
    assert envs.call("mark") == ("all",) * SIZE
    with pytest.raises(UnknownArgument, match=r"2 values for 4 environments\. Give one for each"):
        envs.set_attr("mark", [1, 2])
    with pytest.raises(AttributeError, match="no_such"):
        envs.call("no_such")
    with pytest.raises(UnknownSplit, match="'train'"):
        envs.call("tasks", "trian")
    for name, remedy in [
        ("step", r"step\(\)"),
        ("reset", r"reset\(\)"),
        ("close", r"close\(\)"),
        ("fork", r"call\('snapshot'\)"),
    ]:
        with pytest.raises(UnknownArgument, match=f"Use {remedy} instead"):
            envs.call(name)


@pytest.mark.parametrize("workers", [0, 2])
def test_restore(make: Make, workers: int) -> None:
    envs = make(workers=workers)
    observations, _ = envs.reset(seed=0)
    start = envs.call("snapshot")
    futures = [plain(envs.step(actions)) for actions in words(4)]
    before = state(envs)
    again, infos = envs.restore([start[0], None, start[2], None])
    assert infos["_step"].tolist() == [True, False, True, False]
    assert (again[0], again[2]) == (observations[0], observations[2])
    assert state(envs)[1::2] == before[1::2]
    envs.restore(start)
    assert [plain(envs.step(actions)) for actions in words(4)] == futures
    told = envs.call("restore", start[0])  # one for all
    assert len(set(state(envs))) == 1
    assert [observation for observation, _ in told] == [observations[0]] * SIZE
    with pytest.raises(SnapshotMismatch, match="1 snapshots for 4 environments"):
        envs.restore(start[:1])
    before = state(envs)
    with pytest.raises(SnapshotMismatch, match="alfworld"):
        envs.restore([None, start[1], start[2]._replace(origin="alfworld"), None])
    assert state(envs) == before


@pytest.mark.parametrize("mode", MODES)
def test_restoring_starts_an_episode_that_had_ended(make: Make, mode: str) -> None:
    envs = make(step_limit=2, autoreset_mode=mode)
    envs.reset(seed=0)
    envs.step(["look"] * SIZE)
    before = envs.call("snapshot")
    assert envs.step(["wait"] * SIZE)[3].all()
    envs.restore(before)
    told = envs.step(["go to hall"] * SIZE)
    assert told[3].all()
    last = told[4]["final_info"] if mode == "SameStep" else told[4]
    assert last["last_action"].tolist() == ["go to hall"] * SIZE


@pytest.mark.parametrize("how", ["won", "truncated"])
def test_restoring_the_end_of_an_episode_leads_to_the_next(make: Make, how: str) -> None:
    """As the step that led there did, whatever ended it."""
    envs = make(num_envs=1, step_limit=2 if how == "truncated" else None)
    envs.reset(seed=0)
    over = False
    while not over:
        action = envs.call("expert_action")[0] if how == "won" else "look"
        _, _, terminated, truncated, _ = envs.step([action])
        over = bool(terminated[0] or truncated[0])
    end = envs.call("snapshot")
    envs.step(["look"])
    envs.restore(end)
    assert envs.step(["look"])[4]["step"].tolist() == [0]


def test_a_snapshot_passes_from_one_vector_to_another(make: Make) -> None:
    here, there = make(workers=0), make(workers=2)
    here.reset(seed=0)
    here.step(["wait"] * SIZE)
    there.restore(here.call("snapshot"))  # never reset
    assert plain(here.step(["wait"] * SIZE)) == plain(there.step(["wait"] * SIZE))


# -- arguments and order of calls --------------------------------------------------------------


def test_who_is_in_no_hurry_waits() -> None:
    with closing(gym.make_vec("ACT/Toy-v0", num_envs=2, workers=1, timeout=9e8)) as envs:
        envs.reset(seed=0)
        assert len(envs.step(["look", "look"])[0]) == 2


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"num_envs": 0}, r"num_envs=0\. Give a whole number from 1 on"),
        ({"num_envs": 1.5}, "num_envs=1.5"),
        ({"workers": -1}, r"workers=-1\. Give a whole number from 0 on"),
        ({"workers": True}, "workers=True"),
        ({"timeout": 0}, "timeout=0\\. Give seconds"),
        ({"timeout": "60"}, "timeout='60'"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": float("inf"), "workers": 1}, "timeout=inf"),
        ({"autoreset_mode": "SameSteps"}, "Did you mean 'SameStep'"),
        ({"step_limt": 3}, "has no argument 'step_limt'.*'step_limit'"),
        ({"step_limt": 3, "workers": 2}, "has no argument 'step_limt'.*'step_limit'"),
        ({"step_limit": 0}, "step_limit"),
        ({"max_episode_steps": 3}, "step_limit="),
        ({"max_episode_steps": 3, "workers": 1}, "step_limit="),
    ],
    ids=repr,
)
def test_arguments_are_refused_with_a_remedy(kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(UnknownArgument, match=says):
        gym.make_vec(TOY, **{"num_envs": 2, **kwargs})


def test_other_arguments_of_the_environments_are_refused_by_them() -> None:
    with pytest.raises(UnknownSplit, match="'train'"):
        gym.make_vec(TOY, num_envs=2, workers=2, split="trian")
    with pytest.raises(UnknownArgument, match="SyncVectorEnv"):
        TextVectorEnv("CartPole-v1")
    with pytest.raises(gym.error.NameNotFound, match="Toy"):
        TextVectorEnv("ACT/Tyo-v0")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("actions", "says"),
    [
        (["look"] * 3, r"3 actions for 4 environments\. Give one for each"),
        (["look"] * 5, "5 actions for 4"),
        ("look", r"'look' are no actions\. Give a list with one"),
        (["look", 7, "look", "look"], r"action 1 is int \(7\).*commands as text"),
        (["look", "look", None, "look"], "action 2 is NoneType"),
        (np.zeros(SIZE), "action 0 is float64"),
    ],
    ids=repr,
)
def test_actions_are_refused_before_any_is_taken(
    make: Make, actions: Any, says: str, workers: int
) -> None:
    envs = make(workers=workers)
    envs.reset(seed=0)
    before = state(envs)
    with pytest.raises(InvalidAction, match=says):
        envs.step(actions)
    assert state(envs) == before
    assert envs.step(["look"] * SIZE)[4]["step"].tolist() == [1] * SIZE


@pytest.mark.parametrize("workers", [0, 2])
def test_actions_of_numpy_and_of_any_iterable(make: Make, workers: int) -> None:
    envs = make(workers=workers)
    envs.reset(seed=0)
    for actions in (np.array(["look"] * SIZE), np.array(["look"] * SIZE, object)):
        told = envs.step(actions)[4]["last_action"].tolist()
        assert told == ["look"] * SIZE
        assert {type(action) for action in told} == {str}
    assert envs.step(iter(["wait"] * SIZE))[4]["step"].tolist() == [3] * SIZE


@pytest.mark.parametrize("workers", [0, 2])
def test_out_of_order(make: Make, workers: int) -> None:
    envs = make(workers=workers, autoreset_mode="Disabled", step_limit=1)
    with pytest.raises(EpisodeNotRunning, match=r"Call reset\(\)"):
        envs.step(["look"] * SIZE)
    with pytest.raises(EpisodeNotRunning):
        envs.call("snapshot")
    envs.reset(options={"reset_mask": [True, True, False, False]})
    with pytest.raises(EpisodeNotRunning, match=r"Call reset\(\)"):
        envs.step(["look"] * SIZE)
    envs.reset()
    assert envs.step(["look"] * SIZE)[3].all()
    with pytest.raises(EpisodeNotRunning, match=r"environment 0 has ended.*'reset_mask': mask"):
        envs.step(["look"] * SIZE)
    envs.close()
    envs.close()
    for call in (
        envs.reset,
        envs.render,
        lambda: envs.step(["look"] * SIZE),
        lambda: envs.call("snapshot"),
        lambda: envs.set_attr("mark", 1),
        lambda: envs.restore([None] * SIZE),
        lambda: envs.np_random,
    ):
        with pytest.raises(EpisodeNotRunning, match=r"closed\. Make new ones"):
            call()
    assert envs.processes == ()


def test_how_many_processes(make: Make) -> None:
    assert make().processes == ()  # Toy is fast
    assert len(make(workers=3).processes) == 3
    assert len(make(num_envs=2, workers=5).processes) == 2


# -- the registry ------------------------------------------------------------------------------


def test_the_spec_makes_the_same_vector_again(make: Make) -> None:
    envs = make(autoreset_mode="SameStep", split="dev", workers=0)
    assert envs.spec is not None
    spec = EnvSpec.from_json(envs.spec.to_json())
    assert spec.id == TOY
    again = gym.make_vec(spec)
    assert isinstance(again, TextVectorEnv)
    assert again.num_envs == SIZE
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert plain(again.reset(seed=0)) == plain(envs.reset(seed=0))
    assert gym.spec(TOY).to_json() == EnvSpec.from_json(gym.spec(TOY).to_json()).to_json()
    again.close()


def test_the_vector_is_loaded_when_it_is_made() -> None:
    code = (
        "import sys, gymnasium, act_envs; gymnasium.make('ACT/Toy-v0');"
        "print([name for name in sys.modules if name.startswith('act_envs.vector')]);"
        "gymnasium.make_vec('ACT/Toy-v0', num_envs=2).close()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


# -- Gymnasium's wrappers ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_statistics_of_episodes(make: Make, mode: str) -> None:
    inner = make(step_limit=3, autoreset_mode=mode)
    envs = RecordEpisodeStatistics(inner)
    envs.reset(seed=0)
    returns = np.zeros(SIZE)
    for _ in range(8):
        actions = [action or "look" for action in inner.call("expert_action")]
        _, rewards, terminated, truncated, infos = envs.step(actions)
        over = terminated | truncated
        returns += rewards
        if over.any():
            assert infos["_episode"].tolist() == over.tolist()
            assert infos["episode"]["r"][over].tolist() == returns[over].tolist()
            assert set(infos["episode"]["l"][over]) <= {1, 2, 3}
            returns[over] = 0
            if mode == "Disabled":
                envs.reset(options={"reset_mask": over})
    assert envs.episode_count >= 2 * SIZE


@pytest.mark.parametrize("mode", MODES)
def test_info_as_a_list(make: Make, mode: str) -> None:
    envs = DictInfoToList(make(step_limit=2, autoreset_mode=mode))
    _, infos = envs.reset(seed=0)
    single = gym.make(TOY)
    assert [info["task_id"] for info in infos] == [
        single.reset(seed=place)[1]["task_id"] for place in range(SIZE)
    ]
    assert infos[-1] == single.reset(seed=SIZE - 1)[1]
    envs.step(["look"] * SIZE)
    *_, infos = envs.step(["look"] * SIZE)
    for info in infos:
        if mode == "SameStep":
            assert info["step"] == 0
            assert info["final_info"]["step"] == 2
            assert info["final_obs"].startswith("You are in")
        else:
            assert info["step"] == 2
