"""What ``ACT/ALFWorld-v0`` and ``ACT/ALFWorldGen-v0`` add to the engine."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import act_envs
from act_envs.alfworld.planner import cost_to_go
from act_envs.errors import AssetsNotFound, SnapshotMismatch, UnknownArgument, UnknownTask

TRIAL = "valid_seen/pick_and_place_simple-Apple-None-Cabinet-1/trial_T1"


@pytest.fixture
def folder(make_kitchen: Callable[..., dict[str, object]], tmp_path: Path) -> Path:
    """One game of each split in the official layout."""
    for split in ("train", "valid_seen", "valid_unseen"):
        trial = tmp_path / split / TRIAL.partition("/")[2]
        trial.mkdir(parents=True)
        (trial / "game.tw-pddl").write_text(json.dumps(make_kitchen()))
    return tmp_path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACT_CACHE_DIR", str(tmp_path / "cache"))


def make(env_id: str = "ACT/ALFWorldGen-v0", **kwargs: Any) -> act_envs.TextEnv:
    env = gym.make(env_id, **kwargs).unwrapped
    assert isinstance(env, act_envs.TextEnv)
    return env


def play(env: act_envs.TextEnv, **options: Any) -> act_envs.StepInfo:
    _, info = env.reset(options=options)
    while not (env.terminated or env.truncated):
        action = env.expert_action()
        assert action is not None
        *_, info = env.step(action)
    return info


def test_without_games_it_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("ACT_DATA_DIR", str(tmp_path))
    with pytest.raises(AssetsNotFound) as error:
        gym.make("ACT/ALFWorld-v0")
    for command in (str(tmp_path), "act-envs download alfworld", "ACT/ALFWorldGen-v0"):
        assert command in str(error.value)


def test_a_folder_of_games_is_played(folder: Path) -> None:
    env = make("ACT/ALFWorld-v0", data_dir=folder, split="valid_seen")
    assert env.splits == ("train", "valid_seen", "valid_unseen")
    [task] = env.tasks()
    assert (task.task_id, task.kind) == (TRIAL, "pick_and_place_simple")
    assert play(env)["won"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dialect": "clasic"}, "Did you mean 'classic'"),
        ({"expert": "oracle"}, "explorer"),
        ({"games": 0}, "games"),
        ({"games": "ten"}, "games"),
        ({"seed_of_games": -1}, "seed"),
        ({"either_dialect": "False"}, "either_dialect must be True or False"),
        ({"goal_conditions": 1}, "goal_conditions must be True or False"),
        ({"dialekt": "classic"}, "Did you mean 'dialect'"),
    ],
)
def test_arguments_of_generated_games(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UnknownArgument, match=words):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "referense"}, "Did you mean 'reference'"),
        ({"backend": "reference", "either_dialect": True}, "either_dialect"),
        ({"backend": "reference", "goal_conditions": True}, "goal_conditions"),
        ({"backend": "reference", "expert": "explorer"}, "expert"),
    ],
)
def test_arguments_of_official_games(folder: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UnknownArgument, match=words):
        make("ACT/ALFWorld-v0", data_dir=folder, **arguments)


@pytest.mark.parametrize("dialect", ["modern", "classic"])
@pytest.mark.parametrize("expert", ["explorer", "clairvoyant"])
@pytest.mark.parametrize("split", ["train", "seen", "unseen"])
def test_experts_win_in_their_dialect(dialect: str, expert: str, split: str) -> None:
    env = make(split=split, dialect=dialect, expert=expert, games=12)
    verbs = set()
    for task in env.tasks():
        assert play(env, task_id=task.task_id)["won"], task
        env.reset(options={"task_id": task.task_id})
        while not env.terminated:
            action = env.expert_action()
            # The explorer learns that two things share a place by going from one to the other.
            assert expert == "explorer" or action in env.admissible_actions()
            verbs.add(action.partition(" ")[0])
            env.step(action)
    assert ("put" in verbs, "move" in verbs) == (dialect == "classic", dialect == "modern")


def test_clairvoyant_is_optimal_from_anywhere() -> None:
    env, rng = make(expert="clairvoyant", step_limit=None, games=20), random.Random(3)
    for task in env.tasks():
        env.reset(options={"task_id": task.task_id})
        for _ in range(25):
            if not env.terminated:
                env.step(rng.choice(env.admissible_actions()))
        engine = env._simulator._engine  # type: ignore[attr-defined]
        cost = cost_to_go(engine.game, engine.state)
        steps = 0
        while not env.terminated and cost is not None:
            action = env.expert_action()
            assert action is not None
            env.step(action)
            steps += 1
        assert cost in (steps, None)
        if cost is None:
            assert env.expert_action() is None


def test_clairvoyant_follows_the_stored_walkthrough(folder: Path) -> None:
    env = make("ACT/ALFWorld-v0", data_dir=folder, expert="clairvoyant", dialect="classic")
    env.reset()
    said = []
    while not env.terminated:
        said.append(env.expert_action())
        env.step(said[-1])
    assert said == [
        "go to countertop 1",
        "take apple 1 from countertop 1",
        "open cabinet 1",
        "put apple 1 in/on cabinet 1",
    ]


@pytest.mark.parametrize("stored", [["look", "look"], ["fly to the moon"], ["inventory", "help"]])
def test_clairvoyant_plans_where_the_stored_walkthrough_does_not_win(
    make_kitchen: Callable[..., dict[str, object]], folder: Path, stored: list[str]
) -> None:
    game = {**make_kitchen(), "walkthrough": stored}
    (folder / TRIAL / "game.tw-pddl").write_text(json.dumps(game))
    env = make("ACT/ALFWorld-v0", data_dir=folder, split="valid_seen", expert="clairvoyant")
    info = play(env)
    assert (info["won"], info["step"]) == (True, 4)


def test_explorer_goes_on_after_a_restore_as_before() -> None:
    env, other = make(split="unseen"), make(split="unseen")
    env.reset(seed=4)
    for action in ("look", "no such thing", *[None] * 3):
        env.step(action or str(env.expert_action()))
    snapshot, advice = env.snapshot(), env.expert_action()
    env.step("inventory")
    other.restore(snapshot)
    assert other.expert_action() == advice
    while not env.terminated:  # what it learns after the snapshot must be forgotten again
        env.step(str(env.expert_action()))
    for _ in range(2):
        env.restore(pickle.loads(pickle.dumps(snapshot)))
        assert env.expert_action() == advice


def test_a_snapshot_of_a_long_episode_pickles() -> None:
    env = make(step_limit=None)
    env.reset(seed=0)
    for _ in range(3000):
        env.step("look")
    advice = env.expert_action()
    again = make(step_limit=None)
    again.restore(pickle.loads(pickle.dumps(env.snapshot())))
    assert again.expert_action() == advice


def test_each_part_of_the_state_is_in_the_hash(folder: Path) -> None:
    env = make("ACT/ALFWorld-v0", data_dir=folder)
    env.reset()
    snapshot, hashes = env.snapshot(), {env.state_hash()}
    content, state, history = snapshot.state  # type: ignore[misc]
    for name, value in state._asdict().items():
        other = (value[0] ^ 1, *value[1:]) if isinstance(value, tuple) else value ^ 1
        changed = state._replace(**{name: other})
        env.restore(snapshot._replace(state=(content, changed, history)))
        hashes.add(env.state_hash())
    assert len(hashes) == 1 + len(state)
    classic = make("ACT/ALFWorld-v0", data_dir=folder, dialect="classic")
    classic.reset()
    assert classic.state_hash() not in hashes


def test_a_game_of_the_same_name_is_another_game(
    make_kitchen: Callable[..., dict[str, object]], folder: Path, tmp_path: Path
) -> None:
    env = make("ACT/ALFWorld-v0", data_dir=folder, split="valid_seen", expert="clairvoyant")
    env.reset()
    trial = tmp_path / "elsewhere" / TRIAL
    trial.mkdir(parents=True)
    game = make_kitchen(sentence="put a apple in cabinet.")
    (trial / "game.tw-pddl").write_text(json.dumps(game))
    other = make(
        "ACT/ALFWorld-v0", data_dir=trial.parents[2], split="valid_seen", expert="clairvoyant"
    )
    other.reset()
    assert other.state_hash() != env.state_hash()
    with pytest.raises(SnapshotMismatch, match="another game"):
        other.restore(env.snapshot())


def test_asking_the_expert_changes_nothing() -> None:
    env, silent = make(), make()
    env.reset(seed=5)
    silent.reset(seed=5)
    for _ in range(6):
        action = env.expert_action()
        assert action == env.expert_action()
        assert env.step(str(action)) == silent.step(str(action))
        assert env.state_hash() == silent.state_hash()
    assert env.expert_action() == silent.expert_action()


def test_a_sentence_in_other_words_leaves_the_explorer_without_advice(
    make_kitchen: Callable[..., dict[str, object]], folder: Path
) -> None:
    game = make_kitchen(sentence="please see to it that an apple ends up in the cabinet.")
    (folder / TRIAL / "game.tw-pddl").write_text(json.dumps(game))
    env = make("ACT/ALFWorld-v0", data_dir=folder, split="valid_seen")
    observation, info = env.reset()
    assert info["goal"] in observation
    assert env.expert_action() is None
    assert env.step("go to fridge 1")[4]["action_valid"]


def test_either_dialect_is_taken_when_asked_for(folder: Path) -> None:
    for dialect, said in (("modern", "You move the"), ("classic", "You put the")):
        for command in ("move apple 1 to cabinet 1", "put apple 1 in/on cabinet 1"):
            for either in (True, False):
                env = make(
                    "ACT/ALFWorld-v0", data_dir=folder, dialect=dialect, either_dialect=either
                )
                env.reset()
                setup = ["go to countertop 1", "take apple 1 from countertop 1", "open cabinet 1"]
                for action in setup:
                    env.step(action)
                own = (dialect == "modern") == command.startswith("move")
                canonical = env.canonical(f" {command} ")
                observation, *_, info = env.step(command)
                assert info["won"] == (own or either)
                assert observation.startswith(said) == (own or either)
                assert canonical == command or either


def test_goal_conditions_are_counted_when_asked_for() -> None:
    env = make(goal_conditions=True, expert="clairvoyant")
    tasks = env.tasks()
    clean = next(t for t in tasks if t.kind == "pick_clean_then_place_in_recep")
    env.reset(options={"task_id": clean.task_id})
    shares = []
    while not env.terminated:
        *_, info = env.step(str(env.expert_action()))
        shares.append(info.get("goal_conditions"))
    assert shares[0] == 0
    assert shares[-1] == 1
    assert pytest.approx(1 / 3) in shares
    assert "goal_conditions" not in make().reset(seed=0)[1]


def test_snapshots_stay_in_their_dialect() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(SnapshotMismatch, match="classic"):
        make(dialect="classic").restore(env.snapshot())
    with pytest.raises(SnapshotMismatch, match="conditions"):
        make(goal_conditions=True).restore(env.snapshot())


def test_other_seeds_of_games_are_other_games() -> None:
    first, other = make(games=5), make(games=5, seed_of_games=1)
    ids = [{task.task_id for task in env.tasks()} for env in (first, other)]
    assert not ids[0] & ids[1]


def test_no_game_lies_beyond_the_number_asked_for() -> None:
    last = make(games=6).tasks()[-1].task_id
    make(games=6).reset(options={"task_id": last})
    with pytest.raises(UnknownTask, match="indices up to 4"):
        make(games=5).reset(options={"task_id": last})


def test_the_real_games_have_the_official_splits(alfworld_data: Path) -> None:
    env = make("ACT/ALFWorld-v0", data_dir=alfworld_data)
    counts = {split: len(env.tasks(split)) for split in env.splits}
    assert counts == {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
