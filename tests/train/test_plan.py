"""What a plan says, against numbers worked out by hand and small models that are trained."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

pytest.importorskip("trl")

import torch
import yaml
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch.profiler import ProfilerActivity, profile
from transformers import Qwen3ForCausalLM, Qwen3Model
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from act_data import shared_prefix
from act_data.storage.tables import read_pairs
from act_train import act_rl, plan, tiny
from act_train.arguments.scratch import TinyArguments
from act_train.errors import RecipeError
from act_train.planning import batches, disk, stage, work
from act_train.planning.arguments import PlanArguments
from act_train.planning.hardware import GPUS, Launch, launch_of
from act_train.planning.lengths import quantile
from act_train.planning.memory import Batch, Precision, activations, memory, states
from act_train.planning.model import Shape, shape_of, with_adapters
from act_train.planning.reading import options_of, stages
from act_train.planning.rows import ROWS, rows_of
from act_train.planning.work import Group, Work
from act_train.preparing import Prepared
from act_train.recipe import find, load, packaged, read
from act_train.scratch import make_model, make_tokenizer
from act_train.stages import STAGES, types_of

TEXTS = ["put the red mug on the table", "take 2 apples from drawer 12"] * 4
OF_DATA = [name for name in ROWS if name != "env-rl"]  # which plays
EXECUTED = ("reflect", "world-model")
FLOAT, HALF = Precision(4, half=False), Precision(2, half=True)


def a_shape(parameters: int = 7_500_000_000, **changes: int) -> Shape:
    usual = {
        "parameters": parameters, "multiplied": parameters, "trainable": parameters, "linear": 0,
        "layers": 32, "hidden": 4096, "intermediate": 11008, "queries": 4096, "keys": 4096,
        "vocabulary": 32000, "context": 4096, "stored": 2,
    }  # fmt: skip
    return Shape(**{**usual, **changes})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, stored: Path) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    texts = [str(stored / name) for name in ("pairs.parquet", "trajectories.parquet")]
    tiny.run(TinyArguments(out=str(folder), texts=texts, hidden=64, vocabulary=512))
    return folder


@pytest.fixture(scope="module")
def hollow(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """The same model without its weights: who reads them fails."""
    folder = tmp_path_factory.mktemp("hollow")
    for path in base.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def a_recipe(stored: Path, model: Path, out: Path, name: str, **changes: Any) -> dict[str, Any]:
    data = "trajectories" if name == "imitate" else "pairs"
    file = "executed" if name in EXECUTED else data
    usual = {
        "stage": name, "model": str(model), data: str(stored / f"{file}.parquet"), "history": 0,
        "output_dir": str(out / "run"), "per_device_train_batch_size": 8, "use_cpu": True,
        "bf16": False, "activation_checkpointing": False, "save_strategy": "no",
        "report_to": "none", "learning_rate": 1e-3, "disable_tqdm": True,
    }  # fmt: skip
    answers = {"num_generations": 4, "max_completion_length": 6, "gate_prompts": 4}
    more: dict[str, Any] = answers if STAGES[name].trl_config == "GRPOConfig" else {}
    if name == "reflect":
        pairs = read_pairs(stored / "executed.parquet")
        lines = ({"task_id": pair.pair_id, "thoughts": "It is so."} for pair in pairs)
        texts = out / "reflections.jsonl"
        texts.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        more = {"reflections": str(texts)}
    return {**usual, **more, **changes}


def written(folder: Path, told: dict[str, Any]) -> str:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(told))
    return str(path)


def planned(folder: Path, told: dict[str, Any], **options: Any) -> stage.Plan:
    arguments = PlanArguments(recipes=[written(folder, told)], **options)
    (only,) = stages(arguments.recipes[0], arguments.set)
    return stage.plan(only, arguments)


# Memory


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_states_are_those_of_the_first_figure_of_zero(zero: int, gigabytes: float) -> None:
    launch = Launch(processes=64, deepspeed=True, zero=zero)
    assert sum(states(a_shape(), launch, HALF)) / 1e9 == pytest.approx(gigabytes, abs=0.05)


def test_offloaded_states_leave_the_gpu() -> None:
    launch = Launch(processes=1, deepspeed=True, zero=2, offload=True)
    assert states(a_shape(100), launch, HALF) == (200, 200, 0)


def test_the_adapters_of_a_model() -> None:
    shape = dataclasses.replace(a_shape(1000), parameters=1100, trainable=100)
    # 1,000 frozen in bfloat16; of 100 in float32 weights, their copies, gradients, two moments
    assert states(shape, Launch(), HALF) == (2000 + 400 + 200, 400, 800)
    sharded = Launch(processes=4, deepspeed=True, zero=3)
    assert states(shape, sharded, HALF) == (550, 50, 300)
    batch = Batch(1, 8, 8)
    kept = memory(shape, sharded, HALF, batch, checkpointing=True, reference=True)
    assert kept.reference == 0  # adapters are turned off instead


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rank", [0, 4])
def test_states_are_those_of_a_step_of_training(dtype: str, rank: int, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(TEXTS, 300)
    model = make_model(tokenizer, hidden=64, layers=2, seed=0).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    shape = shape_of(tmp_path)
    given: Any = None
    if rank:
        shape = with_adapters(shape, rank)
        given = LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    config = SFTConfig(
        output_dir=str(tmp_path / "run"), max_steps=1, bf16=False, use_cpu=True, report_to="none",
        gradient_checkpointing=False, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    data = Dataset.from_dict({"prompt": TEXTS, "completion": TEXTS})
    trainer = SFTTrainer(
        model, config, train_dataset=data, processing_class=tokenizer, peft_config=given
    )
    gradients: list[int] = []
    trainer.create_optimizer()
    trainer.optimizer.register_step_pre_hook(
        lambda *_: gradients.append(sum(sized(p.grad) for p in trainer.model.parameters()))
    )
    trainer.train()
    weights = sum(map(sized, trainer.model.parameters()))
    moments = sum(
        sized(value)
        for kept in trainer.optimizer.state.values()
        for value in kept.values()
        if value.ndim
    )
    size = getattr(torch, dtype).itemsize
    expected = states(shape, Launch(), Precision(size, half=False))
    assert expected == (weights, gradients[0], moments)


def sized(tensor: torch.Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()


KINDS = {"float32": (4, False), "bfloat16": (2, True), "autocast": (4, True)}


@pytest.mark.parametrize("kind", KINDS)
def test_activations_are_those_that_are_saved(kind: str, tmp_path: Path) -> None:
    size, half = KINDS[kind]
    model = make_model(make_tokenizer(TEXTS, 300), hidden=128, layers=3, seed=0)
    model.save_pretrained(tmp_path)
    shape = shape_of(tmp_path)
    model.to(torch.float32 if size == 4 else torch.bfloat16)
    rows, length = 2, 64
    precision = Precision(size, half)
    found = saved_bytes(model, rows, length, autocast=precision.computed < size)
    batch = Batch(rows, length, scored=0)
    told = activations(shape, Launch(), precision, batch, checkpointing=False)
    assert found <= told < 1.05 * found
    again = activations(shape, Launch(), precision, batch, checkpointing=True)
    assert again < told / 2


def saved_bytes(model: Qwen3ForCausalLM, rows: int, length: int, *, autocast: bool) -> int:
    """Bytes that a forward pass keeps for the backward pass, without weights and their copies."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    mask = torch.ones(length, length, dtype=torch.bool).tril().expand(rows, 1, -1, -1).contiguous()
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        ids = torch.zeros(rows, length, dtype=torch.long)
        model.model(input_ids=ids, attention_mask=mask, use_cache=False)
    linear = [one for one in model.model.modules() if isinstance(one, torch.nn.Linear)]
    copies = 2 * sum(one.weight.numel() for one in linear) if autocast else 0
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) - copies


@pytest.mark.parametrize("checkpointing", [False, True])
def test_no_step_of_training_takes_more_memory_than_is_told(
    checkpointing: bool, tmp_path: Path
) -> None:
    texts = [" ".join(TEXTS)] * 16
    tokenizer = make_tokenizer(texts, 300)
    model = make_model(tokenizer, hidden=256, layers=4, seed=0)
    model.save_pretrained(tmp_path)
    config = SFTConfig(
        output_dir=str(tmp_path / "run"), max_steps=2, bf16=False, use_cpu=True, report_to="none",
        activation_checkpointing=checkpointing, save_strategy="no", disable_tqdm=True,
        per_device_train_batch_size=4, gradient_accumulation_steps=2, max_length=None,
    )  # fmt: skip
    data = Dataset.from_dict({"prompt": ["Say:"] * 16, "completion": texts})
    trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        trainer.train()
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    sizes = [one.nbytes() for one in sorted(events, key=lambda one: one.start_ns())]
    peak = max(itertools.accumulate(sizes))  # the weights were there before
    length = max(map(len, trainer.train_dataset["input_ids"]))
    told = memory(
        shape_of(tmp_path), Launch(), FLOAT, Batch(4, length, 4 * length),
        checkpointing=checkpointing, reference=False,
    )  # fmt: skip
    assert peak <= 1.01 * (told.learning - told.weights) < 1.3 * peak


def test_memory_worked_out_by_hand() -> None:
    """Two processes, ZeRO-3; of a model of 1,000 parameters with one layer."""
    shape = a_shape(
        1000, layers=1, hidden=8, intermediate=16, queries=8, keys=4, vocabulary=10, context=64
    )
    launch = Launch(processes=2, deepspeed=True, zero=3)
    batch = Batch(2, 5, scored=6, answered=4, answered_length=7)
    found = memory(shape, launch, HALF, batch, checkpointing=True, reference=True)
    assert (found.weights, found.gradients, found.optimizer) == (1000, 1000, 6000)
    assert found.reference == 1000
    layer = 10 * (16 * 8 + 14 * 8 + 6 * 4 + 8 * 16) + 2 * 2 * 25
    assert found.activations == 10 * 2 * 8 + layer + 10 * 8 * 8 + 2 * 25
    assert found.logits == 6 * 32768 * 2 + 4 * 8 * (6 + 10)
    assert found.cache == 4 * (7 * 2 * 4 * 2 + 8 * 10)
    assert found.gathered == (2000, 2000)
    assert found.learning == found.held + found.activations + found.logits + 2000
    assert found.answering == found.held + found.cache + 2000
    assert found.peak == max(found.learning, found.answering)


# Tokens, steps and time


@pytest.mark.parametrize("answer", [1, 8, 40])
def test_packed_tokens_are_those_of_packed_rows(answer: int) -> None:
    group, prompt, hidden = 6, 30, 8
    ones = torch.ones(group, 1, dtype=torch.long)
    packed = shared_prefix.pack(
        ones.expand(-1, prompt), ones.expand(-1, prompt), ones.expand(-1, answer),
        ones.expand(-1, answer), hidden=hidden,
    )  # fmt: skip
    told = Group(prompt, answer, group)
    rows, length = packed.input_ids.shape
    assert told.rows(hidden) == rows
    assert told.shared(hidden) <= rows * length < told.shared(hidden) + length  # without padding
    assert told.plain == group * (prompt + answer)


def test_work_worked_out_by_hand() -> None:
    group = Group(prompt=100, answer=10, size=4)
    shared: dict[str, Any] = {
        "hidden": 4096, "passes": 2, "looks": 1, "at_once": 8,
    }  # fmt: skip
    assert work.reinforced(group, 6, shares=False, **shared) == Work(
        learnt=6 * 2 * 440, forwarded=6 * (400 + 440), generated=240, batches=3
    )
    assert work.reinforced(group, 6, shares=True, **shared) == Work(
        learnt=6 * 2 * 143, forwarded=6 * (100 + 143), generated=240, batches=3
    )
    shape, all_ = a_shape(1000), Work(learnt=10, forwarded=5, generated=3)
    assert work.operations(all_, shape, checkpointing=False) == 1000 * (60 + 10 + 6)
    assert work.operations(all_, shape, checkpointing=True) == 1000 * (80 + 10 + 6)
    adapted = dataclasses.replace(shape, trainable=10)
    assert work.operations(all_, adapted, checkpointing=False) == 1000 * (40 + 10 + 6)


def test_time_worked_out_by_hand() -> None:
    """10 batches of 16 answers of 100 tokens, on each of 2 GPUs."""
    shape = a_shape(8_000_000_000)
    done = Work(learnt=1e6, forwarded=0, generated=2 * 10 * 16 * 100, batches=10)
    computing, generating = work.gpu_seconds(
        done, Group(50, 100, 8), shape, Launch(processes=2), HALF, GPUS["h100"],
        checkpointing=False, utilisation=0.5,
    )  # fmt: skip
    assert computing == pytest.approx(6 * 8e9 * 1e6 / (0.5 * 989e12))
    cache = 16 * (2 * 32 * 4096 * 2) * (50 + 50)
    assert generating == pytest.approx(2 * 10 * 100 * (16e9 + cache) / 3.35e12)


def test_steps_are_those_of_trainers(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(TEXTS, 300)
    model = make_model(tokenizer, hidden=64, layers=1, seed=0)
    shared: dict[str, Any] = {
        "output_dir": str(tmp_path), "bf16": False, "use_cpu": True, "report_to": "none",
        "gradient_checkpointing": False, "save_strategy": "no", "disable_tqdm": True,
        "learning_rate": 1e-4,
    }  # fmt: skip
    sft = SFTConfig(
        per_device_train_batch_size=3, gradient_accumulation_steps=2, num_train_epochs=1.5, **shared
    )
    rows = Dataset.from_dict({"prompt": TEXTS[:7], "completion": TEXTS[:7]})
    one = SFTTrainer(model, sft, train_dataset=rows, processing_class=tokenizer)
    one.train()
    assert batches.supervised(7, sft).total == one.state.global_step == 3
    grpo = GRPOConfig(
        per_device_train_batch_size=2, gradient_accumulation_steps=2, num_generations=2,
        num_iterations=2, num_train_epochs=1, max_completion_length=2, **shared,
    )  # fmt: skip
    two = GRPOTrainer(
        model, reward_funcs=lambda completions, **_: [0.0] * len(completions), args=grpo,
        train_dataset=rows.remove_columns("completion"), processing_class=tokenizer,
    )  # fmt: skip
    two.train()
    assert batches.reinforced(7, grpo).total == two.state.global_step == 6


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("alone", [False, True])
def test_checkpoints_take_the_room_that_was_told(
    limit: int | None, alone: bool, tmp_path: Path
) -> None:
    tokenizer = make_tokenizer(TEXTS, 300)
    model = make_model(tokenizer, hidden=128, layers=4, seed=0)
    config = SFTConfig(
        output_dir=str(tmp_path), bf16=False, use_cpu=True, report_to="none", max_steps=3,
        gradient_checkpointing=False, save_steps=2, save_total_limit=limit, disable_tqdm=True,
        save_only_model=alone,
    )  # fmt: skip
    data = Dataset.from_dict({"prompt": TEXTS, "completion": TEXTS})
    trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer)
    trainer.train()
    trainer.save_model()
    shape = shape_of(tmp_path)
    steps = batches.supervised(len(TEXTS), config)
    count, size = disk.saved(shape, Launch(), FLOAT, config, steps)
    assert count == 2
    there = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    made = len(list(tmp_path.glob("checkpoint-*")))
    assert made == (limit or 2)
    each = (size - 4 * shape.parameters) / count
    assert 4 * shape.parameters + made * each == pytest.approx(there, rel=0.05)


def test_quantiles() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(list(range(1, 201)), 0.99) == 198
    assert quantile([7], 0.99) == 7


# Stages


def test_every_stage_that_trains_can_be_planned() -> None:
    assert set(ROWS) == {name for name, about in STAGES.items() if about.trl_config}


@pytest.mark.parametrize("name", OF_DATA)
def test_rows_are_those_of_the_stage(
    name: str, stored: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_recipe(stored, base, tmp_path, name)
    told |= {"max_trajectories": 5} if name == "imitate" else {"max_pairs": 9}
    told |= {"flip_labels": 0.5} if name in ("choice-sft", "dpo") else {}
    if name == "critique":
        told |= {"flip_labels": 0.5, "reasoning": False}
    (only,) = stages(written(tmp_path, told), [])
    options = options_of(only, Launch())
    module = importlib.import_module(f"act_train.{STAGES[name].module}")
    seen: list[Prepared] = []

    def note(*given: Any, **_: Any) -> dict[str, float]:
        seen.extend(one for one in given if isinstance(one, Prepared))
        return {}

    for function in ("fit", "reinforce"):
        if hasattr(module, function):
            monkeypatch.setattr(module, function, note)
    module.run(*options)
    rows = rows_of(name, options)
    assert seen == [rows]
    assert rows.train
    assert rows.held


@pytest.mark.parametrize("name", OF_DATA)
def test_a_plan_reads_no_weights(
    name: str, stored: Path, hollow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = a_recipe(stored, hollow, tmp_path, name)
    found = planned(tmp_path, told, gpu="h100")
    assert not found.wrong
    assert found.shape == shape_of(hollow)
    assert not found.unknown
    assert None not in (found.rows, found.memory, found.steps, found.seconds, found.saves)
    assert found.work.learnt > 0
    report = plan.run(PlanArguments(recipes=[str(tmp_path / "recipe.yaml")]))
    said = plan.words(report)
    assert f"act-train {name}" in said
    assert "memory" in said
    assert not capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_prompts_are_counted_as_the_tokenizer_counts(
    stored: Path, base: Path, tmp_path: Path
) -> None:
    found = planned(tmp_path, a_recipe(stored, base, tmp_path, "critique"))
    config = GRPOConfig(
        output_dir=str(tmp_path), bf16=False, use_cpu=True, max_completion_length=2,
        report_to="none", num_generations=2, per_device_train_batch_size=2, max_steps=1,
        disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    (only,) = stages(str(tmp_path / "recipe.yaml"), [])
    rows = rows_of("critique", options_of(only, Launch())).train[:1]
    trainer = GRPOTrainer(
        str(base), reward_funcs=lambda completions, **_: [0.0] * len(completions), args=config,
        train_dataset=Dataset.from_list(rows),
    )  # fmt: skip
    trainer.train()
    seen = trainer.state.num_input_tokens_seen / 2 - 2  # two answers of two tokens
    assert found.lengths[0].prompt in (seen, round(seen))


def test_sharing_prompts_saves_tokens(stored: Path, hollow: Path, tmp_path: Path) -> None:
    told = a_recipe(stored, hollow, tmp_path, "critique")
    found = planned(tmp_path, told)
    assert found.shares
    assert found.work.learnt < found.plain.learnt
    pieces = planned(tmp_path, {**told, "per_device_train_batch_size": 2}, processes=2)
    assert not pieces.shares
    assert "whole groups" in pieces.notes[0]
    assert pieces.work.learnt == pieces.plain.learnt


def test_tokens_are_those_that_the_model_computes(
    stored: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run whose answers all have the greatest length: rows go through the model as told."""
    told = a_recipe(
        stored, base, tmp_path, "act-rl", max_pairs=4, gate_prompts=1, beta=0.1, max_steps=3,
        gradient_accumulation_steps=2, num_iterations=2, min_format_rate=0.0,
        generation_kwargs={"min_new_tokens": 6},
    )  # fmt: skip
    found = planned(tmp_path, told)
    assert found.group
    seen: Counter[bool] = Counter()
    monkeypatch.setattr(Qwen3Model, "forward", counting(Qwen3Model.forward, seen))
    path = written(tmp_path, {key: value for key, value in told.items() if key != "stage"})
    act_rl.run(*read(["--config", path], *types_of(STAGES["act-rl"])))
    assert seen[True] == pytest.approx(found.work.learnt, rel=0.05)  # rows are padded
    compared = found.group.plain + found.group.shared(64)  # the first answers, both ways
    alone = found.work.forwarded + found.work.generated + compared
    assert seen[False] == pytest.approx(alone, rel=0.05)


def counting(forward: Any, seen: Counter[bool]) -> Any:
    @functools.wraps(forward)
    def counted(self: Any, *given: Any, **kwargs: Any) -> Any:
        seen[torch.is_grad_enabled()] += kwargs["input_ids"].numel()
        return forward(self, *given, **kwargs)

    return counted


def test_launch_and_processes(tmp_path: Path) -> None:
    assert launch_of("zero3.yaml", None) == Launch("zero3.yaml", 8, deepspeed=True, zero=3)
    assert launch_of("zero2.yaml", 4) == Launch("zero2.yaml", 4, deepspeed=True, zero=2)
    assert launch_of("", None) == Launch()
    path = tmp_path / "own.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "distributed_type": "DEEPSPEED", "num_processes": 2,
                "deepspeed_config": {"zero_stage": 1, "offload_optimizer_device": "cpu"},
            }
        )
    )  # fmt: skip
    assert launch_of(str(path), None) == Launch("own.yaml", 2, True, 1, offload=True)
    path.write_text("distributed_type: FSDP\n")
    with pytest.raises(RecipeError, match="FSDP cannot be planned"):
        launch_of(str(path), None)
    with pytest.raises(RecipeError, match=r"zero3\.yaml"):
        launch_of("zero33.yaml", None)


def test_batches_are_checked_for_the_processes_that_will_run(
    stored: Path, hollow: Path, tmp_path: Path
) -> None:
    """Two processes of two answers make a group; one of them alone would not."""
    told = a_recipe(stored, hollow, tmp_path, "critique", per_device_train_batch_size=2)
    assert planned(tmp_path, told, processes=2).training.generation_batch_size == 4
    with pytest.raises(RecipeError, match="to a multiple of 4"):
        planned(tmp_path, told)


def test_what_does_not_fit_is_told_with_what_does(
    stored: Path, hollow: Path, tmp_path: Path
) -> None:
    told = a_recipe(stored, hollow, tmp_path, "imitate", max_length=2048, use_cpu=False)
    config = json.loads((hollow / "config.json").read_text())
    large = {**config, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
             "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
             "layer_types": None, "vocab_size": 151936}  # fmt: skip
    (tmp_path / "large").mkdir()
    for path in hollow.iterdir():
        (tmp_path / "large" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "large" / "config.json").write_text(json.dumps(large))
    told["model"] = str(tmp_path / "large")
    alone = planned(tmp_path, told)
    assert alone.memory is not None
    assert alone.memory.peak > 80e9
    (said,) = (what for what in alone.wrong if "on each GPU" in what)
    assert "launch zero3.yaml on 8 processes" in said
    told["activation_checkpointing"] = True
    shared = planned(tmp_path, told, launch="zero3.yaml", processes=8)
    assert not any("on each GPU" in what for what in shared.wrong)


def test_a_recipe_of_the_package_can_be_planned_without_its_model() -> None:
    """Nothing of it is here: what can be read is read, and the rest is named."""
    for name in packaged():
        trains = STAGES[load(find(name)).get("stage", "pipeline")].trl_config
        if "qwen3" not in name or not trains or "env_rl" in name:  # whose tasks may be here
            continue
        (only,) = plan.run(PlanArguments(recipes=[name], launch="zero2.yaml"))["stages"]
        said = "\n".join(only["lines"])
        assert said.count("not known  ") == 3, said


def test_a_model_that_is_not_here_has_the_sizes_of_another(
    stored: Path, hollow: Path, tmp_path: Path
) -> None:
    told = a_recipe(stored, Path("nowhere/at/all"), tmp_path, "dpo")
    found = planned(tmp_path, told)
    assert "cannot be had from the Hub" in found.unknown[0]
    assert found.steps
    assert found.memory is None
    like = planned(tmp_path, told, config_of=str(hollow))
    assert like.memory
    assert not like.unknown
    (tmp_path / "config.json").write_bytes((hollow / "config.json").read_bytes())
    bare = planned(tmp_path, told, config_of=str(tmp_path))
    assert bare.memory
    assert "no tokenizer" in bare.unknown[0]


def test_what_cannot_share_its_weights_out_is_told(
    stored: Path, hollow: Path, tmp_path: Path
) -> None:
    told = a_recipe(stored, hollow, tmp_path, "imitate", lora_rank=4)
    assert "adapters could not be added" in planned(tmp_path, told, launch="zero3.yaml").wrong[0]
    assert not planned(tmp_path, told, launch="zero2.yaml").wrong
    played = a_recipe(Path(), hollow, tmp_path, "env-rl", env="ACT/Toy-v0", gate_prompts=8)
    played = {k: v for k, v in played.items() if k != "pairs"}
    assert "wait for each other" in planned(tmp_path, played, launch="zero3.yaml").wrong[0]
    assert not planned(tmp_path, played, launch="zero2.yaml").wrong


def test_what_is_saved_in_the_end_holds_all_weights(
    stored: Path, hollow: Path, tmp_path: Path
) -> None:
    told = a_recipe(stored, hollow, tmp_path, "imitate")
    whole = planned(tmp_path, told).saves
    adapted = planned(tmp_path, {**told, "lora_rank": 4}).saves
    assert whole == adapted


def test_the_model_of_the_package_is_planned(stored: Path, tmp_path: Path) -> None:
    found = planned(tmp_path, a_recipe(stored, Path("act-nano"), tmp_path, "imitate"))
    assert not found.unknown
    assert found.shape


def test_adapters_are_planned(stored: Path, hollow: Path, base: Path, tmp_path: Path) -> None:
    found = planned(tmp_path, a_recipe(stored, hollow, tmp_path, "imitate", lora_rank=4))
    model = Qwen3ForCausalLM.from_pretrained(base)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    trained, all_ = get_peft_model(model, config).get_nb_trainable_parameters()
    assert found.shape
    assert (found.shape.trainable, found.shape.parameters) == (trained, all_)


def test_tasks_that_are_played_are_counted(hollow: Path, tmp_path: Path) -> None:
    told = a_recipe(Path(), hollow, tmp_path, "env-rl", env="ACT/Toy-v0", tasks=["fetch:6"])
    told = {k: v for k, v in told.items() if k != "pairs"} | {"history": 0, "gate_prompts": 2}
    found = planned(tmp_path, told)
    assert not found.wrong
    assert found.rows == (6, 2)
    assert found.steps
    assert found.steps.each_epoch == 3
    assert not found.shares


# Mistakes


def without_template(folder: Path) -> None:
    for path in folder.glob("chat_template*"):
        path.unlink()
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text())
    told.pop("chat_template", None)
    path.write_text(json.dumps(told))


def not_a_writer(folder: Path) -> None:
    path = folder / "config.json"
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": 64}
    path.write_text(json.dumps(config))


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


SPOILT = {
    "no chat template": without_template,
    "writes no text": not_a_writer,
    "no tokenizer": without_tokenizer,
    "config.json is missing": without_config,
}


@pytest.mark.parametrize("said", SPOILT)
def test_a_model_that_no_stage_can_start_from(
    said: str, stored: Path, hollow: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    for path in hollow.iterdir():
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    SPOILT[said](tmp_path / "model")
    found = planned(tmp_path, a_recipe(stored, tmp_path / "model", tmp_path, "imitate"))
    assert said in " ".join(found.wrong)


CHANGES: dict[str, dict[str, Any]] = {
    "unknown key 'learning_rat'": {"learning_rat": 1},
    "recipe.yaml: unknown key": {"learning_rat": 1},
    "is no stage that can be planned": {"stage": "evaluate"},
    "names no stage": {"stage": None},
    "no whole groups of num_generations=4": {"per_device_train_batch_size": 3},
    "generation_batch_size=6 makes no": {
        "per_device_train_batch_size": 2, "generation_batch_size": 6,
    },
    "Set per_device_eval_batch_size: 4": {"per_device_eval_batch_size": 3},
    "Set reward_accuracy": {"reward_weights": [1.0, 1.0, 1.0]},
    "make no whole step": {"gradient_accumulation_steps": 4096},
    "leave no room for an answer": {"max_completion_length": 4090},
    "invalid int value": {"num_generations": "many"},
}  # fmt: skip


@pytest.mark.parametrize("said", CHANGES)
def test_mistakes_in_a_recipe(
    said: str, stored: Path, hollow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = a_recipe(stored, hollow, tmp_path, "critique", **CHANGES[said])
    with pytest.raises(RecipeError) as caught:
        plan.run(PlanArguments(recipes=[written(tmp_path, told)]))
    assert said in str(caught.value)
    assert "/tmp" not in str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(("name", "limit"), [("imitate", 20), ("dpo", 20)])
def test_rows_that_would_be_cut(
    name: str, limit: int, stored: Path, hollow: Path, tmp_path: Path
) -> None:
    told = a_recipe(stored, hollow, tmp_path, name, max_length=limit)
    found = planned(tmp_path, told)
    assert found.long == len(found.lengths)
    assert "Raise max_length" in found.wrong[0]
    longest = max(one.whole for one in found.lengths)
    enough = longest if name == "dpo" else longest + 1  # of SFT's rows nobody knows what was cut
    assert not planned(tmp_path, {**told, "max_length": enough}).wrong
    assert planned(tmp_path, {**told, "max_length": enough - 1}).wrong


@pytest.mark.parametrize("change", ["version", "column", "split"])
def test_data_that_cannot_be_trained_on(
    change: str, pairs: list[Any], hollow: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    from act_data.storage.tables import write_parquet

    path = tmp_path / "pairs.parquet"
    if change == "split":
        pairs = [dataclasses.replace(pair, split="test") for pair in pairs]
    write_parquet(path, pairs, "pairs")
    table = pq.read_table(path)
    if change == "column":
        pq.write_table(table.drop_columns(["expert_action"]), path)
    if change == "version":
        meta = {k: b"999" if b"version" in k else v for k, v in table.schema.metadata.items()}
        pq.write_table(table.replace_schema_metadata(meta), path)
    found = planned(tmp_path, a_recipe(tmp_path, hollow, tmp_path, "critique"))
    said = {"version": "999", "column": "other columns", "split": "test"}[change]
    assert said in " ".join(found.wrong)


def test_a_disk_that_is_too_small(
    stored: Path, hollow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_recipe(stored, hollow, tmp_path, "imitate", save_strategy="steps", save_steps=1)
    monkeypatch.setattr(stage, "free", lambda _: (tmp_path, 1000))
    (said,) = planned(tmp_path, told).wrong
    assert "free" in said
    assert "save_total_limit: 1" in said


def test_a_pipeline_is_planned_stage_by_stage(stored: Path, hollow: Path, tmp_path: Path) -> None:
    """What a stage starts from is made by the one before, and has the sizes of where it began."""
    told = {
        name: a_recipe(stored, model, tmp_path, name)
        for name, model in (("critique", hollow), ("imitate", Path("{act}")))
    }
    for one in told.values():
        del one["output_dir"]
    path = tmp_path / "pipeline.yaml"
    stages_ = {"act": told["critique"], "il": told["imitate"]}
    path.write_text(yaml.safe_dump({"out": str(tmp_path / "out"), "stages": stages_}))
    first, second = stages(str(path), [])
    assert (first.title, second.title) == ("act", "il")
    assert first.origin == second.origin == str(hollow)
    report = plan.run(PlanArguments(recipes=[str(path)]))
    assert [one["title"] for one in report["stages"]] == ["act", "il"]
    assert not any("not known" in line for one in report["stages"] for line in one["lines"])


def test_what_is_wrong_is_told_after_the_table(
    stored: Path, hollow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = a_recipe(stored, hollow, tmp_path, "imitate", max_length=20)
    with pytest.raises(RecipeError, match="Raise max_length"):
        plan.run(PlanArguments(recipes=[written(tmp_path, told)]))
    said = capsys.readouterr().out
    assert "parameters" in said
    assert "wrong" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"recipes": []}, "no recipe is given"),
        ({"gpu": "h1000"}, "h100"),
        ({"utilisation": 0.0}, "utilisation"),
        ({"processes": 0}, "processes=0"),
    ],
)
def test_options_that_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        PlanArguments(**{"recipes": ["x"], **wrong})
