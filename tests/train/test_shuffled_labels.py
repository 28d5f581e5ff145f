"""A task that a small model can learn, with its labels and with shuffled ones.

A light says which of two actions is right. Shuffled labels say once that and once the opposite of
every state: whatever a model reads in the state and in the two texts, it cannot be right about more
than half of them, but where the prompt gives the label away, by its words or by its order.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

pytest.importorskip("trl")

from transformers import AutoModelForCausalLM, AutoTokenizer

from act_data.models import NANO_BASE, packaged
from act_data.prompts import render_answer
from act_data.shared_prefix import answer_log_probabilities
from act_data.storage.tables import write_parquet
from act_data.types import AgentState, ContrastPair
from act_train import choice_sft, critique, rows
from act_train.arguments.training import (
    CritiqueArguments,
    LabelArguments,
    ModelArguments,
    PairArguments,
    QuestionArguments,
    RewardArguments,
)
from act_train.data import load_pairs, split_by_task
from act_train.errors import NothingToLearn
from act_train.questions import Question, ask
from tests.train.test_stages import grpo, sft

RIGHT = {"red": "stop", "green": "go"}
HELD_OUT = 0.3


def pairs(*, shuffled: bool) -> Iterator[ContrastPair]:
    for task in range(40):
        for light, right in RIGHT.items():
            for copy, named in enumerate(("stop", "go")):
                better = named if shuffled else right
                name = f"{task}{light}{copy}".encode()
                yield ContrastPair(
                    pair_id=hashlib.blake2b(name, digest_size=8).hexdigest(),
                    env_id="ACT/Toy-v0",
                    env_kwargs="{}",
                    task_id=f"crossing {task}",
                    split="train",
                    kind="crossing",
                    step=0,
                    state=AgentState(f"Cross {task}", light),
                    admissible_actions=("go", "stop"),
                    state_hash="",
                    expert_action=better,
                    alternative_action="go" if better == "stop" else "stop",
                    alternative_count=1,
                    expert="light",
                    policy="planted",
                    policy_revision="",
                    sampling="{}",
                    seed=0,
                    generator="test",
                )  # fmt: skip


def teach(start: Path, data: Path, out: Path, *, flip: float = 0.0) -> None:
    choice_sft.run(
        ModelArguments(model=str(start)),
        PairArguments(pairs=str(data), history=0, validation_share=HELD_OUT),
        QuestionArguments(),
        LabelArguments(flip_labels=flip),
        sft(out, max_steps=40, learning_rate=1e-3),
    )


def criticise(start: Path, data: Path, out: Path, *, above_chance: bool = True) -> dict[str, float]:
    return critique.run(
        ModelArguments(model=str(start)),
        PairArguments(pairs=str(data), history=0, validation_share=HELD_OUT),
        QuestionArguments(),
        LabelArguments(),
        RewardArguments(reward_admissible=0.0),
        CritiqueArguments(gate_prompts=72, above_chance=above_chance, reasoning=False),
        grpo(
            out, max_steps=30, learning_rate=5e-4, lr_scheduler_type="constant", beta=0.01,
            per_device_train_batch_size=64, per_device_eval_batch_size=96, max_completion_length=8,
        ),
    )  # fmt: skip


def accuracy(model: Path, data: Path) -> float:
    """How often the labelled action of held-out pairs is the likelier answer, exactly."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model).eval()

    def tokens(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    _, held = split_by_task(load_pairs(str(data)), HELD_OUT)
    right = []
    for row in rows.critique_rows(ask(held, QuestionArguments()), history=0, reasoning=False):
        text = tokenizer.apply_chat_template(
            row["prompt"], add_generation_prompt=True, tokenize=False
        )
        answers = [render_answer(row[f"{who}_action"]) for who in ("expert", "alternative")]
        found = [(tokens(text), tokens(f"{answer}{tokenizer.eos_token}")) for answer in answers]
        expert, other = map(sum, answer_log_probabilities(network, found))
        right.append((expert > other) + (expert == other) / 2)
    return sum(right) / len(right)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "pairs.parquet"
    write_parquet(path, list(pairs(shuffled=False)), "pairs")
    return path


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shuffled") / "pairs.parquet"
    write_parquet(path, list(pairs(shuffled=True)), "pairs")
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, real: Path) -> Path:
    """A model that judges a little."""
    folder = tmp_path_factory.mktemp("start")
    teach(packaged(NANO_BASE), real, folder, flip=0.2)
    return folder


def test_critique_learns_real_labels(start: Path, real: Path, tmp_path: Path) -> None:
    metrics = criticise(start, real, tmp_path)
    share = "judge/expert_share_of_named"
    assert metrics[f"before_{share}_low"] > metrics["before_judge/chance"] == 0.5
    assert metrics[f"after_{share}"] > metrics[f"before_{share}"] + 0.1
    assert accuracy(tmp_path, real) > 0.9


def test_critique_learns_nothing_from_shuffled_labels(
    start: Path, shuffled: Path, tmp_path: Path
) -> None:
    with pytest.raises(NothingToLearn, match=r"50\.0% would be by chance.*above_chance: false"):
        criticise(start, shuffled, tmp_path)
    metrics = criticise(start, shuffled, tmp_path, above_chance=False)
    assert accuracy(tmp_path, shuffled) == 0.5
    assert abs(metrics["after_judge/expert_share_of_named"] - 0.5) < 0.1


def test_an_order_that_tells_the_label_is_learnt_from_shuffled_ones(
    shuffled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def biased(question: Question) -> list[tuple[str, ...]]:
        return [(question.answer, *(a for a in question.candidates if a != question.answer))]

    monkeypatch.setattr(rows, "_orders", biased)
    teach(packaged(NANO_BASE), shuffled, tmp_path)
    assert accuracy(tmp_path, shuffled) > 0.9
