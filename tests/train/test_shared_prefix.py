"""The trainer that computes prompts once against TRL's: the same numbers, in fewer rows."""

from __future__ import annotations

import copy
import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import Qwen3Config, Qwen3ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from act_data import shared_prefix
from act_train.scratch import make_tokenizer
from act_train.shared_prefix import SharedPrefixGRPOTrainer

PROMPTS = [
    "go to the kitchen and take the cup",
    "look",
    "open the door of the cellar, then say what lies there and why",
    "wait for the cat",
]
LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(PROMPTS, 300)


def model(tokenizer: Any, **config: Any) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "head_dim": 16,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    made = Qwen3ForCausalLM(Qwen3Config(**{**sizes, **config}))
    for parameter in made.parameters():  # logits far from flat
        if parameter.dim() == 2:
            parameter.data.mul_(4)
    return made


@pytest.fixture(scope="module")
def folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model on the disk, where TRL wants it for the reference of a KL term."""
    path = tmp_path_factory.mktemp("model")
    model(tokenizer).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def length_and_luck(completions: list[Any], **_: Any) -> list[float]:
    """A reward that differs within a group."""
    return [float(sum(map(ord, str(text))) % 7) for text in completions]


def arguments(tmp_path: Path, **changes: Any) -> GRPOConfig:
    usual = {
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 9,
        "bf16": False, "gradient_checkpointing": False, "learning_rate": 0.1, "max_steps": 2,
        "optim": "sgd",  # Adam makes a step of a rounding error where a gradient is zero
        "report_to": [], "save_strategy": "no", "logging_steps": 1, "use_cpu": True, "seed": 3,
        "disable_tqdm": True,
    }  # fmt: skip
    return GRPOConfig(output_dir=str(tmp_path / "run"), **{**usual, **changes})


def trainer(
    kind: type[GRPOTrainer], start: Path | Qwen3ForCausalLM, tmp_path: Path, tokenizer: Any = None,
    peft: Any = None, **changes: Any,
) -> GRPOTrainer:  # fmt: skip
    return kind(
        str(start) if isinstance(start, Path) else copy.deepcopy(start),
        reward_funcs=length_and_luck,
        args=arguments(tmp_path, **changes),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS * 8}),
        processing_class=tokenizer,
        peft_config=peft,
    )


def losses(run: GRPOTrainer) -> list[float]:
    return [line["loss"] for line in run.state.log_history if "loss" in line]


def weights(run: GRPOTrainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.model.parameters() if p.requires_grad])


LORA = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
CASES: dict[str, dict[str, Any]] = {
    **{loss: {"loss_type": loss} for loss in LOSSES},
    "checkpointing": {"gradient_checkpointing": True},
    "accumulation": {"gradient_accumulation_steps": 8, "per_device_train_batch_size": 4},
    "iterations": {"num_iterations": 2, "max_steps": 4},
    "kl": {"beta": 0.1},
    "truncated": {"mask_truncated_completions": True},
    "sequence": {"importance_sampling_level": "sequence"},
    "entropy": {"top_entropy_quantile": 0.5},
    "eager": {"model_init_kwargs": {"attn_implementation": "eager", "dtype": "float32"}},
    "lora": {"peft": LORA},
    "lora and kl": {"peft": LORA, "beta": 0.1},
}


@pytest.mark.parametrize("case", CASES)
def test_training_is_the_same(case: str, folder: Path, tmp_path: Path) -> None:
    """Prompts and answers of many lengths; TRL's own shuffling, batches and random numbers."""
    runs = []
    for kind in (GRPOTrainer, SharedPrefixGRPOTrainer):
        run = trainer(kind, folder, tmp_path, **CASES[case])
        before = weights(run)
        run.train()
        runs.append(run)
        assert (weights(run) - before).abs().max() > 1e-4
    theirs, ours = runs
    assert ours.shares
    assert losses(ours) == pytest.approx(losses(theirs), rel=1e-4, abs=1e-6)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-5)


def test_each_prompt_is_computed_once(folder: Path, tmp_path: Path) -> None:
    """Two prompts with four answers in each of two steps: to generate, then to learn."""
    rows: dict[type, list[int]] = {GRPOTrainer: [], SharedPrefixGRPOTrainer: []}
    for kind, seen in rows.items():
        run = trainer(kind, folder, tmp_path, max_completion_length=3)

        def note(_: Any, args: Any, inputs: Any, seen: list[int] = seen) -> None:
            if inputs["input_ids"].shape[1] > 1:  # no token that is being generated
                seen.append(len(inputs["input_ids"]))

        run.model.model.register_forward_pre_hook(note, with_kwargs=True)
        run.train()
    assert rows[GRPOTrainer] == [8, 8, 8, 8]
    # The first answers are scored both ways, to compare.
    assert rows[SharedPrefixGRPOTrainer] == [2, 8, 2, 2, 2, 2]


def odd(tokenizer: Any, why: str) -> Qwen3ForCausalLM:
    if why == "window":
        window = {"sliding_window": 4, "use_sliding_window": True, "max_window_layers": 0}
        return model(tokenizer, **window)
    return model(tokenizer, attention_dropout=0.3)


@pytest.mark.parametrize(
    ("why", "said"),
    [("window", "not all of its layers see all of the text"), ("dropout", "drops out activations")],
)
def test_where_it_is_not_exact_it_turns_itself_off(
    why: str, said: str, tokenizer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = trainer(SharedPrefixGRPOTrainer, odd(tokenizer, why), tmp_path, tokenizer)
    run.train()
    assert run.shares is False
    (record,) = [r for r in caplog.records if r.name == "act_train.shared_prefix"]
    assert said in record.getMessage()
    if why == "window":
        theirs = trainer(GRPOTrainer, odd(tokenizer, why), tmp_path, tokenizer)
        theirs.train()
        torch.testing.assert_close(weights(run), weights(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrong", [0.01, math.nan])
def test_other_numbers_turn_it_off(
    wrong: float, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = trainer(SharedPrefixGRPOTrainer, folder, tmp_path)
    plain = run._scored
    monkeypatch.setattr(run, "_scored", lambda *given: [part + wrong for part in plain(*given)])
    run.train()
    assert run.shares is False
    assert "other numbers for packed rows" in caplog.text


def test_steps_learn_from_the_rows_that_they_would_learn_from(folder: Path, tmp_path: Path) -> None:
    """Several steps of the optimizer from one generation: rows stay in their step."""
    changes = {"steps_per_generation": 4, "per_device_train_batch_size": 4, "max_steps": 8}
    told = []
    for kind in (GRPOTrainer, SharedPrefixGRPOTrainer):
        run = trainer(kind, folder, tmp_path, **changes)
        run.train()
        told.append(losses(run))
    assert getattr(run, "shares", False)
    assert told[1] == pytest.approx(told[0], rel=1e-4, abs=1e-6)


def test_attention_without_masks_turns_it_off(
    tokenizer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start = model(tokenizer, attn_implementation="flex_attention")
    run = trainer(SharedPrefixGRPOTrainer, start, tmp_path, tokenizer)
    assert run.shares is False
    assert "set attn_implementation: sdpa" in caplog.text


def test_groups_in_pieces_are_named(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    trainer(SharedPrefixGRPOTrainer, folder, tmp_path, **changes)
    assert "Set a multiple of 4" in caplog.text


def test_a_row_sees_its_prompt_and_itself() -> None:
    """By hand: prompts 7 8 9 (two answers) and 5 (one), the second answer empty."""
    prompts = torch.tensor([[7, 8, 9], [0, 0, 5], [7, 8, 9]])
    answers = torch.tensor([[1, 2], [3, 0], [4, 0]])
    packed = shared_prefix.pack(
        prompts, (prompts > 0).long(), answers, torch.tensor([[1, 1], [0, 0], [1, 0]]), hidden=32
    )
    assert packed.input_ids.tolist() == [[7, 8, 9, 1, 2, 9, 4], [0] * 7]
    assert packed.position_ids[0].tolist() == [0, 1, 2, 3, 4, 2, 3]
    assert packed.labels[0].tolist() == [-100, -100, -100, 1, 2, -100, 4]
    assert packed.visible[0, 0].int().tolist()[4:] == [
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1, 1],
    ]
    assert packed.visible.any(-1).all()  # a line that sees nothing would be no number
    values = torch.arange(12.0).view(2, 6)
    assert packed.unpacked(values).tolist() == [[2, 3], [0, 0], [5, 0]]


def test_generation_is_the_same(folder: Path) -> None:
    plain = Qwen3ForCausalLM.from_pretrained(folder, dtype="float32").eval()
    ids = torch.tensor([[0, 0, 5, 9, 7], [3, 6, 8, 4, 9], [0, 0, 5, 9, 7], [0, 0, 5, 9, 7]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1] * 5, [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]])
    options = {"do_sample": True, "max_new_tokens": 8, "top_k": 0, "pad_token_id": 0}
    torch.manual_seed(1)
    expected = plain.generate(input_ids=ids, attention_mask=mask, **options)
    torch.manual_seed(1)
    found = shared_prefix.generate(plain, ids, mask, **options)
    assert found.tolist() == expected.tolist()
    assert len({tuple(row) for row in found[[0, 2, 3]].tolist()}) > 1
    torch.manual_seed(1)
    again = shared_prefix.generate(plain, ids, 1 - (ids == 9).long(), **options)  # other masks
    assert again.tolist() != found.tolist()


@pytest.mark.parametrize("option", [{"num_beams": 2}, {"use_cache": False}])
def test_what_needs_more_than_a_growing_cache_is_left_alone(
    option: dict[str, Any], folder: Path
) -> None:
    plain = Qwen3ForCausalLM.from_pretrained(folder, dtype="float32").eval()
    ids = torch.tensor([[3, 6, 8, 4, 9]] * 2)
    options = {"max_new_tokens": 4, "pad_token_id": 0, **option}
    expected = plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    found = shared_prefix.generate(plain, ids, torch.ones_like(ids), **options)
    assert found.tolist() == expected.tolist()


def test_equal_ids_with_other_masks_are_other_prompts() -> None:
    rows = torch.tensor([[3, 5, 1, 1], [3, 5, 0, 1], [3, 5, 1, 1]])
    first, same = shared_prefix.distinct(rows)
    assert (first.tolist(), same.tolist()) == ([0, 1], [0, 1, 0])


def test_long_answers_get_rows_of_their_own() -> None:
    prompts, answers = torch.full((4, 9), 5), torch.full((4, 300), 6)
    packed = shared_prefix.pack(
        prompts, torch.ones_like(prompts), answers, torch.ones_like(answers), hidden=32
    )
    assert len(packed.input_ids) == 4
    values = torch.arange(4.0)[:, None].expand(4, packed.input_ids.shape[1] - 1)
    assert packed.unpacked(values)[:, 0].tolist() == [0, 1, 2, 3]


def _signature(method: Any) -> str:
    return str(inspect.signature(method)).replace("'", "").replace("typing.", "")


PINNED = {
    "_generate_single_turn": "(self, prompt_ids, images, multimodal_fields, num_generations, "
    "has_tool_images=False)",
    "_prepare_inputs": "(self, generation_batch: dict[str, torch.Tensor | Any]) -> "
    "dict[str, torch.Tensor | Any]",
    "_get_per_token_logps_and_entropies": "(self, model, input_ids, attention_mask, "
    "logits_to_keep, batch_size=None, compute_entropy=False, compute_aux_loss=False, "
    "pixel_values=None, image_grid_thw=None, num_images=None, pixel_attention_mask=None, "
    "spatial_shapes=None, num_tiles=None, image_sizes=None, token_type_ids=None, "
    "mm_token_type_ids=None, image_position_ids=None) -> "
    "tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]",
}


@pytest.mark.parametrize("name", PINNED)
def test_what_is_overridden_is_still_there(name: str) -> None:
    method = getattr(GRPOTrainer, name)
    assert _signature(method) == PINNED[name]
    assert name in vars(SharedPrefixGRPOTrainer)


def test_what_is_relied_on_is_still_there() -> None:
    """Private names of TRL that are read: if one goes, so does a promise of this module."""
    source = inspect.getsource(GRPOTrainer)
    for used in (
        "self._buffered_inputs[self._step % self.args.steps_per_generation]",
        "outputs = model(**model_inputs, labels=labels, fused_lm_head=True)",
        "unwrapped_model.generate(",
    ):
        assert used in source
