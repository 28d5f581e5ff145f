"""What ``act-train plan`` is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from act_envs.errors import nearest
from act_train.errors import RecipeError
from act_train.planning.hardware import GPUS


@dataclass
class PlanArguments:
    """What is planned, and for which machine."""

    recipes: list[str] = field(
        default_factory=list,
        metadata={"help": "Recipes with their stage, or pipelines; files or names of the package."},
    )
    set: list[str] = field(
        default_factory=list,
        metadata={"help": "KEY=VALUE in place of a recipe's key, or of what a pipeline sets."},
    )
    gpu: str | None = field(
        default=None,
        metadata={"help": f"{', '.join(GPUS)}; h100, or cpu with use_cpu, by default."},
    )
    launch: str | None = field(
        default=None,
        metadata={"help": "Configuration for accelerate: a file, or zero2.yaml or zero3.yaml."},
    )
    processes: int | None = field(
        default=None,
        metadata={"help": "Processes, one for each GPU; those of launch, or 1, by default."},
    )
    utilisation: float = field(
        default=0.35,
        metadata={"help": "Share of the GPU's peak that training is assumed to reach."},
    )
    answer_tokens: int | None = field(
        default=None,
        metadata={"help": "Mean length assumed of an answer; max_completion_length by default."},
    )
    prompt_tokens: int = field(
        default=1024,
        metadata={"help": "Length assumed of a prompt where the data or a tokenizer are missing."},
    )
    config_of: str | None = field(
        default=None,
        metadata={"help": "Folder with config.json and tokenizer of a model that is not here yet."},
    )

    def __post_init__(self) -> None:
        if not self.recipes:
            raise RecipeError("no recipe is given. Name one: act-train plan RECIPE.yaml.")
        if self.gpu is not None and self.gpu not in GPUS:
            raise RecipeError(f"unknown gpu {self.gpu!r}. {nearest(self.gpu, GPUS)}")
        if not 0 < self.utilisation <= 1:
            raise RecipeError(f"utilisation={self.utilisation} must lie in (0, 1].")
        counts = {"processes": self.processes, "answer_tokens": self.answer_tokens,
                  "prompt_tokens": self.prompt_tokens}  # fmt: skip
        for name, count in counts.items():
            if count is not None and count < 1:
                raise RecipeError(f"{name}={count} must be at least 1.")
