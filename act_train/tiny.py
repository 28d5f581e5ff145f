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

from act_data.errors import SchemaMismatch
from act_data.policies.base import check_seed
from act_data.prompts import action_prompt, critique_prompt
from act_data.storage.tables import read_pairs, read_trajectories
from act_train.arguments.scratch import TinyArguments
from act_train.errors import RecipeError
from act_train.scratch import make_model, make_tokenizer

_SAVED = {
    "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
    "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


def run(arguments: TinyArguments) -> dict[str, Any]:
    """Make the model and save it.

    Returns:
        Its folder, its number of parameters and the size of its vocabulary.

    Raises:
        OSError: the folder cannot be made.
        RecipeError: it holds something else.
    """
    check_seed(arguments.seed)
    folder = Path(arguments.out)
    if folder.exists():
        folder.mkdir(exist_ok=True)  # refuses a file
        held = {path.name for path in folder.iterdir()}
    else:  # made when the texts have been read
        held = set[str]()
    if strange := sorted(held - _SAVED):
        raise RecipeError(
            f"{folder} holds {strange[0]}, which is nothing that act-train tiny saves, and another "
            "model's weights would be lost. Choose another folder with --out."
        )
    texts = [text for source in arguments.texts for text in _texts(source)]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(texts, arguments.vocabulary)
    model = make_model(
        tokenizer, hidden=arguments.hidden, layers=arguments.layers, seed=arguments.seed
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "model": str(folder),
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
    }


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
