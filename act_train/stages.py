"""The subcommands of ``act-train``: what each is told, and which module does it.

Modules are named and not imported: torch and TRL are loaded when a stage runs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from act_envs.errors import MissingExtra
from act_train.arguments.measuring import (
    CompareArguments,
    EvaluateArguments,
    JudgeArguments,
    JudgedPairArguments,
    ReasonArguments,
    ReportArguments,
)
from act_train.arguments.running import DemoArguments, PipelineArguments
from act_train.arguments.scratch import PretrainArguments, TinyArguments
from act_train.arguments.training import (
    CritiqueArguments,
    EnvRlArguments,
    GateArguments,
    JudgedModelArguments,
    LabelArguments,
    ModelArguments,
    PairArguments,
    QuestionArguments,
    ReflectionsArguments,
    RewardArguments,
    ThoughtArguments,
    TrajectoryArguments,
)
from act_train.planning.arguments import PlanArguments


@dataclass(frozen=True)
class Stage:
    """A subcommand: ``module.run`` takes one instance of each type, then TRL's configuration."""

    summary: str
    module: str
    arguments: tuple[type, ...]
    trl_config: str = ""
    operand: str = ""  # the list that words before the first option fill
    words: bool = False  # whether the module's function of that name says what it found


STAGES = {
    "tiny": Stage(
        "make a tiny Qwen3 model from scratch, for trials on a CPU",
        "tiny",
        (TinyArguments,),
    ),
    "pretrain": Stage(
        "train a small model from scratch on played episodes and questions about text",
        "pretrain",
        (PretrainArguments,),
    ),
    "warm-start": Stage(
        "teach the answer format of critiques, and nothing else",
        "warm_start",
        (ModelArguments, PairArguments, QuestionArguments),
        "SFTConfig",
    ),
    "critique": Stage(
        "learn which of two actions is better (GRPO on contrast pairs)",
        "critique",
        (
            ModelArguments,
            PairArguments,
            QuestionArguments,
            LabelArguments,
            RewardArguments,
            CritiqueArguments,
        ),
        "GRPOConfig",
    ),
    "choice-sft": Stage(
        "learn which of two actions is better, without reasoning (SFT on contrast pairs)",
        "choice_sft",
        (
            ModelArguments,
            PairArguments,
            QuestionArguments,
            LabelArguments,
        ),
        "SFTConfig",
    ),
    "dpo": Stage(
        "prefer expert actions to alternatives (DPO on contrast pairs)",
        "dpo",
        (ModelArguments, PairArguments, LabelArguments),
        "DPOConfig",
    ),
    "reflections": Stage(
        "write thoughts about what both actions of executed pairs gave (Early Experience)",
        "reflections",
        (PairArguments, ReflectionsArguments),
        words=True,
    ),
    "reflect": Stage(
        "learn such thoughts and expert actions (SFT on executed pairs; Early Experience)",
        "reflect",
        (ModelArguments, PairArguments, ThoughtArguments),
        "SFTConfig",
    ),
    "world-model": Stage(
        "learn what actions give (SFT on executed contrast pairs; Early Experience)",
        "world_model",
        (ModelArguments, PairArguments),
        "SFTConfig",
    ),
    "imitate": Stage(
        "learn expert actions (SFT on trajectories)",
        "imitate",
        (ModelArguments, TrajectoryArguments),
        "SFTConfig",
    ),
    "act-rl": Stage(
        "learn expert actions at single states (GRPO on the states of contrast pairs)",
        "act_rl",
        (
            ModelArguments,
            PairArguments,
            RewardArguments,
            GateArguments,
        ),
        "GRPOConfig",
    ),
    "env-rl": Stage(
        "learn from whole episodes that the model plays itself (multi-turn GRPO)",
        "env_rl",
        (ModelArguments, EnvRlArguments),
        "GRPOConfig",
    ),
    "judge": Stage(
        "measure how well a model tells expert actions from alternatives",
        "judge",
        (JudgedModelArguments, JudgedPairArguments, JudgeArguments),
        words=True,
    ),
    "evaluate": Stage(
        "play every task of a split once and report scores",
        "evaluate",
        (EvaluateArguments,),
        words=True,
    ),
    "compare": Stage(
        "tell two evaluations of the same tasks apart, task by task",
        "compare",
        (CompareArguments,),
        operand="results",
        words=True,
    ),
    "reason": Stage(
        "answer the questions of MATH-500 or GPQA-Diamond and report the accuracy",
        "reason",
        (ReasonArguments,),
        words=True,
    ),
    "report": Stage(
        "show runs beside the published numbers, as Markdown and as one HTML file",
        "report",
        (ReportArguments,),
        operand="runs",
    ),
    "pipeline": Stage(
        "run stages one after the other, each made once, and report on their models",
        "pipeline",
        (PipelineArguments,),
        operand="pipelines",
        words=True,
    ),
    "plan": Stage(
        "tell what a stage would need and cost, before anything is loaded",
        "plan",
        (PlanArguments,),
        operand="recipes",
        words=True,
    ),
    "demo": Stage(
        "run all of it in generated houses with a small model, and write a report",
        "demo",
        (DemoArguments,),
    ),
}


def types_of(stage: Stage) -> list[type]:
    """The dataclasses that hold the options of a stage, TRL's own last.

    Raises:
        MissingExtra: TRL is not installed.
    """
    if not stage.trl_config:
        return list(stage.arguments)
    try:
        return [*stage.arguments, getattr(importlib.import_module("trl"), stage.trl_config)]
    except ModuleNotFoundError as error:
        raise missing(error) from error


def missing(error: ModuleNotFoundError) -> MissingExtra:
    """What to install."""
    return MissingExtra(
        f'{error.name} is not installed. Run: pip install "agentic-critical-training[train]".'
    )
