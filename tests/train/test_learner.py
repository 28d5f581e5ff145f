"""A model that plays while it is corrected: exactly the transcript, what it would say, no mistake
of its own as a target."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch

from act_data.errors import ModelNotFound
from act_data.models import NANO, find_model
from act_data.prompts import action_prompt, parse_answer
from act_data.types import AgentState
from act_train import pretrain, probes
from act_train.arguments.scratch import PretrainArguments
from act_train.corpus import STUCK, Corpus, World, play, play_along
from act_train.errors import RecipeError
from act_train.judging.lineage import lineage
from act_train.learner import Learner

HOUSE: dict[str, dict[str, Any]] = {
    "ACT/ALFWorldGen-v0": {"share": 1, "games": 100, "seed_of_games": 5}
}


def test_it_says_what_the_model_finds_likeliest_after_the_prompt() -> None:
    folder = find_model(NANO, None)[0]
    learner = Learner(folder, 2048)
    goal, past = "put a mug in cabinet.", (("You see a cabinet 1.", "open cabinet 1"),)
    learner.begin("another task")
    learner.act("You see a fridge 1.")
    learner.begin(goal)
    learner.act(past[0][0])  # and something else is done than it said
    learner.done(past[0][1])
    seen = "You open the cabinet 1. In it, you see a mug 2."
    said = learner.act(seen)
    tokenizer, model = pretrain._loaded(folder)
    prompt = action_prompt(AgentState(goal, seen, past), history=1)
    text: Any = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    found: Any = model.generate(  # pyright: ignore[reportAttributeAccessIssue]
        torch.tensor([ids]), max_new_tokens=40, do_sample=False
    )
    assert said == parse_answer(str(tokenizer.decode(found[0, len(ids) :], True)))
    assert said


def test_it_is_silent_where_its_room_ends() -> None:
    learner = Learner(find_model(NANO, None)[0], 260)
    learner.begin("put a mug in cabinet.")
    assert learner.act("You see a cabinet 1.")
    learner.done("open cabinet 1")
    assert learner.act("a mug 1, " * 40) == ""


def test_its_mistakes_are_read_and_the_expert_is_learnt() -> None:
    make = partial(Learner, find_model(NANO, None)[0], 2048)
    corpus = Corpus(HOUSE, 0.0, 4, held_out=False, learner=make, led=1.0)
    plain = Corpus(HOUSE, 0.0, 4, held_out=False)
    led = [corpus.document(i)[0] for i in range(8)]
    assert [corpus.document(i)[0] for i in reversed(range(8))] == led[::-1]
    assert led != [plain.document(i)[0] for i in range(8)]
    mistakes = [span for one in led for span in one.trunk[1:] if span.role == "context"]
    assert mistakes
    assert all(span.text.startswith(" ") and span.text.endswith("\n") for span in mistakes)
    unled = Corpus(HOUSE, 0.0, 4, held_out=False, learner=make, led=0.0)
    assert [unled.document(i)[0] for i in range(8)] == [plain.document(i)[0] for i in range(8)]


class Scripted:
    """Says the same at every step, and notes what it is told."""

    def __init__(self, says: str) -> None:
        self._says, self.told = says, list[tuple[str, str]]()

    def begin(self, goal: str) -> None:
        self.told.append(("begin", goal))

    def act(self, observation: str) -> str:
        self.told.append(("act", observation))
        return self._says

    def done(self, action: str) -> None:
        self.told.append(("done", action))


def test_the_expert_acts_where_a_learner_is_refused_again_and_again() -> None:
    world = World("ACT/ALFWorldGen-v0", {"games": 100, "seed_of_games": 5}, held_out=False)
    task, rng = world.tasks[0].task_id, np.random.default_rng(0)
    episode = play_along(world._env, task, Scripted("jump"), 0.0, rng)
    right = play(world._env, task, 0.0, rng)
    acted = [turn for turn in episode.turns if not turn.refused]
    assert [turn.action for turn in acted] == [turn.action for turn in right.turns]
    assert all(turn.action == "jump" for turn in episode.turns if turn.refused)
    assert len(episode.turns) == (STUCK + 1) * len(right.turns)
    world.close()


@pytest.mark.parametrize(("says", "helped"), [("look", 0.5), ("look", 1.0), ("", 0.0)])
def test_a_learner_is_told_all_that_is_done_and_helped_as_often_as_asked(
    says: str, helped: float
) -> None:
    world = World("ACT/ALFWorldGen-v0", {"games": 100, "seed_of_games": 5}, held_out=False)
    task, learner = world.tasks[0].task_id, Scripted(says)
    episode = play_along(world._env, task, learner, helped, np.random.default_rng(0))
    expected = [("begin", episode.goal)]
    for turn in episode.turns:
        expected += [("act", turn.observation), ("done", turn.action)]
    assert learner.told == expected
    own = sum(turn.action == "look" for turn in episode.turns)
    if helped == 0.5:
        assert 0.2 < own / len(episode.turns) < 0.8
    else:  # the expert acts alone: where it always helps, and where the learner says nothing
        assert episode == play(world._env, task, 0.0, np.random.default_rng(0))
    world.close()


def test_a_run_goes_on_from_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_COPIES", 4)
    given: dict[str, Any] = {
        "worlds": json.dumps(HOUSE), "steps": 2, "batch_tokens": 1024, "max_length": 512,
        "warmup_steps": 1, "learning_rate": 1e-4, "probe_steps": 2, "save_steps": 2, "workers": 0,
        "model": NANO, "led": 0.5,
    }  # fmt: skip
    metrics = pretrain.run(PretrainArguments(out=str(tmp_path), **given))
    assert metrics["action_token"] > 0.9  # of random weights: 0
    folder, name = find_model(NANO, None)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["weights"], record["arguments"]["model"]) == (name, NANO)
    assert "layers" not in record["arguments"]
    assert [found["stage"] for found in lineage(str(tmp_path))] == ["pretrain", "pretrain"]
    with pytest.raises(RecipeError, match="overwrite the model that it starts from"):
        pretrain.run(PretrainArguments(out=str(tmp_path), **{**given, "model": str(tmp_path)}))
    with pytest.raises(RecipeError, match="layers=3 is for a model from scratch"):
        PretrainArguments(out=str(tmp_path), layers=3, **given)
    assert (tmp_path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert find_model(str(tmp_path), None)[1] != name
    with pytest.raises(ModelNotFound, match="nowhere"):
        pretrain.run(PretrainArguments(out=str(tmp_path / "x"), **{**given, "model": "./nowhere"}))
    with pytest.raises(RecipeError, match="needs a model that plays"):
        PretrainArguments(out=str(tmp_path), **{**given, "model": ""})
