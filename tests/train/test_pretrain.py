"""Pre-training: prompts exactly as policies meet them, the loss as told, the same bytes again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("transformers")

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from act_data.policies.base import make_policy
from act_data.prompts import OPEN_TAG
from act_data.rollout import make_env, play
from act_train import pretrain, probes
from act_train.arguments.scratch import PretrainArguments
from act_train.corpus import Corpus
from act_train.documents import Document, Episode, Turn, transcript
from act_train.errors import RecipeError
from act_train.packing import ATTENTION, TARGET, TEXT, Batch, Batches, Encoder, collate
from act_train.reading import reading_document
from act_train.scratch import make_model, make_tokenizer

TOY = {"ACT/Toy-v0": {"share": 1, "step_limit": 20}}
SMALL: dict[str, Any] = {
    "worlds": json.dumps(TOY), "vocabulary": 320, "hidden": 64, "layers": 2, "steps": 6,
    "batch_tokens": 1024, "max_length": 512, "learning_rate": 1e-2, "warmup_steps": 2,
    "probe_steps": 2, "save_steps": 2, "workers": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_TEXTS", 40)
    monkeypatch.setattr(probes, "_COPIES", 4)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    corpus = Corpus(TOY, 0.3, 0, held_out=False)
    texts = (pretrain._text(corpus.document(index)[0]) for index in range(40))
    return make_tokenizer(texts, 320, spell=True)


@pytest.fixture(scope="module")
def episode() -> Episode:
    turns = tuple(
        Turn(f"You see a mug {i}.\n\nIt is cold.", f"take mug {i}", f"take mug {i - i % 2}")
        for i in range(8, 13)
    )
    return Episode("find a mug 12", turns, "Done.")


def lengths(batch: Batch) -> list[int]:
    """Tokens of the documents of a batch."""
    return [piece.trunk + len(piece.sees) for piece in batch.pieces]


def whole_prompt(tokenizer: Any, document: Document, number: int) -> tuple[list[int], int]:
    """The tokens of a branch as a policy meets them, and how many are not the answer."""
    branch = document.branches[number]
    text = "".join(span.text for span in document.trunk[: branch.fork]) + branch.prompt
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    return asked + tokenizer.encode(f"{branch.answer}{tokenizer.eos_token}"), len(asked)


def test_a_question_in_a_batch_is_answered_as_if_it_were_asked_alone(
    tokenizer: Any, episode: Episode
) -> None:
    documents = [
        reading_document("", ["The code of the key is 4x7."], [("Which?", "4x7"), ("Why?", "-")]),
        transcript("env", "task", episode),
        transcript("env", "task", episode, first=2),
    ]
    encoder = Encoder(tokenizer)
    encoded = [encoder.encode(d, range(len(d.branches)), 10_000) for d in documents]
    batch = collate(encoded)
    alone = make_model(tokenizer, hidden=64, layers=2, seed=0).eval()
    packed = make_model(tokenizer, hidden=64, layers=2, seed=0).eval()
    packed.set_attn_implementation(ATTENTION)
    with torch.inference_mode():
        hidden = packed.model(
            input_ids=batch.ids, position_ids=batch.positions, use_cache=False, pieces=batch.pieces
        ).last_hidden_state
        found = packed.lm_head(hidden)[0].split([len(one.ids) for one in encoded])
        for document, one, logits in zip(documents, encoded, found, strict=True):
            names = torch.tensor(one.branches)
            for number in range(len(document.branches)):
                ids, asked = whole_prompt(tokenizer, document, number)
                own = (names == number + 1).nonzero().flatten().tolist()
                fork = one.positions[own[0]]
                assert [*one.ids[:fork], *(one.ids[i] for i in own)] == ids
                assert [one.roles[i] for i in own].count(TARGET) == len(ids) - asked
                expected = alone(input_ids=torch.tensor([ids])).logits[0, fork:]
                assert torch.allclose(logits[own], expected, atol=1e-5)


def test_what_is_too_long_ends_early_and_keeps_whole_questions(
    tokenizer: Any, episode: Episode
) -> None:
    document = transcript("env", "task", episode)
    encoder = Encoder(tokenizer)
    full = encoder.encode(document, range(5), 10_000)
    for limit in (len(full.ids) - 1, len(full.ids) // 2, 60):
        cut = encoder.encode(document, range(5), limit)
        assert len(cut.ids) <= limit
        assert cut.ids[: cut.trunk] == full.ids[: cut.trunk]
        for name in set(cut.branches) - {0}:
            kept = [i for i, b in zip(cut.ids, cut.branches, strict=True) if b == name]
            assert kept == [i for i, b in zip(full.ids, full.branches, strict=True) if b == name]


def test_the_loss_weighs_actions_most_text_less_and_mistakes_nothing(
    tokenizer: Any, episode: Episode
) -> None:
    document = transcript("env", "task", episode)
    batch = collate([Encoder(tokenizer).encode(document, [0, 3], 10_000)])
    model = make_model(tokenizer, hidden=64, layers=1, seed=0)
    model.set_attn_implementation(ATTENTION)
    logits = model(
        input_ids=batch.ids, position_ids=batch.positions, use_cache=False, pieces=batch.pieces
    ).logits[0, :-1]
    losses = functional.cross_entropy(logits, batch.ids[0, 1:], reduction="none")
    weights = torch.tensor([0.0, 0.3, 1.3])[batch.roles[0, 1:]]
    expected = (losses * weights).sum() / weights.sum()
    assert torch.allclose(pretrain.loss_of(model, batch, 0.3), expected)
    learnt = [tokenizer.decode(i) for i, r in zip(batch.ids[0], batch.roles[0], strict=True) if r]
    text = "".join(learnt)
    for turn, branch in zip(episode.turns, document.branches, strict=True):
        assert (f"> {turn.action}\n" in text) == (turn.action == turn.wanted)
        assert branch.prompt not in text
    assert text.count("<action>") == 2


def test_batches_follow_from_their_number_and_fill_up(tokenizer: Any) -> None:
    corpus = Corpus(TOY, 0.3, 0, held_out=False)
    batches = Batches(corpus, Encoder(tokenizer), tokens=2048, limit=1024, asked=0.5)
    third = batches[3]
    assert not torch.equal(batches[4].ids, third.ids)
    assert torch.equal(batches[3].ids, third.ids)
    assert all(1024 < batches[i].ids.shape[1] <= 2048 for i in range(5))


@pytest.mark.parametrize(
    ("asked", "after_refusals", "expected"),
    [(0.0, 1.0, {True}), (1.0, 0.0, {False}), (1.0, None, {True, False}), (0.0, None, set())],
)
def test_steps_after_refused_actions_are_asked_as_often_as_wanted(
    tokenizer: Any, asked: float, after_refusals: float | None, expected: set[bool]
) -> None:
    corpus = Corpus(TOY, 0.0, 0, held_out=False)
    batch = Batches(
        corpus, Encoder(tokenizer), tokens=8192, limit=8192, asked=asked,
        after_refusals=after_refusals,
    )[0]  # fmt: skip
    documents = [corpus.document(0, number)[0] for number in range(len(batch.pieces))]
    steps = [branch.after_refusal for one in documents for branch in one.branches]
    assert set(steps) == {True, False}
    answers = (batch.ids == tokenizer.convert_tokens_to_ids(OPEN_TAG)) & (batch.roles == TARGET)
    assert int(answers.sum()) == sum(step in expected for step in steps)


def test_in_a_recital_all_is_learnt_that_can_be_known(tokenizer: Any) -> None:
    corpus = Corpus(TOY, 0.3, 0, held_out=False)
    batch = Batches(corpus, Encoder(tokenizer), tokens=2048, limit=100, asked=0.5, recitals=1.0)[7]
    assert {piece.trunk for piece in batch.pieces} <= {64, 100}  # cut to the limit
    cuts = [piece.trunk for piece in batch.pieces]
    for ids, roles in zip(batch.ids[0].split(cuts), batch.roles[0].split(cuts), strict=True):
        once = int((roles != TARGET).sum())
        assert 6 <= once <= len(ids) // 2
        assert (roles[once:] == TARGET).all()
        assert torch.equal(ids[once:], ids[:-once])


def test_recitals_are_as_many_as_wanted_and_change_no_document(tokenizer: Any) -> None:
    corpus = Corpus(TOY, 0.3, 0, held_out=False)
    shape: dict[str, Any] = {"tokens": 8192, "limit": 512, "asked": 0.5}
    alone = Batches(corpus, Encoder(tokenizer), **shape)[0]
    documents = {tuple(ids.tolist()) for ids in alone.ids[0].split(lengths(alone))}
    mixed = Batches(corpus, Encoder(tokenizer), **shape, recitals=0.5)[0]
    found = [tuple(ids.tolist()) in documents for ids in mixed.ids[0].split(lengths(mixed))]
    assert 0.2 < sum(found) / len(found) < 0.8


def test_a_killed_run_goes_on_to_the_same_bytes_and_another_one_is_refused(tmp_path: Path) -> None:
    straight, killed = (tmp_path / name for name in ("straight", "killed"))
    metrics = pretrain.run(PretrainArguments(out=str(straight), **SMALL))
    code = f"""
import os, signal
from act_train import pretrain, probes
from act_train.arguments.scratch import (PretrainArguments)
pretrain._TEXTS, probes._COPIES = 40, 4
learn = pretrain._learn
def dying(model, optimizers, batch, step, arguments):
    if step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(model, optimizers, batch, step, arguments)
pretrain._learn = dying
pretrain.run(PretrainArguments(out={str(killed)!r}, **{ {**SMALL, "workers": 1}!r}))
"""
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (killed / "model.safetensors").exists()
    with pytest.raises(RecipeError, match=r"learning_rate is 0\.01 there, 0\.5 now"):
        pretrain.run(PretrainArguments(out=str(killed), **{**SMALL, "learning_rate": 0.5}))
    # Saved after step 2, while the learning rate still stood: it may fall later, but not earlier.
    with pytest.raises(RecipeError, match="falls from step 4 to 6 there, from 1 to 6 now"):
        pretrain.run(PretrainArguments(out=str(killed), **{**SMALL, "decay": 0.9}))
    pretrain.run(PretrainArguments(out=str(killed), **SMALL))
    with pytest.raises(RecipeError, match="has 6 steps behind it"):
        pretrain.run(PretrainArguments(out=str(killed), **{**SMALL, "steps": 20}))
    with pytest.raises(RecipeError, match="from step 4 to 6 there, from 4 to 5 now"):
        pretrain.run(PretrainArguments(out=str(killed), **{**SMALL, "steps": 5, "decay": 0.2}))
    for name in ("model.safetensors", "tokenizer.json", "log.jsonl", "metrics.json"):
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name
    (killed / "run.json").write_text("{")
    with pytest.raises(RecipeError, match=r"run\.json is no JSON"):
        pretrain.run(PretrainArguments(out=str(killed), **SMALL))
    lines = [json.loads(line) for line in (straight / "log.jsonl").open()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert lines[-1]["loss"] < lines[0]["loss"]
    for name in ("action", "trunk_action", "action_token", "reading", "copy"):
        assert 0 <= lines[-1][name] <= 1
    assert metrics["parameters"] < 1_500_000


def test_what_is_saved_plays_as_any_policy_does(tmp_path: Path) -> None:
    out = tmp_path / "run"
    pretrain.run(PretrainArguments(out=str(out), **{**SMALL, "steps": 2}))
    model = AutoModelForCausalLM.from_pretrained(out, dtype="auto")
    assert model.dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(out).encode("mug 12")[-1] != model.config.eos_token_id
    policy = make_policy(f"transformers:{out}", temperature=0.0, max_new_tokens=4)
    env = make_env("ACT/Toy-v0", {"step_limit": 2})
    task = env.unwrapped.tasks()[0].task_id  # pyright: ignore[reportAttributeAccessIssue]
    assert len(play(env, policy, task, seed=0).transitions) == 2


def test_the_exam_counts_actions_that_are_right_to_the_last_token(
    tokenizer: Any, episode: Episode
) -> None:
    encoder = Encoder(tokenizer)
    batch = collate([encoder.encode(transcript("env", "task", episode), [0, 3], 10_000)])
    aimed = batch.roles[0, 1:][batch.roles[0, 1:] >= TEXT] == TARGET
    right = torch.ones(len(aimed), dtype=torch.bool)
    whole, branch = probes.whole_targets(batch, right)
    assert whole.all()
    assert branch.tolist() == [False, False, False, True, True]  # three right actions, two asked
    right[aimed.nonzero()[-2]] = False
    whole, _ = probes.whole_targets(batch, right)
    assert whole.tolist() == [True, True, True, True, False]


def test_an_identifier_to_copy_lies_about_200_tokens_back(tokenizer: Any) -> None:
    corpus = Corpus(TOY, 0.3, 0, held_out=True)
    probe = probes.copy_probe(corpus, Encoder(tokenizer), tokenizer)
    assert all(150 < piece.trunk < 260 for piece in probe.pieces)
    assert int((probe.roles == TARGET).sum()) >= 4 * len(probe.pieces)
    again = probes.copy_probe(corpus, Encoder(tokenizer), tokenizer)
    assert torch.equal(probe.ids, again.ids)
