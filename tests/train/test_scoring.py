"""Candidates scored over a shared prefix get what separate forward passes give them."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("transformers")

import torch

from act_data.policies.base import Query
from act_data.shared_prefix import answer_log_probabilities, likeliest
from act_data.types import AgentState
from act_train.scoring import LikeliestAdmissible
from act_train.scratch import make_model, make_tokenizer

TEXTS = ["You see a drawer 12 and a mug 3. go to drawer 12, take mug 3 from drawer 12."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = make_tokenizer(TEXTS, 300, spell=True)
    tokenizer.save_pretrained(folder)
    model = make_model(tokenizer, hidden=64, layers=2, seed=0)
    model.model.embed_tokens.weight.data.mul_(20)  # so that answers differ in likelihood
    model.save_pretrained(folder)
    return folder


def separately(model: Any, prompt: list[int], answer: list[int]) -> list[float]:
    ids = torch.tensor([prompt + answer])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return logits.gather(-1, torch.tensor(answer)[:, None]).squeeze(-1).tolist()


def test_scores_equal_separate_forward_passes_for_any_number_of_candidates(folder: Path) -> None:
    model = LikeliestAdmissible(str(folder), history=2, repeat_penalty=0.0)._model
    draw = torch.Generator().manual_seed(0)
    size = model.config.vocab_size
    prompt = torch.randint(3, size, (50,), generator=draw).tolist()
    answers = [  # more than fit into one pass
        torch.randint(3, size, (1 + i % 7,), generator=draw).tolist() for i in range(70)
    ]
    found = answer_log_probabilities(model, [(prompt, answer) for answer in answers])
    for tokens, answer in zip(found, answers, strict=True):
        assert tokens == pytest.approx(separately(model, prompt, answer), abs=1e-5)
    sums = [sum(tokens) for tokens in found]
    assert max(sums) - min(sums) > 1


def among(rows: list[list[int]], found: list[list[float]]) -> list[float]:
    """What the search must find: each token drawn among those with which some answer goes on."""
    following: dict[tuple[int, ...], dict[int, float]] = {}
    for row, values in zip(rows, found, strict=True):
        for i, (token, value) in enumerate(zip(row, values, strict=True)):
            following.setdefault(tuple(row[:i]), {})[token] = value
    return [
        sum(
            following[tuple(row[:i])][token]
            - float(torch.tensor([*following[tuple(row[:i])].values()]).logsumexp(0))
            for i, token in enumerate(row)
        )
        for row in rows
    ]


def test_the_search_finds_answers_in_the_order_of_their_likelihood_among_them(folder: Path) -> None:
    model = LikeliestAdmissible(str(folder), history=2, repeat_penalty=0.0)._model
    draw = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, model.config.vocab_size, (count,), generator=draw).tolist()

    prompt, codes = tokens(50), tokens(4)
    rows = [[*tokens(1 + i % 3), 1] for i in range(40)]
    rows += [[codes[0], codes[1], *tokens(1 + i % 4), 1] for i in range(40)]  # alike at first
    rows = [list(row) for row in dict.fromkeys(map(tuple, rows))]
    costs = [float(i % 5) for i in range(len(rows))]
    scores = among(rows, answer_log_probabilities(model, [(prompt, row) for row in rows]))
    expected = [score - cost for score, cost in zip(scores, costs, strict=True)]
    found = list(likeliest(model, prompt, rows, costs))
    assert [value for _, value in found] == sorted((v for _, v in found), reverse=True)
    assert [value for _, value in sorted(found)] == pytest.approx(expected, abs=1e-4)
    chances = [math.exp(value) for _, value in likeliest(model, prompt, rows, [0.0] * len(rows))]
    assert sum(chances) == pytest.approx(1.0, abs=1e-4)
    assert list(likeliest(model, prompt, rows[:1], [2.0])) == [(0, -2.0)]  # no other can be given


def test_the_search_computes_few_of_many_answers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LikeliestAdmissible(str(folder), history=2, repeat_penalty=0.0)._model
    computed = []
    forward = model.forward

    def counting(input_ids: torch.Tensor, **options: Any) -> Any:
        computed.append(input_ids.numel())
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "forward", counting)
    size = model.config.vocab_size
    rows = [[3 + i, 3 + j, 1] for i in range(100) for j in range(100) if 3 + i < size > 3 + j]
    next(likeliest(model, [5] * 20, rows, [0.0] * len(rows)))
    assert len(rows) == 10_000
    assert sum(computed) < 1000


def test_the_likeliest_offered_action_is_taken_until_repeats_cost_too_much(folder: Path) -> None:
    offered = ("go to drawer 12", "take mug 3 from drawer 12", "look")

    def ranked(penalty: float, *done: str) -> list[str | None]:
        policy = LikeliestAdmissible(str(folder), history=9, repeat_penalty=penalty)
        state = AgentState("a goal", "a drawer 12", tuple(("seen", action) for action in done))
        [samples] = policy.sample([Query(state, offered, (0, 0, 0, 0))], 3)
        return [sample.action for sample in samples]

    best = ranked(0.0)[0]
    assert best is not None
    assert sorted(map(str, ranked(0.0))) == sorted(offered)
    assert ranked(1000.0, best)[-1] == best
    assert ranked(1000.0, best)[0] != best


@pytest.mark.parametrize(
    ("said", "expected"),
    [("red shoes]</action>", "search[red shoes]"), ("red shoes</action>", None), ("red red", None)],
)
def test_an_offer_that_leaves_words_open_is_ranked_with_the_models_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: str | None
) -> None:
    policy = LikeliestAdmissible(str(folder), history=9, repeat_penalty=0.0)

    def generate(ids: torch.Tensor, **_: Any) -> torch.Tensor:
        assert policy._tokenizer.decode(ids[0]).endswith("<action>search[")
        words = policy._tokenizer(said, add_special_tokens=False)["input_ids"]
        return torch.cat([ids, torch.tensor([words])], 1)

    monkeypatch.setattr(policy._model, "generate", generate)
    query = Query(AgentState("a goal", "a shop", ()), ("search[...]",), (0, 0, 0, 0))
    [[sample]] = policy.sample([query], 1)
    assert sample.action == expected
    long = dataclasses.replace(query, state=AgentState("a goal", "a shop " * 5000, ()))
    assert policy.sample([long], 1)[0][0].fault == "too_long"
    query = dataclasses.replace(query, admissible_actions=("search[...]", "click[...and more]"))
    [samples] = policy.sample([query], 2)
    assert {sample.action for sample in samples} == {expected, "click[...and more]"} - {None}
