"""What is known of a model without its weights: sizes, context window, tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from act_data.models import check_files, packaged
from act_train.base import refuse_silent
from act_train.errors import RecipeError

_SMALL = ("config.json", "tokenizer*", "chat_template*", "vocab*", "merges.txt", "*.model",
          "special_tokens_map.json", "added_tokens.json")  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.

    Attributes:
        parameters: all of them, each once.
        multiplied: those that a token is multiplied with: all but an embedding that is no head.
        trainable: those that are trained; all, or those of adapters.
        linear: of all linear layers but the head, inputs and outputs, added up. Adapters of rank r
            have r parameters for each.
        layers: how many.
        hidden: width of the residual stream.
        intermediate: width within a feed-forward layer.
        queries: width of all queries of a layer.
        keys: width of all keys of a layer, or of all values.
        vocabulary: rows of the head.
        context: tokens that the model was made for; 0 where it does not say.
        stored: bytes of a parameter as it is stored.
    """

    parameters: int
    multiplied: int
    trainable: int
    linear: int
    layers: int
    hidden: int
    intermediate: int
    queries: int
    keys: int
    vocabulary: int
    context: int
    stored: int

    @property
    def cache(self) -> int:
        """Keys and values of a token, as numbers."""
        return 2 * self.layers * self.keys


def folder_of(model: str, revision: str | None) -> Path | None:
    """Where configuration and tokenizer of a model lie: its folder, or a download of them alone.

    Returns:
        None where there is no such model here, and the Hub cannot be asked or has none.

    Raises:
        RecipeError: the folder holds no model.
    """
    folder = packaged(model)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise RecipeError(
                f"{folder} holds no model: config.json is missing. "
                "Give the folder that save_pretrained() wrote."
            )
        return folder
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_SMALL)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError):
        return None


def shape_of(folder: Path) -> Shape:
    """Sizes of the model whose ``config.json`` lies in a folder; no weights are made or read.

    Raises:
        RecipeError: it is no causal language model that transformers knows.
    """
    try:
        config: Any = AutoConfig.from_pretrained(folder)
        refuse_silent(str(folder), config.architectures or [])
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        raise RecipeError(
            f"{folder / 'config.json'} is of no causal language model that can be made: {error}"
        ) from error
    text = config.get_text_config()
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    parameters = sum(one.numel() for one in model.parameters())  # shared ones are given once
    tied = head is None or head.weight is embedding.weight
    linear = [
        module for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]  # fmt: skip
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    stored = getattr(config, "dtype", None)
    return Shape(
        parameters=parameters,
        multiplied=parameters - (0 if tied else embedding.weight.numel()),
        trainable=parameters,
        linear=sum(module.in_features + module.out_features for module in linear),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        queries=heads * width,
        keys=(getattr(text, "num_key_value_heads", None) or heads) * width,
        vocabulary=embedding.weight.shape[0],
        context=getattr(text, "max_position_embeddings", None) or 0,
        stored=stored.itemsize if isinstance(stored, torch.dtype) else 4,
    )


def with_adapters(shape: Shape, rank: int) -> Shape:
    """The same model with adapters on all linear layers but the head, which alone are trained."""
    more = rank * shape.linear
    return replace(
        shape,
        parameters=shape.parameters + more,
        multiplied=shape.multiplied + more,
        trainable=more,
    )


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer of a model.

    Raises:
        ModelNotFound: there is none.
        RecipeError: it cannot be loaded, or has no chat template.
    """
    check_files(folder)  # transformers would make an empty one
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"the tokenizer of {folder} cannot be loaded ({str(error).splitlines()[0]}). Save it "
            "there again: tokenizer.save_pretrained(folder)."
        ) from error
    if not tokenizer.chat_template:
        raise RecipeError(
            f"the tokenizer of {folder} has no chat template. Take an instruction-tuned model, or "
            "save the tokenizer with a template."
        )
    return tokenizer
