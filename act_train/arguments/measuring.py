"""What evaluation, judging, comparing and reporting are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from act_data.options import EnvOptions
from act_envs.errors import nearest
from act_train.arguments.fields import (
    at_least,
    check_limit,
    check_shown,
    need,
    option,
)
from act_train.arguments.pairs import PairSource
from act_train.errors import RecipeError


@dataclass
class JudgedPairArguments(PairSource):
    """Which contrast pairs a model judges, and how they are shown."""

    split: str | None = option(None, "Of a dataset: train, validation or test.")
    history: int | None = option(None, "Past turns in the prompt; as the model was trained, or 2.")
    validation_share: float | None = option(
        None, "Share of the tasks held out of files; as the model was trained, or 0.1."
    )
    max_pairs: int | None = option(None, "Take at most so many pairs, spread evenly.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shown(self.history or 0, self.validation_share or 0.0, self.max_pairs)
        if self.split is not None and self.validation_share is not None:
            raise RecipeError(
                f"validation_share={self.validation_share} is for files, and split={self.split!r} "
                "for datasets. Leave one of them out."
            )


@dataclass
class EvaluateArguments:
    """Who is evaluated, on which tasks, and where the episodes are written."""

    policy: str = option(
        "",
        "random-admissible, expert, an expert's name (explorer), transformers:PATH[@REVISION], "
        "scored:PATH[@REVISION] (the likeliest admissible action), openai:MODEL or vllm:PATH.",
    )
    env: str = option("", "Registered environment, version included (ACT/Toy-v0).")
    output: str = option("", "JSONL file; one that exists is continued.")
    benchmark: str = option("", "What tables call this evaluation, such as ALFWorld ID.")
    metric: str = option(
        "episodes", "episodes, or next-action: how often the policy does what the expert does."
    )
    trajectories: str = option(
        "", "Of next-action: expert trajectories (act-data collect) in place of env and split."
    )
    split: str | None = option(None, "Official split of the tasks, or a panel; test by default.")
    tasks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Only these: kinds, KIND:N (the first N of a kind), task ids; all if none."
        },
    )
    limit: int | None = option(
        None, "Only so many of these, spread evenly over kinds: a part, which results say."
    )
    states: int | None = option(
        None,
        "Of next-action: whole tasks, drawn by a hash of their names, until there are so many "
        "states; all by default.",
    )
    step_limit: int | None = option(
        None, "Actions after which an episode is cut off; the environment's own by default."
    )
    env_kwargs: str = option("{}", "Further arguments of gym.make, as a JSON object.")
    envs: int = option(
        1, "Environments that play at once, and requests to openai: under way; no result shows it."
    )
    history: int = option(
        2, "Past turns in the prompt. From step_limit on, a prompt begins as the one before did."
    )
    temperature: float = option(0.0, "Of the sampling; 0 is greedy.")
    max_new_tokens: int | None = option(
        None, "Budget of one answer; 64, or 2048 with thinking, by default."
    )
    thinking: bool = option(False, "Open a thinking block where the chat template knows one.")
    repeat_penalty: float | None = option(
        None, "Of scored: nats for each time that an action was taken before; 1 by default."
    )
    base_url: str | None = option(None, "Address of the endpoint of an openai: policy, to /v1.")
    seed: int = option(0, "Seed of the sampling; it changes no task.")
    progress: bool = option(False, "Show a progress bar even when stderr is no terminal.")

    def __post_init__(self) -> None:
        if self.metric not in (known := ("episodes", "next-action")):
            raise RecipeError(f"unknown metric {self.metric!r}. {nearest(self.metric, known)}")
        for name in ("policy", "output", *(() if self.trajectories else ("env",))):
            need(getattr(self, name), name)
        if self.trajectories and self.metric == "episodes":
            raise RecipeError("trajectories are for metric: next-action alone. Leave them out.")
        theirs = {"env": "", "split": None, "step_limit": None, "env_kwargs": "{}"}
        for name, unset in theirs.items():
            if self.trajectories and (value := getattr(self, name)) != unset:
                raise RecipeError(
                    f"{name}={value!r} is set beside trajectories, which know theirs. Leave it out."
                )
        if self.states is not None and self.metric == "episodes":
            raise RecipeError(
                f"states={self.states} is for metric: next-action alone. Set limit: TASKS instead."
            )
        at_least(0, history=self.history)
        for name in ("step_limit", "envs", "states"):
            if (number := getattr(self, name)) is not None:
                at_least(1, **{name: number})
        if self.limit is not None:
            check_limit(self.limit)
        if self.repeat_penalty is not None and not self.repeat_penalty >= 0:
            raise RecipeError(f"repeat_penalty={self.repeat_penalty} must not be negative.")
        self.make_arguments()

    def make_arguments(self) -> dict[str, Any]:
        """Further arguments of ``gym.make``.

        Raises:
            UnknownArgument: that is no JSON object, or holds what is an option of its own.
        """
        return EnvOptions(env=self.env, env_kwargs=self.env_kwargs).env_arguments()


@dataclass
class CompareArguments:
    """Which two evaluations are compared."""

    results: list[str] = field(
        default_factory=list,
        metadata={"help": "Two files that act-train evaluate or reason wrote."},
    )

    def __post_init__(self) -> None:
        if len(self.results) != 2:
            raise RecipeError(
                f"{len(self.results)} result files are given. Give two: act-train compare A B."
            )


@dataclass
class JudgeArguments:
    """Which pairs a model judges."""

    part: str = option(
        "held-out",
        "held-out, train or all: which side of the split by task. A split of a dataset is refused "
        "by held-out if the model was trained on its tasks.",
    )
    output: str = option("", "JSON file for the result; the pairs go beside it, as .jsonl.")
    rationale_pairs: int = option(
        0, "Pairs, spread evenly, on which reasoning is left free, removed, and replaced."
    )
    rationale_tokens: int = option(256, "Budget of the free reasoning.")

    def __post_init__(self) -> None:
        need(self.output, "output")
        if Path(self.output).suffix != ".json":
            raise RecipeError(f"output={self.output!r} must end in .json.")
        if Path(self.output).is_dir():
            raise RecipeError(f"output={self.output!r} is a folder. Give the name of a file.")
        at_least(0, rationale_pairs=self.rationale_pairs)
        at_least(1, rationale_tokens=self.rationale_tokens)
        if self.part not in (parts := ("held-out", "train", "all")):
            raise RecipeError(f"unknown part {self.part!r}. {nearest(self.part, parts)}")


@dataclass
class ReasonArguments:
    """Who answers which questions, and where the answers are written."""

    policy: str = option("", "transformers:PATH[@REVISION], vllm:PATH or openai:MODEL.")
    benchmark: str = option("", "math-500 or gpqa-diamond.")
    output: str = option("", "JSONL file; one that exists is continued.")
    questions: str | None = option(
        None, "JSONL file in the schema of the data set on the Hub, instead of the Hub."
    )
    limit: int | None = option(None, "Only the first so many questions.")
    base_url: str | None = option(None, "Address of the endpoint of an openai: policy, to /v1.")
    temperature: float = option(0.0, "Of the sampling; 0 is greedy.")
    top_p: float = option(1.0, "Nucleus of the sampling; 1 is the whole distribution.")
    max_new_tokens: int = option(4096, "Budget of one answer, its reasoning included.")
    thinking: bool = option(False, "Open a thinking block where the chat template knows one.")
    seed: int = option(0, "Of the sampling, and of the order of the options in gpqa-diamond.")

    def __post_init__(self) -> None:
        for name in ("policy", "benchmark", "output"):
            need(getattr(self, name), name)
        if self.benchmark not in (known := ("math-500", "gpqa-diamond")):
            raise RecipeError(
                f"unknown benchmark {self.benchmark!r}. {nearest(self.benchmark, known)}"
            )
        if self.limit is not None:
            check_limit(self.limit)


@dataclass
class ReportArguments:
    """Which runs a report shows, and where it is written."""

    runs: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Folders or result files, each as PATH or as ROW=PATH with a row of the paper: "
            "il, act+il, rl, act+il+rl (every report shows all names in brackets)."
        },
    )
    out: str = option("report", "Folder for report.md and report.html.")
    backbone: str = option(
        "Qwen3-8B", "Whose published numbers: Qwen3-8B, Qwen3-4B or Olmo-3-7B-Instruct."
    )
    examples: int = option(2, "Gains, and losses, shown of each run against the first.")

    def __post_init__(self) -> None:
        if not self.runs:
            raise RecipeError(
                "no run is given. Name folders or result files: act-train report RUN ..."
            )
        need(self.out, "out")
        at_least(0, examples=self.examples)
