"""The stages on a tiny model of the toy house. One module: TRL takes long to import."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("trl")

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer
from trl import GRPOConfig, SFTConfig

from act_train import critique, imitate, tiny, warm_start
from act_train.cli import STAGES, main
from act_train.errors import NothingToLearn, RecipeError, TrainingData
from act_train.recipe import (
    CritiqueArguments,
    ModelArguments,
    PairArguments,
    RewardArguments,
    TinyArguments,
    TrajectoryArguments,
    packaged,
    read,
)

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
        RewardArguments(),
        CritiqueArguments(gate_prompts=8, **gate),
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


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--num_generations", "3"], "divisible by num_generations"),
        (["--per_device_eval_batch_size", "5"], "per_device_eval_batch_size: 8"),
        (["--reward_weights", "1", "1", "1"], "reward_accuracy"),
        (["--learning_rat", "1"], "'--learning_rate'"),
        (["--pairs", "nowhere"], "nowhere does not exist"),
        (["--model", "./nowhere"], "act-train tiny"),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    options: list[str], told: str, stored: Path, base: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(critique, "GRPOTrainer", loaded)
    recipe = ["--config", "scienceworld_tiny_critique.yaml", "--output_dir", str(tmp_path)]
    data = ["--pairs", str(stored / "pairs.parquet"), "--model", str(base)]
    assert main(["critique", *recipe, *data, *options]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", packaged())
def test_packaged_recipes_hold_known_keys_and_accepted_values(name: str) -> None:
    stage = next(s for n, s in STAGES.items() if name.endswith(f"_{n.replace('-', '_')}.yaml"))
    configs = {"SFTConfig": [SFTConfig], "GRPOConfig": [GRPOConfig]}.get(stage.trl_config, [])
    # A machine without a GPU may refuse bf16; everything else must pass as it stands.
    options = ["--config", name, *(["--bf16", "false"] if configs else [])]
    found = read(options, *stage.arguments, *configs)
    assert len(found) == len(stage.arguments) + len(configs)
