"""What is pre-trained on: from the seed alone, told as prompts tell it, never of another split."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from act_data.errors import ForbiddenSplit
from act_data.prompts import action_prompt, read_answer
from act_data.rollout import make_env, text_env
from act_data.types import AgentState
from act_envs.types import Task
from act_train import corpus as corpora
from act_train import reading
from act_train.corpus import Corpus, World, play
from act_train.documents import Episode, Turn, transcript
from act_train.errors import RecipeError

HOUSE = "ACT/ALFWorldGen-v0"
SHOP = "ACT/WebShopGen-v0"
WORLDS: dict[str, dict[str, Any]] = {
    HOUSE: {"share": 3, "games": 400, "seed_of_games": 5},
    SHOP: {"share": 1, "products": 300, "seed_of_products": 5},
}


def documents(seed: int = 0, *, held_out: bool = False, count: int = 20) -> list[Any]:
    corpus = Corpus(WORLDS, 0.4, seed, held_out=held_out)
    return [corpus.document(0, index)[0] for index in range(count)]


def test_documents_follow_from_seed_and_index_in_any_process_and_order() -> None:
    corpus = Corpus(WORLDS, 0.4, 0, held_out=False)
    backwards = [corpus.document(0, index)[0] for index in reversed(range(20))]
    assert backwards[::-1] == documents()
    assert documents(seed=1) != documents()
    assert {document.source for document in backwards} == {HOUSE, SHOP, reading.READING}
    code = (
        "from act_train.corpus import Corpus; "
        f"print(Corpus({WORLDS!r}, 0.4, 0, held_out=False).document(0, 3)[0])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )  # fmt: skip
    assert found.stdout.strip() == str(corpus.document(0, 3)[0])


@pytest.mark.parametrize("env_id", WORLDS)
def test_only_train_tasks_are_played_and_held_out_ones_share_nothing_with_them(env_id: str) -> None:
    arguments = {name: value for name, value in WORLDS[env_id].items() if name != "share"}
    train = World(env_id, arguments, held_out=False).tasks
    held = World(env_id, arguments, held_out=True).tasks
    assert {task.split for task in train + held} == {"train"}
    origins = [{task.origin or task.task_id for task in tasks} for tasks in (train, held)]
    assert not origins[0] & origins[1]
    assert 0 < len(held) < len(train) / 10
    env = text_env(make_env(env_id, arguments))
    assert {task.task_id for task in train + held} == {task.task_id for task in env.tasks("train")}
    kept = {task.task_id for split in env.splits if split != "train" for task in env.tasks(split)}
    assert not kept & {task.task_id for task in train + held}
    drawn = {d.task_id for d in documents(held_out=True) if d.source == env_id}
    assert drawn
    assert drawn <= {task.task_id for task in held}


def test_tasks_that_are_not_of_the_train_split_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    env = text_env(make_env(HOUSE, {"games": 100}))
    listed = [*env.tasks("train"), Task("x", "unseen", "look")]
    monkeypatch.setattr(type(env), "tasks", lambda self: listed)
    monkeypatch.setattr(corpora, "HELD_OUT", 2**33)  # then only a hash of 0 would be held out
    with pytest.raises(ForbiddenSplit, match="unseen"):
        World(HOUSE, {"games": 100}, held_out=False)
    with pytest.raises(RecipeError, match="too few tasks"):
        World(HOUSE, {"games": 100}, held_out=True)


@pytest.mark.parametrize("first", [0, 2])
def test_trunk_and_branch_are_the_prompt_that_a_policy_meets(first: int) -> None:
    turns = tuple(Turn(f"seen {i}\nline", f"do {i}", f"do {i}") for i in range(4))
    document = transcript("env", "task", Episode("a goal", turns, "the end"), first)
    assert len(document.branches) == 4 - first
    for step, branch in enumerate(document.branches, first):
        past = tuple((turn.observation, turn.action) for turn in turns[first:step])
        state = AgentState("a goal", turns[step].observation, past)
        before = "".join(span.text for span in document.trunk[: branch.fork])
        assert before + branch.prompt == action_prompt(state, history=9)[0]["content"]
        assert read_answer(branch.answer) == (f"do {step}", None)
    assert document.trunk[-1].text == "the end"


def test_a_step_knows_whether_the_one_before_was_refused() -> None:
    env = text_env(make_env(HOUSE, {"games": 20, "seed_of_games": 5}))
    refused = 0
    for task in env.tasks("train")[:6]:
        episode = play(env, task.task_id, 0.4, np.random.default_rng(0))
        branches = transcript(HOUSE, task.task_id, episode).branches
        after = ["Nothing happens." in turn.observation for turn in episode.turns]
        assert [branch.after_refusal for branch in branches] == after
        refused += sum(after)
    assert refused


def test_of_brief_episodes_only_the_first_steps_are_told() -> None:
    def told(brief: float) -> list[Any]:
        corpus = Corpus({SHOP: {**WORLDS[SHOP], "brief": brief}}, 0.0, 0, held_out=False)
        return [corpus.document(0, index)[0] for index in range(24)]

    assert told(0.0) == [
        Corpus({SHOP: WORLDS[SHOP]}, 0.0, 0, held_out=False).document(0, index)[0]
        for index in range(24)
    ]
    lengths = [len(document.branches) for document in told(1.0)]
    assert set(lengths) == {1, 2}
    some = [len(document.branches) <= 2 for document in told(0.5)]
    assert 6 <= sum(some) <= 18


def test_mistakes_are_read_and_never_learnt_and_the_expert_goes_on() -> None:
    env = text_env(make_env(HOUSE, {"games": 20, "seed_of_games": 5}))
    tasks = [task.task_id for task in env.tasks("train")[:6]]
    right = [play(env, task, 0.0, np.random.default_rng(0)) for task in tasks]
    assert all(turn.action == turn.wanted for episode in right for turn in episode.turns)
    wrong = [play(env, task, 0.4, np.random.default_rng(0)) for task in tasks]
    turns = [turn for episode in wrong for turn in episode.turns]
    assert 0.2 < np.mean([turn.action != turn.wanted for turn in turns]) < 0.6
    assert len(turns) > sum(len(episode.turns) for episode in right)
    for task, episode in zip(tasks, wrong, strict=True):
        document = transcript(HOUSE, task, episode)
        for turn, branch in zip(episode.turns, document.branches, strict=True):
            done = document.trunk[branch.fork + 1]
            assert done.text == f" {turn.action}\n"
            assert done.role == ("target" if turn.action == turn.wanted else "context")
            assert read_answer(branch.answer)[0] == turn.wanted


def test_questions_can_be_answered_from_their_text() -> None:
    turns = tuple(
        Turn(f"On the shelf {i}, you see a mug {i + 3}, and a pen 1.", "look", "look")
        for i in range(6)
    )
    checks = {
        r"What is the code of the (\w+)\?": lambda text, said, answer: (
            f"code of the {said[1]} is {answer}." in text
        ),
        r"Which words follow: (.+)": lambda text, said, answer: f"{said[1]} {answer}" in text,
        r"(?s)(.*)\n\nCopy action (\d) exactly\.": lambda text, said, answer: (
            said[1].split("\n")[int(said[2]) - 1] == f"Action {said[2]}: {answer}"
            and answer in text
        ),
        r"Which of the two is in the text, (\w+ \d+) or (\w+ \d+)\?": lambda text, said, answer: (
            answer in text
            and not re.search(rf"{said[1] if answer == said[2] else said[2]}\b", text)
        ),
        r"How many times does the text say (\w+)\?": lambda text, said, answer: (
            len(re.findall(rf"\b{said[1]}\b", text)) == int(answer)
        ),
    }
    met = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        document = reading.questions("task", Episode("goal", turns, "end"), rng)
        text = document.trunk[0].text.replace("\n", " ")
        for branch in document.branches:
            said = branch.prompt.strip().removesuffix(" Answer with <action>the answer</action>.")
            answer, fault = read_answer(branch.answer)
            assert fault is None
            [kind] = [pattern for pattern in checks if re.fullmatch(pattern, said)]
            found = re.fullmatch(kind, said)
            assert checks[kind](text, found, answer), (said, answer, text)
            met.add(kind)
    assert met == set(checks)
