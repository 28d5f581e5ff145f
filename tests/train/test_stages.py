"""The stages on a tiny model of the toy house. One module: TRL takes long to import."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("trl")

import torch
import trl
from jinja2 import TemplateError
from pyarrow.parquet import read_table
from safetensors.torch import load_file
from transformers import AutoTokenizer
from trl import DPOConfig, GRPOConfig, SFTConfig

from act_data.storage.tables import read_pairs, write_parquet
from act_data.types import ContrastPair
from act_train import (
    act_rl,
    choice_sft,
    critique,
    dpo,
    imitate,
    reflect,
    reinforce,
    tiny,
    warm_start,
    world_model,
)
from act_train import base as start
from act_train.arguments.scratch import TinyArguments
from act_train.arguments.training import (
    CritiqueArguments,
    GateArguments,
    LabelArguments,
    ModelArguments,
    PairArguments,
    QuestionArguments,
    RewardArguments,
    ThoughtArguments,
    TrajectoryArguments,
)
from act_train.cli import STAGES, main
from act_train.errors import NothingToLearn, RecipeError, TrainingData
from act_train.preparing import Prepared
from act_train.recipe import find, load, packaged, read

CPU: dict[str, Any] = {
    "bf16": False,
    "activation_checkpointing": False,
    "use_cpu": True,
    "save_strategy": "no",
    "report_to": "none",
    "logging_steps": 1,
    "disable_tqdm": True,
}


def sft(out: Path, **changes: Any) -> SFTConfig:
    chosen = {"per_device_train_batch_size": 16, "learning_rate": 5e-3, **CPU, **changes}
    return SFTConfig(output_dir=str(out), **chosen)


def grpo(out: Path, **changes: Any) -> GRPOConfig:
    chosen = {
        "per_device_train_batch_size": 32,
        "per_device_eval_batch_size": 32,
        "num_generations": 8,
        "max_completion_length": 12,
        "learning_rate": 1e-3,
        **CPU,
        **changes,
    }
    return GRPOConfig(output_dir=str(out), **chosen)


def criticise(model: Path, stored: Path, training: GRPOConfig, **gate: Any) -> dict[str, float]:
    return critique.run(
        ModelArguments(model=str(model)),
        PairArguments(pairs=str(stored / "pairs.parquet"), history=0),
        QuestionArguments(),
        LabelArguments(),
        RewardArguments(),
        CritiqueArguments(gate_prompts=8, **{"above_chance": False, **gate}),
        training,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, two: Path) -> bool:
    left, right = weights(one), weights(two)
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, stored: Path) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    texts = [str(stored / name) for name in ("pairs.parquet", "trajectories.parquet")]
    tiny.run(TinyArguments(out=str(folder), texts=texts, hidden=64, vocabulary=512))
    return folder


@pytest.fixture(scope="module")
def warmed(tmp_path_factory: pytest.TempPathFactory, stored: Path, base: Path) -> Path:
    folder = tmp_path_factory.mktemp("models") / "warmed"
    warm_start.run(
        ModelArguments(model=str(base)),
        PairArguments(pairs=str(stored / "pairs.parquet"), history=0),
        QuestionArguments(),
        sft(folder, max_steps=120, learning_rate=3e-3),
    )
    return folder


def test_a_tiny_model_follows_from_its_seed(base: Path, stored: Path, tmp_path: Path) -> None:
    texts = [str(stored / name) for name in ("pairs.parquet", "trajectories.parquet")]
    for seed in (0, 1):
        tiny.run(
            TinyArguments(
                out=str(tmp_path / str(seed)), texts=texts, hidden=64, vocabulary=512, seed=seed
            )
        )
    assert (tmp_path / "0" / "model.safetensors").read_bytes() == (
        base / "model.safetensors"
    ).read_bytes()
    assert not same(tmp_path / "0", tmp_path / "1")


def test_tags_are_tokens_that_survive_decoding_and_turns_extend_each_other(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    ids = tokenizer("<action>look</action><|im_end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<action>look</action>"
    assert tokenizer.convert_ids_to_tokens(ids)[0] == "<action>"
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    asked = tokenizer.apply_chat_template(talk[:1], tokenize=False, add_generation_prompt=True)
    assert tokenizer.apply_chat_template(talk, tokenize=False).startswith(asked)


def test_a_model_without_the_format_is_refused(base: Path, stored: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToLearn, match="act-train warm-start"):
        criticise(base, stored, grpo(tmp_path, max_steps=1))


def test_without_the_format_the_loss_is_exactly_zero_and_it_is_said(
    base: Path, stored: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = criticise(base, stored, grpo(tmp_path, max_steps=2), min_format_rate=0.0)
    assert "expect little" in caplog.text
    assert metrics["before_rewards/format_failure/mean"] == 1.0
    assert metrics["before_frac_reward_zero_std"] == 1.0
    lines = [json.loads(line) for line in (tmp_path / "log_history.jsonl").open()]
    assert [line["loss"] for line in lines if "loss" in line] == [0.0, 0.0]
    assert same(base, tmp_path)


def test_warm_start_teaches_the_format_and_critique_then_moves_weights(
    warmed: Path, stored: Path, tmp_path: Path
) -> None:
    metrics = criticise(warmed, stored, grpo(tmp_path, max_steps=3))
    assert metrics["before_rewards/format_failure/mean"] < 0.1
    assert metrics["before_frac_reward_zero_std"] < 1.0
    assert not same(warmed, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    lines = [json.loads(line) for line in (tmp_path / "log_history.jsonl").open()]
    steps = [line for line in lines if "loss" in line]
    assert len(steps) == 3
    for name in ("expert_match", "admissible_other", "format_failure"):
        assert f"rewards/{name}/mean" in steps[0]
    assert {"judge/names_expert", "frac_reward_zero_std"} <= steps[0].keys()
    for moment in ("before", "after"):
        for name in ("accuracy", "expert_share_of_named", "names_candidate"):
            assert 0 <= metrics[f"{moment}_judge/{name}"] <= 1
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["stage"] == "critique"
    assert run["weights"].startswith("sha256:")
    assert run["arguments"]["reward_format"] == -0.5
    assert run["data"]["train"]["rows"] > 0


def test_imitation_lowers_the_loss_and_resumes_exactly(
    base: Path, stored: Path, tmp_path: Path
) -> None:
    data = TrajectoryArguments(trajectories=str(stored / "trajectories.parquet"), history=1)
    saving = {"max_steps": 6, "save_strategy": "steps", "save_steps": 3}
    model = ModelArguments(model=str(base))
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    imitate.run(model, data, sft(straight, **saving))
    losses = [json.loads(line) for line in (straight / "log_history.jsonl").open()]
    losses = [line["loss"] for line in losses if "loss" in line]
    assert losses[-1] < losses[0]
    resumed.mkdir()
    (straight / "checkpoint-3").rename(resumed / "checkpoint-3")  # what a kill leaves behind
    imitate.run(model, data, sft(resumed, **saving, resume_from_checkpoint="last"))
    assert same(straight, resumed)
    kept = (resumed / "run.json").read_bytes()
    # Going on may be logged in another way, but not train on something else.
    again = {**saving, "resume_from_checkpoint": "last"}
    imitate.run(model, data, sft(resumed, **{**again, "logging_steps": 2}))
    with pytest.raises(RecipeError, match=r"training\.learning_rate is 0\.005 there, 0\.1 now"):
        imitate.run(model, data, sft(resumed, **again, learning_rate=0.1))
    with pytest.raises(RecipeError, match="another run"):  # nor begin anew beside its checkpoints
        imitate.run(model, data, sft(resumed, **saving, learning_rate=0.1))
    other = TrajectoryArguments(trajectories=data.trajectories, history=0)
    with pytest.raises(RecipeError, match=r"arguments\.history is 1 there, 0 now.*output_dir"):
        imitate.run(model, other, sft(resumed, **again))
    changed = json.loads((resumed / "run.json").read_bytes())
    assert {**changed, "training": 0} == {**json.loads(kept), "training": 0}


Trained = Callable[[Path, Path, Path, dict[str, Any]], object]
"""Trains the model in a folder on the data in a second one, into a third, with such options."""


def _supervised(stage: Any, *arguments: Any, make: Callable[..., Any] = sft) -> Trained:
    def train(model: Path, stored: Path, out: Path, options: dict[str, Any]) -> object:
        pairs = PairArguments(pairs=str(stored / "pairs.parquet"), history=0)
        return stage.run(ModelArguments(model=str(model)), pairs, *arguments, make(out, **options))

    return train


def _world_model(model: Path, stored: Path, out: Path, options: dict[str, Any]) -> object:
    data = PairArguments(pairs=str(stored / "executed.parquet"), history=0)
    return world_model.run(ModelArguments(model=str(model)), data, sft(out, **options))


def _reflect(model: Path, stored: Path, out: Path, options: dict[str, Any]) -> object:
    data = PairArguments(pairs=str(stored / "executed.parquet"), history=0)
    texts = stored / "reflections.jsonl"
    lines = ({"task_id": pair.pair_id, "thoughts": "So be it."} for pair in read_pairs(data.pairs))
    texts.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    thought = ThoughtArguments(reflections=str(texts))
    return reflect.run(ModelArguments(model=str(model)), data, thought, sft(out, **options))


def _imitate(model: Path, stored: Path, out: Path, options: dict[str, Any]) -> object:
    data = TrajectoryArguments(trajectories=str(stored / "trajectories.parquet"), history=0)
    return imitate.run(ModelArguments(model=str(model)), data, sft(out, **options))


def _preferences(out: Path, **changes: Any) -> DPOConfig:
    chosen = {"per_device_train_batch_size": 8, "learning_rate": 1e-3, **CPU, **changes}
    return DPOConfig(output_dir=str(out), **chosen)


def _groups(out: Path, **changes: Any) -> GRPOConfig:
    """Micro-batches of a step that do not hold whole groups until they are put together."""
    accumulated = {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 2}
    return grpo(out, **accumulated, beta=0.01, **changes)


GATE = CritiqueArguments(gate_prompts=8, above_chance=False, select=True)
PLAIN, FLIPPED = QuestionArguments(), LabelArguments(flip_labels=0.25)
REPEATED: dict[str, Trained] = {
    "warm-start": _supervised(warm_start, PLAIN),
    "imitate": _imitate,
    "world-model": _world_model,
    "reflect": _reflect,
    "choice-sft": _supervised(choice_sft, PLAIN, FLIPPED),
    "dpo": _supervised(dpo, FLIPPED, make=_preferences),
    "critique": _supervised(critique, PLAIN, FLIPPED, RewardArguments(), GATE, make=_groups),
    "act-rl": _supervised(
        act_rl, RewardArguments(), GateArguments(gate_prompts=8, min_format_rate=0), make=_groups
    ),
}


def test_fewer_prompts_than_are_answered_at_a_time_would_train_nothing(
    warmed: Path, stored: Path, tmp_path: Path
) -> None:
    config = grpo(tmp_path / "out", per_device_train_batch_size=8 * 4096)
    with pytest.raises(NothingToLearn, match="and 4096 prompts are answered at a time"):
        criticise(warmed, stored, config)
    assert not (tmp_path / "out").exists()


def test_rows_are_not_packed(warmed: Path, stored: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="packing is set"):
        _imitate(warmed, stored, tmp_path / "out", {"packing": True})


@pytest.mark.parametrize("stage", REPEATED)
def test_a_stage_ends_with_the_same_weights_again_and_after_a_kill(
    stage: str, warmed: Path, stored: Path, tmp_path: Path
) -> None:
    train = REPEATED[stage]
    saving = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    first, second, resumed, other = (tmp_path / name for name in ("a", "b", "c", "d"))
    train(warmed, stored, first, saving)
    assert json.loads((first / "run.json").read_text())["stage"] == stage
    assert not same(warmed, first)
    train(warmed, stored, second, saving)
    assert same(first, second)
    resumed.mkdir()
    (first / "checkpoint-2").rename(resumed / "checkpoint-2")  # what a kill leaves behind
    if stage == "critique":
        (first / "selected.json").rename(resumed / "selected.json")
    train(warmed, stored, resumed, {**saving, "resume_from_checkpoint": "last"})
    assert same(first, resumed)
    train(warmed, stored, other, {**saving, "seed": 1})
    assert not same(first, other)


@pytest.mark.parametrize("stage", ["imitate", "dpo", "critique"])
def test_adapters_are_trained_alone_and_end_in_the_weights(
    stage: str, warmed: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ModelArguments
    monkeypatch.setattr(
        f"{__name__}.ModelArguments", lambda **given: whole(**given, lora_rank=4, lora_alpha=8)
    )
    train = REPEATED[stage]
    saving = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    straight, resumed = tmp_path / "a", tmp_path / "b"
    train(warmed, stored, straight, saving)
    before, after = weights(warmed), weights(straight)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert changed == {name for name in before if "proj" in name}
    assert not list(straight.glob("adapter*"))
    assert (straight / "checkpoint-2" / "adapter_model.safetensors").is_file()
    assert not (straight / "checkpoint-2" / "model.safetensors").exists()
    assert json.loads((straight / "run.json").read_text())["arguments"]["lora_rank"] == 4
    resumed.mkdir()
    (straight / "checkpoint-2").rename(resumed / "checkpoint-2")
    if stage == "critique":
        (straight / "selected.json").rename(resumed / "selected.json")
    train(warmed, stored, resumed, {**saving, "resume_from_checkpoint": "last"})
    assert same(straight, resumed)


def test_labels_made_wrong_are_counted_and_the_same_for_all_stages(
    warmed: Path, stored: Path, tmp_path: Path
) -> None:
    for stage in ("choice-sft", "dpo"):
        REPEATED[stage](warmed, stored, tmp_path / stage, {"max_steps": 1})
    found = [json.loads((tmp_path / s / "run.json").read_text()) for s in ("choice-sft", "dpo")]
    assert found[0]["labels"] == found[1]["labels"]
    assert found[0]["labels"]["flipped"] == round(found[0]["labels"]["questions"] / 4)


def test_critique_asks_about_three_candidates_and_leaves_out_what_teaches_nothing(
    warmed: Path, stored: Path, pairs: list[ContrastPair], tmp_path: Path
) -> None:
    more = [
        dataclasses.replace(p, pair_id=f"{p.pair_id[:-1]}x", alternative_action="look around")
        for p in pairs
    ]
    write_parquet(tmp_path / "pairs.parquet", [*pairs, *more], "pairs")
    metrics = critique.run(
        ModelArguments(model=str(warmed)),
        PairArguments(pairs=str(tmp_path / "pairs.parquet"), history=0),
        QuestionArguments(candidates=3),
        LabelArguments(),
        RewardArguments(),
        CritiqueArguments(gate_prompts=8, above_chance=False, select=True),
        grpo(tmp_path / "out", max_steps=1),
    )
    assert metrics["before_judge/chance"] == pytest.approx(1 / 3)
    assert "before_judge/accuracy_expert_third" in metrics
    assert 0 < metrics["selected_share"] < 1
    chosen = json.loads((tmp_path / "out" / "selected.json").read_text())["chosen"]
    total = json.loads((tmp_path / "out" / "run.json").read_text())["data"]["train"]["rows"]
    assert metrics["selected_share"] == pytest.approx(3 * len(chosen) / total)


def test_completions_are_logged_as_parquet(warmed: Path, stored: Path, tmp_path: Path) -> None:
    criticise(warmed, stored, grpo(tmp_path, max_steps=1, log_completions=True))
    table = read_table(tmp_path / "completions" / "completions_00001.parquet")
    assert {"prompt", "completion", "expert_match", "advantage"} <= {*table.column_names}
    assert table.num_rows == 32


def test_a_critique_without_reasoning_closes_the_thinking_block(
    warmed: Path, stored: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "thinks", tmp_path / "out"
    shutil.copytree(warmed, folder)
    template = folder / "chat_template.jinja"
    refusal = "{% if enable_thinking is not false %}{{ raise_exception('it thinks') }}{% endif %}"
    template.write_text(refusal + template.read_text())
    training = grpo(out, max_steps=1, log_completions=True)
    criticise(folder, stored, training, reasoning=False, min_format_rate=0)
    prompts = read_table(out / "completions" / "completions_00001.parquet").column("prompt")
    assert all("Answer at once" in prompt for prompt in map(str, prompts.to_pylist()))
    with pytest.raises(TemplateError, match="it thinks"):
        criticise(folder, stored, grpo(tmp_path / "other", max_steps=1))


def test_a_model_is_not_overwritten_by_its_own_training(base: Path, stored: Path) -> None:
    data = TrajectoryArguments(trajectories=str(stored / "trajectories.parquet"))
    out = base / ".." / base.name
    with pytest.raises(RecipeError, match="same folder"):
        imitate.run(ModelArguments(model=str(base)), data, sft(out))
    with pytest.raises(RecipeError, match="seed="):
        imitate.run(ModelArguments(model=str(base)), data, sft(base / "x", seed=2**40))
    assert not (base / "run.json").exists()


def test_rows_that_would_lose_their_answers_are_refused(
    base: Path, stored: Path, tmp_path: Path
) -> None:
    data = TrajectoryArguments(trajectories=str(stored / "trajectories.parquet"))
    with pytest.raises(TrainingData, match="max_length=40"):
        imitate.run(ModelArguments(model=str(base)), data, sft(tmp_path, max_length=40))
    short, long = (
        [{"prompt": [{"role": "user", "content": "go " * count}],
          "completion": [{"role": "assistant", "content": "go"}]}]
        for count in (3, 300)
    )  # fmt: skip
    rows = Prepared(short * 16, long)  # so would those that are only measured on
    with pytest.raises(TrainingData, match="1 of 1 rows have max_length=128"):
        imitate.fit("imitate", ModelArguments(model=str(base)), sft(tmp_path, max_length=128), [],
                    rows)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--num_generations", "3"], "divisible by num_generations"),
        (["--per_device_eval_batch_size", "5"], "per_device_eval_batch_size: 8"),
        (["--reward_weights", "1", "1", "1"], "reward_accuracy"),
        (["--learning_rat", "1"], "'--learning_rate'"),
        (["--pairs", "nowhere"], "nowhere does not exist"),
        (["--pairs", "builtin"], "Set split: train"),
        (["--pairs", "builtin", "--split", "test"], "Take split 'train'"),
        (["--subset", "alfworld"], "Set split as well"),
        (["--candidates", "9"], "between 2 and 8"),
        (["--candidates", "3", "--equivalent", "informed"], "Leave one of them out"),
        (["--equivalent", "informd"], "'informed'"),
        (["--equivalent", "informed"], "act-data verify"),
        (["--flip_labels", "2"], "flip_labels=2.0"),
        (["--model", "./nowhere"], "act-train tiny"),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    options: list[str], told: str, stored: Path, base: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(reinforce, "SharedPrefixGRPOTrainer", loaded)
    recipe = ["--config", "nano_critique.yaml", "--output_dir", str(tmp_path)]
    data = ["--pairs", str(stored / "pairs.parquet"), "--model", str(base)]
    assert main(["critique", *recipe, *data, *options]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM, which writes no text"),
        ({"chat_template": None}, "has no chat template"),
        ({"free": 1e5}, "checkpoints. Free some"),
    ],
)
@pytest.mark.parametrize("stage", REPEATED)
def test_a_start_that_cannot_work_is_told_before_a_model_is_loaded(
    stage: str, spoilt: dict[str, Any], told: str, base: Path, stored: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    for trainer in (reinforce, imitate):
        for name in ("SharedPrefixGRPOTrainer", "SFTTrainer", "DPOTrainer"):
            monkeypatch.setattr(trainer, name, loaded, raising=False)
    folder = tmp_path / "start"
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    if "architectures" in spoilt:
        (folder / "config.json").write_text(json.dumps({**config, **spoilt}))
    elif "chat_template" in spoilt:
        (folder / "chat_template.jinja").unlink()
    else:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=spoilt["free"]))
    with pytest.raises(RecipeError, match=told):
        REPEATED[stage](folder, stored, tmp_path / "out", {"save_strategy": "steps"})
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.mark.parametrize(("free", "kept"), [(95e9, 1), (150e9, 2)])
def test_a_model_of_the_hub_is_weighed_before_it_is_fetched(
    free: float, kept: int, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "c0ffee"
    small.mkdir()
    (small / "config.json").write_text(
        '{"architectures": ["Qwen3ForCausalLM"], "dtype": "bfloat16"}'
    )
    shutil.copy(base / "chat_template.jinja", small)

    class Hub:
        def model_info(self, name: str, **asked: object) -> SimpleNamespace:
            assert (name, asked) == ("org/8b", {"revision": "c0ffee", "files_metadata": True})
            names = {"model-1.safetensors": 10e9, "model-2.safetensors": 6e9, "model.bin": 16e9}
            return SimpleNamespace(
                siblings=[SimpleNamespace(rfilename=k, size=v) for k, v in names.items()]
            )

    monkeypatch.setattr(start, "snapshot_download", lambda *_, **__: str(small))
    monkeypatch.setattr(start, "HfApi", Hub)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    model, options = ModelArguments(model="org/8b"), {"save_strategy": "steps"}
    half = {"model_init_kwargs": {"dtype": "bfloat16"}, "save_total_limit": kept - 1}
    # 16 GB in half precision: the model and so many checkpoints of thrice that.
    fits = start.weights_of(model, sft(tmp_path / "out", **options, **half))
    assert fits == "c0ffee"
    with pytest.raises(RecipeError, match=rf"the model \(16\.0\) and {kept + 1} checkpoints"):
        start.weights_of(
            model, sft(tmp_path / "o", **options, **{**half, "save_total_limit": kept})
        )
    with pytest.raises(RecipeError, match=rf"the model \(32\.0\) and {kept} checkpoints"):
        start.weights_of(model, sft(tmp_path / "o", **options, save_total_limit=kept - 1))
    assert start.weights_of(model, sft(tmp_path / "o")) == "c0ffee"  # it saves no checkpoints
    sharded = sft(tmp_path / "o", **options, **half)
    monkeypatch.setattr(
        sharded, "deepspeed_plugin", object()
    )  # 96 GB of states in float32, of 8e9 parameters
    with pytest.raises(RecipeError, match=rf"saves at least {16 + kept * 112:.1f} GB"):
        start.weights_of(model, sharded)


@pytest.mark.parametrize("name", [name for name in packaged() if "stages" not in load(find(name))])
def test_packaged_recipes_hold_known_keys_and_accepted_values(name: str) -> None:
    of = load(find(name))["stage"]
    assert name.endswith(f"_{of.replace('-', '_')}.yaml")
    stage = STAGES[of]
    configs = [getattr(trl, stage.trl_config)] if stage.trl_config else []
    # A machine without a GPU may refuse bf16; everything else must pass as it stands.
    options = ["--config", name, *(["--bf16", "false"] if configs else [])]
    found = read(options, *stage.arguments, *configs, stage=of)
    assert len(found) == len(stage.arguments) + len(configs)
    with pytest.raises(RecipeError, match=f"is a recipe of the stage '{of}', not of 'report'"):
        read(options, *stage.arguments, *configs, stage="report")
