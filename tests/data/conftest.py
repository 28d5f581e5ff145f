"""Small data, small models and a scripted policy, each made once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import pytest

from act_data.collect import Collect, collect
from act_data.policies.base import Query, Sample
from act_data.prompts import parse_answer
from act_data.types import AgentState


class Scripted:
    """Answers every query with the same texts, whatever is asked."""

    name = "scripted"
    revision = ""
    needs_admissible = False
    needs_effects = False

    def __init__(self, *texts: str) -> None:
        self.sampling = {"texts": list(texts)}
        self.engine: dict[str, str] = {}
        self.texts = texts

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        texts = (self.texts * k)[:k]
        return [[Sample(text, parse_answer(text)) for text in texts] for _ in queries]


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    """The scripted policy: tests cannot import a conftest."""
    return Scripted


@pytest.fixture
def digests() -> Callable[[Path], dict[str, str]]:
    """Every file of a folder with the hash of its bytes."""

    def hashes(folder: Path) -> dict[str, str]:
        files = sorted(folder.iterdir())
        return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    return hashes


@pytest.fixture(scope="session")
def trajectories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve won Toy trajectories in parts of five, with hashes."""
    out = tmp_path_factory.mktemp("data") / "trajectories"
    tasks = ("fetch:6", "feed:6")
    collect(Collect(env="ACT/Toy-v0", out=out, tasks=tasks, shard_size=5, state_hashes=True))
    return out


@pytest.fixture
def state() -> AgentState:
    """A state with three past turns."""
    turns = (("You are in the hall.", "go to kitchen"), ("A kitchen.", "take fish"))
    return AgentState(
        "Bring the fish to the cellar.",
        "You are in the hall.\nThe cat is here.",
        (*turns, ("You have the fish.", "go to hall")),
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 of a few thousand parameters whose action tags are special tokens.

    They should not be special; that they survive all the same is part of what is tested.
    """
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    special = ["<|im_start|>", "<|im_end|>", "<action>", "</action>"]
    words = Tokenizer(models.WordLevel(unk_token="<|im_end|>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    text = "user assistant Task Earlier Now You are in the hall kitchen go to take look"
    words.train_from_iterator([text], trainers.WordLevelTrainer(special_tokens=special))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
    )
    torch.manual_seed(0)
    model = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, head_dim=8, tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        )
    )  # fmt: skip
    # What checkpoints recommend must not leak into the sampling.
    model.generation_config.update(do_sample=True, top_k=1, temperature=0.01)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
