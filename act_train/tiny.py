"""``act-train tiny``: a Qwen3 model of about a million random weights, made on the spot.

For tests, for demonstrations without a GPU, and for trying a recipe before it costs anything.
The tokenizer is a byte-level BPE trained on the given texts, so that it can write every action
of their environment. What it can learn in minutes is a format and a habit; it is no language
model, and numbers from it say nothing about the method.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from act_data.errors import SchemaMismatch
from act_data.policies.base import check_seed
from act_data.prompts import CLOSE_TAG, OPEN_TAG, action_prompt, critique_prompt
from act_data.storage.tables import read_pairs, read_trajectories
from act_train.recipe import TinyArguments

CONTEXT = 4096
_START, _END, _PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
# ChatML. A longer conversation begins with the text of a shorter one, as TRL needs it.
_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def run(arguments: TinyArguments) -> dict[str, Any]:
    """Make the model and save it.

    Returns:
        Its folder, its number of parameters and the size of its vocabulary.
    """
    check_seed(arguments.seed)
    texts = [text for source in arguments.texts for text in _texts(source)]
    tokenizer = make_tokenizer(texts, arguments.vocabulary)
    model = make_model(tokenizer, arguments)
    folder = Path(arguments.out)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "model": str(folder),
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
    }


def make_tokenizer(texts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the action tags as single, ordinary tokens."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 2,  # the tags follow
        special_tokens=[_PAD, _START, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    # Special tokens would be deleted from a completion before a reward sees it.
    tags = [AddedToken(tag, special=False, normalized=False) for tag in (OPEN_TAG, CLOSE_TAG)]
    core.add_tokens(tags)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=_END, pad_token=_PAD, model_max_length=CONTEXT,
        additional_special_tokens=[_START],
    )  # fmt: skip
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerFast, arguments: TinyArguments) -> Qwen3ForCausalLM:
    """A Qwen3 model with random weights that follow from the seed."""
    heads = max(2, arguments.hidden // 32)
    ids = tokenizer.get_vocab()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=arguments.hidden,
        intermediate_size=3 * arguments.hidden,
        num_hidden_layers=arguments.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=arguments.hidden // heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        eos_token_id=ids[_END],
        pad_token_id=ids[_PAD],
        bos_token_id=None,
        use_cache=True,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(arguments.seed)
        model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = ids[_END]
    model.generation_config.pad_token_id = ids[_PAD]
    return model


def _texts(source: str) -> Iterator[str]:
    """What a model will read and write about the records of a file or folder."""
    try:
        for pair in read_pairs(source):
            candidates = (pair.expert_action, pair.alternative_action)
            yield critique_prompt(pair.state, candidates, history=1)[0]["content"]
    except SchemaMismatch:  # then they are trajectories, or the reader says what they are
        for trajectory in read_trajectories(source):
            for step, transition in enumerate(trajectory.transitions):
                yield action_prompt(trajectory.state(step), history=0)[0]["content"]
                yield transition.action
