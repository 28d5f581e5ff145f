"""What is told to the stages that make a model from scratch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from act_train.arguments.fields import at_least, check_size, need, option
from act_train.errors import RecipeError


@dataclass
class TinyArguments:
    """A model from scratch, small enough to be trained on one CPU core."""

    out: str = option("", "Folder to save the model in; one of an earlier call is replaced.")
    texts: list[str] = field(
        default_factory=list,
        metadata={"help": "Folders or files of pairs or trajectories: texts for the tokenizer."},
    )
    seed: int = option(0, "Seed of the weights.")
    vocabulary: int = option(2048, "Size of the vocabulary.")
    hidden: int = option(128, "Width, a multiple of 64.")
    layers: int = option(2, "Depth.")

    def __post_init__(self) -> None:
        need(self.out, "out")
        if not self.texts:
            raise RecipeError("no texts are given. Set texts: [FOLDER] of pairs or trajectories.")
        at_least(1, layers=self.layers)
        check_size(self.vocabulary, self.hidden)


@dataclass
class PretrainArguments:
    """A model from scratch that reads these worlds and acts."""

    out: str = option("", "Folder of the run; one that exists is continued.")
    worlds: str = option(
        "{}",
        "Environments that are played, by id, as a JSON object (in a recipe, a mapping): share of "
        "the documents, brief (share of the episodes that are broken off after a step or two), and "
        "further arguments of gym.make.",
    )
    reading: float = option(0.2, "Share of the documents that ask about text.")
    asked: float = option(0.2, "Share of the steps that are asked as a prompt of their own.")
    asked_after_refusals: float | None = option(
        None, "The same right after a refused action; asked, where none is given."
    )
    recitals: float = option(
        0.0, "Share of the documents that are random tokens over and over, to learn to copy."
    )
    seed: int = option(0, "Seed of the weights and of all that is played.")
    model: str = option("", "Model to go on from, as in other stages; else weights are random.")
    led: float = option(0.0, "Share of the episodes that model itself plays, helped (DAgger).")
    vocabulary: int | None = option(None, "Size of the vocabulary; 1024, or that of model.")
    hidden: int | None = option(None, "Width, a multiple of 64; 128, or that of model.")
    layers: int | None = option(None, "Depth; 5, or that of model.")
    steps: int = option(1000, "Optimizer steps, one batch each.")
    batch_tokens: int = option(4096, "Tokens of a batch, at most.")
    max_length: int = option(2048, "Tokens of a document; what goes beyond is left out.")
    text_weight: float = option(0.3, "Weight in the loss of what comes back; actions have 1 more.")
    learning_rate: float = option(5e-3, "Peak, after the warm-up and until the decay.")
    warmup_steps: int = option(100, "Steps in which the learning rate rises from 0.")
    decay: float = option(0.4, "Share of the steps, the last ones, in which it falls to 0.")
    weight_decay: float = option(0.1, "Of matrices.")
    probe_steps: int = option(100, "Steps between two measurements.")
    save_steps: int = option(200, "Steps between two checkpoints.")
    workers: int = option(1, "Processes that make the batches; 0 makes them in this one.")
    bf16: bool = option(False, "Compute in bfloat16, on a GPU.")

    def __post_init__(self) -> None:
        need(self.out, "out")
        at_least(
            1,
            steps=self.steps,
            warmup_steps=self.warmup_steps,
            probe_steps=self.probe_steps,
            save_steps=self.save_steps,
        )
        at_least(0, workers=self.workers)
        at_least(64, max_length=self.max_length)
        at_least(self.max_length, batch_tokens=self.batch_tokens)
        if self.model:
            for name in ("vocabulary", "hidden", "layers"):
                if (value := getattr(self, name)) is not None:
                    raise RecipeError(
                        f"{name}={value} is for a model from scratch; {self.model!r} has its own. "
                        "Leave one of them out."
                    )
        else:
            vocabulary, hidden, layers = self.sizes()
            check_size(vocabulary, hidden)
            at_least(1, layers=layers)
        if self.led and not self.model:
            raise RecipeError(f"led={self.led} needs a model that plays. Set model: FOLDER.")
        for name in ("reading", "asked", "asked_after_refusals", "decay", "led", "recitals"):
            if (value := getattr(self, name)) is not None and not 0 <= value <= 1:
                raise RecipeError(f"{name}={value} must lie in [0, 1].")
        self.played()

    def sizes(self) -> tuple[int, int, int]:
        """Vocabulary, width and depth of a model from scratch."""
        return (
            1024 if self.vocabulary is None else self.vocabulary,
            128 if self.hidden is None else self.hidden,
            5 if self.layers is None else self.layers,
        )

    def played(self) -> dict[str, dict[str, Any]]:
        """What is played: for each environment its share and arguments of ``gym.make``."""
        try:
            value = json.loads(self.worlds)
        except ValueError as error:
            raise RecipeError(f"worlds={self.worlds!r} is no JSON: {error}") from error
        if not isinstance(value, dict) or not value:
            raise RecipeError(
                'worlds is not set. Set worlds: {ENVIRONMENT: {"share": 1}} in the recipe.'
            )
        for name, about in value.items():
            share = about.get("share") if isinstance(about, dict) else None
            if not isinstance(share, int | float) or share <= 0 or "split" in about:
                raise RecipeError(
                    f"worlds has {about!r:.80} for {name}; it must hold a share above 0 and no "
                    "split: what is played is always of the split train."
                )
            brief = about.get("brief", 0.0)
            if not isinstance(brief, int | float) or not 0 <= brief <= 1:
                raise RecipeError(f"worlds has brief={brief!r} for {name}; it must lie in [0, 1].")
        return value
