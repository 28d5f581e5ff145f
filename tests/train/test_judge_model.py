"""A causal language model as a judge: exact choices, rationales, and what it may be asked about."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("transformers")

import torch
from transformers import AutoModelForCausalLM

from act_data.loading import load
from act_data.prompts import critique_prompt, render_answer
from act_data.shared_prefix import answer_log_probabilities
from act_data.types import AgentState, ContrastPair
from act_train import judge, tiny
from act_train.arguments.measuring import JudgeArguments, JudgedPairArguments
from act_train.arguments.scratch import TinyArguments
from act_train.arguments.training import ModelArguments
from act_train.corpus import World
from act_train.data import split_by_task
from act_train.errors import RecipeError, ResultMismatch, TrainingData
from act_train.judging import choice
from act_train.judging.choice import ModelJudge, Question
from act_train.judging.lineage import played, reasons


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, stored: Path) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    tiny.run(
        TinyArguments(
            out=str(folder), texts=[str(stored / "pairs.parquet")], hidden=64, vocabulary=400
        )
    )
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    model.model.embed_tokens.weight.data.mul_(20)  # so that answers differ in likelihood
    model.save_pretrained(folder)
    return folder


def trained(base: Path, folder: Path, **arguments: Any) -> Path:
    """The model as a stage would leave it."""
    shutil.copytree(base, folder)
    stage = arguments.pop("stage", None)
    (folder / "run.json").write_text(json.dumps({"arguments": arguments, "stage": stage}))
    return folder


def asking(model: Path, *, history: int, reasoning: bool = True) -> ModelJudge:
    return ModelJudge(str(model), None, history=history, reasoning=reasoning, rationale_tokens=8)


def judged(model: Path, out: Path, *, arguments: Any = (), **data: Any) -> dict[str, Any]:
    judge.run(
        ModelArguments(model=str(model)),
        JudgedPairArguments(**data),
        JudgeArguments(output=str(out), **dict(arguments)),
    )
    return json.loads(out.read_text())


def separately(model: Any, context: list[int], answer: list[int]) -> float:
    ids = torch.tensor([[*context, *answer]])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, len(context) - 1 : -1].log_softmax(-1)
    return float(logits.gather(-1, torch.tensor(answer)[:, None]).sum())


def test_answers_over_a_shared_prefix_get_what_separate_passes_give_them(base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    draw = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, model.config.vocab_size, (count,), generator=draw).tolist()

    start = tokens(30)
    contexts = [start, [*start, *tokens(9)], [*start, *tokens(2)], start[:20]]
    rows = [(context, tokens(1 + 3 * i)) for i, context in enumerate(contexts)]
    found = [sum(tokens) for tokens in answer_log_probabilities(model, rows)]
    expected = [separately(model, *row) for row in rows]
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(expected) - min(expected) > 5


def test_a_model_weighs_whole_answers_to_the_prompt_of_each_order(
    base: Path, pairs: list[ContrastPair]
) -> None:
    pair = pairs[3]
    asked = asking(base, history=1)
    tokenizer = asked._tokenizer
    shown = [
        (pair.expert_action, pair.alternative_action),
        (pair.alternative_action, pair.expert_action),
    ]
    found = asked.weigh(pair.state, [Question(shown[0]), Question(shown[1], "thus")])
    thought = "<think>\nthus\n</think>\n\n"
    for candidates, given, after in zip(shown, found, ("", thought), strict=True):
        prompt = tokenizer.apply_chat_template(
            critique_prompt(pair.state, candidates, history=1),
            add_generation_prompt=True, tokenize=False,
        )  # fmt: skip
        context = tokenizer(prompt + after)["input_ids"]
        for action, score in zip(candidates, given, strict=True):
            answer = tokenizer(f"{render_answer(action)}<|im_end|>")["input_ids"]
            assert score == pytest.approx(separately(asked._model, context, answer), abs=1e-4)


def test_a_thinking_block_is_opened_once_and_reasoning_ends_where_an_answer_begins(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asking(base, history=0)
    state, candidates = AgentState("a goal", "a mug"), ("look", "wait")
    assert asked._opened(state, candidates).endswith("assistant\n<think>\n")
    asked._tokenizer.chat_template += "{% if enable_thinking %}<think>\n{% endif %}"
    assert asked._opened(state, candidates).count("<think>") == 1
    one = asked.reason(state, candidates)
    assert one == asked.reason(state, candidates)
    said = iter(["so look</think>\n\n<action>look", "look <action>look</action>", "so<|im_end|>x"])

    def generate(input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        more = asked._tokenizer(next(said), return_tensors="pt")["input_ids"]
        return torch.cat([input_ids, more], 1)

    monkeypatch.setattr(asked._model, "generate", generate)
    assert [asked.reason(state, candidates) for _ in range(3)] == ["so look", "look", "so"]


def test_a_state_that_is_too_long_is_refused(base: Path) -> None:
    asked = asking(base, history=0)
    with pytest.raises(TrainingData, match=r"4096. Show less history"):
        asked.weigh(AgentState("a goal", "a mug " * 4096), [Question(("look", "wait"))])


def test_a_model_that_learned_to_answer_at_once_is_asked_to(
    base: Path, stored: Path, tmp_path: Path
) -> None:
    state, candidates = AgentState("a goal", "a mug"), ("look", "wait")
    for reasoning in (True, False):
        asked = asking(base, history=0, reasoning=reasoning)
        plain = asked._asked(state, Question(candidates))
        assert ("Answer at once, without reasoning." in plain) is not reasoning
        assert "Answer at once" not in asked._asked(state, Question(candidates, "thus"))
    path = str(stored / "pairs.parquet")
    first = trained(base, tmp_path / "first", pairs=path, validation_share=0.1, reasoning=False)
    last = trained(base, tmp_path / "last", model=str(first), pairs=path, validation_share=0.1)
    more: dict[str, Any] = {"pairs": path, "max_pairs": 1, "history": 0}
    assert judged(last, tmp_path / "last.json", **more)["reasoning"] is False
    plain = judged(base, tmp_path / "base.json", arguments={"part": "all"}, **more)
    assert plain["reasoning"] is True
    imitated, chosen = {"stage": "imitate"}, {"stage": "choice-sft"}
    assert not reasons([imitated, chosen, {"stage": "critique", "reasoning": True}])
    assert reasons([imitated, {"stage": "critique", "reasoning": True}, chosen])
    assert reasons([imitated])


def test_a_pair_that_is_too_long_is_told_before_any_is_judged(
    base: Path, stored: Path, pairs: list[ContrastPair], tmp_path: Path
) -> None:
    data: dict[str, Any] = {"pairs": str(stored / "pairs.parquet"), "history": 0, "max_pairs": 8}
    asked = asking(base, history=0)
    shown = [pairs[i * len(pairs) // 8] for i in range(8)]  # as max_pairs spreads them

    def length(pair: ContrastPair) -> int:
        one, other = pair.expert_action, pair.alternative_action
        both = ((one, other), (other, one))
        return max(asked.length(pair.state, Question(candidates)) for candidates in both)

    lengths = {pair.pair_id: length(pair) for pair in shown}
    longest = max(lengths, key=lambda name: lengths[name])
    short = shutil.copytree(base, tmp_path / "short")
    config = json.loads((short / "config.json").read_text())
    tight = {**config, "max_position_embeddings": lengths[longest] - 1}
    (short / "config.json").write_text(json.dumps(tight))
    told = rf"of 8 pairs are too long .* {longest} .* has {lengths[longest]} .*Nothing was judged"
    with pytest.raises(TrainingData, match=told):
        judged(short, tmp_path / "short.json", arguments={"part": "all"}, **data)
    assert not (tmp_path / "short.jsonl").exists()
    fits = {**config, "max_position_embeddings": lengths[longest]}
    (short / "config.json").write_text(json.dumps(fits))
    judged(short, tmp_path / "fits.json", arguments={"part": "all"}, **data)
    more = {"part": "all", "rationale_pairs": 8, "rationale_tokens": 4}
    with pytest.raises(TrainingData, match="lower rationale_tokens"):
        judged(short, tmp_path / "short.json", arguments=more, **data)


def test_what_was_begun_on_another_device_is_not_continued(
    base: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data: dict[str, Any] = {"pairs": str(stored / "pairs.parquet"), "history": 0, "max_pairs": 1}
    found = judged(base, tmp_path / "a.json", arguments={"part": "all"}, **data)
    assert found["engine"].keys() == {"device", "dtype", "attention"}
    assert {"torch", "transformers", "tokenizers"} <= found["versions"].keys()
    other = {**found["engine"], "device": "elsewhere"}
    monkeypatch.setattr(choice, "engine_of", lambda _: other)
    with pytest.raises(ResultMismatch, match="engine is"):
        judged(base, tmp_path / "a.json", arguments={"part": "all"}, **data)


def test_two_runs_write_the_same_bytes(base: Path, stored: Path, tmp_path: Path) -> None:
    data = {"pairs": str(stored / "pairs.parquet"), "max_pairs": 6, "history": 1}
    more = {"part": "all", "rationale_pairs": 2, "rationale_tokens": 4}
    one, two = (
        judged(base, tmp_path / f"{name}.json", arguments=more, **data) for name in ("a", "b")
    )
    assert one == two
    for suffix in ("json", "jsonl"):
        left, right = (tmp_path / f"{name}.{suffix}" for name in ("a", "b"))
        assert left.read_bytes() == right.read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").open()]
    assert (one["pairs"], len(lines), one["rationales"]["pairs"]) == (6, 6, 2)
    assert sum("rationales" in line for line in lines) == 2


def test_tasks_that_any_stage_was_trained_on_are_not_held_out(
    base: Path, stored: Path, pairs: list[ContrastPair], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    path = str(stored / "pairs.parquet")
    first = trained(base, tmp_path / "one", pairs=path, validation_share=0.1, history=0)
    last = trained(
        base, tmp_path / "two", model=str(first), pairs=path, validation_share=0.5, history=0
    )
    found = judged(last, tmp_path / "judge.json", pairs=path)
    assert (found["history"], found["validation_share"]) == (0, 0.1)
    train, held_out = split_by_task(pairs, 0.1)
    assert (found["pairs"], found["text_others"]) == (len(held_out), len(train))
    assert not caplog.text
    with pytest.raises(RecipeError, match=r"validation_share=0\.5 is larger than the 0\.1"):
        judged(last, tmp_path / "x.json", pairs=path, validation_share=0.5)
    with pytest.raises(TrainingData, match="leaves no pair"):
        judged(last, tmp_path / "x.json", pairs=path, validation_share=0.0)
    judged(last, tmp_path / "y.json", pairs=path, history=1, max_pairs=1)
    assert "history=0 and is judged with history=1" in caplog.text
    world = {pairs[0].env_id: {"share": 1}}
    every = f"played all tasks of the {len(held_out)} pairs"
    played = trained(base, tmp_path / "three", worlds=json.dumps(world))
    with pytest.raises(TrainingData, match=every):
        judged(played, tmp_path / "x.json", pairs=path)
    env = {
        "env": f"act_envs:{pairs[0].env_id}",
        "split": "train",
        "allow_split": [],
        "env_kwargs": "{}",
    }
    some = held_out[0].task_id
    first = trained(base, tmp_path / "past", pairs=path, validation_share=0.1, history=1)
    for tasks in ([], [some]):
        name = f"env-rl {len(tasks)}"
        played = trained(base, tmp_path / name, stage="env-rl", model=str(first), history=0,
                         tasks=tasks, **env)  # fmt: skip
        if not tasks:
            with pytest.raises(TrainingData, match=every):
                judged(played, tmp_path / "x.json", pairs=path)
        else:
            found = judged(played, tmp_path / "one.json", pairs=path)
            left = sum(pair.task_id != some for pair in held_out)
            assert 0 < found["pairs"] == left < len(held_out)
            assert found["history"] == 1  # of env-rl's 0 says that past turns stand elsewhere


def test_a_split_of_a_dataset_is_judged_unless_the_model_was_trained_on_it(
    base: Path, tmp_path: Path
) -> None:
    data: dict[str, Any] = {"pairs": "builtin", "subset": "alfworld", "max_pairs": 2, "history": 0}
    found = judged(base, tmp_path / "test.json", split="test", **data)
    assert (found["pairs"], found["split"], found["validation_share"]) == (2, "test", None)
    assert found["text_others"] == len(load("builtin", "alfworld", split="train"))
    assert [row["reading"] for row in found["verified"]] == ["hindsight", "informed"]
    folder = Path(judge.__file__).parents[1] / "act_data/builtin/data/alfworld/train"
    model = trained(base, tmp_path / "model", pairs=str(folder), validation_share=0.0, history=0)
    judged(model, tmp_path / "fine.json", split="test", **data)
    with pytest.raises(TrainingData, match="trained on 19 of the tasks in split 'train'"):
        judged(model, tmp_path / "x.json", split="train", **data)
    found = judged(model, tmp_path / "all.json", arguments={"part": "all"}, split="train", **data)
    assert found["above_floor"] is None  # nothing is claimed
    told = {"pairs": "builtin", "subset": "alfworld", "split": "train", "validation_share": 0.0}
    named = trained(base, tmp_path / "named", history=0, **told)
    judged(named, tmp_path / "named.json", split="test", **data)
    with pytest.raises(TrainingData, match="trained on 19 of the tasks in split 'train'"):
        judged(named, tmp_path / "x.json", split="train", **data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"pairs": "builtin"}, "set split: test"),
        ({"pairs": "x", "subset": "alfworld"}, "Set split as well"),
        ({"pairs": "builtin", "split": "test", "validation_share": 0.5}, "Leave one of them out"),
    ],
)
def test_files_and_datasets_are_not_mistaken_for_each_other(
    data: dict[str, Any], told: str, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=told):
        judged(base, tmp_path / "x.json", **data)


def test_options_that_make_no_sense_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"must end in \.json"):
        JudgeArguments(output="x.jsonl")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(RecipeError, match=r"folder\.json' is a folder"):
        JudgeArguments(output=str(tmp_path / "folder.json"))
    with pytest.raises(RecipeError, match="'held-out'"):
        JudgeArguments(output="x.json", part="held out")
    with pytest.raises(RecipeError, match="set split: train"):
        judged(
            base, tmp_path / "x.json", arguments={"part": "train"}, pairs="builtin", split="test"
        )


def test_only_tasks_that_a_pretraining_can_have_played_are_seen(
    pairs: list[ContrastPair], caplog: pytest.LogCaptureFixture
) -> None:
    house, about = "ACT/ALFWorldGen-v0", {"games": 200, "seed_of_games": 5}
    stages = [
        {"stage": "pretrain", "worlds": json.dumps({house: {"share": 1, "brief": 0, **about}})}
    ]
    own, held, other = (
        [task.task_id for task in World(house, told, held_out=out).tasks]
        for told, out in ((about, False), (about, True), ({**about, "seed_of_games": 6}, False))
    )
    asked = [replace(pairs[0], env_id=house, task_id=task) for task in (*own, *held, *other)]
    assert held
    assert played(stages, asked) == set(own)
    assert played(stages, pairs) == set()  # of another environment
    lost = [{"stage": "pretrain", "worlds": json.dumps({house: {"share": 1, "games": -1}})}]
    assert played(lost, asked) == {*own, *held, *other}
    assert "trained on tasks of ACT/ALFWorldGen-v0" in caplog.text
