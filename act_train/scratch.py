"""Models from scratch: a byte-level BPE tokenizer with a chat template, and a Qwen3 to go with it.

What they are made for is decided elsewhere: :mod:`act_train.tiny` makes one to try recipes on,
:mod:`act_train.pretrain` one that has learnt something.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from act_data.prompts import CLOSE_TAG, OPEN_TAG

CONTEXT = 4096
_START, _END, _PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
# ChatML. A longer conversation begins with the text of a shorter one, as TRL needs it.
_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# A digit is a token of its own, so that "drawer 12" is spelled alike wherever it is copied from.
# A line break is one as well: text can be tokenised line by line.
_SPELLED = r"\n| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]|\s"


def make_tokenizer(
    texts: Iterable[str], vocabulary: int, *, spell: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the action tags as single, ordinary tokens.

    Args:
        texts: what it is trained on.
        vocabulary: its size, at least 261: bytes, three special tokens, tags.
        spell: never merge digits or line breaks with anything but a blank before a digit.
    """
    core = Tokenizer(models.BPE())
    if spell:
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPELLED), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
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


def make_model(
    tokenizer: PreTrainedTokenizerFast, *, hidden: int, layers: int, seed: int
) -> Qwen3ForCausalLM:
    """A Qwen3 model with random weights that follow from the seed.

    Args:
        tokenizer: gives the vocabulary.
        hidden: width, a multiple of 64: heads are 32 wide, two for each key-value head.
        layers: depth.
        seed: of the weights.
    """
    heads = max(2, hidden // 32)
    ids = tokenizer.get_vocab()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=hidden // heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        eos_token_id=ids[_END],
        pad_token_id=ids[_PAD],
        bos_token_id=None,
        use_cache=True,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = ids[_END]
    model.generation_config.pad_token_id = ids[_PAD]
    return model
